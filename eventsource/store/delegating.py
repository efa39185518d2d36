"""
A store around another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from eventsource.store.interface import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
    from types import TracebackType

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.gdbql import Query
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.interface import AuditReport, EventStore, EventStream, StoreStatus
    from eventsource.store.query import DataIndex, Explanation, QueryLimits, QueryRows


class DelegatingEventStore:
    """
    Hands every call on to another store: a base for those that change a few of them.

    Args:
        inner: The other one; it is opened and closed with this one.
    """

    def __init__(self, inner: EventStore) -> None:
        self._inner = inner

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        return await self._inner.commit(events, preconditions, idempotency_key=idempotency_key)

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
        return self._inner.stream(
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            upper_bound=upper_bound,
            include_upper_bound=include_upper_bound,
            latest_by_type=latest_by_type,
        )

    def observe(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        from_now: bool = False,
    ) -> EventStream:
        return self._inner.observe(
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            from_now=from_now,
        )

    async def count(self, subject: str = "/", *, recursive: bool = True, lower_bound: str | None = None) -> int:
        return await self._inner.count(subject, recursive=recursive, lower_bound=lower_bound)

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        return await self._inner.last_event(subject, recursive=recursive)

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        return await self._inner.subjects(under)

    async def event_types(self) -> tuple[str, ...]:
        return await self._inner.event_types()

    async def status(self) -> StoreStatus:
        return await self._inner.status()

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        await self._inner.register_schema(event_type, schema)

    async def schemas(self) -> dict[str, dict[str, Any]]:
        return await self._inner.schemas()

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        return self._inner.query(query, limits=limits)

    async def explain(self, query: str | Query) -> Explanation:
        return await self._inner.explain(query)

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        return await self._inner.create_index(event_type, path, progress=progress)

    async def drop_index(self, event_type: str, path: str) -> bool:
        return await self._inner.drop_index(event_type, path)

    async def indexes(self) -> tuple[DataIndex, ...]:
        return await self._inner.indexes()

    async def audit(self) -> AuditReport:
        return await self._inner.audit()

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        # A store of somebody else's may know nothing of types.
        return await (self._inner.erase(subject, including=including) if including else self._inner.erase(subject))

    def backup(self) -> AsyncGenerator[dict[str, Any]]:
        return self._inner.backup()

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        return await self._inner.restore(events)

    async def ping(self) -> None:
        await self._inner.ping()

    async def aclose(self) -> None:
        await self._inner.aclose()
