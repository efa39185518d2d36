"""
What lies between a client and a server far away: a link that takes its time, and breaks where a test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER_BYTES: Final = 9
_DATA, _HEADERS = 0, 1
_CHUNK_BYTES: Final = 65_536


class Cut(Enum):
    """
    Where the link breaks: what is named there does not come through any more.
    """

    REQUEST = auto()
    """Before anything of a call has left."""

    HALF_A_REQUEST = auto()
    """The server has heard which call it is, and not what it asks for."""

    ARRIVAL = auto()
    """The server has the request, and begins to answer."""

    ANSWER = auto()
    """The server has done what it was asked for."""

    END_OF_ANSWER = auto()
    """The client has all of the answer but the word that this was it."""


class Frame(NamedTuple):
    """
    A frame of HTTP/2, or what comes before the first.
    """

    kind: int
    stream: int
    encoded: bytes


class Frames:
    """
    Takes bytes and gives frames.
    """

    def __init__(self, *, preface: bytes = b"") -> None:
        self._waiting = b""
        self._preface = preface

    def feed(self, data: bytes) -> Iterator[Frame]:
        """
        The frames that are whole now.
        """
        self._waiting += data
        if self._preface and len(self._waiting) >= len(self._preface):
            yield Frame(-1, 0, self._take(len(self._preface)))
            self._preface = b""
        while not self._preface and len(self._waiting) >= _HEADER_BYTES:
            size = _HEADER_BYTES + int.from_bytes(self._waiting[:3], "big")
            if len(self._waiting) < size:
                return
            kind = self._waiting[3]
            (stream,) = struct.unpack_from(">I", self._waiting, 5)
            yield Frame(kind, stream & 0x7FFFFFFF, self._take(size))

    def _take(self, size: int) -> bytes:
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken


class Proxy:
    """
    A port of this machine that leads to a server, over a link with a delay.

    Args:
        port: Where the server is.

        round_trip_s: How long there and back takes. A connection costs one round trip before its first byte leaves,
            as a handshake of TCP does.

        is_encrypted: Whether its bytes are none that it could read: then it breaks at whole reads.

    Attributes:
        connections: How many it has led to the server.

        refused: How many it has closed at once.
    """

    def __init__(self, port: int, *, round_trip_s: float = 0.0, is_encrypted: bool = False) -> None:
        self._upstream = port
        self._one_way_s = round_trip_s / 2
        self._is_encrypted = is_encrypted
        self._cut: Cut | None = None
        self._has_answered: set[int] = set()
        self._refusals = 0
        self._socket = socket.socket()
        self._links: dict[asyncio.Task[None], socket.socket] = {}
        self.connections = 0
        self.refused = 0
        self.is_cut = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self._socket.setblocking(False)  # noqa: FBT003  its name says what
        self.port = self._socket.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._socket, self._accept)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        links = dict(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        for connected in links.values():
            # Also of those that were cancelled before they began.
            connected.close()

    def url(self, of_server: str) -> str:
        """
        The URL of a server, by way of here.
        """
        start, _, port_and_path = of_server.rpartition(":")
        return f"{start}:{self.port}/{port_and_path.partition('/')[2]}"

    def refuse(self, count: int) -> None:
        """
        Close the next connections at once, as a server does that is not up yet.
        """
        self._refusals = count

    def cut(self, where: Cut) -> None:
        """
        Break the link of the next call there.
        """
        self.is_cut.clear()
        self._has_answered.clear()
        self._cut = where

    def _accept(self) -> None:
        # Not by a server of asyncio: when that is closed, it may hold a connection that is led nowhere yet.
        connected, _ = self._socket.accept()
        if self._refusals:
            self._refusals -= 1
            self.refused += 1
            connected.close()
            return
        self.connections += 1
        connected.setblocking(False)  # noqa: FBT003  its name says what
        link = asyncio.create_task(self._lead(connected))
        self._links[link] = connected
        link.add_done_callback(lambda done: self._links.pop(done, None))

    async def _lead(self, connected: socket.socket) -> None:
        ends: list[asyncio.StreamWriter] = []
        both: list[asyncio.Task[None]] = []
        try:
            reader, writer = await asyncio.open_connection(sock=connected)
            ends.append(writer)
            upstream, to_server = await asyncio.open_connection("127.0.0.1", self._upstream)
            ends.append(to_server)
            there = self._carry(reader, to_server, Frames(preface=_PREFACE), is_request=True)
            back = self._carry(upstream, writer, Frames(), is_request=False)
            both += [asyncio.create_task(way) for way in (there, back)]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            # Nobody is there: the connection ends, as one does that was refused.
            pass
        finally:
            for way in both:
                way.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for end in ends:
                end.transport.abort()
            connected.close()

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, frames: Frames, *, is_request: bool
    ) -> None:
        """
        Carry bytes one way until an end closes, or the link breaks.
        """
        link = _Link(target, self._one_way_s, handshake_s=2 * self._one_way_s if is_request else 0.0)
        delivering = asyncio.create_task(link.deliver())
        try:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(_CHUNK_BYTES):
                    for part in self._parts(data, frames, is_request=is_request):
                        if part is None:
                            await link.is_empty()
                            self._cut = None
                            self.is_cut.set()
                            return
                        link.send(part)
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    def _parts(self, data: bytes, frames: Frames, *, is_request: bool) -> Iterator[bytes | None]:
        """
        What of the data comes through; None where the link breaks.
        """
        if self._is_encrypted:
            is_broken = self._cut is (Cut.REQUEST if is_request else Cut.ANSWER)
            yield None if is_broken else data
            return
        for frame in frames.feed(data):
            if self._breaks_at(frame, is_request=is_request):
                yield None
                return
            yield frame.encoded

    def _breaks_at(self, frame: Frame, *, is_request: bool) -> bool:
        if frame.stream == 0 or frame.kind not in (_DATA, _HEADERS):
            return False
        if is_request:
            return self._cut is (Cut.REQUEST if frame.kind == _HEADERS else Cut.HALF_A_REQUEST)
        if frame.kind == _DATA:
            return self._cut is Cut.ANSWER
        is_first = frame.stream not in self._has_answered
        self._has_answered.add(frame.stream)
        return self._cut is (Cut.ARRIVAL if is_first else Cut.END_OF_ANSWER)


class _Link:
    """
    One way of a connection.
    """

    def __init__(self, target: asyncio.StreamWriter, one_way_s: float, *, handshake_s: float) -> None:
        self._target = target
        self._one_way_s = one_way_s
        self._underway: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._ready_s = asyncio.get_running_loop().time() + handshake_s

    def send(self, data: bytes) -> None:
        """
        Take bytes that come out at the other end in a while.
        """
        now_s = asyncio.get_running_loop().time()
        self._underway.put_nowait((max(now_s, self._ready_s) + self._one_way_s, data))

    async def deliver(self) -> None:
        """
        Give bytes to the other end when they are due.
        """
        loop = asyncio.get_running_loop()
        while True:
            due_s, data = await self._underway.get()
            if (rest_s := due_s - loop.time()) > 0:
                await asyncio.sleep(rest_s)
            self._target.write(data)
            with contextlib.suppress(ConnectionError):
                await self._target.drain()
            self._underway.task_done()

    async def is_empty(self) -> None:
        """
        Wait until nothing is under way.
        """
        await self._underway.join()
