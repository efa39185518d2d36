"""
Reading one's own writes: waiting until a read model holds an event.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import Connection

from eventsource import Command, Dispatcher, EventStore, ProjectionWorker, ReadModelDatabase
from eventsource.errors import (
    EventNotFoundError,
    NotSeenError,
    ProjectorFailedError,
    ProjectorNotRunningError,
    ResultNotSeenError,
)
from eventsource.store import EventStream, InMemoryEventStore, Page
from tests.projections.bank import AccountOpened, Balances, balance_of, greeted, letter, moved, opened


async def test_seen_returns_once_the_event_is_in_the_read_model(store: EventStore, database: ReadModelDatabase) -> None:
    """
    A query right after it sees the event, every time.
    """
    projector = Balances()
    await store.commit([opened("1")])

    async with ProjectionWorker(store, database, [projector]):
        for expected in range(1, 31):
            (recorded,) = await store.commit([moved("1", 1)])
            await projector.seen(recorded.id)

            assert await balance_of(database, "1") == expected


async def test_event_of_long_ago_is_seen_at_once(store: EventStore, database: ReadModelDatabase) -> None:
    """
    What is in the read model already is not waited for, also in a worker that has just been started again.
    """
    (first, *_) = await store.commit([opened("1"), moved("1", 1)])
    async with ProjectionWorker(store, database, [Balances()]) as worker:
        await worker.caught_up()
    projector = Balances()

    async with ProjectionWorker(store, database, [projector]):
        await projector.seen(first.id)


async def test_seen_waits_while_the_projector_is_behind(store: EventStore, database: ReadModelDatabase) -> None:
    """
    The last event of a long history is waited for.
    """
    recorded = await store.commit([opened("1"), *[moved("1", 1)] * 3_000])
    projector = Balances()

    async with ProjectionWorker(store, database, [projector]):
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

    async with ProjectionWorker(store, database, [projector]):
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

    async with ProjectionWorker(memory_store, database, [projector]):
        assert all(await asyncio.gather(*map(move, range(1, 51))))


async def test_event_that_is_not_reached_in_time_is_an_error(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    The error is a TimeoutError with the projector, the event and the time.
    """
    projector = Balances()
    projector.watch(memory_store, database)
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

    async with ProjectionWorker(memory_store, database, [projector]) as worker:
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

    async with ProjectionWorker(memory_store, database, [projector]):
        with pytest.raises(EventNotFoundError):
            await projector.seen("no-such-event")


async def test_waiting_ends_when_the_projector_fails(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    Those who wait are told the failure, not left waiting.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1), moved("1", 1)])
    projector = Balances(poison=recorded[1].id)

    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(memory_store, database, [projector]):
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
        async with ProjectionWorker(memory_store, database, [projector]) as worker:
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
    async with ProjectionWorker(memory_store, database, [projector]) as worker:
        await worker.caught_up()
    (recorded,) = await memory_store.commit([opened("1")])

    async with asyncio.timeout(1):
        with pytest.raises(ProjectorNotRunningError):
            await projector.seen(recorded.id)
        with pytest.raises(ProjectorNotRunningError):
            await worker.caught_up()


# --- The time limit ----------------------------------------------------------------------


class OpenAccount(Command, subject="/accounts/{account}"):
    """
    Opens an account.
    """

    account: str


class NeverAnswers(InMemoryEventStore):
    """
    A store whose reads do not end, once it is told so, whether they are cancelled or not.
    """

    is_stuck = False
    asked = 0
    is_stubborn = False
    sticks = False

    async def commit(self, *arguments: Any, **options: Any) -> Any:
        """
        See `EventStore`.
        """
        recorded = await super().commit(*arguments, **options)
        self.is_stuck = self.is_stuck or self.sticks
        return recorded

    def stream(self, *arguments: Any, **options: Any) -> EventStream:
        """
        See `EventStore`.
        """
        found = super().stream(*arguments, **options)

        async def pages() -> AsyncGenerator[Page]:
            while self.is_stuck:
                self.asked += 1
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if not self.is_stubborn:
                        raise
            async for page in found.pages():
                yield page

        return EventStream(pages())


@pytest.mark.parametrize("is_stubborn", [False, True], ids=["cancelled", "not to be cancelled"])
@pytest.mark.parametrize("way", ["worker", "watched", "dispatch"])
async def test_the_time_limit_covers_the_look_into_the_store(
    database: ReadModelDatabase,
    way: str,
    is_stubborn: bool,  # noqa: FBT001  a parameter of pytest
) -> None:
    """
    However long the store takes to find the event, waiting ends in time, and says for what and how far it came.
    """
    projector = Balances()
    async with NeverAnswers() as store:
        (recorded,) = await store.commit([opened("1")])
        async with ProjectionWorker(store, database, [projector]) as worker:
            await worker.caught_up()
            if way == "watched":
                projector.watch(store, database)
            store.is_stuck, store.is_stubborn = True, is_stubborn

            if way == "dispatch":
                store.is_stuck, store.sticks = False, True
                dispatcher = Dispatcher(store)

                @dispatcher.handles
                def _open(command: OpenAccount) -> list[AccountOpened]:  # noqa: ARG001  the form of a handler, or a fixture
                    return [AccountOpened()]

                with pytest.raises(ResultNotSeenError) as unseen:
                    await dispatcher.dispatch(
                        OpenAccount(command_id="1", account="2"), wait_for=[projector], wait_timeout_s=0.05
                    )
                assert unseen.value.reason == "not-seen"
            else:
                with pytest.raises(NotSeenError) as late:
                    await projector.seen(recorded.id, timeout_s=0.05)
                assert (late.value.projector, late.value.event_id) == ("balances", recorded.id)
                assert "of its events" in late.value.whereabouts
                assert late.value.whereabouts in str(late.value)
            assert store.asked
            store.is_stuck = store.is_stubborn = False


async def test_a_read_model_that_keeps_no_time_is_not_waited_for(memory_store: EventStore) -> None:
    """
    Nor does a dispatch wait longer for something else that has a ``seen`` and takes no notice of its limit.
    """

    class Timeless:
        async def seen(self, event_id: str, timeout_s: float = 5.0) -> None:  # noqa: ARG002  the form of a handler
            await asyncio.Event().wait()

    dispatcher = Dispatcher(memory_store)

    @dispatcher.handles
    def _open(command: OpenAccount) -> list[AccountOpened]:  # noqa: ARG001  the form of a handler, or a fixture
        return [AccountOpened()]

    with pytest.raises(ResultNotSeenError) as unseen:
        await dispatcher.dispatch(OpenAccount(command_id="1", account="2"), wait_for=[Timeless()], wait_timeout_s=0.05)

    assert unseen.value.result.events


async def test_seen_from_another_event_loop(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    A thread with a loop of its own, as Django and Flask have them, is woken when the projector has moved.
    """
    projector = Balances()
    (first,) = await memory_store.commit([opened("1")])
    async with ProjectionWorker(memory_store, database, [projector]) as worker:
        await worker.caught_up()
        blocked, go_on = threading.Event(), threading.Event()

        def block(_: Connection) -> None:
            blocked.set()
            go_on.wait()

        blocking = asyncio.create_task(database.write(block))
        await asyncio.to_thread(blocked.wait)
        (second,) = await memory_store.commit([moved("1", 1)])

        waiting = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(projector.seen(second.id, timeout_s=60))))
        while not worker.progress["balances"]._waiting:  # noqa: ASYNC110  the other loop wakes nobody here
            await asyncio.sleep(0.001)
        go_on.set()
        await waiting
        await blocking

    assert first.position < second.position
