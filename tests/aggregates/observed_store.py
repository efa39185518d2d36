"""
A store around another one, which counts what is read and lets others commit first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource import CommitOutcomeUnknownError
from eventsource.store import EventStream
from eventsource.store.delegating import DelegatingEventStore
from eventsource.store.interface import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from eventsource import EventStore, NewEvent, Precondition, RecordedEvent
    from eventsource.gdbql import Query
    from eventsource.store import Page, QueryLimits, QueryRows


class ObservedStore(DelegatingEventStore):
    """
    Hands every call on to *inner*.

    Attributes:
        inner: The other one, to be used unseen.

        read: The events given out by `stream`, in order.

        commits: How many commits were sent.

        queries: How many questions were asked.

        preconditions: Those of the last commit.

        answers_lost: Of how many commits to come the answer is lost, though they are stored.

        rivals: Run one after the other, each before one commit: who gets in first.
    """

    def __init__(self, inner: EventStore) -> None:
        super().__init__(inner)
        self.inner = inner
        self.read: list[RecordedEvent] = []
        self.commits = 0
        self.queries = 0
        self.answers_lost = 0
        self.preconditions: Sequence[Precondition] = ()
        self.rivals: list[Callable[[], Awaitable[object]]] = []

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        Let a rival commit, then commit.
        """
        self.commits += 1
        self.preconditions = preconditions
        if self.rivals:
            await self.rivals.pop(0)()
        recorded = await self.inner.commit(events, preconditions, idempotency_key=idempotency_key)
        if self.answers_lost:
            self.answers_lost -= 1
            store = "the store"
            raise CommitOutcomeUnknownError(store, "the answer is lost")
        return recorded

    def stream(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        upper_bound: str | None = None,
        include_upper_bound: bool = False,
        latest_by_type: str | None = None,
    ) -> EventStream:
        """
        Read, and keep what was read.
        """
        stream = self.inner.stream(
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            upper_bound=upper_bound,
            include_upper_bound=include_upper_bound,
            latest_by_type=latest_by_type,
        )

        async def pages() -> AsyncGenerator[Page]:
            async for page in stream.pages():
                self.read.extend(page.events)
                yield page

        return EventStream(pages())

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        """
        Count, and ask.
        """
        self.queries += 1
        return self.inner.query(query, limits=limits)
