"""
URLs of read-model databases: what cannot work is refused at once, with the way that works, and without a password.
"""

from typing import Any

import pytest

from eventsource import EventStore, ProjectionWorker, ReadModelDatabase
from eventsource.errors import ReadModelDatabaseUrlError
from tests.projections.numbers import Numbers, catch_up

SECRET = "hunter2"  # noqa: S105  no password of anybody

REFUSED = {
    "postgresql+asyncpg://ada:hunter2@host/db": "asyncpg",
    "postgresql+psycopg_async://ada:hunter2@host/db": "psycopg_async",
    "sqlite+aiosqlite:///read.db": "aiosqlite",
    "mysql+aiomysql://ada:hunter2@host/db": "aiomysql",
    "mysql+pymysql://ada:hunter2@host/db": "untested=True",
    "oracle://ada:hunter2@host": "untested=True",
    "postgres://ada:hunter2@host/db": "'postgres'",
    "mongodb://ada:hunter2@host/db": "'mongodb'",
    "postgresql+pg8000://ada:hunter2@host/db": "not installed",
    "postgresql+nothing://ada:hunter2@host/db": "postgresql",
    "postgresql+psycopg://ada:hunter2@host:port/db": "no database URL",
    "sqlite://": "memory",
    "sqlite:///": "memory",
    "sqlite:///:memory:": "memory",
    "sqlite:///file::memory:?cache=shared&uri=true": "memory",
    "sqlite:///file:read?mode=memory&cache=shared&uri=true": "memory",
    "hunter2": "no database URL",
    "": "no database URL",
    "read.db": "no database URL",
}


@pytest.mark.parametrize("url", REFUSED)
async def test_a_url_that_cannot_work_is_refused(memory_store: EventStore, url: str) -> None:
    """
    The error names what is wrong and a URL that works; a password in the URL is not in it.
    """
    with pytest.raises(ReadModelDatabaseUrlError) as refused:
        ProjectionWorker(memory_store, url, [Numbers()])

    assert REFUSED[url] in str(refused.value)
    assert "sqlite:///" in str(refused.value)
    assert "postgresql+psycopg://" in str(refused.value)
    assert SECRET not in "".join(map(str, (refused.value, refused.value.__cause__, refused.value.__context__)))


@pytest.mark.parametrize("url", [None, 7, b"sqlite:///read.db"])
def test_what_is_no_text_is_no_url(url: Any) -> None:
    """
    It is refused as one.
    """
    with pytest.raises(ReadModelDatabaseUrlError):
        ReadModelDatabase(url)


def test_another_kind_of_database_can_be_asked_for() -> None:
    """
    Whoever says that it is untested gets as far as its driver.
    """
    with pytest.raises(ReadModelDatabaseUrlError, match="driver of 'mysql\\+pymysql' is not installed"):
        ReadModelDatabase("mysql+pymysql://host/db", untested=True)


async def test_a_password_is_shown_nowhere(memory_store: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    """
    Neither the database as text nor what is logged while it is away has it.
    """
    caplog.set_level("DEBUG")
    url = f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:1/db?password={SECRET}"
    async with ProjectionWorker(memory_store, url, [Numbers()]) as worker:
        while worker.progress["numbers"].state != "retrying":
            await worker.progress["numbers"].moved()
        assert SECRET not in repr(worker.database)
        assert SECRET not in worker.progress["numbers"].whereabouts
    assert "projector.retrying" in caplog.text
    assert SECRET not in caplog.text


async def test_a_connect_timeout_of_the_url_is_kept(memory_store: EventStore, postgres: Any) -> None:
    """
    Options of the URL are the user's.
    """
    separator = "&" if "?" in postgres.url else "?"

    assert await catch_up(memory_store, f"{postgres.url}{separator}connect_timeout=30", Numbers()) == []
