"""
The database of the read models: one writes, some read.
"""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from eventsource import ReadModelDatabase, connect
from eventsource.errors import NotAReadModelDatabaseError


@pytest.fixture
async def notes(database: ReadModelDatabase) -> ReadModelDatabase:
    """
    The database with a table of numbers.
    """
    await database.write(lambda tx: tx.exec_driver_sql("CREATE TABLE notes (number INTEGER)"))
    return database


def numbers(tx: Connection) -> list[int]:
    """
    All numbers noted.
    """
    return list(tx.exec_driver_sql("SELECT number FROM notes ORDER BY number").scalars())


def note(tx: Connection, number: int) -> None:
    """
    Note a number.
    """
    tx.exec_driver_sql("INSERT INTO notes VALUES (?)", (number,))


async def test_change_is_committed(notes: ReadModelDatabase) -> None:
    """
    What was written can be read, and the change's own result comes back.
    """
    count = await notes.write(lambda tx: tx.exec_driver_sql("INSERT INTO notes VALUES (1), (2)").rowcount)

    assert count == 2
    assert await notes.read(numbers) == [1, 2]


async def test_change_that_raises_is_rolled_back(notes: ReadModelDatabase) -> None:
    """
    Nothing of it is there, tables it made included; its error is raised.
    """

    def change(tx: Connection) -> None:
        note(tx, 1)
        tx.exec_driver_sql("CREATE TABLE more (number INTEGER)")
        raise KeyError

    with pytest.raises(KeyError):
        await notes.write(change)

    assert await notes.read(numbers) == []
    with pytest.raises(OperationalError, match="no such table"):
        await notes.read(lambda tx: tx.exec_driver_sql("SELECT * FROM more"))


async def test_changes_are_made_in_the_order_asked_for(notes: ReadModelDatabase) -> None:
    """
    Each sees what those before it wrote.
    """

    def note_next(tx: Connection) -> int:
        note(tx, len(numbers(tx)))
        return len(numbers(tx))

    results = await asyncio.gather(*(notes.write(note_next) for _ in range(50)))

    assert results == list(range(1, 51))


async def test_questions_cannot_change_anything(notes: ReadModelDatabase) -> None:
    """
    Reading is done on connections that refuse to write.
    """
    with pytest.raises(OperationalError, match="readonly"):
        await notes.read(lambda tx: note(tx, 1))


async def test_question_sees_one_moment(notes: ReadModelDatabase) -> None:
    """
    Two statements of one question agree, whatever is written between them.
    """
    loop = asyncio.get_running_loop()

    def ask(tx: Connection) -> tuple[list[int], list[int]]:
        before = numbers(tx)
        asyncio.run_coroutine_threadsafe(notes.write(lambda tx: note(tx, 1)), loop).result()
        return before, numbers(tx)

    before, after = await notes.read(ask)

    assert before == after == []
    assert await notes.read(numbers) == [1]


async def test_sqlite_file_is_in_wal_mode(notes: ReadModelDatabase, read_path: Path) -> None:
    """
    So readers and the writer do not wait for each other.
    """
    await notes.write(lambda tx: note(tx, 1))

    connection = sqlite3.connect(read_path)
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()

    assert mode == "wal"


async def test_closing_twice_is_fine(read_path: Path) -> None:
    """
    Whoever closes last finds nothing to do.
    """
    async with ReadModelDatabase(f"sqlite:///{read_path}") as database:
        await database.aclose()


async def test_event_store_is_no_read_model_database(tmp_path: Path) -> None:
    """
    The file of an event store is refused, and stays as it is.
    """
    path = tmp_path / "store.db"
    async with connect(f"sqlite:{path}"):
        pass
    before = path.read_bytes()

    async with ReadModelDatabase(f"sqlite:///{path}") as database:
        with pytest.raises(NotAReadModelDatabaseError, match=r"store\.db is an event store"):
            await database.write(numbers)
        with pytest.raises(NotAReadModelDatabaseError):
            await database.read(numbers)

    assert path.read_bytes() == before
