"""
From a selection of events to the recorded events in it.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import attrs

from eventsource.events.timestamp import format_timestamp
from eventsource.gdbql import Comparison, Constant, Path, conjunction, conjuncts
from eventsource.store.query import QueryLimits
from eventsource.wire.cloud_event import from_members

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.guards.guard import EventSelection
    from eventsource.store.interface import EventStore

# A decision over more events than that has the wrong shape; those of a store are stricter.
_LIMITS = QueryLimits(time_s=10.0, rows=1_000_000)

# So much of a stream is read before it is judged, and so few of its events make a query the better reader.
_FIRST_EVENTS = 500
_FEW = 1 / 8


async def select(
    store: EventStore, selection: EventSelection[Any], *, after: RecordedEvent | None = None
) -> AsyncGenerator[Sequence[RecordedEvent]]:
    """
    The recorded events of a selection, oldest first, many at a time.

    Those of one subject, or below one, are read from its stream, which is several times as fast as
    asking for them; unless most of what is there is of other types. Positions are then 0.

    Args:
        after: The last event of the selection that is known already.

    Raises:
        QueryBudgetError: There are too many.
    """
    place = selection.place
    if place is None:
        async for found in _query(store, selection, after):
            yield found
        return
    types = frozenset(selection.stored_types)
    subject, is_recursive = place
    seen = kept = 0
    async with aclosing(
        store.stream(subject, recursive=is_recursive, lower_bound=None if after is None else after.id)
    ) as stream:
        async for page in stream.pages():
            found = [event for event in page.events if event.type in types]
            if found:
                yield found
                after = found[-1]
            seen += len(page.events)
            kept += len(found)
            if seen >= _FIRST_EVENTS and kept < seen * _FEW and not page.caught_up:
                break
        else:
            return
    async for found in _query(store, selection, after):
        yield found


async def _query(
    store: EventStore, selection: EventSelection[Any], after: RecordedEvent | None
) -> AsyncGenerator[list[RecordedEvent]]:
    query = selection.query()
    if after is not None:
        since = Comparison(">=", Path(("time",)), Constant(format_timestamp(after.time_ns)))
        query = attrs.evolve(query, where=conjunction((*conjuncts(query.where), since)))
    async with aclosing(store.query(query, limits=_LIMITS)) as rows:
        async for page in rows.pages():
            found = [from_members(row, position=0) for row in page]
            if after is not None:
                found, after = _behind(found, after)
            if found:
                yield found


def _behind(events: list[RecordedEvent], after: RecordedEvent) -> tuple[list[RecordedEvent], RecordedEvent | None]:
    """
    Those behind *after*, of events since its time: in a Genesis DB several may have that time.

    Returns:
        Those, and None for *after* once it was passed.
    """
    for index, event in enumerate(events):
        if event.id == after.id:
            return events[index + 1 :], None
        if event.time_ns > after.time_ns:
            return events[index:], None
    return [], after
