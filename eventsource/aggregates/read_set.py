"""
Readings: what a decision has read, kept from one attempt at it to the next.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar, cast

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.decision_state import DecisionState
from eventsource.aggregates.errors import AggregateNotFoundError
from eventsource.aggregates.selection_reader import select
from eventsource.aggregates.state import copied

if TYPE_CHECKING:
    from typing import Any

    from eventsource.aggregates.loader import Loader
    from eventsource.guards.guard import EventSelection
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
AnyState = TypeVar("AnyState", bound=DecisionState)


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
            try:
                known = await self.loader.load(aggregate_class, id)
            except AggregateNotFoundError:
                known = aggregate_class(id)
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
