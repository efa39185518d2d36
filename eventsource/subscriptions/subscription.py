"""
Subscriptions: the events of a store from a checkpoint on, then each new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.errors import EventNotFoundError

if TYPE_CHECKING:
    from eventsource.domain.event import RecordedEvent
    from eventsource.store.interface import EventStore, EventStream
    from eventsource.subscriptions.checkpoint import Checkpoint


async def find_event(store: EventStore, event_id: str) -> RecordedEvent:
    """
    Look one event up by its id.

    Raises:
        EventNotFoundError: The store does not have it.
    """
    stream = store.stream(
        lower_bound=event_id, include_lower_bound=True, upper_bound=event_id, include_upper_bound=True
    )
    async for recorded in stream:
        return recorded
    raise EventNotFoundError(event_id)


async def subscribe(store: EventStore, subject: str, checkpoint: Checkpoint) -> EventStream | None:
    """
    Everything of *subject* and below it from *checkpoint* on. It does not end.

    Returns:
        None when the checkpoint does not fit the store: its event is not there, or another one is
        there in its place.
    """
    if not checkpoint.event_id:
        return store.observe(subject)
    try:
        last = await find_event(store, checkpoint.event_id)
    except EventNotFoundError:
        return None
    if last.hash != checkpoint.event_hash:
        return None
    return store.observe(subject, lower_bound=checkpoint.event_id)
