"""
The database of the read models.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import unquote

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url

from eventsource.errors import NotAReadModelDatabaseError
from eventsource.store.embedded.files import is_store_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

Result = TypeVar("Result")

_READING_THREADS = 4
_CLEANING_PATIENCE_MS = 1_000


class ReadModelDatabase:
    """
    One SQLAlchemy engine, with one thread that writes and a few that read.

    Handlers are plain functions over a plain `sqlalchemy.Connection`: a batch of them in one
    thread is an order of magnitude faster than awaiting each statement.

    A SQLite database is put into WAL mode with ``synchronous=NORMAL``: a power cut may take the
    last transactions back, read model and checkpoint together, and they are simply applied again.

    Use it as ``async with ReadModelDatabase("sqlite:///read.db") as database``.

    Args:
        url: A SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="eventsource-read-model-writer")
        self._reading = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="eventsource-read-model-reader")
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        # Which file was found to be no event store.
        self._checked: tuple[int, int] | None = None
        self._writer = self._engine(_WRITER_PRAGMAS)
        self._reader = self._engine(_READER_PRAGMAS)

    def __repr__(self) -> str:
        return f"<ReadModelDatabase {self._url.render_as_string(hide_password=True)}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """
        Run *change* in one transaction, after those that were asked for before.

        It is committed when *change* returns and rolled back when it raises.
        """
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._writing, lambda: context.run(self._transaction, self._writer, change)
        )

    async def read(self, question: Callable[[Connection], Result]) -> Result:
        """
        Run *question* in a read transaction, beside others and beside the writer.

        ``await database.read(lambda tx: tx.execute(select(balances)).all())``
        """
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._reading, lambda: context.run(self._transaction, self._reader, question)
        )

    async def clean(self) -> bool:
        """
        Remove what was deleted from the files, too: SQLite leaves it in them.

        All of a SQLite file is written anew; readers go on meanwhile. What other databases keep of deleted rows, and
        for how long, is theirs to say.

        Returns:
            False if somebody is in the way: then some of it may be left.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._clean)

    async def aclose(self) -> None:
        """
        Finish what is under way and close all connections. Closing twice is fine.
        """

        def close() -> None:
            self._reading.shutdown()
            self._reader.dispose()
            self._writing.shutdown()
            self._writer.dispose()

        await asyncio.to_thread(close)

    def _engine(self, pragmas: tuple[str, ...]) -> Engine:
        # The errors of a statement would quote its values, which may be personal, in logs and tracebacks.
        engine = create_engine(self._url, hide_parameters=True)
        if self._is_sqlite:

            def configure(connection: sqlite3.Connection, _: object) -> None:
                # Python's driver begins transactions late and commits before DDL: without an isolation level it leaves
                # both to us. Source: SQLAlchemy, documentation of the SQLite dialect.
                connection.isolation_level = None
                cursor = connection.cursor()
                for pragma in pragmas:
                    cursor.execute(f"PRAGMA {pragma}")
                cursor.close()

            # On the pool: a listener on the engine makes each statement look for listeners, a quarter of its time.
            event.listen(engine.pool, "connect", configure)
        return engine

    def _clean(self) -> bool:
        if not self._is_sqlite:
            return True
        self._check_file()
        connection = self._writer.raw_connection()
        try:
            cursor = connection.cursor()
            # Readers are short, and all other work on the read models waits meanwhile.
            cursor.execute(f"PRAGMA busy_timeout = {_CLEANING_PATIENCE_MS}")
            cursor.execute("VACUUM")
            # The first column says whether a reader kept it from cutting the log.
            (is_busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
        else:
            return not is_busy
        finally:
            connection.cursor().execute(f"PRAGMA {_WRITER_PRAGMAS[0]}")
            connection.close()

    def _check_file(self) -> None:
        """
        Refuse an event store before it is opened: by opening and closing it this library would harm it.
        """
        path = _file_of(self._url)
        if path is None:
            return
        try:
            status = path.stat()
        except OSError:
            # It is made, or the engine says what is wrong with it.
            return
        if self._checked == (status.st_dev, status.st_ino):
            return
        if is_store_file(path):
            raise NotAReadModelDatabaseError(str(path))
        if status.st_size:
            self._checked = status.st_dev, status.st_ino

    def _transaction(self, engine: Engine, work: Callable[[Connection], Result]) -> Result:
        if self._is_sqlite:
            self._check_file()
        with engine.connect() as tx, tx.begin():
            if self._is_sqlite:
                # Writers take their turn at the start, where they can wait for it.
                tx.exec_driver_sql("BEGIN IMMEDIATE" if engine is self._writer else "BEGIN")
            return work(tx)


def _file_of(url: URL) -> Path | None:
    """
    The file of a SQLite database; None for one in memory.
    """
    name = url.database or ""
    if name.lower().startswith("file:"):
        # SQLite's own form of a URI, with the options behind the path.
        name = unquote(re.sub("^file:(//(localhost)?(?=/))?", "", name, flags=re.IGNORECASE).partition("?")[0])
    return None if not name or name.startswith(":memory:") else Path(name)


_WRITER_PRAGMAS = ("busy_timeout = 10000", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")
_READER_PRAGMAS = ("busy_timeout = 10000", "query_only = ON")
