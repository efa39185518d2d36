"""
The stores that the tests of the write side run on.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from eventsource import EventStore, connect
from tests.aggregates.observed_store import ObservedStore


@pytest.fixture(params=["memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ObservedStore]:
    """
    Each kind of store in turn, empty, in an observing one.
    """
    inner: EventStore = connect("memory:" if request.param == "memory" else f"sqlite:{tmp_path / 'store.db'}")
    async with inner:
        yield ObservedStore(inner)
