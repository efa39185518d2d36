"""
The places a store's callers run in: event loops, one or several, and forked processes.

A store answers each call in the event loop that asked. So nothing of asyncio is kept that belongs to
one loop: what waits is a future of its own loop, and it is woken there.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from eventsource.store.errors import StoreForkedError

if TYPE_CHECKING:
    from collections.abc import Callable


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    """
    Call *function* in *loop*, from any thread. In a closed loop nothing is called.
    """
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


class Growth:
    """
    How long a log is, and who waits for it to grow, in any event loop of any thread.

    Args:
        length: How long it is; by default as long as `reach` was told last.
    """

    def __init__(self, length: Callable[[], int] | None = None) -> None:
        self.head = 0
        self._length = length or (lambda: self.head)
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}

    async def beyond(self, position: int, check: Callable[[], object]) -> None:
        """
        Return when the log is longer than *position*.

        Args:
            check: Raises when there is no sense in waiting; it is called at first and at each wake-up.
        """
        loop = asyncio.get_running_loop()
        while True:
            # Under the lock, or the log could grow between the look at it and the start of the wait.
            with self._lock:
                check()
                if self._length() > position:
                    return
                woken: asyncio.Future[None] = loop.create_future()
                self._waiting.setdefault(loop, []).append(woken)
            try:
                await woken
            finally:
                with self._lock:
                    left = self._waiting.get(loop, [])
                    if woken in left:
                        left.remove(woken)

    def reach(self, head: int) -> None:
        """
        The log has *head* events; wake those who wait. Called in any thread.
        """
        with self._lock:
            self.head = max(self.head, head)
            if not self._waiting:
                return
            waiting, self._waiting = self._waiting, {}
        for loop, futures in waiting.items():
            call_in(loop, _wake, futures)

    def wake(self) -> None:
        """
        Have all who wait check again whether there is sense in waiting.
        """
        self.reach(0)


class OwnProcess:
    """
    The process that a store belongs to: the one that opened it, or used it first.

    A forked process gets a copy of the store's memory and none of its threads. SQLite's connections must
    not even be closed there, and events that the copy of a store in memory took would be lost.
    """

    def __init__(self) -> None:
        self._pid: int | None = None

    def claim(self) -> None:
        """
        The store belongs to the process that runs now.
        """
        self._pid = os.getpid()

    def check(self, name: str) -> None:
        """
        Refuse the call in any process but the store's own; a store that has none yet belongs to this one.

        Raises:
            StoreForkedError: This process was forked from the one that the store belongs to.
        """
        pid = os.getpid()
        if self._pid is None:
            self._pid = pid
        elif self._pid != pid:
            raise StoreForkedError(name, opened_by=self._pid)

    @property
    def is_another(self) -> bool:
        """
        True if this process was forked from the store's own.
        """
        return self._pid is not None and self._pid != os.getpid()


def _wake(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
