"""
The contract, for a part of a store with events of others around it.
"""

import pytest

from eventsource.testing.contract import StoreKind
from eventsource.testing.contract.suite import *  # noqa: F403  that is how the suite is run
from tests.contract.kinds import PARTS


@pytest.fixture
def store_kind() -> StoreKind:
    """
    A part of a store in memory.
    """
    return PARTS["memory"]
