"""
The event loops that the tests run on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest
import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

# How often a loop that waits lets Python's own signal handlers run, in seconds.
_LOOK_S: Final = 0.5


class TimedLoop(uvloop.Loop):
    """
    A uvloop that the time limit of a test ends.

    pytest-timeout raises its failure in a signal handler. A uvloop that waits runs none but its own, and one that
    works reports what a handler raises in place of raising it: a test that hangs would hang for good.
    """

    def __init__(self) -> None:
        super().__init__()
        self._failure: BaseException | None = None
        self._look()

    def _look(self) -> None:
        # Python runs its signal handlers between two of its own instructions, these for instance.
        self.call_later(_LOOK_S, self._look)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """
        Stop for the failure of a test; everything else is told as usual.
        """
        error = context.get("exception")
        if isinstance(error, pytest.fail.Exception):
            self._failure = error
            self.stop()
        else:
            super().call_exception_handler(context)

    def run_until_complete(self, future: Any) -> Any:
        """
        Run; raises the failure that it was stopped for.
        """
        try:
            return super().run_until_complete(future)
        except RuntimeError:
            if self._failure is None:
                raise
            failure, self._failure = self._failure, None
            raise failure from None


LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": TimedLoop,
}
"""
What makes a loop, by the name that EVENTSOURCE_LOOP calls it.
"""
