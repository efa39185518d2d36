"""
From a store to an aggregate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from eventsource.domain.aggregate import Aggregate
from eventsource.errors import AggregateNotFoundError

if TYPE_CHECKING:
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)


class Loader:
    """
    Rebuilds aggregates from the events of exactly their subject.

    Whatever decides over aggregates (a repository, a unit of work) gets them here, and tells here what it
    committed.

    Args:
        store: Where the events are.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def load(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        """
        An aggregate as it is now, for the caller alone.

        Raises:
            AggregateNotFoundError: It has no events.
            UnknownEventTypeError, EventDecodingError: The log holds an event it cannot take.
        """
        aggregate = aggregate_class(id)
        await self.catch_up(aggregate)
        if aggregate.version == 0:
            raise AggregateNotFoundError(subject=aggregate.subject, aggregate=aggregate_class.__name__)
        return aggregate

    async def catch_up(self, aggregate: Aggregate) -> None:
        """
        Fold what the store has beyond the aggregate's last event.
        """
        stream = self._store.stream(aggregate.subject, recursive=False, lower_bound=aggregate.last_event_id)
        async for page in stream.pages():
            aggregate.fold(page.events)

    def committed(self, *aggregates: Aggregate) -> None:
        """
        Say that the pending events of these were committed; each is marked so (`Aggregate.mark_committed`).
        """
