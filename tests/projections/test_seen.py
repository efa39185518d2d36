"""
Reading one's own writes: waiting until a read model holds an event.
"""

import asyncio
import contextlib
import threading

import pytest

from eventsource import (
    EventNotFoundError,
    EventStore,
    NotSeenError,
    ProjectorFailedError,
    ProjectorNotRunningError,
    ReadModelDatabase,
    Worker,
    watch,
)
from tests.projections.bank import Balances, balance_of, greeted, letter, moved, opened


async def test_seen_returns_once_the_event_is_in_the_read_model(store: EventStore, database: ReadModelDatabase) -> None:
    """
    A query right after it sees the event, every time.
    """
    projector = Balances()
    await store.commit([opened("1")])

    async with Worker(store, database, [projector]):
        for expected in range(1, 31):
            (recorded,) = await store.commit([moved("1", 1)])
            await projector.seen(recorded.id)

            assert await balance_of(database, "1") == expected


async def test_event_of_long_ago_is_seen_at_once(store: EventStore, database: ReadModelDatabase) -> None:
    """
    What is in the read model already is not waited for, also in a worker that has just been started again.
    """
    (first, *_) = await store.commit([opened("1"), moved("1", 1)])
    async with Worker(store, database, [Balances()]) as worker:
        await worker.caught_up()
    projector = Balances()

    async with Worker(store, database, [projector]):
        await projector.seen(first.id)


async def test_seen_waits_while_the_projector_is_behind(store: EventStore, database: ReadModelDatabase) -> None:
    """
    The last event of a long history is waited for.
    """
    recorded = await store.commit([opened("1"), *[moved("1", 1)] * 3_000])
    projector = Balances()

    async with Worker(store, database, [projector]):
        await projector.seen(recorded[-1].id)

        assert await balance_of(database, "1") == 3_000


@pytest.mark.parametrize("passed_over", [letter("1"), greeted("7")], ids=["no handler", "other subject"])
async def test_event_that_is_passed_over_is_seen(
    store: EventStore, database: ReadModelDatabase, passed_over: object
) -> None:
    """
    Any event of the store can be waited for: everything before it is in the read model then.
    """
    projector = Balances()
    await store.commit([opened("1")])

    async with Worker(store, database, [projector]):
        for expected in (1, 2, 3):
            *_, recorded = await store.commit([moved("1", 1), passed_over])  # type: ignore[list-item]  # a NewEvent
            await projector.seen(recorded.id)

            assert await balance_of(database, "1") == expected


async def test_many_may_wait_at_once(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    Everybody waits for their own event.
    """
    projector = Balances()
    await memory_store.commit([opened("1")])

    async def move(expected: int) -> bool:
        (recorded,) = await memory_store.commit([moved("1", 1)])
        await projector.seen(recorded.id)
        return (await balance_of(database, "1") or 0) >= expected

    async with Worker(memory_store, database, [projector]):
        assert all(await asyncio.gather(*map(move, range(1, 51))))


async def test_event_that_is_not_reached_in_time_is_an_error(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    The error is a TimeoutError with the projector, the event and the time.
    """
    projector = Balances()
    watch(projector, memory_store, database)
    (recorded,) = await memory_store.commit([opened("1")])

    with pytest.raises(NotSeenError) as excinfo:
        await projector.seen(recorded.id, timeout_s=0.05)

    assert isinstance(excinfo.value, TimeoutError)
    assert (excinfo.value.projector, excinfo.value.event_id, excinfo.value.timeout_s) == ("balances", recorded.id, 0.05)


async def test_slow_worker_is_an_error_too(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    A worker of this process that is too slow is not waited for longer than asked.
    """
    projector = Balances()
    await memory_store.commit([opened("1")])
    let_go = threading.Event()

    async with Worker(memory_store, database, [projector]) as worker:
        await worker.caught_up()
        blocking = asyncio.create_task(database.write(lambda _: let_go.wait()))
        (recorded,) = await memory_store.commit([moved("1", 1)])
        with pytest.raises(NotSeenError):
            await projector.seen(recorded.id, timeout_s=0.05)

        let_go.set()
        await blocking
        await projector.seen(recorded.id)


async def test_unknown_event_is_an_error_at_once(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    What the store does not have is never going to be seen.
    """
    projector = Balances()

    async with Worker(memory_store, database, [projector]):
        with pytest.raises(EventNotFoundError):
            await projector.seen("no-such-event")


async def test_waiting_ends_when_the_projector_fails(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    Those who wait are told the failure, not left waiting.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1), moved("1", 1)])
    projector = Balances(poison=recorded[1].id)

    with contextlib.suppress(ExceptionGroup):
        async with Worker(memory_store, database, [projector]):
            waiting = [asyncio.create_task(projector.seen(event.id)) for event in recorded[1:]]
            results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(result) for result in results] == [ProjectorFailedError, ProjectorFailedError]


async def test_failed_projector_still_knows_what_it_has_seen(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    Events before the failing one are in the read model; later ones will not come.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1), moved("1", 1)])
    projector = Balances(poison=recorded[1].id)
    with contextlib.suppress(ProjectorFailedError):
        async with Worker(memory_store, database, [projector]) as worker:
            await worker.caught_up()

    await projector.seen(recorded[0].id)

    for event in recorded[1:]:
        with pytest.raises(ProjectorFailedError):
            await projector.seen(event.id)


async def test_waiting_ends_when_the_worker_stops(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    Those who wait for what a stopped worker has not reached are told so, at once.
    """
    projector = Balances()
    async with Worker(memory_store, database, [projector]) as worker:
        await worker.caught_up()
    (recorded,) = await memory_store.commit([opened("1")])

    with pytest.raises(ProjectorNotRunningError):
        await projector.seen(recorded.id)
    with pytest.raises(ProjectorNotRunningError):
        await worker.caught_up()
