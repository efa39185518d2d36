"""
Scenarios that nothing was asserted of: such a test could not fail.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Final, Self

_PACKAGE: Final = str(Path(__file__).parents[1])

_lock = threading.Lock()
_numbers = itertools.count(1)
# By number: where each was made that nothing was asserted of yet. No object is held here.
_open: dict[int, str] = {}
# Those of them that are gone: nothing can be asserted of them any more.
_forgotten: set[int] = set()


class UncheckedScenarioError(AssertionError):
    """
    A scenario ran, and nothing was asserted of what came of it: a ``then`` is missing.

    Attributes:
        places: Where the scenarios were written: file and line.
    """

    def __init__(self, places: tuple[str, ...]) -> None:
        super().__init__("a scenario has no `then`, so it asserts nothing: " + ", ".join(places))
        self.places = places


class Checkable:
    """
    What something must be asserted of.
    """

    def __init__(self) -> None:
        raise_for_forgotten()
        with _lock:
            self._number = next(_numbers)
            _open[self._number] = _place()

    def _is_checked(self) -> Self:
        with _lock:
            _open.pop(self._number, None)
        return self

    def __del__(self) -> None:
        number = getattr(self, "_number", None)
        # Without the lock: this runs wherever an object goes, in the middle of the above, too.
        if number in _open:
            _forgotten.add(number)


def last_number() -> int:
    """
    The number of the scenario that was made last: `raise_for_unchecked` tells of later ones.
    """
    with _lock:
        return next(_numbers)


def raise_for_unchecked(*, since: int = 0) -> None:
    """
    Check that something was asserted of each scenario that was run.

    The plugin calls it after each test. Other runners can call it where a test ends.

    Raises:
        UncheckedScenarioError: Nothing was asserted of one. It is told once.
    """
    with _lock:
        numbers = [number for number in sorted(_open) if number > since]
        places = tuple(_open.pop(number) for number in numbers)
        _forgotten.difference_update(numbers)
    if places:
        raise UncheckedScenarioError(places)


def forget_unchecked(*, since: int) -> None:
    """
    Say nothing of the scenarios that were made since then: their test has failed already.
    """
    with _lock:
        for number in [number for number in _open if number > since]:
            del _open[number]
            _forgotten.discard(number)


def raise_for_forgotten() -> None:
    """
    Check that no scenario is gone that nothing was asserted of. The next scenario calls it.

    Raises:
        UncheckedScenarioError: One is.
    """
    with _lock:
        numbers = sorted(_forgotten & _open.keys())
        _forgotten.clear()
        places = tuple(_open.pop(number) for number in numbers)
    if places:
        raise UncheckedScenarioError(places)


def _place() -> str:
    for frame, line in traceback.walk_stack(None):
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE):
            return f"{file}:{line} in {frame.f_code.co_name}"
    return "an unknown place"


def _tell_at_exit(process: int) -> None:
    # Under pytest without the plugin, and in plain programs, the last scenario has none behind it.
    if _open and os.getpid() == process:
        sys.stderr.write(f"{UncheckedScenarioError(tuple(_open.values()))}\n")


atexit.register(_tell_at_exit, os.getpid())
