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

from eventsource.cli.failures import DatabaseUnavailableError, DatabaseUrlError
from eventsource.log import get_logger
from eventsource.projections.database import ReadModelDatabase
from eventsource.projections.faults import describe as describe_fault
from eventsource.projections.faults import passes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from eventsource.cli.signals import Stop

log = get_logger(__name__)

# Pauses between two looks at a database that is away, in seconds.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


class StoppedWhileWaitingError(Exception):
    """
    A worker was told to stop before its database was there: a clean end, like any stop.
    """


@asynccontextmanager
async def open_database(url: str, *, stop: Stop | None = None) -> AsyncGenerator[ReadModelDatabase]:
    """
    Open the database and see whether it answers.

    Args:
        stop: Given by a worker: it waits for a database that is away, and for its end by a signal.

    Raises:
        ReadModelDatabaseUrlError: The URL names no database that read models can be kept in.
        DatabaseUrlError: Its user or password is not written as a URL wants it.
        NotAReadModelDatabaseError: It names an event store.
        DatabaseUnavailableError: It does not answer.
        StoppedWhileWaitingError: The worker was told to stop while it waited.
    """
    _check_login(url)
    pause_s = _FIRST_PAUSE_S
    async with ReadModelDatabase(url) as database:
        while True:
            try:
                # Any question will do to find out whether it answers.
                await database.read(lambda tx: inspect(tx).get_table_names())
                break
            except SQLAlchemyError as error:
                if stop is None or not passes(error):
                    msg = f"the read-model database {database.name} does not answer: {describe_fault(error)}"
                    raise DatabaseUnavailableError(msg) from error
                log.warning(
                    "database.unavailable", database=database.name, error=describe_fault(error), pause_s=pause_s
                )
            if await stop.wait(pause_s):
                raise StoppedWhileWaitingError
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        yield database


def is_missing(url: str) -> bool:
    """
    True if the database is a SQLite file that is not there yet; opening it would create it.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Opening it tells what is wrong.
        return False
    path = parsed.database
    if parsed.get_backend_name() != "sqlite" or not path or path.startswith((":", "file:")):
        return False
    return not Path(path).exists()


def _check_login(url: str) -> None:
    # Where a password holds an unescaped @, its rest would be taken for the host, and shown.
    kind, _, place = url.partition("://")
    if not kind.startswith("sqlite") and place.partition("?")[0].count("@") > 1:
        msg = "--database has an @ in its user or password: write it as %40"
        raise DatabaseUrlError(msg)
