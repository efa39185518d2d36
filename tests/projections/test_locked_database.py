"""
A read-model database that is busy or gone for a while.
"""

import asyncio
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from eventsource import EventStore, ProjectionWorker
from eventsource.projections import RunningProgress
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


class Retries:
    """
    Counts how often a projector tries again.
    """

    def __init__(self, wanted: int) -> None:
        self.left = wanted
        self.reached = asyncio.Event()

    def note(self, progress: RunningProgress) -> None:
        """
        Look at a projector that has moved.
        """
        self.left -= progress.state == "retrying"
        if self.left <= 0:
            self.reached.set()


async def test_short_lock_is_waited_for(memory_store: EventStore, read_path: Path) -> None:
    """
    A database locked for a moment delays the worker and nothing more.
    """
    await memory_store.commit([opened("1")])

    async with ProjectionWorker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
        with locked(read_path):
            await memory_store.commit([moved("1", 1)])
            await asyncio.sleep(0.2)
            assert worker.progress["balances"].checkpoint.events == 1
        await worker.caught_up()

    await assert_applied_exactly_once(memory_store, read_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A transaction that cannot begin at once is refused.
    """
    monkeypatch.setattr("eventsource.projections.database._WRITER_PRAGMAS", ("journal_mode = WAL", "busy_timeout = 0"))
    monkeypatch.setattr("eventsource.projections.database._TURN_PATIENCE_S", 0.0)


@pytest.mark.usefixtures("impatient")
async def test_refused_transaction_is_tried_again(
    memory_store: EventStore, read_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A database that stays locked is asked again without end, and says so; then every event is applied once.
    """
    monkeypatch.setattr("eventsource.projections.run._PAUSES_S", (0.001,))
    await memory_store.commit([opened("1")])
    retries = Retries(5)

    async with ProjectionWorker(
        memory_store, f"sqlite:///{read_path}", [Balances()], on_progress=retries.note
    ) as worker:
        await worker.caught_up()
        with locked(read_path):
            await memory_store.commit([moved("1", 1)] * 10)
            await retries.reached.wait()
            progress = worker.progress["balances"]
            assert progress.state == "retrying"
            assert isinstance(progress.error, OperationalError)
        await worker.caught_up()
        after = worker.progress["balances"]
        assert (after.state, after.error) == ("live", None)

    await assert_applied_exactly_once(memory_store, read_path)


@pytest.mark.usefixtures("impatient")
async def test_worker_that_waits_for_the_database_can_be_stopped(
    memory_store: EventStore, read_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A pause between two tries is no reason to wait with stopping.
    """
    monkeypatch.setattr("eventsource.projections.run._PAUSES_S", (3600.0,))
    retries = Retries(1)

    async with ProjectionWorker(
        memory_store, f"sqlite:///{read_path}", [Balances()], on_progress=retries.note
    ) as worker:
        await worker.caught_up()
        with locked(read_path):
            await memory_store.commit([opened("1")])
            await retries.reached.wait()

    assert worker.progress["balances"].state == "stopped"
    assert worker.progress["balances"].checkpoint.events == 0


async def test_worker_that_waits_for_its_turn_can_be_stopped(memory_store: EventStore, read_path: Path) -> None:
    """
    Nor is a transaction that waits for another one to end.
    """
    worker = ProjectionWorker(memory_store, f"sqlite:///{read_path}", [Balances()])
    await worker.__aenter__()
    await worker.caught_up()
    with locked(read_path):
        await memory_store.commit([opened("1")])
        async with asyncio.timeout(60):
            await worker.__aexit__(None, None, None)

    assert worker.progress["balances"].state == "stopped"
    assert worker.progress["balances"].checkpoint.events == 0


@pytest.mark.usefixtures("impatient")
async def test_worker_with_nothing_to_apply_stops_at_once(memory_store: EventStore, read_path: Path) -> None:
    """
    Nor is it a reason that the checkpoint of what was passed over cannot be saved now.
    """
    worker = ProjectionWorker(memory_store, f"sqlite:///{read_path}", [Balances()])
    await worker.__aenter__()
    await worker.caught_up()
    with locked(read_path):
        await memory_store.commit([greeted("7")])
        async with asyncio.timeout(60):
            await worker.__aexit__(None, None, None)

    assert worker.progress["balances"].state == "stopped"


async def test_questions_are_answered_while_somebody_writes(memory_store: EventStore, read_path: Path) -> None:
    """
    Readers do not wait for writers.
    """
    async with ProjectionWorker(memory_store, f"sqlite:///{read_path}", [Balances()]) as worker:
        await worker.caught_up()
        with locked(read_path):
            async with asyncio.timeout(2):
                rows = await worker.database.read(lambda tx: tx.exec_driver_sql("SELECT * FROM balances").all())

    assert rows == []
