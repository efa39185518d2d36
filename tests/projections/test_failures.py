"""
Failing projectors: they stop before the event, skip nothing, and go on there once corrected.
"""

import contextlib
from pathlib import Path

import pytest
from sqlalchemy import Connection

from eventsource import EventStore, NewEvent, ProjectionWorker, ReadModelDatabase, RecordedEvent, handles
from eventsource.errors import EventDecodingError, ProjectorFailedError
from tests.projections.bank import (
    AccountOpened,
    Balances,
    Greetings,
    MoneyMoved,
    PoisonedError,
    assert_applied_exactly_once,
    balance_of,
    greeted,
    letter,
    moved,
    opened,
    query,
)


async def run_until_failed(store: EventStore, database: ReadModelDatabase, projector: Balances) -> ProjectorFailedError:
    """
    Run a worker until its projector has failed; gives the failure.
    """
    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(store, database, [projector]) as worker:
            with pytest.raises(ProjectorFailedError) as excinfo:
                await worker.caught_up()
    return excinfo.value


@pytest.mark.parametrize("before", [0, 1, 1_500], ids=["first in its page", "second", "in the middle"])
async def test_what_came_before_a_failing_event_is_applied(
    store: EventStore, database: ReadModelDatabase, before: int
) -> None:
    """
    All events up to the failing one are in the read model, and nothing of it or after it.
    """
    await store.commit([opened("1"), *[moved("1", 1)] * before])
    (failing, *_) = await store.commit([moved("1", 10_000)] * 2)

    error = await run_until_failed(store, database, Balances(poison=failing.id))

    assert (error.event_id, error.event_type, error.subject) == (failing.id, MoneyMoved.event_type, "/accounts/1")
    assert isinstance(error.__cause__, PoisonedError)
    assert await balance_of(database, "1") == before


async def test_corrected_projector_goes_on_with_the_failing_event(
    store: EventStore, database: ReadModelDatabase, read_path: Path
) -> None:
    """
    Once the handler is corrected, no event has been skipped and none is applied twice.
    """
    await store.commit([opened("1"), moved("1", 1), letter("1")])
    (failing,) = await store.commit([moved("1", 2)])
    await store.commit([moved("1", 3), opened("2")])
    await run_until_failed(store, database, Balances(poison=failing.id))
    await run_until_failed(store, database, Balances(poison=failing.id))

    async with ProjectionWorker(store, database, [Balances()]) as worker:
        await worker.caught_up()

    await assert_applied_exactly_once(store, read_path)


async def test_failing_live_is_like_failing_in_history(store: EventStore, database: ReadModelDatabase) -> None:
    """
    A projector that has caught up stops before a failing event, too.
    """
    projector = Balances()
    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(store, database, [projector]) as worker:
            await store.commit([opened("1"), moved("1", 1)])
            await worker.caught_up()

            recorded = await store.commit(
                [moved("1", 2), NewEvent(subject="/accounts/1", type=MoneyMoved.event_type, data={})]
            )
            with pytest.raises(ProjectorFailedError) as excinfo:
                await projector.seen(recorded[-1].id)

    assert excinfo.value.event_id == recorded[-1].id
    assert await balance_of(database, "1") == 3


async def test_event_that_does_not_fit_stops_the_projector(store: EventStore, database: ReadModelDatabase) -> None:
    """
    An event that cannot be decoded is not skipped; the error says what does not fit, without values.
    """
    await store.commit([opened("1"), moved("1", 5)])
    misfit = NewEvent(subject="/accounts/1", type=MoneyMoved.event_type, data={"cents": "Ada Lovelace"})
    await store.commit([misfit, moved("1", 7)])

    error = await run_until_failed(store, database, Balances())

    assert isinstance(error.__cause__, EventDecodingError)
    assert error.__cause__.problems[0].startswith("cents: Input should be a valid integer")
    assert "Ada" not in str(error) + str(error.__cause__)
    assert await balance_of(database, "1") == 5


async def test_error_text_quotes_nothing_the_handler_said(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    A handler's error may quote event data; ours names its class only, and keeps it as the cause.
    """

    class Careless(Balances, name="careless", tables=[*Balances.tables]):
        @handles
        def _moved(self, event: MoneyMoved, recorded: RecordedEvent, tx: Connection) -> None:
            raise RuntimeError(event.cents, recorded.id, tx)

    await memory_store.commit([opened("1"), moved("1", 987_654)])

    error = await run_until_failed(memory_store, database, Careless())

    assert "RuntimeError" in str(error)
    assert "987654" not in str(error)
    assert isinstance(error.__cause__, RuntimeError)


async def test_other_projectors_go_on(store: EventStore, database: ReadModelDatabase, read_path: Path) -> None:
    """
    One projector fails, the other takes what comes later.
    """
    recorded = await store.commit([opened("1"), moved("1", 1), greeted("7")])
    failing, working = Balances(poison=recorded[1].id), Greetings()

    with pytest.raises(ExceptionGroup) as excinfo:  # noqa: PT012  raised at the end of the block
        async with ProjectionWorker(store, database, [failing, working]):
            with pytest.raises(ProjectorFailedError):
                await failing.seen(recorded[1].id)
            (later,) = await store.commit([greeted("8")])
            await working.seen(later.id)

    assert [type(error) for error in excinfo.value.exceptions] == [ProjectorFailedError]
    assert query(read_path, "SELECT customer FROM greetings") == [("/customers/7",), ("/customers/8",)]


async def test_handler_that_fails_now_and_then_skips_nothing(
    memory_store: EventStore, database: ReadModelDatabase, read_path: Path
) -> None:
    """
    A handler that fails at another event when it is run once more stops the projector before the earlier one.
    """
    recorded = await memory_store.commit([opened("1"), *[moved("1", 1)] * 9])
    # The second time the sixth event is not reached: the third fails.
    fails_at = {recorded[6].id, recorded[3].id}

    class Moody(Balances, name="moody", tables=[*Balances.tables]):
        runs = 0

        @handles
        def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None:
            Moody.runs += 1
            super()._opened(event, recorded, tx)

        @handles
        def _moved(self, event: MoneyMoved, recorded: RecordedEvent, tx: Connection) -> None:
            if recorded.id in fails_at and (Moody.runs > 1 or recorded.position == 7):
                raise PoisonedError
            super()._moved(event, recorded, tx)

    error = await run_until_failed(memory_store, database, Moody())
    assert error.event_id == recorded[3].id
    assert await balance_of(database, "1") == 2

    fails_at.clear()
    async with ProjectionWorker(memory_store, database, [Moody()]) as worker:
        await worker.caught_up()

    await assert_applied_exactly_once(memory_store, read_path)


async def test_events_passed_over_before_a_failing_one_are_finished(
    store: EventStore, database: ReadModelDatabase
) -> None:
    """
    Whoever waits for an event before the failing one is told that it is in the read model.
    """
    recorded = await store.commit([greeted("7"), letter("1"), moved("1", 1)])
    projector = Balances(poison=recorded[-1].id)

    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(store, database, [projector]):
            with pytest.raises(ProjectorFailedError):
                await projector.seen(recorded[-1].id)

            await projector.seen(recorded[0].id)
            await projector.seen(recorded[1].id)


async def test_transaction_of_a_failing_event_leaves_nothing(
    memory_store: EventStore, database: ReadModelDatabase, read_path: Path
) -> None:
    """
    What the failing handler had already written is rolled back with it.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1)])

    await run_until_failed(memory_store, database, Balances(poison=recorded[1].id))

    assert query(read_path, "SELECT event_id FROM applied") == [(recorded[0].id,)]


async def test_failed_projector_tells_its_state(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    Its progress has the state and the error.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1)])

    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(memory_store, database, [Balances(poison=recorded[1].id)]) as worker:
            with pytest.raises(ProjectorFailedError) as excinfo:
                await worker.caught_up()

    progress = worker.progress["balances"]
    assert progress.state == "failed"
    assert progress.error is excinfo.value
    assert progress.checkpoint.event_id == recorded[0].id
