"""
Clients that do not take their answers: what is held for them has a limit, and they are dropped.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from eventsource import EventStore, connect
from eventsource.store.delegating import DelegatingEventStore
from tests.server.raw import request
from tests.server.serving import ADMINISTRATOR, PATIENCE_S, Served, event, serving

MIB = 2**20

# Each has an answer of many megabytes.
REQUESTS = {
    "stream": request("POST", "/api/v1/stream", b'{"subject":"/"}'),
    "below": request("POST", "/api/v1/stream", b'{"subject":"/a"}'),
    "observe": request("POST", "/api/v1/observe", b'{"subject":"/","options":{"fromStart":true}}'),
    "query": request("POST", "/api/v1/q", b'{"query":"STREAM e FROM events MAP e"}'),
    "sorted": request("POST", "/api/v1/q", b'{"query":"STREAM e FROM events ORDER BY e.data.n DESC MAP e"}'),
    "backup": request("GET", "/api/v1/backup/create", token=ADMINISTRATOR),
}


@pytest.fixture
async def large(tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    A store with 24 MiB of events that are as large as events can be.
    """
    async with connect(f"sqlite:{tmp_path / 'store.db'}") as store:
        await fill(store)
        yield store


async def fill(store: EventStore, *, events: int = 400, size: int = 60_000) -> None:
    """
    Commit events of one size.
    """
    async with serving(store) as served:
        for first in range(0, events, 100):
            await served.commit(
                *[event(f"/a/{n}", data={"n": n, "text": "x" * size}) for n in range(first, min(first + 100, events))]
            )


@asynccontextmanager
async def not_reading(served: Served, whole: bytes) -> AsyncGenerator[socket.socket]:
    """
    A client that sends a request and takes the first byte of the answer.
    """
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)  # noqa: FBT003  its only parameter
        await loop.sock_connect(client, served.address)
        await loop.sock_sendall(client, whole)
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_recv(client, 1)
        yield client


async def figure(served: Served, name: str) -> float:
    """
    One of the server's figures.
    """
    text = (await served.http.get("/metrics")).text
    return float(next(line for line in text.splitlines() if line.startswith(f"genesisdb_{name} ")).split()[1])


@pytest.mark.parametrize("kind", REQUESTS)
async def test_what_clients_do_not_take_is_held_within_the_limit(large: EventStore, kind: str) -> None:
    """
    Two dozen clients that read nothing: the ones that keep the others waiting are dropped, and another one is served.
    """
    # To sort takes all events at a time, so there is room for one who sorts.
    limit = 96 * MIB if kind == "sorted" else 16 * MIB
    async with serving(large, held_bytes=limit, stall_s=300.0, metrics=True) as served, AsyncExitStack() as stack:
        for _ in range(24):
            await stack.enter_async_context(not_reading(served, REQUESTS[kind]))
            assert await figure(served, "held_answer_bytes") <= limit

        assert await figure(served, "dropped_readers") > 0 or kind not in {"query", "sorted"}
        rows = await served.query("STREAM e FROM events WHERE e.data.n < 3 MAP e.data.n")
        assert rows == [0, 1, 2]
        assert len(await served.stream("/a/7")) == 1


@pytest.mark.parametrize("kind", REQUESTS)
async def test_client_that_drips_is_dropped(large: EventStore, kind: str) -> None:
    """
    A byte now and then keeps nothing alive: what was made for it is let go.
    """
    loop = asyncio.get_running_loop()
    async with (
        serving(large, stall_s=0.3, metrics=True) as served,
        not_reading(served, REQUESTS[kind]) as client,
    ):
        async with asyncio.timeout(PATIENCE_S):
            while await figure(served, "held_answer_bytes"):
                with suppress(ConnectionError):
                    await loop.sock_recv(client, 1)
                await asyncio.sleep(0.01)

        # The others are served as before.
        assert await served.query("STREAM e FROM events WHERE e.data.n < 3 MAP e.data.n") == [0, 1, 2]


class Watched(DelegatingEventStore):
    """
    A store that knows which of its queries are still open.
    """

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self.open = 0
        self.closed = asyncio.Event()

    def query(self, *arguments: Any, **options: Any) -> Any:
        """
        Its rows, open until they are closed.
        """
        rows = super().query(*arguments, **options)
        pages = rows.pages()

        async def watched() -> AsyncGenerator[Any]:
            self.open += 1
            try:
                async for page in pages:
                    yield page
            finally:
                self.open -= 1
                self.closed.set()
                await pages.aclose()

        return type(rows)(watched(), held=lambda: rows.held_bytes)


async def test_query_of_a_client_that_was_dropped_ends(large: EventStore) -> None:
    """
    Nothing goes on behind it in the store.
    """
    watched = Watched(large)
    async with (
        serving(watched, stall_s=0.3) as served,
        not_reading(served, REQUESTS["query"]),
    ):
        assert watched.open == 1
        async with asyncio.timeout(PATIENCE_S):
            await watched.closed.wait()

        assert watched.open == 0


async def test_small_answers_are_taken_in_any_time(large: EventStore) -> None:
    """
    What fits into the connection's own buffers is sent, whether its client reads or not.
    """
    ask = request("POST", "/api/v1/q", b'{"query":"STREAM e FROM events WHERE e.data.n < 3 MAP e.data.n"}')
    async with (
        serving(large, stall_s=0.2, metrics=True) as served,
        not_reading(served, ask) as client,
    ):
        while await figure(served, "held_answer_bytes"):  # noqa: ASYNC110  a figure that is asked for
            await asyncio.sleep(0)
        received = b""
        async with asyncio.timeout(PATIENCE_S):
            while b"0\r\n\r\n" not in received:
                received += await asyncio.get_running_loop().sock_recv(client, 65536)
        assert await figure(served, "dropped_readers") == 0


class Counted(DelegatingEventStore):
    """
    A store that counts the pages that observers and streams read.
    """

    pages = 0

    def observe(self, *arguments: Any, **options: Any) -> Any:
        """
        Its pages, counted.
        """
        return self._counted(super().observe(*arguments, **options))

    def stream(self, *arguments: Any, **options: Any) -> Any:
        """
        Its pages, counted.
        """
        return self._counted(super().stream(*arguments, **options))

    def _counted(self, stream: Any) -> Any:
        async def pages() -> AsyncGenerator[Any]:
            async for page in stream.pages():
                self.pages += 1
                yield page

        return type(stream)(pages())


@pytest.mark.parametrize("path", ["observe", "stream"])
async def test_many_who_read_the_log_from_its_start_leave_turns_to_others(path: str) -> None:
    """
    Between a question and its answer few pages are read, however many observers there are; commits go through.
    """
    body = b'{"subject":"/","options":{"fromStart":true}}' if path == "observe" else b'{"subject":"/"}'
    observers, pages = 20, 10
    async with connect("memory:") as store:
        await fill(store, events=1000 * pages, size=1)
        counted = Counted(store)
        async with serving(counted) as served, AsyncExitStack() as stack:
            readers = [await asyncio.open_connection(*served.address) for _ in range(observers)]
            for _, writer in readers:
                stack.callback(writer.transport.abort)
                writer.write(request("POST", f"/api/v1/{path}", body))

            async def take(reader: asyncio.StreamReader) -> None:
                while await reader.read(2**18):
                    pass

            taking = [asyncio.ensure_future(take(reader)) for reader, _ in readers]
            most = answers = 0
            while counted.pages < observers * pages:
                before = counted.pages
                assert (await served.http.get("/healthz")).status_code == 200
                most = max(most, counted.pages - before)
                answers += 1
                before = counted.pages
                await served.commit(event("/b"))
                most = max(most, counted.pages - before)
            for task in taking:
                task.cancel()

    assert answers >= 5
    assert most < observers * pages / 4
