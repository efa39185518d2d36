"""
What belongs to one event loop of one process: connections, and the tasks that wait for them.

A connection cannot leave the loop that it was opened in. A client that an application shares between
loops (two calls of `asyncio.run`, threads with a loop each, a test's loop and its session's) therefore
has connections in each, and a process that was forked begins with none: its parent reads from those.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

State = TypeVar("State")

# Never read again, and never let go: to finalise a connection in a child could close it for its parent.
_INHERITED: list[object] = []


class PerLoop(Generic[State]):
    """
    A state for each event loop of this process.

    States are made and changed by the thread of their loop only.

    Args:
        make: Makes the state of a loop that has none yet.
    """

    def __init__(self, make: Callable[[], State]) -> None:
        self._make = make
        self._states: dict[asyncio.AbstractEventLoop, State] = {}
        self._process = os.getpid()

    def here(self) -> State:
        """
        The state of the running loop.
        """
        loop = asyncio.get_running_loop()
        self._leave_parent()
        state = self._states.get(loop)
        if state is None:
            for other in list(self._states):
                if other.is_closed():
                    self._states.pop(other, None)
            state = self._states[loop] = self._make()
        return state

    def living(self) -> list[tuple[asyncio.AbstractEventLoop, State]]:
        """
        The loops of this process that are not closed, each with its state.
        """
        self._leave_parent()
        return [(loop, state) for loop, state in list(self._states.items()) if not loop.is_closed()]

    def each(self, act: Callable[[State], None]) -> None:
        """
        Call *act* with each state, in the thread of its loop: at once for the running loop.
        """
        running = asyncio.get_running_loop()
        for loop, state in self.living():
            if loop is running:
                act(state)
            else:
                # It may be closed at this very moment; then there is nothing left to do in it.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(act, state)

    def _leave_parent(self) -> None:
        if self._process != os.getpid():
            _INHERITED.append(self._states)
            self._states = {}
            self._process = os.getpid()
