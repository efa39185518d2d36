"""
Stores to play scenarios on, and banks in folders of their own.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from eventsource import EventStore, connect
from examples.bank.bank import Bank
from examples.bank.folder import open_bank
from tests.examples.bank.scenario import DAY


@pytest.fixture(params=["memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    An empty store, of each kind in turn.
    """
    url = "memory:" if request.param == "memory" else f"sqlite:{tmp_path / 'bank.db'}"
    async with connect(url) as opened:
        yield opened


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncGenerator[Bank]:
    """
    An empty bank whose clock stands still.
    """
    async with open_bank(tmp_path / "data", today=lambda: DAY) as opened:
        yield opened
