"""
A read-model database that is busy or gone for a while.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from eventsource import EventStore, Worker
from tests.projections.bank import Balances, assert_applied_exactly_once, greeted, moved, opened


@contextmanager
def locked(path: Path) -> Generator[None]:
    """
    Somebody else writes to the database, and takes their time.
    """
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


@contextmanager
def counted(moment: str, matches: Callable[..., bool]) -> Generator[list[None]]:
    """
    Grows by one each time a statement comes to a *moment* of SQLAlchemy that *matches* its arguments.
    """
    found: list[None] = []

    def note(*arguments: object) -> None:
        if matches(*arguments):
            found.append(None)

    event.listen(Engine, moment, note)
    yield found
    event.remove(Engine, moment, note)


def transactions_asked_for() -> AbstractContextManager[list[None]]:
    """
    Those that are about to begin.
    """
    return counted("before_cursor_execute", lambda *it: it[2] == "BEGIN IMMEDIATE")


def refusals() -> AbstractContextManager[list[None]]:
    """
    Statements that the database refused.
    """
    return counted("handle_error", lambda _: True)


async def until_there_are(count: int, found: list[None]) -> None:
    """
    Return when so many were found.
    """
    while len(found) < count:  # noqa: ASYNC110  they are found in other threads
        await asyncio.sleep(0.005)


async def test_short_lock_is_waited_for(memory_store: EventStore, read_path: Path) -> None:
    """
    A database locked for a moment delays the worker and nothing more.
    """
    await memory_store.commit([opened("1")])

    async with Worker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
        with locked(read_path), transactions_asked_for() as asked:
            await memory_store.commit([moved("1", 1)])
            await until_there_are(1, asked)
            assert worker.progress["balances"].checkpoint.events == 1
        await worker.caught_up()

    await assert_applied_exactly_once(memory_store, read_path)


async def test_refused_transaction_is_tried_again(
    memory_store: EventStore, read_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A database that refuses at once is asked again, with pauses; then every event is applied once.
    """
    monkeypatch.setattr("eventsource.projections.database._WRITER_PRAGMAS", ("journal_mode = WAL", "busy_timeout = 0"))
    await memory_store.commit([opened("1")])

    async with Worker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
        with locked(read_path), refusals() as refused:
            await memory_store.commit([moved("1", 1)] * 10)
            await until_there_are(3, refused)
            assert worker.progress["balances"].state == "live"
        await worker.caught_up()

    await assert_applied_exactly_once(memory_store, read_path)


async def test_worker_gives_up_in_the_end(
    memory_store: EventStore, read_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A database that stays locked stops the projector with the database's own error; nothing is half applied.
    """
    monkeypatch.setattr("eventsource.projections.database._WRITER_PRAGMAS", ("journal_mode = WAL", "busy_timeout = 0"))
    monkeypatch.setattr("eventsource.projections.run._DATABASE_PAUSES_S", (0.01, 0.01))
    await memory_store.commit([opened("1")])
    worker = Worker(memory_store, f"sqlite:///{read_path}", [Balances()])

    with pytest.raises(ExceptionGroup) as excinfo:  # noqa: PT012  raised at the end of the block
        async with worker:
            await worker.caught_up()
            with locked(read_path):
                await memory_store.commit([moved("1", 1)])
                with pytest.raises(OperationalError, match="locked"):
                    await worker.caught_up()

    assert [type(error) for error in excinfo.value.exceptions] == [OperationalError]
    async with Worker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
    await assert_applied_exactly_once(memory_store, read_path)


async def test_worker_that_waits_for_the_database_can_be_stopped(
    memory_store: EventStore, read_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A pause between two tries is no reason to wait with stopping.
    """
    monkeypatch.setattr("eventsource.projections.database._WRITER_PRAGMAS", ("journal_mode = WAL", "busy_timeout = 0"))
    monkeypatch.setattr("eventsource.projections.run._DATABASE_PAUSES_S", (3_600.0,))

    async with Worker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
        with locked(read_path), refusals() as refused:
            await memory_store.commit([opened("1")])
            await until_there_are(1, refused)

    assert worker.progress["balances"].state == "stopped"


async def test_worker_with_nothing_to_apply_stops_at_once(
    memory_store: EventStore, read_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nor is it a reason that the checkpoint of what was passed over cannot be saved now.
    """
    monkeypatch.setattr("eventsource.projections.database._WRITER_PRAGMAS", ("journal_mode = WAL", "busy_timeout = 0"))
    monkeypatch.setattr("eventsource.projections.run._DATABASE_PAUSES_S", (3_600.0,))

    worker = Worker(memory_store, f"sqlite:///{read_path}", [Balances()])
    await worker.__aenter__()
    await worker.caught_up()
    with locked(read_path):
        await memory_store.commit([greeted("7")])
        await worker.caught_up()

        await worker.__aexit__(None, None, None)

    assert worker.progress["balances"].state == "stopped"


async def test_questions_are_answered_while_somebody_writes(memory_store: EventStore, read_path: Path) -> None:
    """
    Readers do not wait for writers.
    """
    async with Worker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
        with locked(read_path):
            rows = await worker.database.read(lambda tx: tx.exec_driver_sql("SELECT * FROM balances").all())

    assert rows == []
