"""
What the tests of the suite are given. Each of them rests on a fixture `store_kind`, which the user defines.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from eventsource.testing.contract.chance import seeded_random
from eventsource.testing.contract.kinds import Capability, OpenStore, StoreKind, needed_by, random_id

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from eventsource import EventStore


@pytest.fixture
def open_store(request: pytest.FixtureRequest, store_kind: StoreKind, tmp_path: Path) -> OpenStore:
    """
    Opens stores of the kind under test, each of them new.
    """
    missing = (needed_by(request.function) | needed_by(getattr(request, "cls", None))) & store_kind.lacks
    for capability in Capability:
        if capability in missing:
            pytest.skip(f"this kind of store lacks {capability.name}: {capability.value}")
    numbers = itertools.count(1)

    def open_new(
        *,
        source: str = "io.example.contract",
        clock: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = random_id,
    ) -> AbstractAsyncContextManager[EventStore]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return store_kind.open(folder, source=source, clock=clock, new_id=new_id)

    return open_new


@pytest_asyncio.fixture
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
