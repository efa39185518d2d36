"""
The bank that lends, on each kind of store.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from eventsource.testing.clock import FixedClock
from eventsource.testing.contract.kinds import random_id
from tests.contract.kinds import KINDS
from tests.processes.bank import Bank


@pytest.fixture(params=["memory", "embedded", "http-embedded"])
async def bank(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bank]:
    """
    A bank without customers, on each kind of store in turn.
    """
    clock = FixedClock()
    async with KINDS[request.param].open(tmp_path, source="io.example.bank", clock=clock, new_id=random_id) as store:
        yield Bank(store, clock)


@pytest.fixture
async def memory_bank(tmp_path: Path) -> AsyncGenerator[Bank]:
    """
    The same in memory, for what is the same with each kind.
    """
    clock = FixedClock()
    async with KINDS["memory"].open(tmp_path, source="io.example.bank", clock=clock, new_id=random_id) as store:
        yield Bank(store, clock)
