"""
Doing one thing in a store with a history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from eventsource.store.memory import InMemoryEventStore
from eventsource.testing.clock import sequential_ids
from eventsource.testing.scenario.outcome import Happened
from eventsource.testing.scenario.reloading import changes_without_an_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from eventsource.aggregates.aggregate import Aggregate
    from eventsource.events.event import NewEvent
    from eventsource.store.interface import EventStore
    from eventsource.testing.clock import FixedClock

State = TypeVar("State")


async def act(
    history: Sequence[NewEvent],
    clock: FixedClock,
    action: Callable[[EventStore], Awaitable[tuple[State, Iterable[Aggregate]]]],
) -> Happened[State]:
    """
    Run *action* on a store in memory that holds *history*.

    Args:
        action: Returns what there is to look at afterwards, and the aggregates that took part.

    Returns:
        The events that were added, what *action* returned and what another load gives another value; or what it
        raised.
    """
    async with InMemoryEventStore(clock=clock, new_id=sequential_ids()) as store:
        last = (await store.commit(history))[-1].id if history else None
        try:
            state, aggregates = await action(store)
        # Whatever it raises is the outcome.
        except Exception as error:  # noqa: BLE001
            return Happened(error=error)
        changed = await changes_without_an_event(store, aggregates)
        return Happened([event async for event in store.stream(lower_bound=last)], state=state, changed=changed)
