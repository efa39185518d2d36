"""
The contract, for parts of other stores than the one in memory: as much of it as is not the same for each.
"""

import pytest

from eventsource.testing.contract import StoreKind
from eventsource.testing.contract.suite import (
    TestDecisions,
    TestErasure,
    TestLastEvent,
    TestLifecycle,
    TestPreconditions,
    TestQuery,
    open_store,
    rng,
    store,
)
from tests.contract.kinds import PARTS

__all__ = [
    "TestDecisions",
    "TestErasure",
    "TestLastEvent",
    "TestLifecycle",
    "TestPreconditions",
    "TestQuery",
    "open_store",
    "rng",
    "store",
]


@pytest.fixture(params=["embedded", "http", "nested"])
def store_kind(request: pytest.FixtureRequest) -> StoreKind:
    """
    A part of a store in a file, of a server's, of a part.
    """
    return PARTS[request.param]
