"""
Counting what a program does, where a clock would measure the machine.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType


@contextmanager
def at_most(lines: int) -> Generator[None]:
    """
    Within the block no more than so many lines of Python are run.

    Raises:
        AssertionError: There were more; the block ends at the first of them.
    """
    left = lines

    def count(_: FrameType, event: str, __: Any) -> Any:
        nonlocal left
        if event == "line":
            left -= 1
            assert left >= 0, f"more than {lines} lines were run"
        return count

    # A measurement of coverage goes on behind it.
    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)
