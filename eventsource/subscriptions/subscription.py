"""
Subscriptions: the events of a store from a checkpoint on, then each new one.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import attrs

from eventsource.store.interface import EventStream
from eventsource.wire.errors import EventNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from eventsource.events.event import RecordedEvent
    from eventsource.store.interface import EventStore, Page
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
    event_id = checkpoint.event_id
    if not event_id:
        return store.observe(subject)
    try:
        last = await find_event(store, event_id)
    except EventNotFoundError:
        return None
    stream = store.observe(lower_bound=event_id, include_lower_bound=True)
    try:
        # Usually one event has the id. Of several, from another kind of store, these are the first to the last.
        is_first = True
        async for recorded in stream:
            if recorded.hash == checkpoint.event_hash:
                break
            if recorded.hash == last.hash:
                return None
            is_first = False
    finally:
        await stream.aclose()
    if is_first and last.hash == checkpoint.event_hash:
        return store.observe(subject, lower_bound=event_id)
    following = store.observe(subject, lower_bound=event_id, include_lower_bound=True)
    return EventStream(_behind(following, checkpoint.event_hash))


async def _behind(stream: EventStream, event_hash: str) -> AsyncGenerator[Page]:
    """
    The pages of *stream* without its events up to the one with that hash, which is in it.
    """
    is_behind = False
    async with aclosing(stream.pages()) as pages:
        async for page in pages:
            if is_behind:
                yield page
                continue
            hashes = [event.hash for event in page.events]
            if event_hash in hashes:
                is_behind = True
                yield attrs.evolve(page, events=page.events[hashes.index(event_hash) + 1 :])
