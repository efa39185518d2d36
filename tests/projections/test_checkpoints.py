"""
Checkpoints that do not fit: lost, of another store, or older or newer than what they stand beside.
"""

import asyncio
import contextlib
from pathlib import Path

import pytest

from eventsource import EventStore, ProjectionWorker, connect
from eventsource.errors import (
    CheckpointMismatchError,
    CheckpointMissingError,
    ProjectionError,
    ReadModelIncompleteError,
)
from eventsource.projections import rebuild
from tests.projections.bank import (
    Balances,
    assert_applied_exactly_once,
    copy_database,
    dump,
    greeted,
    letter,
    moved,
    opened,
    query,
    run_sql,
)


async def project(store: EventStore, read_path: Path) -> None:
    """
    Run a worker until it has caught up.
    """
    async with ProjectionWorker(store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()


async def fail_to_project(store: EventStore, read_path: Path) -> ProjectionError:
    """
    Run a worker that cannot start; gives its error.
    """
    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(store, f"sqlite:///{read_path}", [Balances()]) as worker:
            with pytest.raises(ProjectionError) as excinfo:
                await worker.caught_up()
    return excinfo.value


# --- The checkpoint is gone ------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", ["DELETE FROM eventsource_checkpoints", "DROP TABLE eventsource_checkpoints"], ids=["row", "table"]
)
async def test_rows_without_a_checkpoint_are_refused(store: EventStore, read_path: Path, loss: str) -> None:
    """
    Nobody can tell which events are in the rows, so nothing is applied on top of them.
    """
    await store.commit([opened("1"), moved("1", 1)])
    await project(store, read_path)
    run_sql(read_path, loss)
    before = query(read_path, "SELECT * FROM balances")

    error = await fail_to_project(store, read_path)

    assert isinstance(error, CheckpointMissingError)
    assert (error.projector, error.table) == ("balances", "applied")
    assert query(read_path, "SELECT * FROM balances") == before


async def test_rebuild_mends_a_lost_checkpoint(store: EventStore, read_path: Path) -> None:
    """
    The read model is made anew, as the error says.
    """
    await store.commit([opened("1"), moved("1", 1)])
    await project(store, read_path)
    run_sql(read_path, "DELETE FROM eventsource_checkpoints")

    await rebuild(Balances(), store, f"sqlite:///{read_path}")

    await assert_applied_exactly_once(store, read_path)


async def test_empty_tables_without_a_checkpoint_are_a_beginning(store: EventStore, read_path: Path) -> None:
    """
    Tables that are there but empty are filled from the first event.
    """
    await store.commit([opened("1"), moved("1", 1)])
    await project(store, read_path)
    for table in ("applied", "balances", "eventsource_checkpoints"):
        run_sql(read_path, f"DELETE FROM {table}")  # noqa: S608  our own names

    await project(store, read_path)

    await assert_applied_exactly_once(store, read_path)


@pytest.mark.parametrize("table", ["applied", "balances"])
async def test_table_that_is_gone_is_refused(store: EventStore, read_path: Path, table: str) -> None:
    """
    A table is not made anew, empty, beside a checkpoint that says events are in it.
    """
    await store.commit([opened("1"), moved("1", 1)])
    await project(store, read_path)
    run_sql(read_path, f"DROP TABLE {table}")

    error = await fail_to_project(store, read_path)

    assert isinstance(error, ReadModelIncompleteError)
    assert (error.projector, error.table) == ("balances", table)
    assert query(read_path, f"SELECT * FROM sqlite_master WHERE name = '{table}'") == []  # noqa: S608  our own names
    await rebuild(Balances(), store, f"sqlite:///{read_path}")
    await assert_applied_exactly_once(store, read_path)


async def test_table_of_an_older_version_is_refused(store: EventStore, read_path: Path) -> None:
    """
    A column that the projector was given since is named before a handler or a page stumbles over it.
    """
    await store.commit([opened("1"), moved("1", 1)])
    await project(store, read_path)
    run_sql(read_path, "ALTER TABLE balances RENAME COLUMN cents TO amount")

    error = await fail_to_project(store, read_path)

    assert isinstance(error, ReadModelIncompleteError)
    assert (error.projector, error.table, error.column) == ("balances", "balances", "cents")
    await rebuild(Balances(), store, f"sqlite:///{read_path}")
    await assert_applied_exactly_once(store, read_path)


# --- The checkpoint and the store do not fit -------------------------------------------


async def test_checkpoint_of_another_store_is_refused(store: EventStore, read_path: Path) -> None:
    """
    A worker started on the wrong store applies nothing of it.
    """
    async with connect("memory:") as other:
        (recorded,) = await other.commit([opened("1")])
        await project(other, read_path)
    await store.commit([opened("2"), moved("2", 1)])
    before = dump(read_path)

    error = await fail_to_project(store, read_path)

    assert isinstance(error, CheckpointMismatchError)
    assert (error.projector, error.event_id) == ("balances", recorded.id)
    assert dump(read_path) == before


async def test_checkpoint_whose_event_differs_is_refused(memory_store: EventStore, read_path: Path) -> None:
    """
    The event's hash is compared too: the same id with another history is another store.
    """
    (recorded,) = await memory_store.commit([opened("1")])
    await project(memory_store, read_path)
    run_sql(read_path, f"UPDATE eventsource_checkpoints SET event_hash = '{'0' * 64}'")  # noqa: S608  our own text

    error = await fail_to_project(memory_store, read_path)

    assert isinstance(error, CheckpointMismatchError)
    assert error.event_id == recorded.id


async def test_store_restored_from_an_older_copy_is_refused(tmp_path: Path, read_path: Path) -> None:
    """
    A read model that holds events the store has lost is ahead of it; the error names the checkpoint's event.
    """
    store_path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    async with connect(f"sqlite:{store_path}") as store:
        await store.commit([opened("1"), moved("1", 1)])
        copy_database(store_path, copy)
        (lost,) = await store.commit([moved("1", 2)])
        await project(store, read_path)
    copy_database(copy, store_path)

    async with connect(f"sqlite:{store_path}") as store:
        await store.commit([moved("1", 3), moved("1", 4)])
        error = await fail_to_project(store, read_path)
        assert isinstance(error, CheckpointMismatchError)
        assert error.event_id == lost.id

        await rebuild(Balances(), store, f"sqlite:///{read_path}")
        await assert_applied_exactly_once(store, read_path)


async def test_store_that_lost_only_what_was_passed_over_is_followed(tmp_path: Path, read_path: Path) -> None:
    """
    If the restored store has all the read model is made of, the worker goes on, and nobody sees too early.
    """
    store_path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    async with connect(f"sqlite:{store_path}") as store:
        await store.commit([opened("1"), moved("1", 1)])
        copy_database(store_path, copy)
        await store.commit([greeted(str(number)) for number in range(10)])
        await project(store, read_path)
    copy_database(copy, store_path)

    projector = Balances()
    async with connect(f"sqlite:{store_path}") as store:
        (recorded,) = await store.commit([moved("1", 2)])
        async with ProjectionWorker(store, f"sqlite:///{read_path}", [projector]):
            await projector.seen(recorded.id)
            await assert_applied_exactly_once(store, read_path)
            (recorded,) = await store.commit([moved("1", 3)])
            await projector.seen(recorded.id)
            await assert_applied_exactly_once(store, read_path)


# --- The read model is older than it was -----------------------------------------------


async def test_read_model_restored_from_an_older_copy_catches_up(
    store: EventStore, tmp_path: Path, read_path: Path
) -> None:
    """
    Rows and checkpoint are of the same age, so what is missing is applied and nothing else.
    """
    copy = tmp_path / "read-copy.db"
    await store.commit([opened("1"), *[moved("1", 1)] * 1_200])
    await project(store, read_path)
    copy_database(read_path, copy)
    await store.commit([moved("1", 1), letter("1"), opened("2"), moved("2", 5)])
    await project(store, read_path)
    newest = dump(read_path)
    copy_database(copy, read_path)

    await project(store, read_path)

    await assert_applied_exactly_once(store, read_path)
    assert dump(read_path) == newest


async def test_copy_taken_while_the_worker_runs_catches_up(store: EventStore, tmp_path: Path, read_path: Path) -> None:
    """
    A backup needs no pause: whenever it is taken, it has the rows of exactly its checkpoint.
    """
    copies = [tmp_path / f"read-copy-{number}.db" for number in range(5)]
    await store.commit([opened("1")])

    async with ProjectionWorker(store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
        await store.commit([moved("1", 1)] * 3_000)
        for copy in copies:
            await asyncio.to_thread(copy_database, read_path, copy)
        await worker.caught_up()

    for copy in copies:
        await project(store, copy)
        await assert_applied_exactly_once(store, copy)
