"""
Events to write, and reading them back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventsource import NewEvent
from eventsource.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventsource import EventStore, RecordedEvent
    from eventsource.store import EventStream

NOTED = "io.example.contract.noted"
OTHER = "io.example.contract.other"

# Far longer than anything takes here: only what would hang for ever gets to it.
PATIENCE_S = 240


def noted(
    subject: str,
    *,
    type: str = NOTED,
    source: str | None = None,
    data: Mapping[str, object] | None = None,
    store_data_as_reference: bool = False,
) -> NewEvent:
    """
    A new event at *subject*.
    """
    return NewEvent(
        subject=subject, type=type, data=data or {}, source=source, store_data_as_reference=store_data_as_reference
    )


async def commit_each(store: EventStore, subjects: Sequence[str]) -> list[RecordedEvent]:
    """
    Commit one event to each of *subjects*, one after the other.
    """
    return [(await store.commit([noted(subject)]))[0] for subject in subjects]


async def read(stream: EventStream) -> list[RecordedEvent]:
    """
    All events of a stream that ends.
    """
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in stream]


async def place_of(event: RecordedEvent, store: EventStore) -> int:
    """
    Which of all events it is, counted from 1. Positions tell that only in some kinds of store.
    """
    return [each.id for each in await read(store.stream())].index(event.id) + 1


async def is_intact(store: EventStore) -> bool:
    """
    True if an audit finds nothing wrong. A part of a store has no hash chain of its own to audit.
    """
    try:
        return (await store.audit()).is_intact
    except NotSupportedError:
        return True


async def take(stream: EventStream, count: int) -> list[RecordedEvent]:
    """
    The first *count* events of a stream, which is closed then.
    """
    taken: list[RecordedEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for page in stream.pages():
            taken.extend(page.events)
            if len(taken) >= count:
                break
    await stream.aclose()
    return taken[:count]
