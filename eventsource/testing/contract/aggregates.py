"""
Aggregates over the store: loaded from snapshots, as of the past, and by periods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource import (
    Aggregate,
    AggregateNotFoundError,
    ConflictError,
    Event,
    NewEvent,
    PeriodAggregate,
    Repository,
    Snapshots,
    handles,
)
from eventsource.aggregates import AggregateCache, EveryEvents, InMemorySnapshotStore
from eventsource.errors import EventNotFoundError
from eventsource.testing.contract.chance import rounds

if TYPE_CHECKING:
    import random

    from eventsource import EventStore, RecordedEvent


class Counted(Event, type="io.example.contract.counted"):
    """
    Something was counted.
    """

    number: int


class Closed(Event, type="io.example.contract.closed"):
    """
    A period ends.
    """


class Carried(Event, type="io.example.contract.carried"):
    """
    A period begins.
    """

    number: int


class Counter(Aggregate, subject="/contract-counters/{id}"):
    """
    Adds up.
    """

    total: int = 0
    numbers: list[int] = []  # noqa: RUF012  copied for each instance

    def count(self, number: int) -> None:
        """
        Add *number*.
        """
        self.emit(Counted(number=number))

    @handles
    def _counted(self, event: Counted) -> None:
        self.total += event.number
        self.numbers.append(event.number)


class PeriodCounter(PeriodAggregate, subject="/contract-period-counters/{id}/{period}", closed_by=Closed):
    """
    Adds up, period by period.
    """

    total: int = 0

    def count(self, number: int) -> None:
        """
        Add *number*.
        """
        self.emit(Counted(number=number))

    def close(self) -> Carried:
        """
        Carry the total over.
        """
        self.emit(Closed())
        return Carried(number=self.total)

    @handles
    def _counted(self, event: Counted) -> None:
        self.total += event.number

    @handles
    def _carried(self, event: Carried) -> None:
        self.total = event.number


async def _count(store: EventStore, count: int) -> list[RecordedEvent]:
    """
    The numbers 1, 2, 3 … at one counter, an event of another between each two.
    """
    recorded: list[RecordedEvent] = []
    for number in range(1, count + 1):
        recorded += await store.commit(
            [
                NewEvent.of(Counted(number=number), subject="/contract-counters/1"),
                NewEvent.of(Counted(number=1), subject="/contract-counters/2"),
            ]
        )
    return recorded


async def test_a_load_from_a_snapshot_or_a_cache_is_a_full_load(store: EventStore, rng: random.Random) -> None:
    """
    After each of many commits, by whoever has which of them.
    """
    snapshots = Snapshots(InMemorySnapshotStore(), {Counter: EveryEvents(4)})
    full = Repository(Counter, store)
    others = [
        Repository(Counter, store, snapshots=snapshots),
        Repository(Counter, store, cache=AggregateCache()),
        Repository(Counter, store, snapshots=snapshots, cache=AggregateCache(1)),
    ]
    await _count(store, 3)
    for number in range(rounds(12, 100)):
        await rng.choice(others).execute("1", Counter.count, number)
        await snapshots.settle()
        expected = await full.load("1")
        for repository in others:
            loaded = await repository.load("1")
            assert (loaded.numbers, loaded.version, loaded.last_event_id, loaded.preconditions) == (
                expected.numbers,
                expected.version,
                expected.last_event_id,
                expected.preconditions,
            )


async def test_one_that_was_loaded_from_a_snapshot_conflicts_like_any(store: EventStore) -> None:
    """
    It is guarded by all of its events.
    """
    await _count(store, 5)
    snapshots = Snapshots(InMemorySnapshotStore(), {Counter: EveryEvents(2)})
    counters = Repository(Counter, store, snapshots=snapshots)
    await counters.load("1")
    await snapshots.settle()
    late = await counters.load("1")
    await counters.execute("1", Counter.count, 1)

    late.count(1)

    with pytest.raises(ConflictError):
        await counters.save(late)


async def test_the_past_is_the_fold_up_to_there(store: EventStore) -> None:
    """
    At every event of the store, whosever it is, and at its time.
    """
    recorded = await _count(store, 4)
    counters = Repository(Counter, store)
    for index, event in enumerate(recorded):
        expected = list(range(1, index // 2 + 2))

        assert (await counters.load("1", at=event.id)).numbers == expected
        by_time = (await counters.load("1", at=event.time)).numbers
        # Others may have been committed in the same microsecond.
        assert by_time[: len(expected)] == expected
    with pytest.raises(AggregateNotFoundError):
        await counters.load("2", at=recorded[0].id)
    with pytest.raises(EventNotFoundError):
        await counters.load("1", at="00000000-0000-4000-8000-000000000000")


async def test_history_and_difference_are_of_the_same_events(store: EventStore) -> None:
    """
    Between two events: what each did, and what all did together.
    """
    recorded = await _count(store, 6)
    counters = Repository(Counter, store)

    entries = [entry async for entry in counters.history("1", since=recorded[3].id, until=recorded[8].id)]
    difference = await counters.diff("1", recorded[3].id, recorded[8].id)

    assert [state.total for _, state in entries] == [6, 10, 15]
    assert [event.id for event, _ in entries] == [event.id for event in difference.events]
    assert difference.changes["total"] == (3, 15)


async def test_closed_books_are_not_read_again(store: EventStore) -> None:
    """
    Only the last period is loaded, and the closed one takes no more events.
    """
    counters = Repository(PeriodCounter, store)
    async with counters.create("1", period="2026-06") as counter:
        counter.count(5)
    late = await counters.load("1")
    await counters.close_period("1", "2026-07", PeriodCounter.close)
    await counters.execute("1", PeriodCounter.count, 2)

    counter = await counters.load("1")
    late.count(1)

    assert (counter.period, counter.total, counter.version) == ("2026-07", 7, 2)
    with pytest.raises(ConflictError):
        await counters.save(late)
    assert await store.count("/contract-period-counters/1") == 4
