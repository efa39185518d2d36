"""
The answer to one request as it arrives, within limits on all that is no body.

A library parses the bytes (llhttp, by httptools), as strictly as RFC 9112 asks. Here stands what a parser
leaves open: how much of status lines, headers, interim answers, blank lines, chunk headers and trailers is
read, and which framings prove nothing about where an answer ends.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Protocol

import httptools
import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


# The final head and all before it: blank lines and interim answers. Servers send less than a tenth of it.
MAX_HEAD_BYTES = 64 * 1024

# Headers and trailers of one request together, interim answers included, and such answers.
MAX_HEADERS = 256
MAX_INTERIM_ANSWERS = 32

# Between two bytes of the body and behind the last one: chunk headers with their extensions, and trailers.
MAX_GAP_BYTES = 64 * 1024

# All of those, for each byte of the body. A chunk of one byte has a header of five.
_MAX_GAPS_PER_BODY_BYTE = 16

# Limits are looked at after each so many bytes, so this is how far they can be overstepped.
FEED_BYTES = 64 * 1024

# Above it the socket is left alone until what was read has been taken.
_PAUSE_BYTES = 1024 * 1024

# The memory that a part takes beside its bytes.
_PART_COST = 64


class EndedByClosingError(httpx.RemoteProtocolError):
    """
    An answer without a length ended as its connection closed: the same happens when it is cut.
    """

    def __init__(self) -> None:
        super().__init__("the answer has no length and ended by closing, so it may be cut")


class Waits:
    """
    How long nothing may move, in seconds; None is for ever. As in httpx, each read is a new wait.
    """

    __slots__ = ("read_s", "write_s")

    def __init__(self, read_s: float | None, write_s: float | None) -> None:
        self.read_s = read_s
        self.write_s = write_s


class Source(Protocol):
    """
    The connection that an answer comes from.
    """

    def check_process(self) -> None:
        """
        Refuse to read in a process that was forked.
        """
        ...

    def pause(self) -> None:
        """
        Read nothing more until `resume`.
        """
        ...

    def resume(self) -> None:
        """
        Read on.
        """
        ...

    def abort(self) -> None:
        """
        Let go of the connection at once.
        """
        ...


class Answer(httpx.AsyncByteStream):
    """
    The answer to one request, as it arrives: the head, then the body in parts.

    Attributes:
        status: The HTTP status.

        headers: The headers in order.

        version: The version of HTTP, ``1.1`` or ``1.0``.

        has_head: True if status and headers are here.

        is_complete: True if all of it is here.

        keeps_alive: True if another request may follow on the connection.
    """

    __slots__ = (
        "_body_bytes",
        "_connection",
        "_error",
        "_gap_bytes",
        "_gaps_bytes",
        "_head_bytes",
        "_header_count",
        "_interim_count",
        "_is_interim",
        "_is_paused",
        "_loop",
        "_method",
        "_parser",
        "_parts",
        "_size",
        "_waiter",
        "has_head",
        "headers",
        "is_complete",
        "keeps_alive",
        "status",
        "version",
        "waits",
    )

    def __init__(self, connection: Source, method: str, waits: Waits) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._method = method
        self.waits = waits
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.version = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        self.keeps_alive = False
        self.has_head = False
        self._is_interim = False
        self._is_paused = False
        self._head_bytes = 0
        self._header_count = 0
        self._interim_count = 0
        self._body_bytes = 0
        self._gap_bytes = 0
        self._gaps_bytes = 0
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
        if self.has_head and not self._has_length and error is None:
            self.fail(EndedByClosingError())
            return
        what = "the answer was cut" if self.has_head else "the connection was closed before an answer came"
        if error is None:
            self.fail(httpx.RemoteProtocolError(what))
        else:
            self.fail(httpx.ReadError(f"{what}: {type(error).__name__}"))

    @property
    def is_over(self) -> bool:
        """
        True if no more of it is read: it is complete, or has failed.
        """
        return self.is_complete or self._error is not None

    def feed(self, data: bytes | memoryview) -> None:
        """
        Parse what came, at most `FEED_BYTES` at a time.
        """
        body_before, had_head = self._body_bytes, self.has_head
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.keeps_alive = False
            self.fail(httpx.RemoteProtocolError("what came is no HTTP answer"))
            return
        if not self.is_complete:
            self._check_sizes(len(data), self._body_bytes - body_before, had_head=had_head)

    def _check_sizes(self, size: int, body_size: int, *, had_head: bool) -> None:
        if not had_head:
            self._head_bytes += size - body_size
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse("the head of the answer is too large")
            return
        gap = size - body_size
        self._gaps_bytes += gap
        self._gap_bytes = gap if body_size else self._gap_bytes + gap
        if (
            self._gap_bytes > MAX_GAP_BYTES
            or self._gaps_bytes > MAX_GAP_BYTES + _MAX_GAPS_PER_BODY_BYTE * self._body_bytes
        ):
            self._refuse("the answer has more chunk headers and trailers than a server needs")

    def _refuse(self, reason: str) -> None:
        self.fail(httpx.RemoteProtocolError(reason))

    @property
    def _has_length(self) -> bool:
        return any(name in _FRAMING for name, _ in self.headers)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """
        An answer starts.
        """
        if self.is_complete:
            # More than one answer to one request: nothing on this connection can be believed any longer.
            self.keeps_alive = False

    def on_status(self, reason: bytes) -> None:
        """
        The words behind the status are here.
        """
        # The parser itself refuses them in headers.
        if _CONTROL.search(reason):
            self._refuse("the head of the answer has control characters")

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        A header is here, or a trailer.
        """
        if self.is_over:
            return
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            self._refuse("the answer has too many headers")
        elif not self.has_head:
            self.headers.append((name.lower(), value))
        elif name.lower() in _FRAMING:
            # Other trailers are left out: what comes behind the head says nothing that is believed.
            self._refuse("the answer has a length in a trailer")

    def on_headers_complete(self) -> None:
        """
        The head is here.
        """
        if self.is_over:
            return
        self.status = self._parser.get_status_code()
        self._is_interim = self.status < _FIRST_FINAL_STATUS
        if self._is_interim:
            self._interim_count += 1
            if self._interim_count > MAX_INTERIM_ANSWERS:
                self._refuse("the server sends interim answers and no end of them")
            elif self._has_length:
                self._refuse("an interim answer has a length")
            return
        self.version = self._parser.get_http_version()
        if problem := _framing_problem(self.version, self.headers):
            self._refuse(problem)
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
        if self.is_over:
            return
        self._parts.append(body)
        self._body_bytes += len(body)
        self._size += len(body) + _PART_COST
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
            return
        if self.is_over:
            return
        self.is_complete = True
        self.keeps_alive = self._parser.should_keep_alive() and not self._is_paused
        self._wake()


_CONTROL = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_FIRST_FINAL_STATUS = 200


def _framing_problem(version: str, headers: list[tuple[bytes, bytes]]) -> str:
    """
    Why a head does not tell where its answer ends; an empty text where it does.

    An answer with no length at all is left to its end, since some have no body.
    """
    if version not in _VERSIONS:
        return "the answer is not of HTTP/1.1 or HTTP/1.0"
    framing = [header for header in headers if header[0] in _FRAMING]
    if len(framing) > 1:
        return "the answer has more than one length"
    for name, value in framing:
        if name == b"transfer-encoding" and (version != _CURRENT or value.strip().lower() != b"chunked"):
            return "the answer has a transfer encoding that was not asked for"
    return ""


_CURRENT = "1.1"
_VERSIONS = frozenset({_CURRENT, "1.0"})
