"""
The store of a part: all below one subject, as if there were nothing else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar

import attrs

from eventsource.events.event import checked_new_events
from eventsource.events.reserved import check_reserved
from eventsource.events.subject import Subject
from eventsource.gdbql import Constant, OrderKey, Path, Query, Under
from eventsource.gdbql.errors import QueryBudgetError
from eventsource.gdbql.prepared import read_query
from eventsource.guards.rules import checked_rules
from eventsource.store.delegating import DelegatingEventStore
from eventsource.store.interface import DEFAULT_LIMITS, EventStream, Page, StoreStatus
from eventsource.store.query import QueryLimits, QueryRows
from eventsource.store.scope.placement import Placement
from eventsource.wire.errors import EventNotFoundError, NotSupportedError, StoreClosedError

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Awaitable,
        Callable,
        Collection,
        Iterable,
        Mapping,
        Sequence,
    )
    from types import TracebackType

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.interface import AuditReport, EventStore
    from eventsource.store.query import DataIndex, Explanation

Result = TypeVar("Result")

# Ids of events last seen, so that reading on behind one does not ask for it first.
_MAX_KNOWN: Final = 1024


def scoped(store: EventStore, prefix: str) -> ScopedEventStore:
    """
    The part of *store* below *prefix*, as a store of its own.

    ``Repository(Account, scoped(store, "/tenants/acme"))`` keeps account 42 at
    ``/tenants/acme/accounts/42``, and calls it ``/accounts/42``.

    Args:
        store: Any store, also one that is scoped itself. It has to be open, and stays open when the scope is
            closed.

        prefix: Where the part lies. Events at *prefix* itself do not belong to it.

    Raises:
        InvalidSubjectError: *prefix* is ``/`` or no subject.
    """
    return ScopedEventStore(store, prefix)


def place_of(store: EventStore, subject: str) -> tuple[EventStore, Subject]:
    """
    The whole store that *store* is a part of, or hands its calls on to, and what *subject* is called there.

    What is kept beside a store (snapshots, cached aggregates) is kept under that, so that parts do not mix.
    """
    while True:
        if isinstance(store, ScopedEventStore):
            subject = store.prefix if subject == "/" else store.prefix + subject
            store = store._store  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of this module
        elif isinstance(store, DelegatingEventStore):
            store = store._inner  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
        else:
            return store, Subject(subject)


class ScopedEventStore:
    """
    The events strictly below a subject of another store. `scoped` makes one; ``docs/tenancy.md`` tells all of it.

    Whatever is read, queried, guarded, observed, counted or erased through it lies below the prefix, and subjects
    begin there, also in errors. Idempotency keys are its own. Positions, times and hashes are those of the whole
    store. Schemas and indexes are the whole store's, to be read here and declared there; so are audits, backups and
    restoring.

    Args:
        store: The whole store.

        prefix: The subject.
    """

    def __init__(self, store: EventStore, prefix: str) -> None:
        self._store = store
        self._placement = Placement(prefix)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._closing = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ScopedEventStore {self._placement.prefix} of {self._store!r}>"

    def __eq__(self, other: object) -> bool:
        # A scope is made for each request; what is kept by store, in a cache for example, is that of the part.
        if not isinstance(other, ScopedEventStore):
            return NotImplemented
        return self._store == other._store and self.prefix == other.prefix

    def __hash__(self) -> int:
        return hash((self._store, self.prefix))

    @property
    def prefix(self) -> Subject:
        """
        The subject of the part in the whole store.
        """
        return self._placement.prefix

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- Writing ---

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        self._check_open()
        events, preconditions = checked_new_events(events), checked_rules(preconditions)
        # Here, too: what is reserved within the part may be any subject to the whole store.
        check_reserved(events)
        placement = self._placement
        with placement.errors(preconditions, key=idempotency_key):
            recorded = await self._store.commit(
                [event.at(placement.exact(event.subject)) for event in events],
                [placement.precondition(precondition) for precondition in preconditions],
                idempotency_key=None if idempotency_key is None else placement.key(idempotency_key),
            )
        self._know(recorded)
        return tuple(map(placement.event, recorded))

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        self._check_open()
        with self._placement.errors():
            place = self._placement.exact(Subject(subject))
            return await (self._store.erase(place, including=including) if including else self._store.erase(place))

    # --- Reading ---

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
        stream = self._store.stream(
            self._place(subject, recursive=recursive),
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            upper_bound=upper_bound,
            include_upper_bound=include_upper_bound,
            latest_by_type=latest_by_type,
        )

        async def pages() -> AsyncGenerator[Page]:
            self._check_open()
            await self._check_bounds(lower_bound, upper_bound)
            async with aclosing(stream.pages()) as found:
                async for page in found:
                    self._check_open()
                    own = self._page(page)
                    if own.events or own.caught_up:
                        yield own

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
        stream = self._store.observe(
            self._place(subject, recursive=recursive),
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            from_now=from_now,
        )

        async def pages() -> AsyncGenerator[Page]:
            self._check_open()
            await self._check_bounds(lower_bound)
            async with aclosing(stream.pages()) as found:
                while True:
                    yield self._page(await self._while_open(anext(found)))

        return EventStream(pages())

    async def count(self, subject: str = "/", *, recursive: bool = True, lower_bound: str | None = None) -> int:
        self._check_open()
        await self._check_bounds(lower_bound)
        place = self._place(subject, recursive=recursive)
        at_prefix = await self._count_at_prefix(place, lower_bound)
        while True:
            counted = await self._store.count(place, recursive=recursive, lower_bound=lower_bound)
            # Between the two, somebody may have written to the prefix itself.
            at_prefix, before = await self._count_at_prefix(place, lower_bound), at_prefix
            if at_prefix == before:
                return counted - at_prefix

    async def _count_at_prefix(self, place: Subject, lower_bound: str | None) -> int:
        if place != self.prefix:
            return 0
        return await self._store.count(place, recursive=False, lower_bound=lower_bound)

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        self._check_open()
        last = await self._store.last_event(self._place(subject, recursive=recursive), recursive=recursive)
        if last is not None and last.subject == self.prefix:
            last = await self._last_below_prefix()
        return None if last is None else self._placement.event(last)

    async def _last_below_prefix(self) -> RecordedEvent | None:
        below = Under(Path(("subject",)), Constant(self.prefix), strictly=True)
        newest = (OrderKey(Path(("time",)), descending=True),)
        query = Query(where=below, order_by=newest, projection=Path(("id",)), limit=1)
        async for event_id in self._store.query(query, limits=_AMPLE):
            return await self._find(event_id)
        return None

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        self._check_open()
        found = await self._store.subjects(self._place(under, recursive=True))
        return tuple(self._placement.relative(subject) for subject in found if subject != self.prefix)

    async def event_types(self) -> tuple[str, ...]:
        self._check_open()
        try:
            types: list[str] = [row async for row in self._store.query(self._placement.query(_TYPES), limits=_AMPLE)]
        except QueryBudgetError:
            # A server has limits of its own.
            types = [event.type async for event in self.stream()]
        return tuple(sorted(set(types)))

    async def status(self) -> StoreStatus:
        # What it takes on disk nobody knows: the whole store's figure would tell of the others.
        return StoreStatus(
            events=await self.count(),
            subjects=len(await self.subjects()),
            types=len(await self.event_types()),
            storage_bytes=0,
        )

    # --- Asking ---

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        asked = read_query(query)
        with self._placement.errors():
            rows = self._store.query(self._placement.query(asked), limits=limits)

        async def pages() -> AsyncGenerator[Sequence[Any]]:
            self._check_open()
            with self._placement.errors():
                async with aclosing(rows.pages()) as found:
                    async for page in found:
                        self._check_open()
                        # Without a projection rows are events as they are.
                        yield page if asked.projection is not None else [self._row(row) for row in page]

        return QueryRows(pages(), held=lambda: rows.held_bytes)

    def _row(self, event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "subject": self._placement.relative(event["subject"])}

    async def explain(self, query: str | Query) -> Explanation:
        self._check_open()
        with self._placement.errors():
            return await self._store.explain(self._placement.query(read_query(query)))

    # --- What there is one of for all parts ---

    async def schemas(self) -> dict[str, dict[str, Any]]:
        self._check_open()
        return await self._store.schemas()

    async def indexes(self) -> tuple[DataIndex, ...]:
        self._check_open()
        return await self._store.indexes()

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:  # noqa: ARG002  the port's
        self._refuse("a schema binds the commits of all parts of a store: register it through the whole store")

    async def create_index(
        self,
        event_type: str,  # noqa: ARG002  the port's
        path: str,  # noqa: ARG002  the port's
        *,
        progress: Callable[[float], None] | None = None,  # noqa: ARG002  the port's
    ) -> DataIndex:
        self._refuse("an index is over the events of all parts of a store: declare it through the whole store")

    async def drop_index(self, event_type: str, path: str) -> bool:  # noqa: ARG002  the port's
        self._refuse("an index is over the events of all parts of a store: drop it through the whole store")

    async def audit(self) -> AuditReport:
        self._refuse("the hash chain runs through all parts of a store: audit the whole store")

    def backup(self) -> AsyncGenerator[dict[str, Any]]:
        self._refuse(
            "a backup is a whole log with an unbroken hash chain: back up the whole store; stream() reads a part"
        )

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:  # noqa: ARG002  the port's
        self._refuse("a backup is a whole log with an unbroken hash chain: restore it into a whole store")

    def _refuse(self, reason: str) -> NoReturn:
        self._check_open()
        raise NotSupportedError(reason)

    # --- Open and closed ---

    async def ping(self) -> None:
        self._check_open()
        await self._store.ping()

    async def aclose(self) -> None:
        """
        End what goes through this scope. The whole store stays open: others use it.
        """
        self._closing.set()

    def _check_open(self) -> None:
        if self._closing.is_set():
            name = f"the scope {self.prefix}"
            raise StoreClosedError(name)

    async def _while_open(self, step: Awaitable[Result]) -> Result:
        """
        The result of *step*, which is given up when the scope is closed.

        Raises:
            StoreClosedError: It was closed.
        """
        working = asyncio.ensure_future(step)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({working, closing}, return_when=asyncio.FIRST_COMPLETED)
            self._check_open()
            return working.result()
        finally:
            working.cancel()
            closing.cancel()
            await asyncio.gather(working, closing, return_exceptions=True)

    # --- Between the part and the whole ---

    def _place(self, subject: str, *, recursive: bool) -> Subject:
        own = Subject(subject)
        return self._placement.scope(own) if recursive else self._placement.exact(own)

    def _page(self, page: Page) -> Page:
        self._know(page.events)
        placement = self._placement
        events = [placement.event(event) for event in page.events if event.subject != placement.prefix]
        return attrs.evolve(page, events=events)

    async def _check_bounds(self, *event_ids: str | None) -> None:
        """
        Refuse an event of another part as a bound, just like one that is nowhere.

        Raises:
            EventNotFoundError: One is.
        """
        for event_id in event_ids:
            if event_id is not None and event_id not in self._known:
                event = await self._find(event_id)
                if event is None or event.subject == self.prefix:
                    raise EventNotFoundError(event_id)
                self._know([event])

    async def _find(self, event_id: str) -> RecordedEvent | None:
        """
        The event with that id if it is at or below the prefix, as the whole store has it.
        """
        stream = self._store.stream(
            self.prefix, lower_bound=event_id, include_lower_bound=True, upper_bound=event_id, include_upper_bound=True
        )
        async for event in stream:
            return event
        return None

    def _know(self, events: Sequence[RecordedEvent]) -> None:
        # Reading goes on behind the last event of a page or of a commit.
        if events and events[-1].subject != self.prefix:
            self._known[events[-1].id] = None
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)


_TYPES: Final = Query(projection=Path(("type",)), distinct=True)
# For questions of this module itself, as `EventStore` answers them without limits.
_AMPLE: Final = QueryLimits(time_s=3600)
