"""
A transport for httpx whose speed does not fall as more requests are under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from typing import TYPE_CHECKING

import httpx

from eventsource.genesisdb.answer import Waits
from eventsource.genesisdb.loops import PerLoop
from eventsource.genesisdb.pool import CLOSED, Origin, Pool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

# The extension of a request whose answer does not end: it gets a connection of its own.
LONG_LIVED = "eventsource_long_lived"

MAX_CONNECTIONS = 64
# uvicorn closes idle connections after 5 s, nginx after 75 s.
KEEP_ALIVE_S = 4.0


class _Pools:
    """
    The connections of one event loop, by what they lead to. They are closed when the loop ends.
    """

    def __init__(self) -> None:
        self.by_origin: dict[tuple[bytes, bytes, int | None], Pool] = {}
        # A loop that ends closes the asynchronous generators that were begun in it, and tells nothing else. The
        # first step of this one waits for nothing, so it is taken here.
        self._end = self._until_the_loop_ends()
        with contextlib.suppress(StopIteration):
            anext(self._end).send(None)

    def close(self) -> None:
        for pool in self.by_origin.values():
            pool.close()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self.close()
            await _let_go()


async def _let_go() -> None:
    """
    Give transports that were closed the two rounds of the loop in which they close their sockets.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class Transport(httpx.AsyncBaseTransport):
    """
    HTTP/1.1 over asyncio, for `httpx.AsyncClient` or called with requests of httpx directly.

    It follows no redirects, asks no proxy and looks at no environment variables: give the client an
    `httpx.AsyncClient` of your own for those. Requests wait in line for a connection, the first
    first. It may be used from several event loops, one after another or in several threads, and after a
    fork: each loop of each process has connections of its own.

    Args:
        tls: How to verify servers; by default as `ssl.create_default_context` does.

        max_connections: How many may be open to one server at a time, in each event loop. Answers that
            do not end have connections of their own beside these.

        keep_alive_s: How long an idle connection may still be used, in seconds.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        max_connections: int = MAX_CONNECTIONS,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._tls = tls
        self._max_connections = max_connections
        self._keep_alive_s = keep_alive_s
        self._pools: PerLoop[_Pools] = PerLoop(_Pools)
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Send a request; the answer's body is read as it is taken.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol,
                httpx.LocalProtocolError: Nothing was sent.
            httpx.WriteTimeout, httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError: It may have been.
        """
        pool = self._pool(request.url)
        timeout: dict[str, float | None] = request.extensions.get("timeout", {})
        head, body = _write_head(request), _body(request)
        waits = Waits(timeout.get("read"), timeout.get("write"))
        if request.extensions.get(LONG_LIVED):
            connection = await pool.open_apart(connect_s=timeout.get("connect"))
        else:
            connection = await pool.take(connect_s=timeout.get("connect"), pool_s=timeout.get("pool"))
        answer = await connection.send(request.method, head, body, waits)
        return httpx.Response(answer.status, headers=answer.headers, stream=answer)

    async def aclose(self) -> None:
        """
        Close all connections, those of other event loops too, and refuse who waits for one. It stays closed.
        """
        self._is_closed = True
        self._pools.each(_Pools.close)
        # An event loop that ends at once would leave sockets behind.
        await _let_go()

    def _pool(self, url: httpx.URL) -> Pool:
        if self._is_closed:
            raise httpx.ConnectError(CLOSED)
        pools = self._pools.here().by_origin
        key = (url.raw_scheme, url.raw_host, url.port)
        pool = pools.get(key)
        if pool is None:
            pool = pools[key] = Pool(self._origin(url), self._max_connections, self._keep_alive_s)
        return pool

    def _origin(self, url: httpx.URL) -> Origin:
        host = url.raw_host.decode("ascii")
        if url.scheme == "http":
            return Origin(host, url.port or 80, None)
        if url.scheme == "https":
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return Origin(host, url.port or 443, self._tls)
        message = "only http and https are spoken here"
        raise httpx.UnsupportedProtocol(message)


# What would end a header early, so that the rest of its value became a header of its own.
_UNWRITABLE = re.compile(rb"[\0\r\n]")


def _write_head(request: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    if _UNWRITABLE.search(b"".join(lines)):
        message = "a header with a line break or a NUL cannot be sent"
        raise httpx.LocalProtocolError(message)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _body(request: httpx.Request) -> bytes | AsyncIterator[bytes]:
    try:
        return request.content
    except httpx.RequestNotRead:
        stream = request.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        message = "the body must be bytes or an asynchronous stream"
        raise httpx.LocalProtocolError(message)
    return stream.__aiter__() if "content-length" in request.headers else _chunked(stream)


async def _chunked(stream: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    async for part in stream:
        if part:
            yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"
