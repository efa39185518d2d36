"""
What a reload gives: scenarios compare with that, since it is what the next command will see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.aggregates.errors import AggregateNotFoundError
from eventsource.aggregates.loader import Loader
from eventsource.aggregates.state_codec import state_of
from eventsource.events.sameness import are_alike

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventsource.aggregates.aggregate import Aggregate
    from eventsource.events.event import RecordedEvent
    from eventsource.store.interface import EventStore


class WatchingLoader(Loader):
    """
    Remembers the aggregates that took part in a commit.
    """

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self.seen: dict[int, Aggregate] = {}

    def committed(self, *aggregates: Aggregate, events: Sequence[RecordedEvent] = ()) -> None:
        """
        See `Loader.committed`.
        """
        super().committed(*aggregates, events=events)
        self.seen |= {id(aggregate): aggregate for aggregate in aggregates}


async def reloaded(store: EventStore, aggregate: Aggregate) -> Any:
    """
    The same aggregate as its events make it; a new one if it has none.
    """
    try:
        return await Loader(store).load(type(aggregate), aggregate.id)
    except AggregateNotFoundError:
        return type(aggregate)(aggregate.id)


async def changes_without_an_event(store: EventStore, aggregates: Iterable[Aggregate]) -> list[str]:
    """
    The attributes that another load gives another value, each in a line.

    An aggregate that is not of all of its events, such as one that was saved without being read, is not compared.
    """
    found: list[str] = []
    for aggregate in aggregates:
        loaded = await reloaded(store, aggregate)
        if aggregate.subject == loaded.subject and aggregate.version == loaded.version:
            found += _differences(aggregate, loaded)
    return found


def _differences(aggregate: Aggregate, loaded: Aggregate) -> list[str]:
    now, then = state_of(aggregate), state_of(loaded)
    name = type(aggregate).__name__
    return [
        f"{name} {aggregate.id!r}: {attribute} is {_shown(now, attribute)}, and {_shown(then, attribute)} when it is "
        "loaded again"
        for attribute in dict.fromkeys((*now, *then))
        if attribute not in now or attribute not in then or not are_alike(now[attribute], then[attribute])
    ]


def _shown(state: dict[str, object], attribute: str) -> str:
    return repr(state[attribute]) if attribute in state else "not set"
