"""
The end of a server: observers end at once, commits are finished, nobody waits for those who take nothing.
"""

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from eventsource import connect
from eventsource.errors import AddressUnavailableError
from eventsource.server import ServerSettings, serve
from eventsource.store import InMemoryEventStore
from tests.server.raw import connected, request
from tests.server.serving import PATIENCE_S, TOKENS, WRITER, Observed, event, serving


async def test_observers_end_at_once_and_cleanly() -> None:
    """
    Their streams are completed, not cut, so that clients come again without an error.
    """
    http = httpx.AsyncClient(timeout=20)
    body = {"subject": "/"}
    async with connect("memory:") as store:
        # Whoever waited for the grace would not end within this test.
        serving_ = serve(store, ServerSettings(TOKENS), grace_s=3600)
        url = await serving_.__aenter__()
        request_ = http.build_request(
            "POST", f"{url}/api/v1/observe", json=body, headers={"authorization": f"Bearer {WRITER}"}
        )
        response = await http.send(request_, stream=True)
        observed = Observed(response, response.aiter_bytes())
        assert await observed.next_line() == {"payload": ""}
        ending = asyncio.ensure_future(serving_.__aexit__(None, None, None))
        assert await observed.next_event() is None
        await response.aclose()
        async with asyncio.timeout(PATIENCE_S):
            await ending
    await http.aclose()


class _SlowStore(InMemoryEventStore):
    """
    A store whose commits wait until they may go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()

    async def commit(self, *arguments: Any, **options: Any) -> Any:
        """
        Commit when that is allowed.
        """
        self.arrived.set()
        await self.released.wait()
        return await super().commit(*arguments, **options)


async def test_commit_under_way_is_finished_and_answered() -> None:
    """
    The server ends only when it has answered: the client gets to know what it committed.
    """
    async with _SlowStore() as store, httpx.AsyncClient(timeout=PATIENCE_S) as http:
        serving_ = serve(store, ServerSettings(TOKENS), grace_s=3600)
        url = await serving_.__aenter__()
        committing = asyncio.ensure_future(
            http.post(f"{url}/api/v1/commit", json={"events": [event()]}, headers={"authorization": f"Bearer {WRITER}"})
        )
        await store.arrived.wait()
        headers = {"authorization": f"Bearer {WRITER}"}
        async with http.stream("POST", f"{url}/api/v1/observe", json={"subject": "/"}, headers=headers) as response:
            observed = Observed(response, response.aiter_bytes())
            assert await observed.next_line() == {"payload": ""}
            ending = asyncio.ensure_future(serving_.__aexit__(None, None, None))
            # Observers end when the server begins to stop.
            assert await observed.next_event() is None
        assert not ending.done()
        store.released.set()

        async with asyncio.timeout(PATIENCE_S):
            response = await committing
            await ending

    assert response.status_code == 200


async def test_client_that_takes_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """
    Its answer is cut after the grace.
    """
    async with connect(f"sqlite:{tmp_path / 'store.db'}") as store, socket_of(4096) as stalled:
        async with serve(store, ServerSettings(TOKENS), grace_s=0.3) as url:
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {WRITER}"}, timeout=20) as http:
                events = [event("/a", data={"text": "x" * 60_000}) for _ in range(100)]
                await http.post(f"{url}/api/v1/commit", json={"events": events})
            parts = httpx.URL(url)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stalled, (parts.host, parts.port))
            await loop.sock_sendall(stalled, request("POST", "/api/v1/stream", b'{"subject":"/"}'))
            # The answer has begun, so from here on it waits for its reader.
            await loop.sock_recv(stalled, 1024)
            ending = asyncio.get_running_loop().create_future()
            watch = asyncio.create_task(_within_patience(ending))
        ending.set_result(None)
        await watch


async def _within_patience(ending: asyncio.Future[None]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await ending


class socket_of:  # noqa: N801  used as a function
    """
    A socket that has room for so many bytes.
    """

    def __init__(self, room: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self._socket.setblocking(False)  # noqa: FBT003  its only parameter

    async def __aenter__(self) -> socket.socket:
        return self._socket

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()


async def test_connections_without_a_request_are_closed() -> None:
    """
    Idle ones and those that have begun nothing.
    """
    ending = asyncio.get_running_loop().create_future()
    async with serving(grace_s=3600) as served, connected(served) as idle, connected(served):
        await idle.send(request("GET", "/api/v1/subjects"))
        await idle.read_answer()
        watch = asyncio.create_task(_within_patience(ending))
    ending.set_result(None)
    await watch


async def test_nobody_is_served_after_the_end() -> None:
    """
    The address is free again, at once.
    """
    async with serving() as served:
        host, port = served.address
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(host, port)
    async with connect("memory:") as store, serve(store, ServerSettings(TOKENS), port=port) as url:
        assert url == f"http://{host}:{port}"


async def test_address_in_use_is_an_error_of_its_own() -> None:
    """
    It names the address.
    """
    async with connect("memory:") as store, serve(store, ServerSettings(TOKENS)) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(AddressUnavailableError, match=f"127.0.0.1 port {port}") as caught:
            await serve(store, ServerSettings(TOKENS), port=port).__aenter__()

    assert caught.value.port == port


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 99_999), ("no such host", 0)])
async def test_address_that_is_none_is_the_same_error(host: str, port: int) -> None:
    """
    Whatever the system says about it.
    """
    async with connect("memory:") as store:
        with pytest.raises(AddressUnavailableError):
            await serve(store, ServerSettings(TOKENS), host=host, port=port).__aenter__()


async def test_two_servers_serve_one_store() -> None:
    """
    In one process, each with its own address.
    """
    async with connect("memory:") as store, serving(store) as one, serving(store) as other:
        await one.commit(event("/a"))
        async with other.observe("/", fromStart=True) as observed:
            assert (await observed.next_event())["subject"] == "/a"


async def test_server_ends_with_the_block_that_fails() -> None:
    """
    The error of the block comes out as it is.
    """
    with pytest.raises(ZeroDivisionError):
        async with serving() as served, served.observe("/"):
            _ = 1 / 0
