"""
Answers the benchmarks, from a process in a peer's own environment.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import traceback
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

    # Makes ready, and returns what does one turn and returns units a second.
    Preparation = Callable[..., Callable[[], float]]


def open_answers() -> IO[str]:
    """
    Keep standard output for answers: whatever libraries print goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def answer(answers: IO[str], distribution: str, benchmarks: dict[str, Preparation], notes: Sequence[str] = ()) -> None:
    """
    Introduce the peer, then do a turn for each line of standard input.

    Args:
        benchmarks: Called with a folder and the request's arguments, once for each set of them.
    """
    _write(
        answers,
        {
            "version": version(distribution),
            "python": platform.python_version(),
            "benchmarks": sorted(benchmarks),
            "notes": list(notes),
        },
    )
    prepared: dict[str, Callable[[], float]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if line not in prepared:
                prepared[line] = benchmarks[request["benchmark"]](request["folder"], **request["arguments"])
            _write(answers, {"figure": prepared[line]()})
        except Exception as error:  # noqa: BLE001  it is told, with its kind
            traceback.print_exc()
            _write(answers, {"error": f"{type(error).__name__}: {error}"})


def refuse(answers: IO[str], reason: str) -> None:
    """
    Say that this peer cannot be measured.
    """
    _write(answers, {"error": reason})


def _write(answers: IO[str], reply: dict[str, object]) -> None:
    answers.write(json.dumps(reply) + "\n")
