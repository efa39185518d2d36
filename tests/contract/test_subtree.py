"""
The contract, for a part of a store with events of others around it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from eventsource import EventStore, InMemoryEventStore, NewEvent
from eventsource.testing.contract import Capability, StoreKind, SubtreeStore
from eventsource.testing.contract.suite import (
    TestCommit,
    TestCount,
    TestDecisions,
    TestErasure,
    TestIdempotency,
    TestLastEvent,
    TestObserve,
    TestOverview,
    TestPreconditions,
    TestRacers,
    TestStream,
    open_store,
    rng,
    store,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

__all__ = [
    "TestCommit",
    "TestCount",
    "TestDecisions",
    "TestErasure",
    "TestIdempotency",
    "TestLastEvent",
    "TestObserve",
    "TestOverview",
    "TestPreconditions",
    "TestRacers",
    "TestStream",
    "open_store",
    "rng",
    "store",
]

# Namesakes before, beside and behind the part.
OTHERS = ["/others", "/others/a", "/others/part/on", "/others/part/one0/a", "/others/part", "/others/part/one-/a"]


@asynccontextmanager
async def part_of_one(
    folder: Path,  # noqa: ARG001  it keeps nothing
    *,
    source: str,
    clock: Callable[[], int],
    new_id: Callable[[], str],
) -> AsyncGenerator[EventStore]:
    """
    A part of a store in memory.
    """
    async with InMemoryEventStore(source=source, clock=clock, new_id=new_id) as whole:
        await whole.commit([NewEvent(subject=subject, type="io.example.others", data={}) for subject in OTHERS])
        async with SubtreeStore(whole, "/others/part/one") as part:
            yield part


@pytest.fixture
def store_kind() -> StoreKind:
    """
    A part of a store.
    """
    lacks = frozenset({Capability.POSITIONS, Capability.CLOCK, Capability.WHOLE})
    return StoreKind(part_of_one, lacks, effort=0.2)
