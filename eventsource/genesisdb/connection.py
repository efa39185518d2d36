"""
One HTTP/1.1 connection: a request at a time, its answer read as fast as somebody takes it.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, cast

import httptools
import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# No server we know sends a tenth of it; without a limit one header could fill the memory.
MAX_HEAD_BYTES = 64 * 1024

# Above it the socket is left alone until what was read has been taken.
_PAUSE_BYTES = 1024 * 1024


class Connection(asyncio.Protocol):
    """
    A connection to one server.

    Args:
        on_idle: Is told when an answer is complete, so that the next request may use the connection.

        on_gone: Is told once, when the connection is gone.
    """

    def __init__(self, on_idle: Callable[[Connection], None], on_gone: Callable[[Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_idle = on_idle
        self._on_gone = on_gone
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_sending = False
        self._process = os.getpid()
        self.is_gone = False
        self.idle_since = 0.0

    def check_process(self) -> None:
        """
        Refuse to read in a process that was forked: what arrives is its parent's.

        Raises:
            httpx.ReadError: It was.
        """
        if self._process != os.getpid():
            message = "this answer belongs to another process, which was forked while it was being read"
            raise httpx.ReadError(message)

    async def send(self, method: str, head: bytes, body: bytes | AsyncIterator[bytes], waits: Waits) -> Answer:
        """
        Send a request, and wait for the head of its answer.

        Raises:
            httpx.ConnectError: It was closed before anything was sent.
            httpx.WriteTimeout, httpx.ReadTimeout: Nothing moved for as long as *waits* allows.
            httpx.RemoteProtocolError, httpx.ReadError: The connection went, or what came is no HTTP.
        """
        transport = self._transport
        if transport is None or self.is_gone or transport.is_closing():
            self.abort()
            message = "the connection was closed before it was used"
            raise httpx.ConnectError(message)
        answer = self._answer = Answer(self, method, waits)
        self._parser = answer.parser
        try:
            if isinstance(body, bytes):
                transport.write(head + body)
                await self._drain(answer)
            else:
                self._is_sending = True
                transport.write(head)
                async for part in body:
                    await self._drain(answer)
                    if self._answer is not answer or answer.has_head:
                        break
                    transport.write(part)
                else:
                    self._is_sending = False
            await answer.wait_for_head()
        except BaseException:
            # Half a request, or an answer that nobody waits for: no other request can follow. When the answer is
            # complete the connection is somebody else's already.
            if self._answer is answer:
                self.abort()
            raise
        return answer

    async def _drain(self, answer: Answer) -> None:
        if self._may_write.is_set():
            return
        # An answer that comes before the request is written is a refusal: nobody reads the rest.
        waiting = self._loop.create_task(self._may_write.wait())
        head = self._loop.create_task(answer.wait_for_head(has_deadline=False))
        try:
            done, _ = await asyncio.wait(
                {waiting, head}, timeout=answer.waits.write_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                message = "the request could not be written in time"
                raise httpx.WriteTimeout(message)
        finally:
            waiting.cancel()
            head.cancel()
            await asyncio.gather(waiting, head, return_exceptions=True)

    def abort(self) -> None:
        """
        Let go of the connection at once.
        """
        self._lose(None)
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """
        Leave what comes in the socket.
        """
        if (transport := self._readable()) is not None:
            transport.pause_reading()

    def resume(self) -> None:
        """
        Read on.
        """
        if (transport := self._readable()) is not None:
            transport.resume_reading()

    def _readable(self) -> asyncio.Transport | None:
        # A transport that is closing refuses in some loops, and does nothing in others.
        transport = self._transport
        return None if transport is None or self.is_gone or transport.is_closing() else transport

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        It is open.
        """
        # Loops have transport classes of their own: uvloop's derive from none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """
        Some of the answer is here.
        """
        answer, parser = self._answer, self._parser
        if answer is None or parser is None:
            # Nobody has asked: a server that is closing says why, and one that is out of step must not be believed.
            self.abort()
            return
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            answer.fail(httpx.RemoteProtocolError("what came is no HTTP answer"))
            self.abort()
            return
        if answer.is_complete:
            self._answer = self._parser = None
            if answer.keeps_alive and not self._is_sending:
                self.idle_since = self._loop.time()
                self._on_idle(self)
            else:
                self.abort()
        else:
            answer.count_head(len(data))

    def pause_writing(self) -> None:
        """
        The socket is full.
        """
        self._may_write.clear()

    def resume_writing(self) -> None:
        """
        There is room again.
        """
        self._may_write.set()

    def eof_received(self) -> bool:
        """
        Nothing more will come; closing follows.
        """
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """
        It is closed.
        """
        self._lose(exc)

    def _lose(self, error: Exception | None) -> None:
        if self.is_gone:
            return
        self.is_gone = True
        self._may_write.set()
        answer, self._answer, self._parser = self._answer, None, None
        if answer is not None:
            answer.end(error)
        self._on_gone(self)


class Waits:
    """
    How long nothing may move, in seconds; None is for ever. As in httpx, each read is a new wait.
    """

    __slots__ = ("read_s", "write_s")

    def __init__(self, read_s: float | None, write_s: float | None) -> None:
        self.read_s = read_s
        self.write_s = write_s


class Answer(httpx.AsyncByteStream):
    """
    The answer to one request, as it arrives: the head, then the body in parts.

    Attributes:
        status: The HTTP status.

        headers: The headers in order.

        has_head: Whether status and headers are here.

        is_complete: Whether all of it is here.

        keeps_alive: Whether another request may follow on the connection.
    """

    __slots__ = (
        "_connection",
        "_error",
        "_has_length",
        "_head_bytes",
        "_is_interim",
        "_is_paused",
        "_loop",
        "_method",
        "_parts",
        "_size",
        "_waiter",
        "has_head",
        "headers",
        "is_complete",
        "keeps_alive",
        "parser",
        "status",
        "waits",
    )

    def __init__(self, connection: Connection, method: str, waits: Waits) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._method = method
        self.waits = waits
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        self.keeps_alive = False
        self.has_head = False
        self._has_length = False
        self._is_interim = False
        self._is_paused = False
        self._head_bytes = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._error: httpx.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def wait_for_head(self, *, has_deadline: bool = True) -> None:
        """
        Return when status and headers are here.
        """
        while not self.has_head:
            if self._error is not None:
                raise self._error
            await self._wait(self.waits.read_s if has_deadline else None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                if self._parts:
                    part = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                    self._parts.clear()
                    self._size = 0
                    if self._is_paused:
                        self._is_paused = False
                        self._connection.resume()
                    yield part
                elif self._error is not None:
                    raise self._error
                elif self.is_complete:
                    return
                else:
                    await self._wait(self.waits.read_s)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """
        Take no more of it. If it is not complete, its connection goes.
        """
        if not self.is_complete:
            self._connection.abort()

    async def _wait(self, timeout_s: float | None) -> None:
        self._connection.check_process()
        waiter = self._waiter = self._loop.create_future()
        alarm = None if timeout_s is None else self._loop.call_later(timeout_s, self._time_out)
        try:
            await waiter
        finally:
            self._waiter = None
            if alarm is not None:
                alarm.cancel()

    def _time_out(self) -> None:
        self.fail(httpx.ReadTimeout("no answer came in time"))
        self._connection.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: httpx.TransportError) -> None:
        """
        There will be no more, for this reason.
        """
        if self._error is None and not self.is_complete:
            self._error = error
        self._wake()

    def end(self, error: Exception | None) -> None:
        """
        The connection is gone.
        """
        if self.has_head and not self._has_length and error is None and self._error is None:
            # Such a body ends with its connection.
            self.is_complete = True
            self._wake()
            return
        what = "the answer was cut" if self.has_head else "the connection was closed before an answer came"
        if error is None:
            self.fail(httpx.RemoteProtocolError(what))
        else:
            self.fail(httpx.ReadError(f"{what}: {type(error).__name__}"))

    def count_head(self, size: int) -> None:
        """
        Note that so many bytes came.
        """
        if not self.has_head:
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD_BYTES:
                self.fail(httpx.RemoteProtocolError("the head of the answer is too large"))
                self._connection.abort()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """
        An answer starts.
        """
        if self.is_complete:
            # More than one answer to one request: nothing on this connection can be believed any longer.
            self.keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        A header is here.
        """
        if self.is_complete:
            return
        name = name.lower()
        self.headers.append((name, value))
        if name in _FRAMING:
            self._has_length = True

    def on_headers_complete(self) -> None:
        """
        The head is here.
        """
        if self.is_complete:
            return
        self.status = self.parser.get_status_code()
        self._is_interim = self.status < _FIRST_FINAL_STATUS
        if self._is_interim:
            return
        self.has_head = True
        if self._method == "HEAD":
            # The parser would wait for the body that the headers announce.
            self.is_complete = True
        self._wake()

    def on_body(self, body: bytes) -> None:
        """
        A part of the body is here.
        """
        if self.is_complete:
            return
        self._parts.append(body)
        self._size += len(body)
        if self._size > _PAUSE_BYTES and not self._is_paused:
            self._is_paused = True
            self._connection.pause()
        self._wake()

    def on_message_complete(self) -> None:
        """
        All of it is here.
        """
        if self._is_interim:
            self._is_interim = False
            self.headers.clear()
            self._has_length = False
            return
        if self.is_complete:
            return
        self.is_complete = True
        self.keeps_alive = self.parser.should_keep_alive() and not self._is_paused
        self._wake()


_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_FIRST_FINAL_STATUS = 200
