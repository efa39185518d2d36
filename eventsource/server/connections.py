"""
One connection: its requests in order, each answered once, and a client that takes its time or too much is let go.

httptools (llhttp) frames the requests, uvicorn the answers. What stands between them is here: which heads are accepted,
how much of anything, how long, and that what is behind a refusal is never read as a request.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from eventsource.server.heads import MAX_HEADERS, flaw_of, request_line, without_offer

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn._types import ASGI3Application, ASGISendEvent

    from eventsource.server.admission import Admission, Admitted

# uvicorn would write a line for each piece of garbage that arrives.
_silence = logging.getLogger("eventsource.server.http")
_silence.setLevel(logging.CRITICAL + 1)

# A client that wants its body to arrive sends at least so many bytes a second.
_LEAST_BODY_RATE = 64 * 1024
# How many requests of one connection may wait for the answer to the one before.
_MAX_PIPELINED = 128
# The parser gets as much at a time; what is counted is counted this exactly.
_READ_BYTES = 16 * 1024
# The size of a chunk in hexadecimal digits, with the line ends around it and its data.
_CHUNK_BYTES = 24

_HEAD, _BODY = range(2)


def plain_answer(status: str, text: str, more: str = "") -> bytes:
    """
    The bytes of an answer that refuses, and closes the connection.
    """
    body = f'{{"error":"{text}","code":"{status.partition(" ")[2].lower().replace(" ", "-")}"}}'
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}"
        f"connection: close\r\n\r\n{body}"
    ).encode()


_MALFORMED = "the request is malformed"
_TOO_LATE = plain_answer("408 Request Timeout", "the request did not come in time")
_TOO_LARGE = plain_answer("431 Request Header Fields Too Large", "the headers are too large")


class Server:
    """
    Holds everything that the connections of one server share.

    Attributes:
        app: The ASGI application that answers.

        headers: What each answer carries.

        tasks: The application's, one for each request that it answers.
    """

    def __init__(self, app: Any, admission: Admission, loop: asyncio.AbstractEventLoop) -> None:
        self.app: ASGI3Application = app
        self.admission = admission
        self.loop = loop
        self.headers: list[tuple[bytes, bytes]] = []
        self.tasks: set[asyncio.Task[None]] = set()


class Connection(asyncio.Protocol):
    """
    A connection of a client; parses what comes, and has one request answered after the other.

    Args:
        place: What has held the connection's place until now.
    """

    def __init__(self, server: Server, place: Admitted) -> None:
        self.address = place.address
        self._server = server
        self._limits = server.admission.limits
        self._clock = server.admission.clock
        self._place = place
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on
        self._flow: FlowControl = None  # type: ignore[assignment]  # from then on too
        # None: nothing that still comes is read as a request.
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        # Requests whose answer is not complete, in the order in which they came; the first is being answered.
        self._asked: deque[RequestResponseCycle] = deque()
        # The request whose body is coming.
        self._incomplete: RequestResponseCycle | None = None
        # What is sent when all of them are answered, before the connection is closed.
        self._last_words: bytes | None = None
        self._is_stopping = False

        # Of the request that comes.
        self._part = _HEAD
        self._has_begun = True
        self._since = self._clock()
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields = self._field_bytes = 0
        self._is_offer = False
        self._body_bytes = 0
        # Bytes of it that are not body, in whole reads: an unfinished head; sizes and extensions of chunks, trailers.
        self._frame_bytes = 0
        # Of the read that is parsed.
        self._parts = self._first_part = self._read_body_bytes = self._read_chunks = 0
        self._read_bytes = b""
        self._refusal = b""
        # What has come of a head that is not complete, as it came; and whether it begins with that head.
        self._unread_head = bytearray()
        self._is_exact = True

        self._unsent = 0
        self._unsent_since = 0.0
        self._closing_since: float | None = None

    # --- The connection ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it reads and writes
        """
        The client has connected.
        """
        self._transport = transport
        self._flow = FlowControl(transport)
        secure = transport.get_extra_info("sslcontext") is not None
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "https" if secure else "http",
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "root_path": "",
        }
        if not self._server.admission.hand_over(self._place, self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the same whether it broke or was closed
        """
        The connection is closed.
        """
        self._server.admission.leave(self)
        self._parser = None
        for cycle in self._asked:
            _disconnect(cycle)
        self._asked.clear()
        self._flow.resume_writing()

    def pause_writing(self) -> None:
        """
        The client takes less than there is for it.
        """
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        """
        It has taken most of it.
        """
        self._flow.resume_writing()

    def look(self, now: float) -> None:
        """
        End the connection if its client has taken too long.
        """
        transport = self._transport
        if transport.is_closing():
            self._closing_since = now if self._closing_since is None else self._closing_since
            if now - self._closing_since > self._limits.stall_s:
                transport.abort()
            return
        if self._flow.read_paused:
            # The server lets it wait.
            self._since = now
        elif self._parser is not None and (self._has_begun or self._part == _BODY):
            allowed_s = self._limits.header_s
            if self._part == _BODY:
                allowed_s = self._limits.body_s + self._body_bytes / _LEAST_BODY_RATE
            if now - self._since > allowed_s:
                self._refuse(_TOO_LATE)
        elif not self._asked and now - self._since > self._limits.idle_s:
            transport.close()
        unsent = transport.get_write_buffer_size()
        if self._unsent == 0 or unsent < self._unsent:
            self._unsent_since = now
        elif now - self._unsent_since > self._limits.stall_s:
            # To close would wait until all is sent.
            transport.abort()
        self._unsent = unsent

    def give_way(self) -> None:
        """
        End the connection, which has lost its place.
        """
        self._parser = None
        self._transport.abort()

    def stop(self) -> None:
        """
        The server stops: the request that is being answered is the last one.
        """
        self._is_stopping = True
        if not self._asked:
            self._transport.close()
            return
        self._asked[0].keep_alive = False
        if self._incomplete is not self._asked[0]:
            self._parser = None
        # Nothing was done for the others, and the client learns that from the connection's end.
        for cycle in list(self._asked)[1:]:
            _disconnect(cycle)
            self._asked.remove(cycle)

    def abort(self) -> None:
        """
        End it now, whatever is under way.
        """
        self._transport.abort()

    # --- What comes ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """
        Bytes have come.
        """
        if len(data) <= _READ_BYTES:
            self._read(data)
            return
        for start in range(0, len(data), _READ_BYTES):
            self._read(data[start : start + _READ_BYTES])

    def _read(self, data: bytes) -> None:
        if self._parser is None or self._transport.is_closing():
            return
        if self._part == _HEAD and not self._has_begun:
            # Blank lines between two requests begin none, but they too are only waited for so long.
            self._has_begun = True
            self._since = self._clock()
        parts = self._first_part = self._parts
        self._read_body_bytes = self._read_chunks = 0
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(self._refusal or plain_answer("400 Bad Request", _MALFORMED))
            return
        if self._part == _HEAD:
            if self._parts != parts:
                self._unread_head = bytearray()
                self._is_exact = not self._has_begun
            if self._has_begun:
                self._unread_head += data
        if self._parts == parts:
            spent = len(data) - self._read_body_bytes - _CHUNK_BYTES * self._read_chunks
            self._frame_bytes += max(0, spent)
            if self._frame_bytes > self._limits.header_bytes:
                self._refuse(_TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            return
        self._read_bytes = data
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # The parser stops behind the head. The offer is not taken, so the request goes on as if it were not made.
            head = without_offer(parser.get_method(), self._target, parser.get_http_version(), self._headers)
            self._parser = httptools.HttpRequestParser(self)
            self._unread_head = bytearray()
            self._is_exact = True
            self._first_part = self._parts
            self._parse(head)
            self._parse(data[offer.args[0] :])
        except httptools.HttpParserError:
            # Behind the last request of a connection anything may come.
            if self._parser is not None:
                raise

    # --- What the parser finds -----------------------------------------------------------

    def on_message_begin(self) -> None:
        """
        A request begins.
        """
        if not self._has_begun:
            self._has_begun = True
            self._since = self._clock()
        self._target = b""
        self._headers = []
        self._fields = self._field_bytes = 0
        self._is_offer = False

    def on_url(self, url: bytes) -> None:
        """
        A part of its target has come.
        """
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        A header has come, or a trailer: those are counted, and mean nothing.
        """
        self._fields += 1
        self._field_bytes += len(name) + len(value) + 4
        if self._fields > MAX_HEADERS or self._field_bytes + len(self._target) > self._limits.header_bytes:
            self._fail(_TOO_LARGE)
        if self._part == _HEAD:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """
        Its head is complete.
        """
        parser = self._parser
        if parser is None:
            # The request before it was the last one.
            return
        method, version = parser.get_method(), parser.get_http_version()
        flaw = flaw_of(method, self._target, version, self._headers)
        if flaw is not None:
            self._fail(plain_answer("400 Bad Request", flaw))
        if not self._has_come(b"%b\r\n" % request_line(method, self._target, version)):
            # The parser allows more than one space, and the names of other protocols.
            self._fail(plain_answer("400 Bad Request", _MALFORMED))
        if parser.should_upgrade():
            self._is_offer = True
            return
        if len(self._asked) > _MAX_PIPELINED:
            self._fail(plain_answer("400 Bad Request", "too many requests wait on this connection"))
        self._begin(_BODY)
        # From here on trailers are counted, for themselves.
        self._fields = self._field_bytes = 0
        self._ask(method, version, keep_alive=version != "1.0" and parser.should_keep_alive())

    def on_chunk_header(self) -> None:
        """
        A chunk of its body begins.
        """
        self._read_chunks += 1

    def on_body(self, body: bytes) -> None:
        """
        A part of its body has come.
        """
        self._body_bytes += len(body)
        self._read_body_bytes += len(body)
        cycle = self._incomplete
        if cycle is None:
            return
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self._flow.pause_reading()
            cycle.message_event.set()
        elif self._body_bytes > self._limits.body_bytes:
            # The answer is there; the rest of the body is not read for ever.
            self._parser = None
            self._transport.close()

    def on_message_complete(self) -> None:
        """
        It is complete.
        """
        if self._is_offer or self._incomplete is None:
            return
        cycle, self._incomplete = self._incomplete, None
        self._begin(_HEAD)
        self._has_begun = False
        if not cycle.keep_alive:
            self._parser = None
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    # --- What is answered ----------------------------------------------------------------

    def _ask(self, method: bytes, version: str, *, keep_alive: bool) -> None:
        path, _, query = self._target.partition(b"?")
        text = path.decode("ascii")
        scope = {
            **self._scope,
            "http_version": version,
            "method": method.decode("ascii"),
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "headers": self._headers,
        }
        cycle = RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type]  # a plain dict has these members
            transport=self._transport,
            flow=self._flow,
            logger=_silence,
            access_logger=_silence,
            access_log=False,
            default_headers=self._server.headers,
            message_event=asyncio.Event(),
            expect_100_continue=version != "1.0" and any(name == b"expect" for name, _ in self._headers),
            keep_alive=keep_alive,
            on_response=self._on_answered,
        )
        if version == "1.0":
            _end_by_closing(cycle)
        self._incomplete = cycle
        self._asked.append(cycle)
        if len(self._asked) == 1:
            self._answer(cycle)
        else:
            self._flow.pause_reading()

    def _answer(self, cycle: RequestResponseCycle) -> None:
        self._server.admission.work(self)
        task = self._server.loop.create_task(cycle.run_asgi(self._server.app))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def _on_answered(self) -> None:
        """
        The first of the requests is answered.
        """
        if self._asked:
            self._asked.popleft()
        if self._transport.is_closing():
            return
        self._flow.resume_reading()
        if self._asked:
            self._answer(self._asked[0])
        elif self._last_words is not None:
            self._transport.write(self._last_words)
            self._transport.close()
        elif self._is_stopping:
            self._transport.close()
        else:
            self._server.admission.wait(self)
            if self._part == _HEAD and not self._has_begun:
                self._since = self._clock()

    def _refuse(self, answer: bytes) -> None:
        """
        Answer the request that comes with *answer*, behind the answers to those before it, and close.
        """
        self._parser = None
        cycle, self._incomplete = self._incomplete, None
        if self._transport.is_closing():
            return
        if cycle is not None:
            _disconnect(cycle)
            if cycle.response_complete or cycle.response_started:
                # A second answer would be taken for one to another request.
                self._transport.close()
                return
            self._asked.remove(cycle)
        if self._asked:
            self._last_words = answer
            self._flow.resume_reading()
        else:
            self._transport.write(answer)
            self._transport.close()

    def _has_come(self, line: bytes) -> bool:
        """
        Tells whether the head that is complete now began with exactly this line.
        """
        come = self._unread_head + self._read_bytes
        if self._is_exact and self._parts == self._first_part:
            return come.lstrip(b"\r\n").startswith(line)
        # It stands somewhere behind the request that ended in the same read.
        return line in come

    def _fail(self, answer: bytes) -> None:
        """
        End the parser, from within.
        """
        self._refusal = answer
        raise httptools.HttpParserError

    def _begin(self, part: int) -> None:
        self._part = part
        self._parts += 1
        self._since = self._clock()
        self._body_bytes = self._frame_bytes = 0
        if part == _BODY:
            self._unread_head = bytearray()


def _address(name: Any) -> tuple[str, int] | None:
    # Of IPv6 there are four parts; a socket of Unix has a path.
    return (str(name[0]), int(name[1])) if name and not isinstance(name, str) else None


def _disconnect(cycle: RequestResponseCycle) -> None:
    """
    Tell the application that nothing more comes, and that nothing more is sent.
    """
    cycle.disconnected = True
    cycle.message_event.set()


def _end_by_closing(cycle: RequestResponseCycle) -> None:
    """
    Let the answer to a request of HTTP/1.0 end with its connection: there is no chunked coding.
    """
    send: Callable[[ASGISendEvent], Any] = cycle.send

    async def send_plainly(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start" and cycle.chunked_encoding is None:
            names = {name.lower() for name, _ in message.get("headers", ())}
            # uvicorn chooses a coding where none is said, and counts bytes where there is none.
            if b"content-length" not in names:
                cycle.chunked_encoding = False
                cycle.expected_content_length = 0
                is_counted[0] = False
        elif message["type"] == "http.response.body" and not is_counted[0]:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    is_counted = [True]
    cycle.send = send_plainly  # type: ignore[method-assign]  # of this request alone
