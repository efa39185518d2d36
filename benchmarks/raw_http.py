"""
Requests over bare sockets: who measures a server must cost less than the server.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.programs import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

_END_OF_HEADERS = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_LENGTH = b"content-length: "
# Each event has it once, and no data of a benchmark does.
_MARK = b'"specversion":"1.0"'


def request(path: str, body: bytes, *, key: str = "") -> bytes:
    """
    A POST as our own client sends it.
    """
    more = f"Idempotency-Key: {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


async def post_all(address: tuple[str, int], requests: list[bytes], *, connections: int) -> tuple[float, list[float]]:
    """
    Send requests over so many connections, each as soon as the one before it on its connection was answered.

    Returns:
        How long all took, and each, in seconds.
    """
    taken: list[float] = []
    remaining = iter(requests)
    loop = asyncio.get_running_loop()
    posting = [
        (await loop.create_connection(lambda: _Posting(lambda: next(remaining, None), taken), *address))[1]
        for _ in range(connections)
    ]
    start = time.perf_counter()
    for one in posting:
        one.send_next()
    await asyncio.gather(*(one.done for one in posting))
    return time.perf_counter() - start, taken


class _Posting(asyncio.Protocol):
    def __init__(self, take: Callable[[], bytes | None], taken: list[float]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._take = take
        self._taken = taken
        self._answer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checkers
        self._transport = transport

    def send_next(self) -> None:
        """
        Send a request, or close the connection if there is none left.
        """
        assert self._transport is not None  # noqa: S101  for the type checkers
        following = self._take()
        if following is None:
            self._transport.close()
            self.done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head = self._answer.find(_END_OF_HEADERS)
        if head < 0:
            return
        length = self._answer.index(_LENGTH) + len(_LENGTH)
        size = int(self._answer[length : self._answer.index(b"\r\n", length)])
        if len(self._answer) < head + len(_END_OF_HEADERS) + size:
            return
        if not self._answer.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._answer.decode()))
            return
        self._taken.append(time.perf_counter() - self._sent_at)
        self._answer = b""
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server has closed the connection"))


async def read_stream(address: tuple[str, int], path: str, body: bytes) -> int:
    """
    Ask for a stream and read it to its end; returns its bytes.
    """
    reader, writer = await asyncio.open_connection(*address, limit=2**20)
    writer.write(request(path, body))
    size, end = 0, b""
    while not end.endswith(_LAST_CHUNK):
        block = await reader.read(2**20)
        if not block:
            msg = "the stream was cut"
            raise ConnectionError(msg)
        size += len(block)
        end = (end + block)[-len(_LAST_CHUNK) :]
    writer.close()
    return size


class Observing(asyncio.Protocol):
    """
    An observer that counts.

    Attributes:
        events: How many have come.

        arrivals: When each came; the clock is `time.perf_counter`.

        begun: Done with the first bytes of the answer.
    """

    def __init__(self, opening: bytes, mark: bytes = _MARK) -> None:
        self.arrivals: list[float] = []
        self.begun = asyncio.get_running_loop().create_future()
        self._opening = opening
        self._mark = mark
        self._carried = b""
        self._transport: asyncio.Transport | None = None

    @property
    def events(self) -> int:
        """
        How many have come.
        """
        return len(self.arrivals)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Ask.
        """
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checkers
        self._transport = transport
        transport.write(self._opening)

    def data_received(self, data: bytes) -> None:
        """
        Count.
        """
        if not self.begun.done():
            self.begun.set_result(None)
        data = self._carried + data
        self.arrivals.extend([time.perf_counter()] * data.count(self._mark))
        # A mark may have been cut; a whole one does not fit in.
        self._carried = data[1 - len(self._mark) :]

    def close(self) -> None:
        """
        Leave.
        """
        if self._transport is not None:
            self._transport.abort()
