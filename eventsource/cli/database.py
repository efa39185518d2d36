"""
Opening the read-model database that a URL names.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from eventsource.cli.failures import DatabaseUnavailableError, DatabaseUrlError, database_reason
from eventsource.projections.database import ReadModelDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy.engine import URL


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[ReadModelDatabase]:
    """
    Open the database and see whether it answers.

    Raises:
        DatabaseUrlError: The URL is not understood, or its driver is not installed.
        NotAReadModelDatabaseError: It names an event store.
        DatabaseUnavailableError: It does not answer.
    """
    shown = _parse(url).set(query={}).render_as_string(hide_password=True)
    try:
        database = ReadModelDatabase(url)
    except (ArgumentError, ImportError) as error:
        msg = f"not a read-model database: {shown!r}: {error}"
        raise DatabaseUrlError(msg) from error
    async with database:
        try:
            # Any question will do to find out whether it answers.
            await database.read(lambda tx: inspect(tx).get_table_names())
        except SQLAlchemyError as error:
            msg = f"the read-model database {shown} does not answer: {database_reason(error)}"
            raise DatabaseUnavailableError(msg) from error
        yield database


def is_missing(url: str) -> bool:
    """
    Whether the database is a SQLite file that is not there yet; opening it would create it.

    Raises:
        DatabaseUrlError: The URL is not understood.
    """
    parsed = _parse(url)
    path = parsed.database
    if parsed.get_backend_name() != "sqlite" or not path or path.startswith((":", "file:")):
        return False
    return not Path(path).exists()


def _parse(url: str) -> URL:
    # Where a password holds an unescaped @, its rest would be taken for the host, and shown.
    is_ambiguous = url.partition("//")[2].partition("?")[0].count("@") > 1
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # Not the URL itself: it may hold a password where nobody looks for one.
        msg = "--database is no database URL: write one such as sqlite:///bank-read.db"
        raise DatabaseUrlError(msg) from error
    if is_ambiguous and parsed.get_backend_name() != "sqlite":
        msg = "--database has an @ in its user or password: write it as %40"
        raise DatabaseUrlError(msg)
    return parsed
