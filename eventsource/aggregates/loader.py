"""
Reads aggregates and decision states from a store.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar, cast

import attrs

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.closing import find_last_period
from eventsource.aggregates.decision_state import DecisionState
from eventsource.aggregates.errors import AggregateNotFoundError
from eventsource.aggregates.periods import PeriodAggregate
from eventsource.aggregates.selection_reader import select
from eventsource.aggregates.snapshot import SinceSnapshot
from eventsource.aggregates.state import copied
from eventsource.log import get_logger
from eventsource.store.scope import place_of
from eventsource.wire.errors import EventNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from eventsource.aggregates.cache import AggregateCache
    from eventsource.aggregates.snapshot import Snapshot
    from eventsource.aggregates.snapshots import Snapshots
    from eventsource.events.event import RecordedEvent
    from eventsource.guards.guard import EventSelection
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
AnyState = TypeVar("AnyState", bound=DecisionState)

_log = get_logger(__name__)


class Loader:
    """
    Rebuilds aggregates from the events of exactly their subject.

    Whatever decides over aggregates (a repository, a unit of work) gets them here, and tells here what it
    committed. Snapshots and a cache make it faster, and change nothing else.

    Args:
        store: Where the events are.

        snapshots: Where loading may begin.

        cache: What need not be loaded again.
    """

    def __init__(
        self, store: EventStore, *, snapshots: Snapshots | None = None, cache: AggregateCache | None = None
    ) -> None:
        self._store = store
        # What is kept beside the store is kept under what the whole store calls it.
        self._whole, self._place = place_of(store, "/")
        self._snapshots = snapshots
        self._cache = cache

    async def load(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        """
        An aggregate as it is now, for the caller alone. Of one with periods that is the last of them.

        Raises:
            AggregateNotFoundError: It has no events.
            UnknownEventTypeError, EventDecodingError: The log holds an event it cannot take.
        """
        aggregate = await self.load_or_new(aggregate_class, id)
        if aggregate.version == 0:
            raise AggregateNotFoundError(subject=aggregate.subject, aggregate=aggregate_class.__name__)
        return aggregate

    async def load_or_new(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        """
        An aggregate as it is now, for the caller alone; a new one if it has no events.

        Raises:
            UnknownEventTypeError, EventDecodingError: The log holds an event it cannot take.
        """
        if self._cache is not None:
            return await self._load_shared(self._cache, aggregate_class, id)
        if issubclass(aggregate_class, PeriodAggregate) or self._has_snapshots(aggregate_class):
            return await self._build(aggregate_class, id)
        aggregate = aggregate_class(id)
        # As in `_fold`: here for most aggregates, and each call costs a command.
        async with aclosing(self._store.stream(aggregate.subject, recursive=False)) as stream:
            async for page in stream.pages():
                aggregate.fold(page.events)
        return aggregate

    async def _load_shared(self, cache: AggregateCache, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        async def refresh(known: Aggregate | None) -> Aggregate:
            aggregate = await self._build(aggregate_class, id) if known is None else await self._refreshed(known)
            if aggregate.version == 0:
                # The cache keeps none that has no events.
                raise AggregateNotFoundError(subject=aggregate.subject, aggregate=aggregate_class.__name__)
            return aggregate

        place = self._in_whole(aggregate_class.subject_of(id))
        try:
            shared = await cache.load(self._whole, aggregate_class, place, refresh=refresh)
        except AggregateNotFoundError:
            return aggregate_class(id)
        return copied(cast("AnyAggregate", shared))

    async def catch_up(self, aggregate: Aggregate) -> None:
        """
        Fold what the store has beyond the aggregate's last event.

        One whose period was closed meanwhile becomes the period that follows.
        """
        await self._fold(aggregate, aggregate.last_event_id)
        if isinstance(aggregate, PeriodAggregate):
            await self._go_to_last_period(aggregate)

    def committed(self, *aggregates: Aggregate, events: Sequence[RecordedEvent] = ()) -> None:
        """
        Take note that the pending events of these aggregates were committed: a snapshot of one may be due.

        Args:
            aggregates: The aggregates.

            events: What was committed.
        """
        if self._snapshots is None:
            return
        for aggregate in aggregates:
            origin = _origin_of(aggregate)
            types = {event.type for event in events if event.subject == aggregate.subject}
            since = origin.since(aggregate.version, types)
            if self._snapshots.is_due(aggregate, since):
                # The state here is that of the events as they were emitted. What counts is what they are read as.
                work = self._load_for_snapshot(type(aggregate), aggregate.id)
                key = ("load", self._whole, type(aggregate), self._in_whole(aggregate.subject_of(aggregate.id)))
                self._snapshots.in_background(key, work)
                aggregate._origin = attrs.evolve(origin, version=aggregate.version)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  kept for the loader

    async def _load_for_snapshot(self, aggregate_class: type[Aggregate], id: str) -> None:
        try:
            await self.load(aggregate_class, id)
        except Exception as error:  # noqa: BLE001  best effort
            _log.warning("snapshot.failed", aggregate=aggregate_class.__qualname__, error=type(error).__name__)

    def _in_whole(self, subject: str) -> str:
        return subject if self._place == "/" else self._place + subject

    # --- From the first event, or from a snapshot ---

    def _has_snapshots(self, aggregate_class: type[Aggregate]) -> bool:
        return self._snapshots is not None and self._snapshots.covers(aggregate_class)

    async def _build(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        aggregate = await self._new(aggregate_class, id)
        if self._snapshots is None or not self._snapshots.covers(aggregate_class):
            await self._fold(aggregate, None)
        else:
            aggregate = await self._build_from_snapshot(self._snapshots, aggregate)
        if isinstance(aggregate, PeriodAggregate):
            await self._go_to_last_period(aggregate)
        return aggregate

    async def _new(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        if not issubclass(aggregate_class, PeriodAggregate):
            return aggregate_class(id)
        period = await find_last_period(self._store, aggregate_class, id)
        return aggregate_class(id, period=period or "")

    async def _build_from_snapshot(self, snapshots: Snapshots, aggregate: AnyAggregate) -> AnyAggregate:
        place = self._in_whole(aggregate.subject)
        beginning = await snapshots.begin(aggregate, subject=place)
        began = time.perf_counter()
        version = 0
        folded = None
        if beginning.snapshot is not None:
            version = beginning.snapshot.version
            folded = await self._fold_behind(aggregate, beginning.snapshot)
        if beginning.snapshot is not None and folded is None:
            await snapshots.discard(aggregate, subject=place, why="its last event is not in the store")
            version = 0
            aggregate = await self._new(type(aggregate), aggregate.id)
        if folded is None:
            folded = await self._fold(aggregate, None)
        origin = _Origin(version, folded.types, time.perf_counter() - began, beginning.purges)
        self._take_if_due(snapshots, aggregate, origin, folded.last)
        return aggregate

    async def _refreshed(self, known: Aggregate) -> Aggregate:
        """
        The same if nothing is new; else another one. *known* is not changed: others look at it.
        """
        began = time.perf_counter()
        aggregate: Aggregate | None = None
        folded = _Folded()
        stream = self._store.stream(known.subject, recursive=False, lower_bound=known.last_event_id)
        try:
            async with aclosing(stream):
                async for page in stream.pages():
                    if page.events:
                        aggregate = aggregate or copied(known)
                        aggregate.fold(page.events)
                        folded.add(page.events)
        except EventNotFoundError:
            # The store was restored from a backup that does not have it.
            return await self._build(type(known), known.id)
        if aggregate is None:
            return known
        if isinstance(aggregate, PeriodAggregate) and aggregate.is_closed:
            return await self._build(type(known), known.id)
        if self._snapshots is not None and self._snapshots.covers(type(aggregate)):
            before = _origin_of(known)
            load_s = before.load_s + time.perf_counter() - began
            origin = attrs.evolve(before, event_types=before.event_types | folded.types, load_s=load_s)
            self._take_if_due(self._snapshots, aggregate, origin, folded.last)
        return aggregate

    def _take_if_due(
        self, snapshots: Snapshots, aggregate: Aggregate, origin: _Origin, last_event: RecordedEvent | None
    ) -> None:
        since = origin.since(aggregate.version)
        # A closed period is not loaded any more.
        is_over = isinstance(aggregate, PeriodAggregate) and aggregate.is_closed
        if last_event is not None and not is_over and origin.purges is not None and snapshots.is_due(aggregate, since):
            place = self._in_whole(aggregate.subject)
            snapshots.take(aggregate, subject=place, last_event=last_event, purges=origin.purges)
            origin = _Origin(aggregate.version, frozenset(), 0.0, origin.purges)
        aggregate._origin = origin  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  kept for the loader

    async def _fold_behind(self, aggregate: Aggregate, snapshot: Snapshot) -> _Folded | None:
        """
        Fold what is behind a snapshot; None if the store does not have what is in it.
        """
        folded = _Folded()
        # The last event of the snapshot comes first. Its hash is over that of its predecessor, and so over all before.
        stream = self._store.stream(
            aggregate.subject, recursive=False, lower_bound=snapshot.last_event_id, include_lower_bound=True
        )
        try:
            async for page in stream.pages():
                events: Sequence[RecordedEvent] = page.events
                if events and folded.last is None:
                    folded.last, *events = events
                    if (folded.last.id, folded.last.hash) != (snapshot.last_event_id, snapshot.last_event_hash):
                        return None
                aggregate.fold(events)
                folded.add(events)
        except EventNotFoundError:
            return None
        finally:
            await stream.aclose()
        return None if folded.last is None else folded

    async def _fold(self, aggregate: Aggregate, lower_bound: str | None) -> _Folded:
        folded = _Folded()
        stream = self._store.stream(aggregate.subject, recursive=False, lower_bound=lower_bound)
        async with aclosing(stream):
            async for page in stream.pages():
                aggregate.fold(page.events)
                if self._snapshots is not None:
                    folded.add(page.events)
        return folded

    async def _go_to_last_period(self, aggregate: PeriodAggregate) -> None:
        while aggregate.is_closed or not aggregate.period:
            period = await find_last_period(self._store, type(aggregate), aggregate.id, after=aggregate.period)
            if period is None:
                return
            aggregate.move_to(period)
            await self._fold(aggregate, None)


class ReadSet:
    """
    Reads aggregates and decision states, each time only what is new.

    Args:
        store: Where the events are.

        loader: Where aggregates come from.

        are_kept: Whether anything will be read again. What is given out is then a copy: a decision
            changes it.
    """

    def __init__(self, store: EventStore, loader: Loader, *, are_kept: bool) -> None:
        self.store = store
        self.loader = loader
        self._are_kept = are_kept
        self._aggregates: dict[tuple[type[Aggregate], str], Aggregate] = {}
        self._states: dict[tuple[type[DecisionState], EventSelection[Any]], DecisionState] = {}

    async def aggregate(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        """
        An aggregate as it is now, for the caller alone; a new one if it has no events.
        """
        key = (aggregate_class, id)
        # Taken out until it is read to the end: a read that fails half-way leaves nothing that could be used.
        known = cast("AnyAggregate | None", self._aggregates.pop(key, None))
        if known is None:
            known = await self.loader.load_or_new(aggregate_class, id)
        else:
            await self.loader.catch_up(known)
        if not self._are_kept:
            return known
        self._aggregates[key] = known
        return copied(known)

    async def state(self, state: AnyState) -> AnyState:
        """
        A decision state as it is now, for the caller alone; *state*, or one that is equal.
        """
        key = (type(state), state.selection)
        known = cast("AnyState", self._states.pop(key, state))
        async with aclosing(select(self.store, known.selection, after=known.last_event)) as selected:
            async for events in selected:
                known.fold(events)
        if not self._are_kept:
            return known
        self._states[key] = known
        return copied(known)


@attrs.define(eq=False)
class _Folded:
    """
    Which events were folded, in so far as anybody asks.
    """

    last: RecordedEvent | None = None
    types: frozenset[str] = frozenset()

    def add(self, events: Sequence[RecordedEvent]) -> None:
        if events:
            self.last = events[-1]
            self.types |= {event.type for event in events}


@attrs.frozen
class _Origin:
    """
    Where an aggregate comes from: the version of its snapshot, and what it took to go on from there.
    """

    version: int = 0
    event_types: frozenset[str] = frozenset()
    load_s: float = 0.0
    purges: int | None = None

    def __deepcopy__(self, _: object) -> _Origin:
        # Each copy of an aggregate comes by here.
        return self

    def since(self, version: int, types: Collection[str] = ()) -> SinceSnapshot:
        return SinceSnapshot(
            events=version - self.version, event_types=self.event_types.union(types), load_s=self.load_s
        )


def _origin_of(aggregate: Aggregate) -> _Origin:
    origin: _Origin | None = aggregate._origin  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  kept for the loader
    return origin or _Origin()
