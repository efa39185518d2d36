"""
Lanes: pieces of work one after the other for one key, side by side for different keys.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    Work = Callable[[], Awaitable[None]]


class KeyedQueue:
    """
    Runs work in the order it was given for each key.

    Args:
        spawn: Starts a coroutine as a task; whoever owns the tasks hears what they raise.

        width: How much is done side by side.

        places: How much may wait; whoever brings more waits himself.
    """

    def __init__(
        self, spawn: Callable[[Coroutine[Any, Any, None]], object], *, width: int, places: int = 1_000
    ) -> None:
        self._spawn = spawn
        self._width = asyncio.Semaphore(width)
        self._places = asyncio.Semaphore(places)
        self._waiting: dict[str, deque[Work]] = {}
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._stopping = asyncio.Event()

    @property
    def keys(self) -> tuple[str, ...]:
        """
        The keys that something is done for.
        """
        return tuple(self._waiting)

    def stop(self) -> None:
        """
        Begin nothing more, and let those that pause go on at once; what is under way comes to its end.
        """
        self._stopping.set()

    async def put(self, key: str, work: Work) -> None:
        """
        Let *work* be done behind all that was given for *key* before.
        """
        await self._places.acquire()
        if self._stopping.is_set():
            self._places.release()
            return
        if key in self._waiting:
            self._waiting[key].append(work)
            return
        self._waiting[key] = deque([work])
        self._is_idle.clear()
        self._spawn(self._run(key))

    async def idle(self) -> None:
        """
        Return when nothing is left to be done.
        """
        await self._is_idle.wait()

    def give_up(self) -> None:
        """
        Nothing more will be done: let nobody wait for it.
        """
        self._is_idle.set()

    async def pause(self, seconds: float) -> None:
        """
        Sleep within a piece of work, and let others work meanwhile. It ends early when the lanes are to stop.
        """
        self._width.release()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
        finally:
            await self._width.acquire()

    async def _run(self, key: str) -> None:
        waiting = self._waiting[key]
        while waiting:
            async with self._width:
                work = waiting.popleft()
                if not self._stopping.is_set():
                    await work()
            self._places.release()
        del self._waiting[key]
        if not self._waiting:
            self._is_idle.set()
