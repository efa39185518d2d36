"""
The state that the endpoints of a server share.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from eventsource.server.bodies import BodyRoom
from eventsource.server.metrics import Metrics
from eventsource.server.readers import Readers
from eventsource.server.tail import Tails
from eventsource.wire.request_errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from eventsource.server.settings import ServerSettings
    from eventsource.store.interface import EventStore


class Service:
    """
    A store and how it is served.

    Attributes:
        store: The store, open.

        settings: The settings of the server.

        tails: The tails that observers read.

        bodies: The bodies of requests that are held.

        readers: The answers that are under way in blocks.

        queries: Who may ask the store now.

        history: Which streams and observers may read a page of the log now.

        metrics: What is counted; None where nobody asks.

        is_closing: True if the server stops.
    """

    def __init__(self, store: EventStore, settings: ServerSettings) -> None:
        self.store = store
        self.settings = settings
        self.tails = Tails(store, heartbeat_s=settings.heartbeat_s)
        self.bodies = BodyRoom(settings.limits.bodies_bytes)
        self.readers = Readers(held_bytes=settings.limits.held_bytes, stall_s=settings.limits.stall_s)
        self.history = Turns(_PAGES_AT_A_TIME)
        self.queries = Queue(settings.limits.queries, settings.limits.waiting_queries)
        self.audits = Queue(1, settings.limits.waiting_queries)
        self.metrics = Metrics(store, self.tails, self.readers, self.bodies) if settings.metrics else None
        self.is_closing = False


class Queue:
    """
    So many work at a time, so many wait, and the others are sent away.
    """

    def __init__(self, places: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._left = waiting

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """
        Wait for a place and keep it.

        Raises:
            RequestRefusedError: Too many wait already.
        """
        if self._places.locked():
            if self._left == 0:
                text = "too many are waiting already; try again in a moment"
                raise RequestRefusedError(text, status=503, refusal="busy")
            self._left -= 1
            try:
                await self._places.acquire()
            finally:
                self._left += 1
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()


# More would not be read faster, and everything else waits for as long as it takes to print them.
_PAGES_AT_A_TIME = 4


class Turns:
    """
    So many work at a time, and the others wait, in the order in which they came.
    """

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """
        Wait for a turn, and let every other task run once behind it.
        """
        async with self._places:
            yield
            # A store in memory reads without waiting, so that one observer would go on and on.
            await asyncio.sleep(0)
