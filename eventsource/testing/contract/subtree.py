"""
A part of a store as if it were a store of its own.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Self

import attrs

from eventsource import (
    EventStream,
    IdempotencyKeyReusedError,
    NewEvent,
    Page,
    PreconditionFailedError,
    StoreStatus,
    Subject,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
    SubjectNotFoundError,
)
from eventsource.domain.event_data import parse_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
    from types import TracebackType

    from eventsource import (
        AuditReport,
        DataIndex,
        EventStore,
        Explanation,
        Precondition,
        QueryLimits,
        QueryRows,
        RecordedEvent,
    )
    from eventsource.gdbql import Query

_KEY = re.compile(r"[!-~]{1,255}")


class SubtreeStore:
    """
    The events below *prefix* of a store that others use, too: as long as nobody writes there, it looks empty.

    Subjects and idempotency keys are its own. Queries, indexes, schemas, audits and backups are those of the whole
    store, as they are.

    Args:
        store: The store; it is closed with this one.

        prefix: A subject with nothing at or below it.
    """

    def __init__(self, store: EventStore, prefix: str) -> None:
        self._store = store
        self._prefix = Subject(prefix)

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._store.__aexit__(kind, error, trace)

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        See `EventStore.commit`.
        """
        with self._own_errors(idempotency_key):
            recorded = await self._store.commit(
                [self._placed(event) for event in events],
                [self._precondition(precondition) for precondition in preconditions],
                idempotency_key=idempotency_key and self._key(idempotency_key),
            )
        return tuple(map(self._own, recorded))

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
        See `EventStore.stream`.
        """
        return self._own_stream(
            self._store.stream(
                self._below(subject),
                recursive=recursive,
                lower_bound=lower_bound,
                include_lower_bound=include_lower_bound,
                upper_bound=upper_bound,
                include_upper_bound=include_upper_bound,
                latest_by_type=latest_by_type,
            )
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
        """
        See `EventStore.observe`.
        """
        return self._own_stream(
            self._store.observe(
                self._below(subject),
                recursive=recursive,
                lower_bound=lower_bound,
                include_lower_bound=include_lower_bound,
                from_now=from_now,
            )
        )

    async def count(self, subject: str = "/", *, recursive: bool = True, lower_bound: str | None = None) -> int:
        """
        See `EventStore.count`.
        """
        return await self._store.count(self._below(subject), recursive=recursive, lower_bound=lower_bound)

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        """
        See `EventStore.last_event`.
        """
        event = await self._store.last_event(self._below(subject), recursive=recursive)
        return event and self._own(event)

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        """
        See `EventStore.subjects`.
        """
        return tuple(map(self._own_subject, await self._store.subjects(self._below(under))))

    async def event_types(self) -> tuple[str, ...]:
        """
        See `EventStore.event_types`.
        """
        return tuple(sorted({event.type async for event in self.stream()}))

    async def status(self) -> StoreStatus:
        """
        See `EventStore.status`. What it takes on disk is not known.
        """
        return StoreStatus(
            events=await self.count(),
            subjects=len(await self.subjects()),
            types=len(await self.event_types()),
            storage_bytes=0,
        )

    async def erase(self, subject: str) -> int:
        """
        See `EventStore.erase`.
        """
        with self._own_errors():
            return await self._store.erase(self._below(subject))

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        """
        See `EventStore.register_schema`; it is for the whole store.
        """
        await self._store.register_schema(event_type, schema)

    async def schemas(self) -> dict[str, dict[str, Any]]:
        """
        See `EventStore.schemas`; those of the whole store.
        """
        return await self._store.schemas()

    def query(self, query: str | Query, *, limits: QueryLimits | None = None) -> QueryRows:
        """
        See `EventStore.query`; it asks the whole store.
        """
        return self._store.query(query) if limits is None else self._store.query(query, limits=limits)

    async def explain(self, query: str | Query) -> Explanation:
        """
        See `EventStore.explain`.
        """
        return await self._store.explain(query)

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        """
        See `EventStore.create_index`; it is for the whole store.
        """
        return await self._store.create_index(event_type, path, progress=progress)

    async def drop_index(self, event_type: str, path: str) -> bool:
        """
        See `EventStore.drop_index`.
        """
        return await self._store.drop_index(event_type, path)

    async def indexes(self) -> tuple[DataIndex, ...]:
        """
        See `EventStore.indexes`; those of the whole store.
        """
        return await self._store.indexes()

    async def audit(self) -> AuditReport:
        """
        See `EventStore.audit`; of the whole store.
        """
        return await self._store.audit()

    def backup(self) -> AsyncGenerator[dict[str, Any]]:
        """
        See `EventStore.backup`; of the whole store.
        """
        return self._store.backup()

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        """
        See `EventStore.restore`; the whole store has to be empty.
        """
        return await self._store.restore(events)

    async def ping(self) -> None:
        """
        See `EventStore.ping`.
        """
        await self._store.ping()

    async def aclose(self) -> None:
        """
        See `EventStore.aclose`.
        """
        await self._store.aclose()

    def _below(self, subject: str) -> Subject:
        scope = Subject(subject)
        return self._prefix if scope.is_root else Subject(f"{self._prefix}{scope}")

    def _placed(self, event: NewEvent) -> NewEvent:
        return NewEvent(
            subject=self._below(event.subject),
            type=event.type,
            data=parse_json(event.data_json),
            source=event.source,
            store_data_as_reference=event.store_data_as_reference,
        )

    def _own_subject(self, subject: str) -> str:
        return subject[len(self._prefix) :] or "/"

    def _own(self, event: RecordedEvent) -> RecordedEvent:
        return event._replace(subject=self._own_subject(event.subject))

    def _own_stream(self, stream: EventStream) -> EventStream:
        async def pages() -> AsyncGenerator[Page]:
            async with aclosing(stream.pages()) as found:
                async for page in found:
                    yield Page([self._own(event) for event in page.events], page.position, page.caught_up)

        return EventStream(pages())

    def _precondition(self, precondition: Precondition) -> Precondition:
        match precondition:
            case SubjectIsNew() | SubjectExists() | SubjectIsAtVersion():
                return attrs.evolve(precondition, subject=self._below(precondition.subject))
            case _:
                return precondition

    def _key(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            return key
        return hashlib.sha256(f"{self._prefix} {key}".encode()).hexdigest()

    @contextmanager
    def _own_errors(self, key: str | None = None) -> Generator[None]:
        try:
            yield
        except PreconditionFailedError as error:
            raise PreconditionFailedError(
                subject=error.subject and self._own_subject(error.subject),
                precondition=error.precondition,
                expected=error.expected,
                found=error.found,
                name=error.name,
                query=error.query,
                asked=error.asked,
            ) from error
        except SubjectNotFoundError as error:
            raise SubjectNotFoundError(self._own_subject(error.subject)) from error
        except IdempotencyKeyReusedError as error:
            raise IdempotencyKeyReusedError(key or error.idempotency_key) from error
