"""
What the tests of the server share.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from eventsource import connect
from tests.server.serving import Served, serving


@pytest.fixture
async def served() -> AsyncGenerator[Served]:
    """
    A server over an empty store in memory.
    """
    async with serving() as served:
        yield served


@pytest.fixture(params=["memory", "embedded"])
async def served_each(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Served]:
    """
    A server over each kind of store.
    """
    url = "memory:" if request.param == "memory" else f"sqlite:{tmp_path / 'store.db'}"
    async with connect(url) as store, serving(store) as served:
        yield served
