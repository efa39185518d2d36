"""
What tests of the client share: servers, clients and a database of their own.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from eventsource.immudb import ImmudbClient
from eventsource.immudb.connection import Address
from eventsource.immudb.messages import new
from eventsource.testing.contract.chance import seeded_random
from eventsource.testing.immudb import ImmudbTestServer
from tests.immudb.office import Office, furnish

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
async def office(url: str) -> AsyncGenerator[Office]:
    """
    The test server, or the one that ``IMMUDB_URL`` names, with what ``refusals.toml`` speaks of.
    """
    address = Address.parse(url)
    if address.uses_tls:
        channel = grpc.aio.secure_channel(address.target, grpc.ssl_channel_credentials())
    else:
        channel = grpc.aio.insecure_channel(address.target)
    made = Office(channel, address, url.startswith(IMMUDB_URL or "-"))
    unique = uuid.uuid4().hex[:12]
    await made.ask("CreateDatabaseV2", new("CreateDatabaseRequest", name=f"d{unique}"))
    await made.leave()
    made.names |= {"database": f"d{unique}", "missing": f"m{unique}"}
    await furnish(made, unique)
    yield made
    await made.leave()
    await channel.close(None)


@pytest.fixture
def rng() -> random.Random:
    """
    Random numbers that can be had again.
    """
    return seeded_random()
