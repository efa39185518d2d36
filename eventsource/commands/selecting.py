"""
From a selection of events to the recorded events in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.store.query import QueryLimits
from eventsource.wire.cloud_event import from_members

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from eventsource.domain.event import RecordedEvent
    from eventsource.domain.guard import EventSelection
    from eventsource.store.interface import EventStore

_LIMITS = QueryLimits(time_s=10.0, rows=1_000_000)


async def select(store: EventStore, selection: EventSelection[Any]) -> AsyncGenerator[list[RecordedEvent]]:
    """
    The recorded events of a selection, oldest first, many at a time. Their positions are 0.

    Raises:
        QueryBudgetError: There are too many.
    """
    async for rows in store.query(selection.query(None), limits=_LIMITS).pages():
        yield [from_members(row, position=0) for row in rows]
