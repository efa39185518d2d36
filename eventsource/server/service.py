"""
What the endpoints of a server share.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from eventsource.errors import RequestRefusedError
from eventsource.server.metrics import Metrics
from eventsource.server.tail import Tails

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from eventsource.server.settings import ServerSettings
    from eventsource.store.interface import EventStore


class Service:
    """
    A store and how it is served.

    Attributes:
        store: The store, open.

        settings: How it is served.

        tails: What observers read.

        queries: Who may ask the store now.

        metrics: What is counted; None where nobody asks.

        is_closing: Whether the server stops.
    """

    def __init__(self, store: EventStore, settings: ServerSettings) -> None:
        self.store = store
        self.settings = settings
        self.tails = Tails(store, heartbeat_s=settings.heartbeat_s)
        self.queries = Queue(settings.limits.queries, settings.limits.waiting_queries)
        self.audits = Queue(1, settings.limits.waiting_queries)
        self.metrics = Metrics(store, self.tails) if settings.metrics else None
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
