"""
The contract, for a server that runs somewhere: a Genesis DB, or one of this package.

EVENTSOURCE_CONTRACT_URL names it, GENESISDB_AUTH_TOKEN is its token. Its events stay as they are; those of the tests
stay there, too, below ``/eventsource-contract``.
"""

from __future__ import annotations

import os
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from eventsource import EventStore, connect, scoped
from eventsource.testing.contract import Capability, StoreKind
from eventsource.testing.contract.suite import *  # noqa: F403  that is how the suite is run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

URL = os.environ.get("EVENTSOURCE_CONTRACT_URL", "")
if not URL:
    pytest.skip("EVENTSOURCE_CONTRACT_URL names no Genesis DB", allow_module_level=True)


@asynccontextmanager
async def part_of_it(
    folder: Path,  # noqa: ARG001  it keeps nothing here
    *,
    source: str,
    clock: Callable[[], int],  # noqa: ARG001  it has its own
    new_id: Callable[[], str],  # noqa: ARG001  it has its own
) -> AsyncGenerator[EventStore]:
    """
    What lies below a subject that nobody used before.
    """
    async with (
        connect(URL, source=source) as server,
        scoped(server, f"/eventsource-contract/{uuid.uuid4()}") as part,
    ):
        yield part


@pytest.fixture
def store_kind() -> StoreKind:
    """
    A server that others use, too.
    """
    return StoreKind(part_of_it, lacks=frozenset(Capability), effort=0.2)
