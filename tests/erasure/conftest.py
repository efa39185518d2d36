"""
What the tests of erasing share.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from eventsource import EventStore, ReadModelDatabase, connect, scoped
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.store.http_server import TOKEN, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@pytest.fixture(params=["memory", "embedded", "http", "scoped"])
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    A store of each kind.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        match request.param:
            case "memory":
                yield await enter(InMemoryEventStore())
            case "embedded":
                yield await enter(EmbeddedEventStore(tmp_path / "store.db"))
            case "http":
                url = await enter(serving(await enter(InMemoryEventStore())))
                yield await enter(connect(url, token=TOKEN))
            case _:
                yield scoped(await enter(InMemoryEventStore()), "/tenants/acme")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    A store in a file.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[ReadModelDatabase]:
    """
    A database for read models.
    """
    async with ReadModelDatabase(f"sqlite:///{tmp_path / 'read.db'}") as opened:
        yield opened
