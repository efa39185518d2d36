"""
The kinds of store that tests of queries run against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource import EventStore, NewEvent
from eventsource.store import EmbeddedEventStore, InMemoryEventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from eventsource.gdbql import Query

STORES: dict[str, Callable[[Path], EventStore]] = {
    "memory": lambda _path: InMemoryEventStore(),
    "embedded": lambda path: EmbeddedEventStore(path / "store.db"),
}


def happened(subject: str = "/things/1", event_type: str = "happened", **data: Any) -> NewEvent:
    """
    An event with *data*.
    """
    return NewEvent(subject=subject, type=event_type, data=data)


async def rows(store: EventStore, query: str | Query, **options: Any) -> list[Any]:
    """
    All rows of a result.
    """
    return [row async for row in store.query(query, **options)]


async def fill(store: EventStore, events: Iterable[NewEvent]) -> None:
    """
    Commit many events, many at a time.
    """
    waiting = list(events)
    for start in range(0, len(waiting), 1000):
        await store.commit(waiting[start : start + 1000])
