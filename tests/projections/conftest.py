"""
The stores and the read-model database that the tests of the read side run on.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from eventsource import EventStore, ReadModelDatabase, connect
from tests.postgres import Postgres, postgres, postgres_server

__all__ = ["postgres", "postgres_server"]


@pytest.fixture(params=["memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    Each kind of store in turn, empty.
    """
    opened: EventStore = connect("memory:" if request.param == "memory" else f"sqlite:{tmp_path / 'store.db'}")
    async with opened:
        yield opened


@pytest.fixture
async def memory_store() -> AsyncGenerator[EventStore]:
    """
    A store in memory, for what is the same with each kind.
    """
    async with connect("memory:") as opened:
        yield opened


@pytest.fixture
def read_path(tmp_path: Path) -> Path:
    """
    The file of the read-model database.
    """
    return tmp_path / "read.db"


@pytest.fixture
async def database(read_path: Path) -> AsyncGenerator[ReadModelDatabase]:
    """
    The read-model database, open.
    """
    async with ReadModelDatabase(f"sqlite:///{read_path}") as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, read_path: Path) -> str:
    """
    The URL of an empty read-model database of each kind in turn.
    """
    if request.param == "sqlite":
        return f"sqlite:///{read_path}"
    database: Postgres = request.getfixturevalue("postgres")
    return database.url
