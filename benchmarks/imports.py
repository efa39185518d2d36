"""
What importing costs a program that has imported nothing yet: CPU time of a fresh interpreter.

`import eventsource` loads what is used of it and no more, so it is measured bare, and with the names
of a first program. The floors are pydantic, likewise: bare, and with the class that everybody uses.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.measurement import Aim, Unit, compare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

# At most twice pydantic's time.
_AIM: Final = Aim(ratio=0.5)
_TIMED: Final = "import time; start = time.process_time(); {0}; print(time.process_time() - start)"


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    A line for the bare package, and one for a first program.
    """
    for what, ours, floor, aim in (
        ("import eventsource", "import eventsource", "import pydantic", _AIM),
        (
            "the names of a first program",
            "from eventsource import Aggregate, Event, Repository, connect, handles",
            "from pydantic import BaseModel",
            None,
        ),
    ):
        yield await compare(
            "imports",
            what,
            Unit.MILLISECONDS,
            rounds=setting.sizes.rounds,
            ours=_import(ours),
            floors={floor: _import(floor)},
            aim=aim,
        )


def _import(statement: str) -> Turn:
    async def turn() -> float:
        # One after the other, in the loop: nothing else is to run meanwhile.
        done = subprocess.run(  # noqa: ASYNC221, S603  constants
            [sys.executable, "-c", _TIMED.format(statement)], check=True, capture_output=True, text=True
        )
        return float(done.stdout) * 1e3

    return turn
