"""
The stores the contract is checked on: each test runs once for every kind.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from tests.contract.chance import seeded_random
from tests.contract.kinds import KINDS, OpenStore, StoreKind, random_id

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from eventsource import EventStore


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """
    Opens stores of the kind under test, each of them new.
    """
    kind: StoreKind = request.param
    numbers = itertools.count(1)

    def open_new(
        *,
        source: str = "io.example.contract",
        clock: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = random_id,
    ) -> AbstractAsyncContextManager[EventStore]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return kind(folder, source=source, clock=clock, new_id=new_id)

    return open_new


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncGenerator[EventStore]:
    """
    An empty store of the kind under test.
    """
    async with open_store() as store:
        yield store


@pytest.fixture
def rng() -> random.Random:
    """
    Random numbers that can be had again.
    """
    return seeded_random()
