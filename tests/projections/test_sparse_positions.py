"""
Projectors on a store whose positions have gaps and tell nothing of other subjects, as over HTTP.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import attrs

from eventsource import ProjectionWorker, ReadModelDatabase
from eventsource.store import EventStream, InMemoryEventStore, Page
from tests.projections.bank import Balances, balance_of, greeted, moved, opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from eventsource import RecordedEvent


def placed(event: RecordedEvent) -> RecordedEvent:
    """
    The event with its time as position.
    """
    return event._replace(position=event.time_ns)


class SparseStore(InMemoryEventStore):
    """
    The store in memory, seen through a protocol that has no positions.
    """

    def __init__(self) -> None:
        times = itertools.count(1_000_000, 1_000)
        super().__init__(clock=lambda: next(times))

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        """
        With its time.
        """
        found = await super().last_event(subject, recursive=recursive)
        return placed(found) if found else None

    def stream(self, *args: Any, **kwargs: Any) -> EventStream:
        """
        Of events with times.
        """
        return EventStream(sparse(super().stream(*args, **kwargs)))

    def observe(self, *args: Any, **kwargs: Any) -> EventStream:
        """
        Of events with times.
        """
        return EventStream(sparse(super().observe(*args, **kwargs)))


async def sparse(stream: EventStream) -> AsyncGenerator[Page]:
    """
    Pages that know no more of positions than their events do.
    """
    async for page in stream.pages():
        events = list(map(placed, page.events))
        yield attrs.evolve(page, events=events, position=events[-1].position if events else 0)


async def test_it_catches_up(database: ReadModelDatabase) -> None:
    """
    Having its own stream is enough, whatever came after it elsewhere.
    """
    async with SparseStore() as store:
        await store.commit([opened("1"), moved("1", 5), greeted("7")])

        async with ProjectionWorker(store, database, [Balances()]) as worker:
            await worker.caught_up()
            assert await balance_of(database, "1") == 5
            await store.commit([moved("1", 5)] * 3)
            await worker.caught_up()
            assert await balance_of(database, "1") == 20


async def test_a_store_without_events_of_its_own_is_caught_up_with(database: ReadModelDatabase) -> None:
    """
    Where there is nothing for it, there is nothing to wait for.
    """
    async with SparseStore() as store:
        await store.commit([greeted("7")])

        async with ProjectionWorker(store, database, [Balances()]) as worker:
            await worker.caught_up()


async def test_it_goes_on_where_it_was(database: ReadModelDatabase) -> None:
    """
    A second worker applies what is new, once.
    """
    async with SparseStore() as store:
        await store.commit([opened("1"), moved("1", 5)])
        for _ in range(3):
            async with ProjectionWorker(store, database, [Balances()]) as worker:
                await worker.caught_up()
            await store.commit([moved("1", 5)])

        async with ProjectionWorker(store, database, [Balances()]) as worker:
            await worker.caught_up()

        assert await balance_of(database, "1") == 20


async def test_events_are_seen_also_those_of_other_subjects(database: ReadModelDatabase) -> None:
    """
    Waiting ends for events in its stream, of long ago, and for those that never come to it.
    """
    projector, watcher = Balances(), Balances()
    async with SparseStore() as store:
        first, last, other = await store.commit([opened("1"), moved("1", 5), greeted("7")])
        async with ProjectionWorker(store, database, [projector]):
            watcher.watch(store, database)
            for event in (last, other, first):
                await projector.seen(event.id)
                await watcher.seen(event.id)
            assert await balance_of(database, "1") == 5


async def test_an_event_of_long_ago_is_seen_at_once_by_a_new_worker(database: ReadModelDatabase) -> None:
    """
    Where nothing new comes, the checkpoint itself says what is finished.
    """
    async with SparseStore() as store:
        first, _ = await store.commit([opened("1"), moved("1", 5)])
        async with ProjectionWorker(store, database, [Balances()]) as worker:
            await worker.caught_up()

        projector = Balances()
        async with ProjectionWorker(store, database, [projector]) as worker:
            await projector.seen(first.id)
            await worker.caught_up()
