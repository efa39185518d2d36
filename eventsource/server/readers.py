"""
Clients that are sent an answer in blocks: what is held for them, and when a slow one is dropped.

A client that takes nothing, or a byte now and then, keeps in memory what was made for it. So each block
has its time, and what is held for all of them together has a limit: beyond it the one that has kept its
block the longest is dropped.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from eventsource.wire.request_errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable


class Readers:
    """
    The answers that are under way in blocks.

    Args:
        held_bytes: As much may be held for all of them.

        stall_s: Seconds in which a client must take a block.

        clock: Seconds that only grow.

    Attributes:
        held: Bytes that are held now.

        dropped: Number of clients dropped so far.
    """

    def __init__(self, *, held_bytes: int, stall_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.held = 0
        self.dropped = 0
        self._limit = held_bytes
        self._stall_s = stall_s
        self._clock = clock
        self._open: set[Reading] = set()
        self._next_look: asyncio.TimerHandle | None = None

    def add(self) -> Reading:
        """
        Begin an answer; the current task sends it, and is cancelled if its client is dropped.
        """
        reading = Reading(self, self._clock)
        self._open.add(reading)
        if self._next_look is None:
            self._look_later(asyncio.get_running_loop())
        return reading

    def remove(self, reading: Reading) -> None:
        """
        End an answer: nothing is held for it any more.
        """
        if reading in self._open:
            self._open.discard(reading)
            self.held -= reading.held
            reading.held = 0

    def make_room(self, asking: Reading) -> None:
        """
        Drop clients until what is held is within the limit.

        Raises:
            RequestRefusedError: No client keeps others waiting, so *asking* itself has to give way.
        """
        # One answer alone may be larger than the limit: a query has limits of its own.
        while self.held > self._limit and self.held > asking.held:
            slowest = min(
                (each for each in self._open if each.waits_since is not None and each is not asking),
                key=lambda each: each.waits_since or 0.0,
                default=None,
            )
            if slowest is None:
                text = "too much is held for answers that are under way; try again in a moment"
                raise RequestRefusedError(text, status=503, refusal="busy")
            self._drop(slowest)

    def _drop(self, reading: Reading) -> None:
        self.dropped += 1
        self.remove(reading)
        reading.drop()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next_look = loop.call_later(min(1.0, self._stall_s / 4), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next_look = None
        latest = self._clock() - self._stall_s
        for reading in list(self._open):
            if reading.waits_since is not None and reading.waits_since < latest:
                self._drop(reading)
        if self._open:
            self._look_later(loop)


class Reading:
    """
    One answer that is sent in blocks.

    Attributes:
        held: Bytes that are held for it.

        waits_since: Since when its client has had a block to take; None while there is nothing to take.

        is_dropped: True if its client was dropped, and its task cancelled.
    """

    def __init__(self, readers: Readers, clock: Callable[[], float]) -> None:
        self.held = 0
        self.waits_since: float | None = None
        self.is_dropped = False
        self._readers = readers
        self._clock = clock
        self._task = asyncio.current_task()

    def hold(self, size: int) -> None:
        """
        From now on *size* bytes are held for this answer.

        Raises:
            RequestRefusedError: That is too much beside what is held for the others.
        """
        if self.is_dropped:
            return
        grows = size > self.held
        self._readers.held += size - self.held
        self.held = size
        if grows:
            self._readers.make_room(self)

    def wait(self) -> None:
        """
        A block is handed to the connection.
        """
        self.waits_since = self._clock()

    def move(self) -> None:
        """
        The connection has taken it.
        """
        self.waits_since = None

    def drop(self) -> None:
        """
        Stop the task that makes this answer.
        """
        self.is_dropped = True
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """
        The answer is complete, or given up.
        """
        self._readers.remove(self)
