"""
The database of the read models.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar
from urllib.parse import unquote

import attrs
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from eventsource.private_files import look, look_beside, make_database
from eventsource.projections.faults import passes
from eventsource.projections.transaction import BatchConnection, Guard, StoppedError, Work
from eventsource.store.callers import OwnProcess
from eventsource.store.embedded.open_files import is_database_file, is_store_file
from eventsource.subscriptions.errors import NotAReadModelDatabaseError, ReadModelDatabaseUrlError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sqlalchemy import Connection, Dialect, Engine
    from sqlalchemy.engine import URL

Result = TypeVar("Result")

_READING_THREADS = 4
_CLEANING_PATIENCE_MS = 1_000

# How long a writer waits for another one of a SQLite file, and how often it looks whether it is told to stop.
_TURN_PATIENCE_S = 10.0
_TURN_PAUSE_S = 0.01

# How long a stop waits for a statement that was interrupted; nothing of it is committed any more.
_STOP_PATIENCE_S = 2.0

# A host that does not answer at all is asked again by whoever is patient.
_CONNECT_TIMEOUT_S: Final = "5"
_CONNECT_OPTIONS: Final = {
    "psycopg": {"connect_timeout": _CONNECT_TIMEOUT_S},
    "psycopg2": {"connect_timeout": _CONNECT_TIMEOUT_S},
}

_WAY: Final = "write sqlite:///read.db for a file or postgresql+psycopg://user@host/name for a PostgreSQL"


@attrs.define(eq=False)
class Written(Generic[Result]):
    """
    The fate of a transaction.

    Attributes:
        work: It, on its way.

        is_done: True if it was committed.
    """

    work: Work = attrs.field(factory=Work, init=False)
    is_done: bool = attrs.field(default=False, init=False)
    _results: list[Result] = attrs.field(factory=list[Result], init=False)

    def finish(self, result: Result) -> None:
        """
        It was committed and gave *result*.
        """
        self._results.append(result)
        self.is_done = True

    @property
    def result(self) -> Result:
        """
        The value the change returned.
        """
        return self._results[0]


class ReadModelDatabase:
    """
    One SQLAlchemy engine, with one thread that writes and a few that read.

    Handlers are plain functions over a plain `sqlalchemy.Connection`: a batch of them in one
    thread is an order of magnitude faster than awaiting each statement.

    A SQLite database is put into WAL mode with ``synchronous=NORMAL``: a power cut may take the
    last transactions back, read model and checkpoint together, and they are simply applied again.

    Use it as ``async with ReadModelDatabase("sqlite:///read.db") as database``.

    Args:
        url: A SQLAlchemy URL of SQLite or PostgreSQL, such as ``sqlite:///read.db`` or
            ``postgresql+psycopg://user@host/name``.

        untested: Take a URL of another database, too. No test runs with it.

    Raises:
        ReadModelDatabaseUrlError: The URL names no database that read models can be kept in.
    """

    def __init__(self, url: str, *, untested: bool = False) -> None:
        self._url = _parse(url, untested=untested)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="eventsource-read-model-writer")
        self._reading = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="eventsource-read-model-reader")
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._name = repr(self)
        self._process = OwnProcess()
        # Which file was found to be no event store.
        self._checked: tuple[int, int] | None = None
        self._guard = Guard()
        self._writer = self._engine(_WRITER_PRAGMAS)
        self._reader = self._engine(_READER_PRAGMAS)
        self._guard.watch(self._writer)

    def __repr__(self) -> str:
        return f"<ReadModelDatabase {self.name}>"

    @property
    def name(self) -> str:
        """
        The URL without its password.
        """
        return self._url.set(query={}).render_as_string(hide_password=True)

    @property
    def dialect(self) -> Dialect:
        """
        The dialect SQLAlchemy uses with the database.
        """
        return self._writer.dialect

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """
        Run *change* in one transaction, after those that were asked for before.

        It is committed when *change* returns and rolled back when it raises. When the caller is cancelled it is rolled
        back, too, unless it is being committed already; the cancellation arrives when that is decided.
        """
        self._process.check(self._name)
        written = Written[Result]()
        await self.write_into(written, change)
        return written.result

    async def write_into(self, written: Written[Result], change: Callable[[BatchConnection], Result]) -> None:
        """
        Like `write`; *written* tells what has become of it, also after a cancellation.
        """

        def work() -> None:
            written.finish(self._write(change, written.work))

        future = self._writing.submit(copy_context().run, work)
        waiting = asyncio.wrap_future(future)
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not future.cancel():
                # Its error, if it has one, is the stop.
                waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
                await asyncio.to_thread(written.work.stop)
                await asyncio.wait({waiting}, timeout=None if written.work.is_committing else _STOP_PATIENCE_S)
            raise

    async def read(self, question: Callable[[Connection], Result]) -> Result:
        """
        Run *question* in a read transaction, beside others and beside the writer.

        ``await database.read(lambda tx: tx.execute(select(balances)).all())``
        """
        self._process.check(self._name)
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._reading, lambda: context.run(self._read, question)
        )

    async def clean(self) -> bool:
        """
        Remove what was deleted from the files, too: SQLite leaves it in them.

        All of a SQLite file is written anew; readers go on meanwhile. What other databases keep of deleted rows, and
        for how long, is theirs to say.

        Returns:
            False if a reader is in the way: then some of it may be left.
        """
        self._process.check(self._name)
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._clean)

    async def aclose(self) -> None:
        """
        Finish what is under way and close all connections. Closing twice is fine.
        """
        self._process.check(self._name)

        def close() -> None:
            self._reading.shutdown()
            self._reader.dispose()
            self._writing.shutdown()
            self._writer.dispose()

        await asyncio.to_thread(close)

    def _engine(self, pragmas: tuple[str, ...]) -> Engine:
        # The errors of a statement would quote its values, which may be personal, in logs and tracebacks.
        try:
            engine = create_engine(self._url, hide_parameters=True)
        except (SQLAlchemyError, ImportError, TypeError, ValueError):
            msg = f"SQLAlchemy does not understand the URL for {self._url.drivername!r}: {_WAY}"
            raise ReadModelDatabaseUrlError(msg) from None
        if self._is_sqlite:

            def configure(connection: sqlite3.Connection, _: object) -> None:
                # Python's driver begins transactions late and commits before DDL: without an isolation level it leaves
                # both to us. Source: SQLAlchemy, documentation of the SQLite dialect.
                connection.isolation_level = None
                cursor = connection.cursor()
                for pragma in pragmas:
                    cursor.execute(f"PRAGMA {pragma}")
                cursor.close()
                if pragmas is _WRITER_PRAGMAS:
                    self._guard.watch_sqlite(connection)

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

        Any other file is made ours alone.

        Raises:
            NotAReadModelDatabaseError: It is an event store.
            UnsafeFileError: It is not ours alone, and cannot be made so; or it is no regular file with one name.
        """
        path = _file_of(self._url)
        if path is None:
            return
        with suppress(OSError):
            status = path.lstat()
            if self._checked == (status.st_dev, status.st_ino):
                return
        if is_store_file(path):
            raise NotAReadModelDatabaseError(str(path))
        if _is_only_read(self._url):
            look(path)
            look_beside(path)
            return
        if not path.parent.is_dir():
            # The engine says what is wrong with it.
            return
        make_database(path, is_known=is_database_file(path))
        status = path.lstat()
        if status.st_size:
            self._checked = status.st_dev, status.st_ino

    def _write(self, change: Callable[[BatchConnection], Result], work: Work) -> Result:
        if self._is_sqlite:
            self._check_file()
        tx = BatchConnection(self._writer, work)
        self._guard.current = tx
        try:
            work.begins_on(tx.connection.driver_connection)
            transaction = tx.begin()
            try:
                if self._is_sqlite:
                    _take_turn(tx, work)
                result = change(tx)
                work.may_commit()
                transaction.commit()
            except BaseException:
                # After a misuse SQLAlchemy may take it for ended; the connection is rolled back when it is given back.
                if tx.get_transaction() is transaction:
                    transaction.rollback()
                raise
        except SQLAlchemyError as error:
            if work.stop_requested:
                raise StoppedError from error
            raise
        else:
            return result
        finally:
            work.ends()
            self._guard.current = None
            tx.close()

    def _read(self, question: Callable[[Connection], Result]) -> Result:
        if self._is_sqlite:
            self._check_file()
        with self._reader.connect() as tx, tx.begin():
            if self._is_sqlite:
                tx.exec_driver_sql("BEGIN")
            return question(tx)


def _file_of(url: URL) -> Path | None:
    """
    The file of a SQLite database; None for one in memory.
    """
    name = url.database or ""
    if name.lower().startswith("file:"):
        # SQLite's own form of a URI, with the options behind the path.
        name = unquote(re.sub("^file:(//(localhost)?(?=/))?", "", name, flags=re.IGNORECASE).partition("?")[0])
    return None if not name or name.startswith(":memory:") else Path(name)


def _is_only_read(url: URL) -> bool:
    """
    Whether SQLite opens the file for reading only: then it makes none, and the mode of it stays.
    """
    text = f"{url.database or ''}?{'&'.join(f'{name}={value}' for name, value in url.query.items())}"
    return "mode=ro" in text or "immutable=1" in text


def _take_turn(tx: BatchConnection, work: Work) -> None:
    """
    Begin a transaction of SQLite as its writer: here it can wait for others, and be stopped while it waits.
    """
    latest = time.monotonic() + _TURN_PATIENCE_S
    while True:
        try:
            tx.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if not passes(error) or time.monotonic() >= latest:
                raise
            work.check()
            time.sleep(_TURN_PAUSE_S)
        else:
            return


def _parse(url: str, *, untested: bool) -> URL:
    """
    The URL, if it names a database that read models can be kept in.

    No message quotes it: a password may stand anywhere in a text that is not understood.
    """
    try:
        parsed = make_url(url)
        dialect = parsed.get_dialect()
    except NoSuchModuleError as error:
        msg = f"{_drivername(url)!r} is no kind of database that SQLAlchemy knows: {_WAY}"
        raise ReadModelDatabaseUrlError(msg) from error
    except (ArgumentError, ValueError, TypeError, AttributeError):
        msg = f"this is no database URL: {_WAY}"
        raise ReadModelDatabaseUrlError(msg) from None
    driver, backend = parsed.drivername, parsed.get_backend_name()
    if dialect.is_async:
        msg = f"{driver!r} is a driver for asyncio, and handlers are plain functions over a plain connection: {_WAY}"
        raise ReadModelDatabaseUrlError(msg)
    if backend not in {"sqlite", "postgresql"} and not untested:
        msg = f"no test runs with {driver!r}: {_WAY}, or take the risk with ReadModelDatabase(url, untested=True)"
        raise ReadModelDatabaseUrlError(msg)
    if backend == "sqlite" and _is_in_memory(parsed):
        msg = f"a SQLite database in memory is empty after each start, and for each connection: {_WAY}"
        raise ReadModelDatabaseUrlError(msg)
    try:
        dialect.import_dbapi()
    except ImportError as error:
        msg = f"the driver of {driver!r} is not installed ({error}): install it, or {_WAY}"
        raise ReadModelDatabaseUrlError(msg) from error
    if backend == "postgresql" and "connect_timeout" not in parsed.query:
        return parsed.update_query_dict(_CONNECT_OPTIONS.get(dialect.driver, {}))
    return parsed


def _is_in_memory(url: URL) -> bool:
    name = url.database or ""
    # SQLite also takes an empty name, in a URI too, for a database of the one connection.
    is_uri = name.startswith("file:")
    path = unquote(name.removeprefix("file:").partition("?")[0])
    in_query = "mode=memory" in name or "memory" in url.query.get("mode", "") or "vfs=memdb" in name
    return path.strip() in {"", ":memory:"} or ":memory:" in path or (is_uri and in_query)


def _drivername(url: str) -> str:
    return url.partition(":")[0]


_WRITER_PRAGMAS = ("busy_timeout = 1000", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")
_READER_PRAGMAS = ("busy_timeout = 10000", "query_only = ON")
