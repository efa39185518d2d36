"""
Tells faults that pass, so that the same work can be done again, from those that stay.

An error is judged by what it is, wherever it was raised: in a statement of a handler, at the checkpoint or at the
start, as the driver raised it, wrapped by SQLAlchemy, or as the cause of an error of the application.
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from eventsource.root_error import EventSourceError
from eventsource.wire.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Source: PostgreSQL, documentation, appendix A. By class: a connection that is lost; a transaction that was rolled
# back, for a deadlock or to keep it serialisable; a lack of resources. By code: a read-only server after a change of
# the primary, transactions that took too long, locks that could not be had, a statement's time limit, a server that
# goes down or comes up.
_PASSING_CLASSES: Final = frozenset({"08", "40", "53"})
_PASSING_STATES: Final = frozenset({"25006", "25P03", "25P04", "55P03", "57014", "57P01", "57P02", "57P03", "57P05"})

# Two sessions that make the same table: the second finds its name taken, in one catalogue or another.
_MADE_MEANWHILE: Final = frozenset({"23505", "42P06", "42P07", "42710"})

# Source: SQLite, "Result and Error Codes".
_PASSING_SQLITE: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL}
)

# A refused login carries no code: libpq does not tell it. In another language it is taken for a fault that passes.
_REFUSED_LOGIN: Final = re.compile(
    r"authentication failed|no pg_hba\.conf entry|role \".*\" does not exist|no password supplied|"
    r"permission denied for database|is not permitted to log in"
)
_PASSWORD_IN_URL: Final = re.compile(r"(://[^:@/\s]*:)[^@\s]*@")


def passes(error: BaseException) -> bool:
    """
    True if the same work may succeed later, since the fault is in the database, the network or the store.
    """
    return any(_passes(each) for each in _chain(error))


def is_made_meanwhile(error: BaseException) -> bool:
    """
    True if a table could not be made because another session has just made it.
    """
    return any(_state(each) in _MADE_MEANWHILE for each in _chain(error))


def describe(error: BaseException) -> str:
    """
    An error for logs and messages: its class and its text, without the values of a statement or a password.
    """
    error = next((each for each in _chain(error) if _passes(each)), error)
    if isinstance(error, EventSourceError):
        return str(error)
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    # The whole text of a PostgreSQL error has a DETAIL with the values of a row.
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    known = primary or (str(original) if isinstance(error, SQLAlchemyError) or _passes(original) else "")
    text = _PASSWORD_IN_URL.sub(r"\1***@", " ".join(known.split()))
    state = _state(original)
    return ": ".join(part for part in (f"{type(original).__name__}{f' {state}' if state else ''}", text) if part)


def _passes(error: BaseException) -> bool:
    if isinstance(error, StoreUnavailableError):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        return _driver_says_it_passes(error.orig, is_operational=isinstance(error, OperationalError))
    return _driver_says_it_passes(error, is_operational=False)


def _driver_says_it_passes(error: BaseException | None, *, is_operational: bool) -> bool:
    if error is None:
        return False
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        # The low byte is the primary code, the rest says more of it.
        return code is not None and code & 0xFF in _PASSING_SQLITE
    state = _state(error)
    if state is not None:
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    # Without a code it is about the connection, which was refused or has gone.
    is_operational = is_operational or _is_drivers_operational_error(error)
    return is_operational and not _REFUSED_LOGIN.search(str(error))


def _is_drivers_operational_error(error: BaseException) -> bool:
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return bool(names & {f"{driver}.OperationalError" for driver in ("psycopg", "psycopg2", "pg8000")})


def _state(error: BaseException | None) -> str | None:
    """
    The SQLSTATE of an error of a PostgreSQL driver, wrapped or not.
    """
    if isinstance(error, DBAPIError):
        error = error.orig
    state: Any = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is None and error is not None and error.args and isinstance(error.args[0], dict):
        # As pg8000 has it.
        state = cast("dict[str, Any]", error.args[0]).get("C")
    return state if isinstance(state, str) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """
    The error and those it was raised from, while others were handled included, and the parts of groups.
    """
    todo, seen = [error], set[int]()
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            todo += cast("BaseExceptionGroup[BaseException]", current).exceptions
        following = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if following is not None:
            todo.append(following)
