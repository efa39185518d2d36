"""
A store that takes its time, differently each time, and loses answers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from eventsource import CommitOutcomeUnknownError
from eventsource.errors import StoreUnavailableError
from eventsource.store import EventStream

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Sequence

    from eventsource import EventStore, NewEvent, Precondition, RecordedEvent
    from eventsource.store import Page


class ShakenStore:
    """
    Hands every call on to *inner*, sooner or later; other tasks run meanwhile.

    Args:
        source: Where chance comes from.

        losing: Of how many commits the answer is lost, and how many never arrive, each as a share.
    """

    def __init__(self, inner: EventStore, source: random.Random, *, losing: float = 0.0) -> None:
        self._inner = inner
        self._source = source
        self._losing = losing

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        Commit, or say that nobody knows.
        """
        await self._dawdle()
        if self._source.random() < self._losing:
            msg = "shaken"
            raise CommitOutcomeUnknownError(msg, "it never arrived")
        recorded = await self._inner.commit(events, preconditions, idempotency_key=idempotency_key)
        await self._dawdle()
        if self._source.random() < self._losing:
            msg = "shaken"
            raise CommitOutcomeUnknownError(msg, "the answer is lost")
        return recorded

    def stream(self, *arguments: Any, **options: Any) -> EventStream:
        """
        Read, a little later; one subject alone, or one event, maybe not at all.
        """
        may_fail = not options.get("recursive", True) or "lower_bound" in options
        return EventStream(self._slowly(self._inner.stream(*arguments, **options), may_fail=may_fail))

    def observe(self, *arguments: Any, **options: Any) -> EventStream:
        """
        Read and follow, a little later.
        """
        return EventStream(self._slowly(self._inner.observe(*arguments, **options), may_fail=False))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def _slowly(self, stream: EventStream, *, may_fail: bool) -> AsyncGenerator[Page]:
        try:
            async for page in stream.pages():
                await self._dawdle()
                if may_fail and self._source.random() < self._losing:
                    msg = "shaken"
                    raise StoreUnavailableError(msg, "it is away")
                yield page
        finally:
            await stream.aclose()

    async def _dawdle(self) -> None:
        for _ in range(self._source.randrange(4)):
            await asyncio.sleep(0)
