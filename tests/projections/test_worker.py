"""
Workers: read models that catch up, follow, and are consistent with their checkpoint at every moment.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from eventsource import EventStore, ProjectionWorker, ReadModelDatabase
from eventsource.errors import ProjectorFailedError
from eventsource.subscriptions.checkpoint import load_checkpoint
from tests.projections.bank import (
    Balances,
    Greetings,
    PoisonedError,
    assert_applied_exactly_once,
    balance_of,
    greeted,
    letter,
    moved,
    opened,
    query,
)

# --- Catching up and following ---------------------------------------------------------


async def test_history_is_caught_up_with(store: EventStore, database: ReadModelDatabase) -> None:
    """
    What was committed before the worker started is in the read model once it has caught up.
    """
    await store.commit([opened("1"), moved("1", 500), moved("1", -200)])

    async with ProjectionWorker(store, database, [Balances()]) as worker:
        await worker.caught_up()

        assert await balance_of(database, "1") == 300


async def test_new_events_are_followed(store: EventStore, database: ReadModelDatabase) -> None:
    """
    What is committed while the worker runs arrives, commit after commit.
    """
    projector = Balances()
    await store.commit([opened("1")])

    async with ProjectionWorker(store, database, [projector]):
        for expected in (1, 2, 3):
            (recorded,) = await store.commit([moved("1", 1)])
            await projector.seen(recorded.id)

            assert await balance_of(database, "1") == expected


async def test_worker_runs_on_without_a_failed_projector(store: EventStore, database: ReadModelDatabase) -> None:
    """
    `run` ends when every projector has failed; one that fails leaves the others running.
    """
    recorded = await store.commit([opened("1"), moved("1", 1)])
    working = Greetings()
    worker = ProjectionWorker(store, database, [Balances(poison=recorded[1].id), working])
    running = asyncio.create_task(worker.run())
    while not any(progress.error for progress in worker.progress.values()):  # noqa: ASYNC110  nothing tells
        await asyncio.sleep(0.01)

    (later,) = await store.commit([greeted("8")])
    await working.seen(later.id)

    assert not running.done()
    running.cancel()
    with pytest.raises((asyncio.CancelledError, ExceptionGroup)):
        await running


async def test_caught_up_means_all_that_is_in_the_store_now(store: EventStore, database: ReadModelDatabase) -> None:
    """
    Asked again after further commits, it waits again.
    """
    async with ProjectionWorker(store, database, [Balances()]) as worker:
        for expected in (1, 2, 3):
            await store.commit([opened("1"), moved("1", 1)] if expected == 1 else [moved("1", 1)])
            await worker.caught_up()

            assert await balance_of(database, "1") == expected


async def test_empty_store_is_caught_up_with(store: EventStore, database: ReadModelDatabase) -> None:
    """
    With nothing to do the worker is live at once, and the tables are there.
    """
    async with ProjectionWorker(store, database, [Balances()]) as worker:
        await worker.caught_up()

        assert worker.progress["balances"].state == "live"
        assert await balance_of(database, "1") is None


async def test_commits_while_catching_up_are_not_lost(store: EventStore, read_path: Path) -> None:
    """
    Events committed while history is read are applied once, in their place.
    """
    await store.commit([opened("1"), *[moved("1", 1)] * 2_500])
    projector = Balances()

    async with ProjectionWorker(store, f"sqlite:///{read_path}", [projector]) as worker:
        for _ in range(200):
            await store.commit([moved("1", 1), letter("1")])
        await worker.caught_up()

    await assert_applied_exactly_once(store, read_path)


async def test_projectors_have_their_own_way(store: EventStore, database: ReadModelDatabase, read_path: Path) -> None:
    """
    Each projector gets the events of its own subject and keeps its own checkpoint.
    """
    await store.commit([opened("1"), greeted("7"), moved("1", 5), letter("1")])

    async with ProjectionWorker(store, database, [Balances(), Greetings()]) as worker:
        await worker.caught_up()

    assert await balance_of(database, "1") == 5
    assert query(read_path, "SELECT * FROM greetings") == [("/customers/7", 1)]
    assert query(read_path, "SELECT listener, events FROM eventsource_checkpoints ORDER BY listener") == [
        ("balances", 3),
        ("greetings", 1),
    ]


async def test_database_is_opened_and_closed_for_a_url(memory_store: EventStore, read_path: Path) -> None:
    """
    A worker given a URL lets go of the file when it ends.
    """
    async with ProjectionWorker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()

    assert not read_path.with_name("read.db-wal").exists()


async def test_database_of_the_caller_stays_open(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    A worker given an open database leaves it open.
    """
    async with ProjectionWorker(memory_store, database, [Balances()]) as worker:
        await worker.caught_up()

    assert await balance_of(database, "1") is None


async def test_two_projectors_of_one_name_are_refused(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    They would share a checkpoint.
    """
    with pytest.raises(ValueError, match="same name"):
        ProjectionWorker(memory_store, database, [Balances(), Balances()])


# --- Transactions ----------------------------------------------------------------------


async def test_backlog_is_taken_a_page_at_a_time(store: EventStore, database: ReadModelDatabase) -> None:
    """
    2,501 events behind are three pages of up to 1,000, each one transaction; live, an event has its own.
    """
    projector = Balances()
    await store.commit([opened("1"), *[moved("1", 1)] * 2_500])
    taken: list[int] = []

    with committed_transactions() as transactions:
        async with ProjectionWorker(
            store, database, [projector], on_progress=lambda progress: taken.append(progress.checkpoint.events)
        ) as worker:
            await worker.caught_up()
            behind = len(transactions)
            (recorded,) = await store.commit([moved("1", 1)])
            await projector.seen(recorded.id)

    assert taken[:4] == [1_000, 2_000, 2_501, 2_502]
    # The first one makes the tables.
    assert (behind, len(transactions)) == (1 + 3, 1 + 3 + 1)


async def test_rows_and_checkpoint_change_together(memory_store: EventStore, read_path: Path) -> None:
    """
    Whoever looks at any moment sees exactly the rows of the events that the checkpoint counts.
    """
    await memory_store.commit([opened("1"), *[moved("1", 1)] * 4_000])
    done = threading.Event()
    seen: set[tuple[object, ...]] = set()

    def look() -> None:
        while not done.is_set():
            # One statement, so one snapshot.
            with contextlib.suppress(sqlite3.OperationalError):  # No tables yet.
                seen.update(
                    query(read_path, "SELECT (SELECT count(*) FROM applied), events FROM eventsource_checkpoints")
                )

    looking = asyncio.create_task(asyncio.to_thread(look))
    async with ProjectionWorker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        for _ in range(50):
            await memory_store.commit([moved("1", 1)])
            await worker.caught_up()
    done.set()
    await looking

    assert len(seen) > 3
    assert all(rows == events for rows, events in seen)


@contextlib.contextmanager
def committed_transactions() -> Generator[list[None]]:
    """
    Grows by one for each transaction that changes any read model.
    """
    found: list[None] = []
    beginning: set[int] = set()

    def execute(*arguments: object) -> None:
        connection, _, statement, *_ = arguments
        if statement == "BEGIN IMMEDIATE":
            beginning.add(id(connection))

    def commit(connection: object) -> None:
        if id(connection) in beginning:
            beginning.remove(id(connection))
            found.append(None)

    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "commit", commit)
    yield found
    event.remove(Engine, "before_cursor_execute", execute)
    event.remove(Engine, "commit", commit)


# --- Stopping and starting -------------------------------------------------------------


async def test_worker_goes_on_where_it_stopped(store: EventStore, read_path: Path) -> None:
    """
    A worker started again applies only what is new.
    """
    url = f"sqlite:///{read_path}"
    await store.commit([opened("1"), moved("1", 1)])
    async with ProjectionWorker(store, url, [Balances()]) as worker:
        await worker.caught_up()
    await store.commit([moved("1", 1), letter("1"), opened("2")])

    with committed_transactions() as transactions:
        async with ProjectionWorker(store, url, [Balances()]) as worker:
            await worker.caught_up()

    assert worker.progress["balances"].checkpoint.events == 5
    # One looks where it was, one takes what is new.
    assert len(transactions) == 2
    await assert_applied_exactly_once(store, read_path)


async def test_worker_started_with_nothing_new_applies_nothing(store: EventStore, read_path: Path) -> None:
    """
    Starting again and again changes nothing.
    """
    await store.commit([opened("1"), moved("1", 1), letter("1")])

    for _ in range(3):
        async with ProjectionWorker(store, f"sqlite:///{read_path}", [Balances()]) as worker:
            await worker.caught_up()

    await assert_applied_exactly_once(store, read_path)


async def test_stop_is_prompt(store: EventStore, database: ReadModelDatabase) -> None:
    """
    Leaving the block ends a worker that waits for events, and one in the middle of history.
    """
    await store.commit([opened("1"), *[moved("1", 1)] * 5_000])
    has_begun = asyncio.Event()

    async with ProjectionWorker(store, database, [Balances()], on_progress=lambda _: has_begun.set()) as worker:
        await has_begun.wait()
    in_the_middle = worker.progress["balances"].checkpoint.events
    async with ProjectionWorker(store, database, [Balances()]) as worker:
        await worker.caught_up()

    # What was under way was finished, and no more was begun.
    assert 1_000 <= in_the_middle <= 3_000
    assert worker.progress["balances"].state == "stopped"


async def test_worker_stopped_at_once_loses_nothing(store: EventStore, read_path: Path) -> None:
    """
    Workers that are stopped in the middle of their work, again and again, apply each event once.
    """
    url = f"sqlite:///{read_path}"
    await store.commit([opened("1"), *[moved("1", 1)] * 3_000])

    for turns in range(20):
        async with ProjectionWorker(store, url, [Balances()]):
            for _ in range(turns):
                await asyncio.sleep(0.001)
    async with ProjectionWorker(store, url, [Balances()]) as worker:
        await worker.caught_up()

    await assert_applied_exactly_once(store, read_path)


async def test_run_ends_when_cancelled(memory_store: EventStore, read_path: Path) -> None:
    """
    A worker that is a program of its own runs until it is cancelled.
    """
    projector = Balances()
    worker = ProjectionWorker(memory_store, f"sqlite:///{read_path}", [projector])
    running = asyncio.create_task(worker.run())
    recorded = await memory_store.commit([opened("1")])
    await asyncio.sleep(0)
    await projector.seen(recorded[-1].id)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert worker.progress["balances"].state == "stopped"


# --- Progress --------------------------------------------------------------------------


async def test_progress_tells_how_far_and_of_how_many(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    The total counts the events of the projector's own stream, those finished earlier included.
    """
    await memory_store.commit([opened("1"), greeted("7"), *[moved("1", 1)] * 999])
    async with ProjectionWorker(memory_store, database, [Balances()]) as worker:
        await worker.caught_up()
    await memory_store.commit([letter("1"), *[moved("1", 1)] * 1_999, greeted("8")])

    told: list[tuple[str, int, int, int]] = []
    async with ProjectionWorker(
        memory_store,
        database,
        [Balances()],
        on_progress=lambda it: told.append((it.state, it.checkpoint.events, it.total, it.checkpoint.position)),
    ) as worker:
        await worker.caught_up()

    assert told == [
        ("catching up", 2_000, 3_000, 2_001),
        ("catching up", 3_000, 3_000, 3_001),
        ("live", 3_000, 3_000, 3_002),
        ("stopped", 3_000, 3_000, 3_002),
    ]


async def test_state_tells_what_a_projector_is_doing(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    It starts, is live, and is stopped with its worker.
    """
    async with ProjectionWorker(memory_store, database, [Balances()]) as worker:
        progress = worker.progress["balances"]
        before = progress.state
        await worker.caught_up()
        live = progress.state

    assert (before, live, progress.state) == ("starting", "live", "stopped")


async def test_events_passed_over_move_the_checkpoint(store: EventStore, database: ReadModelDatabase) -> None:
    """
    Events without a handler, and those of other subjects, are finished once they were passed.
    """
    async with ProjectionWorker(store, database, [Balances()]) as worker:
        for event_ in (opened("1"), letter("1"), greeted("7"), letter("1"), greeted("8")):
            recorded = await store.commit([event_])
            await wait_for_checkpoint(database, at_least=recorded[-1].position)

        checkpoint = worker.progress["balances"].checkpoint
        assert (checkpoint.position, checkpoint.events) == (5, 3)


async def test_events_passed_over_are_saved_on_stopping(store: EventStore, database: ReadModelDatabase) -> None:
    """
    What was passed over just before the worker stopped is not taken for unread afterwards.
    """
    async with ProjectionWorker(store, database, [Balances()]) as worker:
        for customer in "12345":
            (recorded,) = await store.commit([greeted(customer)])
            while worker.progress["balances"].checkpoint.position < recorded.position:  # noqa: ASYNC110
                await asyncio.sleep(0)

    checkpoint = await database.read(lambda tx: load_checkpoint(tx, "balances"))
    assert checkpoint is not None
    assert checkpoint.position == 5


async def test_many_events_passed_over_take_few_transactions(
    memory_store: EventStore, database: ReadModelDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A busy neighbour does not keep the read model's database busy: until it is time to save, nothing is written.
    """
    # It never is.
    monkeypatch.setattr("eventsource.projections.run._IDLE_CHECKPOINT_S", 10.0**6)
    async with ProjectionWorker(memory_store, database, [Balances()]) as worker:
        await worker.caught_up()
        with committed_transactions() as transactions:
            for number in range(100):
                await memory_store.commit([greeted(str(number))])
                await asyncio.sleep(0)
            while worker.progress["balances"].checkpoint.position < 100:  # noqa: ASYNC110
                await asyncio.sleep(0)

            behind = len(transactions)

    # The first may be due; the last is written when the worker stops.
    assert behind <= 1


async def failed(worker: ProjectionWorker) -> None:
    """
    Return when the projector has failed.
    """
    with contextlib.suppress(ProjectorFailedError):
        await worker.caught_up()


async def wait_for_checkpoint(database: ReadModelDatabase, *, at_least: int) -> None:
    """
    Return when the checkpoint that is stored has come this far.
    """
    position = 0
    while position < at_least:
        await asyncio.sleep(0.01)
        checkpoint = await database.read(lambda tx: load_checkpoint(tx, "balances"))
        position = checkpoint.position if checkpoint else 0


# --- Failing ---------------------------------------------------------------------------


async def test_failures_are_raised_on_leaving_the_block(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    All projectors that failed are told together.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1)])

    with pytest.raises(ExceptionGroup) as excinfo:
        async with ProjectionWorker(memory_store, database, [Balances(poison=recorded[-1].id), Greetings()]) as worker:
            await failed(worker)

    (failure,) = excinfo.value.exceptions
    assert isinstance(failure, ProjectorFailedError)
    assert isinstance(failure.__cause__, PoisonedError)


async def test_error_of_the_block_itself_is_the_one_raised(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    What the block raises is not hidden behind what projectors raised.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1)])

    with pytest.raises(KeyError):  # noqa: PT012  raised at the end of the block
        async with ProjectionWorker(memory_store, database, [Balances(poison=recorded[-1].id)]) as worker:
            await failed(worker)
            raise KeyError


async def test_failure_is_told_to_whoever_watches_the_progress(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    The last call has the state and the error.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1)])
    told: list[tuple[str, Exception | None]] = []

    with pytest.raises(ExceptionGroup) as excinfo:
        async with ProjectionWorker(
            memory_store,
            database,
            [Balances(poison=recorded[-1].id)],
            on_progress=lambda it: told.append((it.state, it.error)),
        ) as worker:
            await failed(worker)

    assert told[-1] == ("failed", excinfo.value.exceptions[0])


async def test_run_goes_on_while_one_projector_works(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    A worker of its own does not end with the first projector that fails.
    """
    failing, working = Balances(), Greetings()
    failing.poison = (await memory_store.commit([opened("1"), moved("1", 1)]))[-1].id
    running = asyncio.create_task(ProjectionWorker(memory_store, database, [failing, working]).run())
    await asyncio.sleep(0)
    with pytest.raises(ProjectorFailedError):
        await failing.seen(failing.poison)

    (later,) = await memory_store.commit([greeted("7")])
    await working.seen(later.id)

    assert not running.done()
    running.cancel()
    await asyncio.wait({running})


async def test_run_ends_when_every_projector_has_failed(memory_store: EventStore, read_path: Path) -> None:
    """
    A worker of its own ends with the projectors' errors, not before the last one failed.
    """
    recorded = await memory_store.commit([opened("1"), moved("1", 1)])
    worker = ProjectionWorker(memory_store, f"sqlite:///{read_path}", [Balances(poison=recorded[-1].id)])

    with pytest.raises(ExceptionGroup, match="projectors failed"):
        await worker.run()
