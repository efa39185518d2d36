"""
Those who wait for events to be notarised.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable


class WaitingRoom:
    """
    Futures by event id. One gives True once its event was notarised, False when it is to be looked for again.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[bool]]] = {}

    @contextmanager
    def waiting(self, event_id: str) -> Generator[asyncio.Future[bool]]:
        """
        Wait for an event inside the block.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        futures = self._waiting.setdefault(event_id, set())
        futures.add(future)
        try:
            yield future
        finally:
            futures.discard(future)
            if not futures:
                self._waiting.pop(event_id, None)
            if future.done() and not future.cancelled():
                # Who has left does not ask any more; asyncio would complain of an error nobody took.
                future.exception()

    def tell(self, event_ids: Iterable[str]) -> None:
        """
        These events are notarised.
        """
        if not self._waiting:
            return
        for event_id in event_ids:
            for future in self._waiting.get(event_id, ()):
                if not future.done():
                    future.set_result(True)

    def look_again(self) -> None:
        """
        Others may have notarised what is waited for.
        """
        for future in self._all():
            future.set_result(False)

    def fail(self, error: Exception) -> None:
        """
        Nothing will be notarised any more.
        """
        for future in self._all():
            future.set_exception(error)

    def _all(self) -> list[asyncio.Future[bool]]:
        return [future for futures in self._waiting.values() for future in futures if not future.done()]
