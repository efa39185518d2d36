"""
What tests of the client share: servers, clients and a database of their own.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from eventsource.immudb import ImmudbClient
from eventsource.testing.contract.chance import seeded_random
from eventsource.testing.immudb import ImmudbTestServer

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator

IMMUDB_URL = os.environ.get("IMMUDB_URL", "")


@pytest.fixture
async def server() -> AsyncGenerator[ImmudbTestServer]:
    """
    A test server of its own.
    """
    async with ImmudbTestServer() as running:
        yield running


@pytest.fixture
async def client(server: ImmudbTestServer) -> AsyncGenerator[ImmudbClient]:
    """
    A client of the test server that trusts what it sees first.
    """
    async with ImmudbClient(server.url, trust_on_first_use=True) as connected:
        yield connected


@pytest.fixture(params=["test-server", "immudb"] if IMMUDB_URL else ["test-server"])
async def url(request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    """
    A server of each kind, as an administrator reaches it: the test server, and a real one if there is one.
    """
    if request.param == "immudb":
        has_database = "/" in IMMUDB_URL.partition("://")[2]
        yield IMMUDB_URL if has_database else f"{IMMUDB_URL}/defaultdb"
    else:
        async with ImmudbTestServer() as running:
            yield running.url


@pytest.fixture
async def admin(url: str) -> AsyncGenerator[ImmudbClient]:
    """
    An administrator in a new database on a server of each kind.
    """
    async with ImmudbClient(url, trust_on_first_use=True) as connected:
        name = f"t{uuid.uuid4().hex[:12]}"
        await connected.create_database(name)
        await connected.use_database(name)
        yield connected


@pytest.fixture
def rng() -> random.Random:
    """
    Random numbers that can be had again.
    """
    return seeded_random()
