"""
Places are for those who ask for something: no address has all of them, and a connection that waits gives way.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from eventsource.server.admission import counted_address
from tests.server.proxies import certificate_of
from tests.server.raw import Raw, request
from tests.server.serving import ADMINISTRATOR, HEARTBEAT, PATIENCE_S, Clock, Served, serving

OBSERVE = request("POST", "/api/v1/observe", b'{"subject":"/"}')
PING = request("GET", "/api/v1/status/ping")


@asynccontextmanager
async def from_address(served: Served, address: str) -> AsyncGenerator[Raw]:
    """
    A connection that comes from another address of this machine.
    """
    async with connected_to(*served.address, local_addr=(address, 0)) as raw:
        yield raw


@asynccontextmanager
async def connected_to(host: str, port: int | None, **options: Any) -> AsyncGenerator[Raw]:
    """
    A connection to an address.
    """
    raw = Raw(*await asyncio.open_connection(host, port, **options))
    try:
        yield raw
    finally:
        raw.writer.transport.abort()


async def observing(served: Served, address: str, stack: AsyncExitStack) -> Raw:
    """
    A connection that observes.
    """
    raw = await stack.enter_async_context(from_address(served, address))
    await raw.send(OBSERVE)
    async with asyncio.timeout(PATIENCE_S):
        await raw.reader.readuntil(b'{"payload":""}')
    return raw


async def status_for(served: Served, address: str) -> int:
    """
    Returns the status that a new connection gets from the server; 0 if it is closed without an answer.
    """
    async with from_address(served, address) as raw:
        try:
            await raw.send(PING)
            return (await raw.read_answer())[0]
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0


async def test_one_address_does_not_take_every_place() -> None:
    """
    It has half of them, or as many as it is given; the next one gets 503, and others are served.
    """
    for per_address, share in ((None, 6), (4, 4)):
        async with serving(connections=12, connections_per_address=per_address) as served, AsyncExitStack() as stack:
            for _ in range(share):
                await observing(served, "127.0.0.9", stack)
            async with from_address(served, "127.0.0.9") as one_more:
                assert (await one_more.read_to_end()).startswith(b"HTTP/1.1 503 ")
            assert await status_for(served, "127.0.0.8") == 200
            assert (await served.get("/subjects")).status_code == 200


async def test_place_is_free_again_when_its_client_leaves() -> None:
    """
    For the same address.
    """
    async with serving(connections=4, connections_per_address=2) as served, AsyncExitStack() as stack:
        first, _ = [await observing(served, "127.0.0.9", stack) for _ in range(2)]
        assert await status_for(served, "127.0.0.9") in {0, 503}
        first.writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            # The server gets to know that it is gone a moment later.
            while await status_for(served, "127.0.0.9") != 200:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.01)


async def test_idle_connections_give_way_when_places_are_short() -> None:
    """
    More of them than there are places, kept open after an answer: each newcomer is served, the oldest is closed.
    """
    async with serving(connections=20, connections_per_address=20) as served, AsyncExitStack() as stack:
        idle = []
        for _ in range(60):
            raw = await stack.enter_async_context(from_address(served, "127.0.0.9"))
            await raw.send(PING)
            assert (await raw.read_answer())[0] == 200
            idle.append(raw)
        assert await status_for(served, "127.0.0.8") == 200
        for raw in idle[:40]:
            assert await raw.read_to_end() == b""
        # Those that have waited less are still there.
        await idle[-1].send(PING)
        assert (await idle[-1].read_answer())[0] == 200


async def test_the_address_with_the_most_that_wait_gives_way_first() -> None:
    """
    A client that keeps one connection open does not lose it to those who keep many.
    """
    async with serving(connections=10, connections_per_address=10) as served, AsyncExitStack() as stack:
        modest = await stack.enter_async_context(from_address(served, "127.0.0.7"))
        await modest.send(PING)
        assert (await modest.read_answer())[0] == 200
        for _ in range(40):
            greedy = await stack.enter_async_context(from_address(served, "127.0.0.9"))
            await greedy.send(PING)
            assert (await greedy.read_answer())[0] == 200
        await modest.send(PING)
        assert (await modest.read_answer())[0] == 200


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"\r\n"], ids=["silent", "half a head", "blank lines"])
async def test_connections_that_ask_for_nothing_give_way(beginning: bytes) -> None:
    """
    From many addresses, and before their time is over; observers and their streams stay.
    """
    async with serving(connections=10) as served, AsyncExitStack() as stack:
        observer = await observing(served, "127.0.0.7", stack)
        for number in range(60):
            raw = await stack.enter_async_context(from_address(served, f"127.0.1.{number // 2}"))
            await raw.send(beginning)
            assert await status_for(served, "127.0.0.8") == 200
        async with asyncio.timeout(PATIENCE_S):
            await observer.reader.readuntil(b'{"payload":""}')


async def test_connections_that_are_answered_do_not_give_way() -> None:
    """
    When every place is taken by an observer, the next one gets 503.
    """
    async with serving(connections=3, connections_per_address=3) as served, AsyncExitStack() as stack:
        observers = [await observing(served, f"127.0.0.{n}", stack) for n in range(2, 5)]
        async with from_address(served, "127.0.0.9") as fourth:
            assert (await fourth.read_to_end()).startswith(b"HTTP/1.1 503 ")
        for observer in observers:
            async with asyncio.timeout(PATIENCE_S):
                await observer.reader.readuntil(b'{"payload":""}')


async def test_connections_without_a_handshake_give_way_too(tmp_path: Path) -> None:
    """
    They count before TLS is spoken, for all and for their address.
    """
    certificate, key, trusting = certificate_of(tmp_path)
    tls: Any = {"certificate": certificate, "key": key, "verify": trusting}
    async with serving(connections=20, **tls) as served, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(from_address(served, "127.0.0.9")) for _ in range(60)]
        assert (await served.get("/subjects")).status_code == 200
        # One address has ten places, so fifty of them are closed by now.
        for raw in silent[:50]:
            assert await raw.read_to_end() == b""
        many = [await stack.enter_async_context(from_address(served, f"127.0.1.{n}")) for n in range(60)]
        assert (await served.get("/subjects")).status_code == 200
        for raw in many[:40]:
            assert await raw.read_to_end() == b""


async def test_handshake_is_not_waited_for(tmp_path: Path) -> None:
    """
    It takes as long as a head may, whether nothing comes or half of it.
    """
    certificate, key, trusting = certificate_of(tmp_path)
    clock = Clock()
    tls: Any = {"certificate": certificate, "key": key, "verify": trusting}
    async with serving(header_s=1.0, clock=clock, **tls) as served, AsyncExitStack() as stack:
        silent, half = [await stack.enter_async_context(from_address(served, "127.0.0.9")) for _ in range(2)]
        await half.send(b"\x16\x03\x01\x02\x00\x01\x00")
        assert (await served.get("/subjects")).status_code == 200
        leaving = asyncio.gather(silent.is_closed(), half.is_closed())
        while not leaving.done():
            await clock.turn(1.5, until=leaving)
        assert all(await leaving)
        assert (await served.get("/subjects")).status_code == 200


async def test_handshakes_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """
    A server that stops closes them.
    """
    certificate, key, trusting = certificate_of(tmp_path)
    async with AsyncExitStack() as stack:
        async with serving(certificate=certificate, key=key, verify=trusting, grace_s=3600) as served:
            silent = await stack.enter_async_context(from_address(served, "127.0.0.9"))
            assert (await served.get("/subjects")).status_code == 200
        assert await silent.is_closed()


async def test_many_observers_of_one_proxy_fit() -> None:
    """
    A proxy is one address: with a limit for all only, it may have every place.
    """
    async with serving(connections=30, connections_per_address=30) as served, AsyncExitStack() as stack:
        for _ in range(28):
            await observing(served, "127.0.0.9", stack)
        async with served.observe("/") as observed:
            assert await observed.next_line() == HEARTBEAT


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_addresses_that_one_customer_has_count_as_one(host: str, counted: str) -> None:
    """
    For IPv6 that is a network; an address of IPv4 counts the same however it is written.
    """
    assert counted_address(host) == counted


async def test_idle_connection_gives_its_file_to_a_new_one() -> None:
    """
    A process may have fewer files than places: a waiting connection gives way there too, and each new one is served.
    """
    program = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "eventsource.cli", "serve", "--store", "memory:", "--port", "0", "--json"],
        env={**os.environ, "GENESISDB_AUTH_TOKEN": ADMINISTRATOR},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert program.stdout is not None
    try:
        address = httpx.URL(json.loads(await program.stdout.readline())["address"])
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (64, 64))
        async with AsyncExitStack() as stack:
            for _ in range(150):
                raw = await stack.enter_async_context(connected_to(address.host, address.port))
                await raw.send(PING)
                assert (await raw.read_answer())[0] == 200
    finally:
        program.terminate()
        await program.wait()
