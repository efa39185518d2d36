"""
Time travel: an aggregate as it was, how it came to be what it is, and what changed between two moments.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

import attrs

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.closing import periods_of
from eventsource.aggregates.errors import AggregateNotFoundError
from eventsource.aggregates.periods import PeriodAggregate
from eventsource.aggregates.state import copied
from eventsource.aggregates.state_codec import state_of
from eventsource.events.sameness import are_same

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)

# A time, or the id of any event in the store; what happened at that moment belongs to it.
Moment: TypeAlias = "datetime | str"


class HistoryEntry(NamedTuple, Generic[AnyAggregate]):
    """
    One step in the life of an aggregate; a pair.

    Attributes:
        event: What happened.

        state: The aggregate right after that, read only.
    """

    event: RecordedEvent
    state: AnyAggregate


class Change(NamedTuple):
    """
    What became of one attribute; a pair.
    """

    before: object
    after: object


@attrs.frozen
class Difference(Generic[AnyAggregate]):
    """
    What happened to an aggregate between two moments.

    Attributes:
        before: How it was at the first, read only; with its defaults if it was not there yet.

        after: How it was at the second, read only.

        events: The events in between, oldest first.

        changes: What they did: the attributes that are not what they were, in the order of their declaration.
    """

    before: AnyAggregate
    after: AnyAggregate
    events: tuple[RecordedEvent, ...]
    changes: Mapping[str, Change]


async def load_at(
    store: EventStore, aggregate_class: type[AnyAggregate], id: str, moment: Moment | None
) -> AnyAggregate:
    """
    An aggregate as it was, read only; None is now.

    Raises:
        AggregateNotFoundError: It had no events then.
        EventNotFoundError: There is no event with that id in the store.
        ValueError: The time says nothing of its zone.
    """
    for aggregate in reversed(await _parts(store, aggregate_class, id)):
        await _fold_until(store, aggregate, moment)
        if aggregate.version:
            aggregate.make_read_only()
            return aggregate
    raise AggregateNotFoundError(subject=aggregate_class.subject_of(id), aggregate=aggregate_class.__name__)


async def history(
    store: EventStore, aggregate_class: type[AnyAggregate], id: str, *, since: Moment | None, until: Moment | None
) -> AsyncGenerator[HistoryEntry[AnyAggregate]]:
    """
    The events of an aggregate, each with the state it led to, oldest first.

    Raises:
        AggregateNotFoundError: It had no events at *until*.
        EventNotFoundError, ValueError: As `load_at`.
    """
    last = await load_at(store, aggregate_class, id, until)
    begun = await _load_or_new(store, aggregate_class, id, since)
    async with aclosing(_between(store, begun, last)) as between:
        async for events, aggregate in between:
            for event in events:
                aggregate.fold([event])
                state = copied(aggregate)
                state.make_read_only()
                yield HistoryEntry(event, state)


async def diff(
    store: EventStore, aggregate_class: type[AnyAggregate], id: str, *, before: Moment | None, after: Moment | None
) -> Difference[AnyAggregate]:
    """
    What happened to an aggregate between two moments.

    Raises:
        AggregateNotFoundError: It had no events at *after*.
        EventNotFoundError, ValueError: As `load_at`; or *before* is the later one.
    """
    then = await load_at(store, aggregate_class, id, after)
    first = await _load_or_new(store, aggregate_class, id, before)
    if _place(first) > _place(then):
        msg = "the moment `before` is later than `after`"
        raise ValueError(msg)
    between = [event async for events, _ in _between(store, copied(first), then) for event in events]
    one, other = state_of(first), state_of(then)
    first.make_read_only()
    return Difference(
        first,
        then,
        tuple(between),
        {
            name: Change(one.get(name), other.get(name))
            for name in {**one, **other}
            if not are_same(one.get(name), other.get(name))
        },
    )


async def _load_or_new(
    store: EventStore, aggregate_class: type[AnyAggregate], id: str, moment: Moment | None
) -> AnyAggregate:
    """
    As it was, or one without events if there was none; None is before all. It is good for folding on.
    """
    parts = await _parts(store, aggregate_class, id)
    if moment is not None:
        for aggregate in reversed(parts):
            await _fold_until(store, aggregate, moment)
            if aggregate.version:
                return aggregate
    return parts[0]


async def _fold_until(store: EventStore, aggregate: Aggregate, moment: Moment | None) -> None:
    async with aclosing(_read(store, aggregate, moment)) as read:
        async for events in read:
            aggregate.fold(events)


async def _parts(store: EventStore, aggregate_class: type[AnyAggregate], id: str) -> list[AnyAggregate]:
    """
    It, or each of its periods, oldest first: nothing read. One at least.
    """
    if not issubclass(aggregate_class, PeriodAggregate):
        return [aggregate_class(id)]
    periods = await periods_of(store, aggregate_class, id)
    return [aggregate_class(id, period=period) for period in periods or ("",)]


def _place(aggregate: Aggregate) -> tuple[str, int]:
    return aggregate.period if isinstance(aggregate, PeriodAggregate) else "", aggregate.version


async def _between(
    store: EventStore, first: AnyAggregate, last: AnyAggregate
) -> AsyncGenerator[tuple[Sequence[RecordedEvent], AnyAggregate]]:
    """
    The events behind *first* up to the last one of *last*, with what they are to be folded into.

    That is *first*, and then each of the periods that follow.
    """
    parts = [each for each in await _parts(store, type(first), first.id) if _place(each)[0] > _place(first)[0]]
    for aggregate in (first, *parts):
        if _place(aggregate)[0] > _place(last)[0]:
            return
        is_last = aggregate.subject == last.subject
        async with aclosing(_read(store, aggregate, last.last_event_id if is_last else None)) as read:
            async for events in read:
                yield events, aggregate


async def _read(
    store: EventStore, aggregate: Aggregate, until: Moment | None
) -> AsyncGenerator[Sequence[RecordedEvent]]:
    """
    What is behind the last event of *aggregate*, up to a moment.
    """
    end = _to_microseconds(until) if isinstance(until, datetime) else None
    bound = until if isinstance(until, str) else None
    stream = store.stream(
        aggregate.subject,
        recursive=False,
        lower_bound=aggregate.last_event_id,
        upper_bound=bound,
        include_upper_bound=bound is not None,
    )
    try:
        async for page in stream.pages():
            events = page.events
            if end is not None and events and events[-1].time_ns // 1000 > end:
                # Times grow with the order of events, so nothing behind is of interest.
                yield [event for event in events if event.time_ns // 1000 <= end]
                return
            yield events
    finally:
        await stream.aclose()


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def _to_microseconds(time: datetime) -> int:
    # In whole microseconds, as a datetime counts: an event's own `time` includes it.
    if time.tzinfo is None:
        msg = "the time has no zone: datetime(..., tzinfo=UTC) has one"
        raise ValueError(msg)
    return (time - _EPOCH) // timedelta(microseconds=1)
