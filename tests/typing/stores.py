"""
Stores as type checkers see them: each kind is an `EventStore`.
"""

from typing import Any, assert_type

from eventsource import EventStore, NewEvent, RecordedEvent, SubjectIsNew, connect, scoped
from eventsource.store import EmbeddedEventStore, InMemoryEventStore, Page, StoreStatus


def every_kind_is_an_event_store() -> list[EventStore]:
    """
    A store of each kind can be given wherever one is wanted.
    """
    return [InMemoryEventStore(), EmbeddedEventStore("bank.db"), connect("memory:"), scoped(connect("memory:"), "/a")]


async def entering_gives_the_kind_itself() -> None:
    """
    A store made by its class stays of its class.
    """
    async with EmbeddedEventStore("bank.db") as embedded:
        assert_type(embedded, EmbeddedEventStore)
    async with connect("memory:") as store:
        assert_type(store, EventStore)


async def events_come_back_recorded(store: EventStore, event: NewEvent) -> None:
    """
    Committing and reading give recorded events, one by one or in pages.
    """
    assert_type(await store.commit([event], [SubjectIsNew("/a")]), tuple[RecordedEvent, ...])
    async for recorded in store.stream("/a"):
        assert_type(recorded, RecordedEvent)
    async for page in store.observe("/a").pages():
        assert_type(page, Page)


async def what_a_store_holds_has_types(store: EventStore, event: NewEvent) -> None:
    """
    Overviews are values; schemas are JSON.
    """
    assert_type(await store.commit([event], idempotency_key="k-1"), tuple[RecordedEvent, ...])
    assert_type(await store.last_event("/a"), RecordedEvent | None)
    assert_type(await store.subjects("/a"), tuple[str, ...])
    assert_type(await store.event_types(), tuple[str, ...])
    assert_type(await store.status(), StoreStatus)
    assert_type(await store.schemas(), dict[str, dict[str, Any]])
    await store.register_schema("t", [])  # type: ignore[arg-type]
    await store.commit([event], [], "k-1")  # type: ignore[call-arg]


async def only_new_events_are_committed(store: EventStore, recorded: RecordedEvent) -> None:
    """
    Neither a recorded event nor a dictionary can be committed, and a guard is no text.
    """
    await store.commit([recorded])  # type: ignore[list-item]
    await store.commit([{"subject": "/a"}])  # type: ignore[list-item]
    await store.commit([], ["/a is new"])  # type: ignore[list-item]
    store.stream("/a", False)  # type: ignore[call-arg]  # noqa: FBT003  the mistake
