"""
The transaction is the worker's: a handler that ends it is refused, and no event is lost or applied twice.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, RootTransaction, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from eventsource import DeclarationError, EventStore, Projector, RecordedEvent, handles
from eventsource.errors import HandlerTransactionError, ProjectorFailedError, UnfinishedEffectsError
from tests.projections.numbers import Counted, Numbers, add_number, catch_up, count, numbers, sql

AT = 3
ALL = list(range(6))


def meddling(meddle: Callable[[Connection], Any]) -> Numbers:
    """
    The projector, whose handler meddles with the transaction at one event.
    """
    return Numbers(lambda event, tx: meddle(tx) if event.n == AT else None)


def swallowing(meddle: Callable[[Connection], Any]) -> Callable[[Connection], None]:
    """
    The same, but the handler goes on as if nothing had happened.
    """

    def meddle_quietly(tx: Connection) -> None:
        try:
            meddle(tx)
        except Exception:  # noqa: BLE001  as careless as a handler can be
            return

    return meddle_quietly


def _leave_the_block(tx: Connection) -> None:
    with tx:
        pass


def _use_another_connection(tx: Connection) -> None:
    with tx.engine.begin() as other:
        other.execute(add_number, {"n": 1000})


def _run_in_autocommit(tx: Connection) -> None:
    tx.execution_options(isolation_level="AUTOCOMMIT").execute(add_number, {"n": 1000})


def root_of(tx: Connection) -> RootTransaction:
    """
    The transaction of the worker.
    """
    root = tx.get_transaction()
    assert root is not None
    return root


MISUSES: dict[str, Callable[[Connection], Any]] = {
    "commit": lambda tx: tx.commit(),
    "rollback": lambda tx: tx.rollback(),
    "close": lambda tx: tx.close(),
    "with": _leave_the_block,
    "begin": lambda tx: tx.begin(),
    "two phases": lambda tx: tx.begin_twophase(),
    "detach": lambda tx: tx.detach(),
    "invalidate": lambda tx: tx.invalidate(),
    "commit of the root": lambda tx: root_of(tx).commit(),
    "rollback of the root": lambda tx: root_of(tx).rollback(),
    "close of the root": lambda tx: root_of(tx).close(),
    "COMMIT": lambda tx: tx.execute(text("COMMIT")),
    "commit behind a comment": lambda tx: tx.exec_driver_sql("/* done */ -- really\n commit"),
    "END": lambda tx: tx.execute(text("end")),
    "ROLLBACK": lambda tx: tx.exec_driver_sql("ROLLBACK"),
    "savepoint in text": lambda tx: tx.execute(text("SAVEPOINT mine")),
    "savepoint left open": lambda tx: tx.begin_nested(),
    "another connection": _use_another_connection,
    "raw connection": lambda tx: tx.engine.raw_connection().cursor().execute("INSERT INTO numbers VALUES (1000)"),
    "autocommit": _run_in_autocommit,
}


@pytest.mark.parametrize("is_quiet", [False, True], ids=["raised", "swallowed"])
@pytest.mark.parametrize("misuse", MISUSES)
async def test_a_handler_that_ends_the_transaction_is_refused(
    memory_store: EventStore, url: str, misuse: str, *, is_quiet: bool
) -> None:
    """
    It stops before that event, what came earlier is applied once, and the corrected projector goes on from there.
    """
    await count(memory_store, 6)
    meddle = MISUSES[misuse]

    (error,) = await catch_up(memory_store, url, meddling(swallowing(meddle) if is_quiet else meddle))

    assert isinstance(error, ProjectorFailedError)
    assert isinstance(error.__cause__, HandlerTransactionError)
    assert "begin_nested" in str(error.__cause__)
    assert sorted(sql(url, "SELECT n FROM numbers")) == list(range(AT))
    assert await catch_up(memory_store, url, Numbers()) == []
    assert sorted(sql(url, "SELECT n FROM numbers")) == ALL


async def test_several_statements_in_one_do_not_hide_a_commit(memory_store: EventStore, postgres: Any) -> None:
    """
    PostgreSQL runs several statements in one text: a COMMIT among them is found.
    """
    await count(memory_store, 6)
    projector = meddling(lambda tx: tx.exec_driver_sql("INSERT INTO numbers VALUES (1000); COMMIT; BEGIN"))

    (error,) = await catch_up(memory_store, postgres.url, projector)

    assert isinstance(error.__cause__, HandlerTransactionError)
    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == list(range(AT))


@pytest.mark.parametrize("ending", ["commit", "rollback"])
@pytest.mark.parametrize("goes_on", [False, True], ids=["last", "goes on"])
async def test_a_commit_past_sqlalchemy_loses_nothing(
    memory_store: EventStore,
    url: str,
    ending: str,
    goes_on: bool,  # noqa: FBT001  a parameter of pytest
) -> None:
    """
    A handler that ends the transaction at the driver is found out, and the read model is made right again.
    """
    await count(memory_store, 6)

    def meddle(tx: Connection) -> None:
        getattr(tx.connection, ending)()
        if goes_on:
            tx.execute(text("UPDATE numbers SET n = n"))

    (error,) = await catch_up(memory_store, url, meddling(meddle))

    assert isinstance(error, ProjectorFailedError)
    assert isinstance(error.__cause__, HandlerTransactionError)
    assert await catch_up(memory_store, url, Numbers()) == []
    assert sorted(sql(url, "SELECT n FROM numbers")) == ALL


async def test_sqlite_itself_keeps_a_transaction(memory_store: EventStore, read_path: Any) -> None:
    """
    A script at the driver, which would commit first, changes nothing.
    """
    url = f"sqlite:///{read_path}"
    await count(memory_store, 6)

    def meddle(tx: Connection) -> None:
        driver = tx.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.executescript("INSERT INTO numbers VALUES (1000);")

    (error,) = await catch_up(memory_store, url, meddling(meddle))

    assert isinstance(error.__cause__, HandlerTransactionError)
    assert sorted(sql(url, "SELECT n FROM numbers")) == list(range(AT))


async def test_a_conflict_that_rolls_everything_back_is_found(memory_store: EventStore, read_path: Any) -> None:
    """
    SQLite's OR ROLLBACK takes the whole transaction back, also where the handler lives with the conflict.
    """
    url = f"sqlite:///{read_path}"
    await count(memory_store, 6)

    def meddle(tx: Connection) -> None:
        swallowing(lambda tx: tx.execute(text("INSERT OR ROLLBACK INTO numbers VALUES (0)")))(tx)
        tx.execute(add_number, {"n": 1000})

    (error,) = await catch_up(memory_store, url, meddling(meddle))

    assert isinstance(error.__cause__, HandlerTransactionError)
    assert await catch_up(memory_store, url, Numbers()) == []
    assert sorted(sql(url, "SELECT n FROM numbers")) == ALL


async def test_an_error_that_ended_the_transaction_cannot_be_ignored(memory_store: EventStore, postgres: Any) -> None:
    """
    In PostgreSQL a failed statement ends the transaction: a handler that goes on is told so, at its event.
    """
    recorded = await count(memory_store, 6)
    projector = meddling(swallowing(lambda tx: tx.execute(add_number, {"n": 0})))

    (error,) = await catch_up(memory_store, postgres.url, projector)

    assert isinstance(error, ProjectorFailedError)
    assert error.event_id == recorded[AT].id
    assert isinstance(error.__cause__, HandlerTransactionError)
    assert isinstance(error.__cause__.__cause__, IntegrityError)
    assert sorted(sql(postgres.url, "SELECT n FROM numbers")) == list(range(AT))


async def test_savepoints_are_for_handlers(memory_store: EventStore, url: str) -> None:
    """
    A handler may take back a part of what it did, and live with a statement that failed.
    """

    def take_back(_: Counted, tx: Connection) -> None:
        with tx.begin_nested() as savepoint:
            tx.execute(add_number, {"n": 1000})
            savepoint.rollback()
        with tx.begin_nested(), tx.begin_nested():
            tx.execute(text("UPDATE numbers SET n = n"))
        with pytest.raises(IntegrityError), tx.begin_nested():
            tx.execute(add_number, {"n": 0})

    await count(memory_store, 6)

    assert await catch_up(memory_store, url, Numbers(take_back)) == []

    assert sorted(sql(url, "SELECT n FROM numbers")) == ALL


async def test_a_session_of_the_orm_works_in_the_transaction(memory_store: EventStore, url: str) -> None:
    """
    A session that is bound to the transaction and committed writes with it.
    """

    def write(event: Counted, tx: Connection) -> None:
        with Session(tx) as session:
            session.execute(add_number, {"n": 100 + event.n})
            session.commit()

    await count(memory_store, 3)

    assert await catch_up(memory_store, url, Numbers(write)) == []

    assert sorted(sql(url, "SELECT n FROM numbers")) == [0, 1, 2, 100, 101, 102]


async def test_text_that_only_speaks_of_a_commit_is_run(memory_store: EventStore, url: str) -> None:
    """
    Words in values and names are no statements.
    """

    def write(event: Counted, tx: Connection) -> None:  # noqa: ARG001  the form of a handler, or a fixture
        tx.execute(text("SELECT '; COMMIT' AS \"commit\", :it AS it"), {"it": "x; rollback"}).all()
        tx.execute(text("SELECT CASE WHEN 1 = 1 THEN 2 END")).all()

    await count(memory_store, 2)

    assert await catch_up(memory_store, url, Numbers(write)) == []


async def test_effects_without_a_checkpoint_cannot_be_told_from_others(memory_store: EventStore, postgres: Any) -> None:
    """
    A projector that names no tables and committed by itself is not run again: its effects would come twice.
    """
    sql(postgres.url, "CREATE TABLE numbers (n integer)")

    class Nameless(Projector, name="nameless", subject="/counters"):
        ends = True

        @handles
        def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
            tx.execute(add_number, {"n": event.n})
            if self.ends:
                tx.connection.commit()

    await count(memory_store, 3)
    (first,) = await catch_up(memory_store, postgres.url, Nameless())
    Nameless.ends = False

    (second,) = await catch_up(memory_store, postgres.url, Nameless())

    assert isinstance(first.__cause__, HandlerTransactionError)
    assert isinstance(second, UnfinishedEffectsError)
    assert sql(postgres.url, "SELECT n FROM numbers") == [0]


def test_an_async_handler_is_refused() -> None:
    """
    Calling it would do nothing, and its event would count as handled.
    """
    with pytest.raises(DeclarationError, match="plain function"):

        class _Asynchronous(Projector, name="asynchronous", tables=[numbers]):
            @handles
            async def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None: ...

    with pytest.raises(DeclarationError, match="plain function"):

        class _Generating(Projector, name="generating", tables=[numbers]):
            @handles
            def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> Any:  # noqa: ARG002  the form of a handler
                yield tx


async def test_a_handler_that_returns_a_coroutine_stops_the_projector(memory_store: EventStore, url: str) -> None:
    """
    Wrapped, it cannot be known when the class is made; the event is not passed over.
    """

    async def later(event: Counted) -> None: ...

    class Wrapped(Projector, name="wrapped", subject="/counters", tables=[numbers]):
        @handles
        def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> Any:  # noqa: ARG002  the form of a handler
            return later(event)

    (recorded,) = await count(memory_store, 1)

    (error,) = await catch_up(memory_store, url, Wrapped())

    assert isinstance(error, ProjectorFailedError)
    assert error.event_id == recorded.id
    assert isinstance(error.__cause__, DeclarationError)
