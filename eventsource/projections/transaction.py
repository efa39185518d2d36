"""
The transaction of a read model: handlers write in it, and only the worker ends it.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import attrs
from sqlalchemy import Connection, event

from eventsource.projections.errors import HandlerTransactionError
from eventsource.projections.faults import passes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Engine, ExceptionContext, RootTransaction, TwoPhaseTransaction

_SAVEPOINT_NAME: Final = "sa_savepoint_"
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_ENDS = r"(?:commit|end|abort|rollback|begin|start\s+transaction|prepare\s+transaction)\b"
_SAVEPOINT = r"(?:savepoint|release(?:\s+savepoint)?|rollback\s+to(?:\s+savepoint)?)"
# SQLAlchemy's own savepoints, which it gives names of its own.
_IS_SAVEPOINT_OF_OURS: Final = re.compile(rf'^\s*{_SAVEPOINT}\s+"?{_SAVEPOINT_NAME}', re.IGNORECASE)
_ENDS_TRANSACTION: Final = re.compile(rf"(?:^|;){_COMMENTS}(?:{_ENDS}|{_SAVEPOINT}\s+\S)", re.IGNORECASE | re.DOTALL)
_TEXTS: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)

# How long a server may take to cancel a statement before its connection is cut, in seconds.
_CANCEL_TIMEOUT_S: Final = 1.0

# libpq, PQtransactionStatus.
_IDLE, _IN_ERROR, _UNKNOWN = 0, 3, 4


class StoppedError(Exception):
    """
    A transaction was rolled back because its worker is told to stop.
    """


@attrs.define(eq=False)
class Work:
    """
    A transaction on its way through the writing thread, as the event loop sees it.
    """

    stop_requested: bool = False
    is_committing: bool = False
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _dbapi: Any = attrs.field(default=None, init=False)

    def begins_on(self, dbapi: Any) -> None:
        """
        Note the driver's connection, so that its statement can be interrupted.
        """
        with self._lock:
            self.check()
            self._dbapi = dbapi

    def check(self) -> None:
        """
        Go on unless it was told to stop.

        Raises:
            StoppedError: It was.
        """
        if self.stop_requested:
            raise StoppedError

    def may_commit(self) -> None:
        """
        From here on it is too late to stop it.
        """
        with self._lock:
            self.check()
            self.is_committing = True

    def ends(self) -> None:
        """
        Release the connection.
        """
        with self._lock:
            self._dbapi = None

    def stop(self) -> None:
        """
        Roll it back as soon as may be; a statement under way is interrupted.

        It may block for a moment: call it in a thread.
        """
        with self._lock:
            self.stop_requested = True
            dbapi = None if self.is_committing else self._dbapi
            if isinstance(dbapi, sqlite3.Connection):
                dbapi.interrupt()
        # Psycopg has it, from 3.2 on.
        cancel: Callable[..., object] | None = getattr(dbapi, "cancel_safe", None)
        if cancel is not None:
            with suppress(Exception):
                cancel(timeout=_CANCEL_TIMEOUT_S)


class BatchConnection(Connection):
    """
    A connection whose transaction cannot be ended while handlers have it.

    `Connection.commit`, `rollback`, `close` and their like are refused where they are called. What goes past them, to
    the driver for instance, is refused by SQLite itself, and noticed with PostgreSQL.
    """

    def __init__(self, engine: Engine, work: Work) -> None:
        super().__init__(engine)
        self.work = work
        self.last_error: BaseException | None = None
        # Whether effects may have been committed without the checkpoint.
        self.has_ended = False
        self._projector = ""
        self._misuse = ""
        self._root: RootTransaction | None = None
        self._driver: Any = None

    @contextmanager
    def sealed(self, projector: str) -> Generator[None]:
        """
        Let the handlers of *projector* have it.
        """
        self._driver = self.connection.driver_connection
        self._root = self.get_transaction()
        self._projector = projector
        try:
            yield
        finally:
            self._projector = ""

    @property
    def is_sealed(self) -> bool:
        """
        True if a handler has it.
        """
        return bool(self._projector)

    def misused(self, misuse: str) -> HandlerTransactionError:
        """
        Note that the transaction cannot be trusted any more.
        """
        self._misuse = self._misuse or misuse
        return HandlerTransactionError(self._projector, misuse)

    def check(self) -> None:
        """
        Look whether the transaction is still the one that it was, after a handler.

        Raises:
            HandlerTransactionError: It is not.
            Exception: The database ended it; what it said.
        """
        if self._misuse:
            raise HandlerTransactionError(self._projector, self._misuse)
        if self.in_nested_transaction():
            # Ended by a later handler, it would take the events between with it.
            misuse = "left a savepoint open"
            raise self.misused(misuse)
        if self.get_transaction() is not self._root:
            self._lost()
        driver = self._driver
        if isinstance(driver, sqlite3.Connection):
            if not driver.in_transaction:
                self._lost()
        elif self._status() in {_IDLE, _IN_ERROR, _UNKNOWN}:
            self._lost()

    def verdict_on(self, error: Exception) -> Exception:
        """
        What *error*, which came out of a handler, is about: a misuse, a fault that passes, or the handler itself.
        """
        if isinstance(error, HandlerTransactionError):
            return error
        if self._misuse:
            misuse = HandlerTransactionError(self._projector, self._misuse)
            misuse.__cause__ = error
            return misuse
        if not passes(error) and self._is_broken() and self.last_error is not None and passes(self.last_error):
            # The handler hid it behind an error of its own.
            return cast("Exception", self.last_error)
        return error

    def _is_broken(self) -> bool:
        return self.invalidated or self._status() in {_IN_ERROR, _UNKNOWN}

    def _status(self) -> int | None:
        return getattr(getattr(self._driver, "info", None), "transaction_status", None)

    def _lost(self) -> NoReturn:
        if self.last_error is not None and passes(self.last_error):
            raise self.last_error
        if self._status() == _IN_ERROR:
            msg = "caught an error of the database that had ended the transaction, and went on"
            raise self.misused(msg) from self.last_error
        self.has_ended = True
        misuse = "ended the transaction"
        raise self.misused(misuse) from self.last_error

    # --- What handlers must not do ---

    def _refuse(self, call: str) -> NoReturn:
        misuse = f"called {call}"
        raise self.misused(misuse)

    def commit(self) -> None:
        """
        See `Connection`.
        """
        if self._projector:
            self._refuse("tx.commit()")
        super().commit()

    def rollback(self) -> None:
        """
        See `Connection`.
        """
        if self._projector:
            self._refuse("tx.rollback()")
        super().rollback()

    def close(self) -> None:
        """
        See `Connection`.
        """
        if self._projector:
            self._refuse("tx.close()")
        super().close()

    def detach(self) -> None:
        """
        See `Connection`.
        """
        if self._projector:
            self._refuse("tx.detach()")
        super().detach()

    def invalidate(self, exception: BaseException | None = None) -> None:
        """
        See `Connection`.
        """
        # SQLAlchemy gives the error when it finds the connection lost.
        if self._projector and exception is None:
            self._refuse("tx.invalidate()")
        super().invalidate(exception)

    def begin(self) -> RootTransaction:
        """
        See `Connection`.
        """
        if self._projector:
            self._refuse("tx.begin()")
        return super().begin()

    def begin_twophase(self, xid: Any = None) -> TwoPhaseTransaction:
        """
        See `Connection`.
        """
        if self._projector:
            self._refuse("tx.begin_twophase()")
        return super().begin_twophase(xid)

    def execution_options(self, **options: Any) -> Connection:
        """
        See `Connection`.
        """
        if self._projector and "isolation_level" in options:
            self._refuse("tx.execution_options(isolation_level=...)")
        return super().execution_options(**options)

    # Where tx.get_transaction().commit() arrives.

    def _commit_impl(self) -> None:
        if self._projector:
            self._refuse("commit() of the transaction")
        super()._commit_impl()

    def _rollback_impl(self) -> None:
        if self._projector and not self.invalidated:
            self._refuse("rollback() of the transaction")
        super()._rollback_impl()


@attrs.define(eq=False)
class Guard:
    """
    Watches what goes past `BatchConnection` to the driver and to the engine.
    """

    current: BatchConnection | None = None

    def watch(self, engine: Engine) -> None:
        """
        Watch the writing engine.
        """
        event.listen(engine.pool, "checkout", self._on_checkout)
        event.listen(engine, "handle_error", self._on_error)
        if engine.dialect.name != "sqlite":
            # SQLite asks before it prepares a statement; a listener would cost it a quarter of each statement's time.
            event.listen(engine, "before_cursor_execute", self._on_statement)

    def watch_sqlite(self, connection: sqlite3.Connection) -> None:
        """
        Make SQLite itself refuse any statement that ends a transaction.
        """
        connection.set_authorizer(self._authorize)

    def _authorize(
        self, action: int, operation: str | None, name: str | None, _database: str | None, _trigger: str | None
    ) -> int:
        tx = self.current
        if tx is None or not tx.is_sealed:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_TRANSACTION:
            tx.misused(f"ran {operation}")
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_SAVEPOINT and not (name or "").startswith(_SAVEPOINT_NAME):
            tx.misused("used a savepoint of its own")
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def _on_checkout(self, *_: object) -> None:
        tx = self.current
        if tx is not None and tx.is_sealed:
            msg = "opened another connection"
            raise tx.misused(msg)

    def _on_error(self, context: ExceptionContext) -> None:
        if isinstance(context.connection, BatchConnection):
            context.connection.last_error = context.sqlalchemy_exception or context.original_exception

    def _on_statement(self, tx: Connection, _cursor: object, statement: str, *_: object) -> None:
        if isinstance(tx, BatchConnection) and tx.is_sealed and ends_transaction(statement):
            # The statement itself may quote values.
            msg = "ran a statement that ends a transaction"
            raise tx.misused(msg)


@lru_cache(maxsize=512)
def ends_transaction(statement: str) -> bool:
    """
    True if the SQL text ends a transaction or begins one, or uses a savepoint that is not SQLAlchemy's.
    """
    if _IS_SAVEPOINT_OF_OURS.match(statement):
        return False
    return _ENDS_TRANSACTION.search(_TEXTS.sub("''", statement)) is not None
