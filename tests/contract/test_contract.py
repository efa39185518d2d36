"""
The contract, for every kind of store there is.
"""

import pytest

from eventsource.testing.contract import StoreKind
from eventsource.testing.contract.suite import *  # noqa: F403  that is how the suite is run
from tests.contract.kinds import KINDS


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def store_kind(request: pytest.FixtureRequest) -> StoreKind:
    """
    The kind under test.
    """
    kind: StoreKind = request.param
    return kind
