"""
A store around another one, which counts what is read and lets others commit first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from eventsource import CommitOutcomeUnknownError, EventStream
from eventsource.store.interface import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from eventsource import (
        AuditReport,
        EventStore,
        NewEvent,
        Page,
        Precondition,
        QueryLimits,
        QueryRows,
        RecordedEvent,
    )
    from eventsource.gdbql import Query
    from eventsource.store import StoreStatus
    from eventsource.store.query import DataIndex, Explanation


class ObservedStore:
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
        self.inner = inner
        self.read: list[RecordedEvent] = []
        self.commits = 0
        self.queries = 0
        self.answers_lost = 0
        self.preconditions: Sequence[Precondition] = ()
        self.rivals: list[Callable[[], Awaitable[object]]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

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

    def observe(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        from_now: bool = False,
    ) -> EventStream:
        """
        See `EventStore`.
        """
        return self.inner.observe(
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            from_now=from_now,
        )

    async def count(self, subject: str = "/", *, recursive: bool = True, lower_bound: str | None = None) -> int:
        """
        See `EventStore`.
        """
        return await self.inner.count(subject, recursive=recursive, lower_bound=lower_bound)

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        """
        See `EventStore`.
        """
        return await self.inner.last_event(subject, recursive=recursive)

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        """
        See `EventStore`.
        """
        return await self.inner.subjects(under)

    async def event_types(self) -> tuple[str, ...]:
        """
        See `EventStore`.
        """
        return await self.inner.event_types()

    async def status(self) -> StoreStatus:
        """
        See `EventStore`.
        """
        return await self.inner.status()

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        """
        See `EventStore`.
        """
        await self.inner.register_schema(event_type, schema)

    async def schemas(self) -> dict[str, dict[str, Any]]:
        """
        See `EventStore`.
        """
        return await self.inner.schemas()

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        """
        See `EventStore`.
        """
        self.queries += 1
        return self.inner.query(query, limits=limits)

    async def explain(self, query: str | Query) -> Explanation:
        """
        See `EventStore`.
        """
        return await self.inner.explain(query)

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        """
        See `EventStore`.
        """
        return await self.inner.create_index(event_type, path, progress=progress)

    async def drop_index(self, event_type: str, path: str) -> bool:
        """
        See `EventStore`.
        """
        return await self.inner.drop_index(event_type, path)

    async def indexes(self) -> tuple[DataIndex, ...]:
        """
        See `EventStore`.
        """
        return await self.inner.indexes()

    async def audit(self) -> AuditReport:
        """
        See `EventStore`.
        """
        return await self.inner.audit()

    async def erase(self, subject: str) -> int:
        """
        See `EventStore`.
        """
        return await self.inner.erase(subject)

    def backup(self) -> AsyncGenerator[dict[str, Any]]:
        """
        See `EventStore`.
        """
        return self.inner.backup()

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        """
        See `EventStore`.
        """
        return await self.inner.restore(events)

    async def ping(self) -> None:
        """
        See `EventStore`.
        """
        await self.inner.ping()

    async def aclose(self) -> None:
        """
        See `EventStore`.
        """
        await self.inner.aclose()
