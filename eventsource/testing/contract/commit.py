"""
Committing: all or nothing, in one order, with times that grow and hashes that link.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from eventsource.events.hash_chain import GENESIS_HASH, event_hash
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, is_intact, noted, place_of, read

if TYPE_CHECKING:
    from eventsource import EventStore
    from eventsource.testing.contract.kinds import OpenStore


async def test_what_is_returned_is_what_is_stored(store: EventStore) -> None:
    """
    A commit returns its events as recorded, in the order given, and a stream yields the same.
    """
    events = [noted("/accounts/2", data={"number": number}) for number in range(3)]

    recorded = await store.commit(events)

    assert [event.data for event in recorded] == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert [(event.subject, event.type) for event in recorded] == [("/accounts/2", NOTED)] * 3
    assert await read(store.stream()) == list(recorded)


async def test_one_commit_writes_to_several_subjects(store: EventStore) -> None:
    """
    The events of one commit may belong to different subjects; they stand one behind the other.
    """
    await store.commit([noted("/accounts/1")])

    recorded = await store.commit([noted("/accounts/2"), noted("/transfers/7"), noted("/accounts/1")])

    assert [event.subject for event in recorded] == ["/accounts/2", "/transfers/7", "/accounts/1"]
    assert (await read(store.stream()))[1:] == list(recorded)


async def test_the_same_event_given_twice_is_two_events(store: EventStore) -> None:
    """
    Equal events are not merged: each gets a place and an id of its own.
    """
    event = noted("/accounts/1")

    first, second = await store.commit((event, event))

    assert first.position != second.position
    assert first.id != second.id


async def test_a_commit_of_nothing_is_refused(store: EventStore) -> None:
    """
    A commit without events raises, and nothing is written.
    """
    with pytest.raises(ValueError, match="at least one event"):
        await store.commit([])

    assert await store.count() == 0


@needs(Capability.POSITIONS)
async def test_positions_count_from_one_without_gaps(store: EventStore) -> None:
    """
    Positions are 1, 2, 3 …, also when many commit at the same time.
    """
    commits = [store.commit([noted(f"/accounts/{number}")] * (number % 3 + 1)) for number in range(60)]

    await asyncio.gather(*commits)

    events = await read(store.stream())
    assert [event.position for event in events] == list(range(1, 121))


async def test_events_of_one_commit_stay_together(store: EventStore) -> None:
    """
    Commits made at the same time do not mix: each one's events follow each other, in their order.
    """
    commits = [
        store.commit([noted(f"/accounts/{number}", data={"step": step}) for step in range(4)]) for number in range(50)
    ]

    await asyncio.gather(*commits)

    events = await read(store.stream())
    for four in (
        itertools.batched(events, 4) if hasattr(itertools, "batched") else zip(*[iter(events)] * 4, strict=True)
    ):
        assert len({event.subject for event in four}) == 1
        assert [event.data["step"] for event in four] == [0, 1, 2, 3]


async def test_ids_are_unique(store: EventStore) -> None:
    """
    No two events have the same id.
    """
    await asyncio.gather(*(store.commit([noted("/accounts/1")] * 5) for _ in range(40)))

    events = await read(store.stream())
    assert len({event.id for event in events}) == 200


@needs(Capability.CLOCK)
async def test_time_is_the_clocks_while_it_goes_forward(open_store: OpenStore) -> None:
    """
    An event has the time of the clock, in nanoseconds.
    """
    clock = iter([1_748_878_801_157_792_875, 1_748_878_801_157_792_876])

    async with open_store(clock=lambda: next(clock)) as store:
        recorded = await store.commit([noted("/accounts/1"), noted("/accounts/1")])

    assert [event.time_ns for event in recorded] == [1_748_878_801_157_792_875, 1_748_878_801_157_792_876]


@needs(Capability.CLOCK)
async def test_time_increases_whatever_the_clock_does(open_store: OpenStore) -> None:
    """
    With a clock that stands still or goes backwards, each event is still later than the one before.
    """
    clock = iter([5_000, 5_000, 4_000, 100, 6_000, 6_000])

    async with open_store(clock=lambda: next(clock)) as store:
        await store.commit([noted("/accounts/1"), noted("/accounts/2")])
        await store.commit([noted("/accounts/1")])
        await store.commit([noted("/accounts/1"), noted("/accounts/2"), noted("/accounts/3")])
        events = await read(store.stream())

    assert [event.time_ns for event in events] == [5_000, 5_001, 5_002, 5_003, 6_000, 6_001]


@needs(Capability.CLOCK)
async def test_ids_come_from_new_id(open_store: OpenStore) -> None:
    """
    Each event has the next id that the store was given.
    """
    ids = (f"event-{number}" for number in itertools.count(1))

    async with open_store(new_id=lambda: next(ids)) as store:
        recorded = await store.commit([noted("/accounts/1"), noted("/accounts/2")])

    assert [event.id for event in recorded] == ["event-1", "event-2"]


@needs(Capability.WHOLE)
async def test_each_event_is_linked_to_the_one_before(store: EventStore) -> None:
    """
    The first event follows 64 zeros, each other one the hash of its predecessor.
    """
    await store.commit([noted("/accounts/1"), noted("/accounts/2")])
    await store.commit([noted("/accounts/1")])

    events = await read(store.stream())
    assert [event.predecessor_hash for event in events] == [GENESIS_HASH, events[0].hash, events[1].hash]


@needs(Capability.WHOLE)
async def test_hash_covers_the_event(store: EventStore) -> None:
    """
    An event's hash is the one that can be computed from its other members.
    """
    (event,) = await store.commit([noted("/accounts/1", data={"name": "Zoë"})])

    assert event.hash == event_hash(
        id=event.id,
        time_ns=event.time_ns,
        source=event.source,
        subject=event.subject,
        type=event.type,
        data_json=event.data_json,
        predecessor_hash=event.predecessor_hash,
    )


async def test_source_is_the_stores_unless_the_event_names_one(open_store: OpenStore) -> None:
    """
    An event without a source of its own gets the store's.
    """
    async with open_store(source="io.example.branch-3") as store:
        recorded = await store.commit([noted("/accounts/1"), noted("/accounts/1", source="io.example.import")])

    assert [event.source for event in recorded] == ["io.example.branch-3", "io.example.import"]


async def test_a_large_commit_is_written_whole(store: EventStore) -> None:
    """
    A commit may be far larger than what is read at a time.
    """
    recorded = await store.commit([noted("/imports/1", data={"line": line}) for line in range(5_000)])

    events = await read(store.stream("/imports/1"))
    assert events == list(recorded)
    assert [event.data["line"] for event in events] == list(range(5_000))


@needs(Capability.DIRECT)
async def test_a_commit_whose_caller_gave_up_is_still_decided(store: EventStore) -> None:
    """
    Cancelling the caller does not tear a commit that was sent: it is in the log, and the store goes on.
    """
    task = asyncio.create_task(store.commit([noted("/accounts/1"), noted("/accounts/1")]))
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    (following,) = await store.commit([noted("/accounts/2")])
    assert await place_of(following, store) == 3
    assert await store.count("/accounts/1") == 2
    assert await is_intact(store)


async def test_giving_up_one_of_many_leaves_the_others(store: EventStore) -> None:
    """
    Of commits sent together and partly cancelled, each that was not cancelled gets its own events.
    """
    tasks = [asyncio.create_task(store.commit([noted(f"/accounts/{number}")])) for number in range(40)]
    await asyncio.sleep(0)

    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    kept = [outcome for outcome in outcomes[1::2] if not isinstance(outcome, BaseException)]
    assert [event.subject for (event,) in kept] == [f"/accounts/{number}" for number in range(1, 40, 2)]
