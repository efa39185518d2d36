"""
Clients that take their time: deadlines and limits that uvicorn does not have.

One look a second at all connections costs less than a timer for each request.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn._types import ASGISendEvent
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from eventsource.server.settings import ServerLimits

# uvicorn would write a line for each bit of garbage that anybody sends.
_silence = logging.getLogger("eventsource.server.http")
_silence.setLevel(logging.CRITICAL + 1)

_MAX_HEADERS = 128
# Slower than this a body does not come from anybody who wants it to arrive.
_LEAST_BODY_RATE = 64 * 1024

_NOTHING, _HEADERS, _BODY = range(3)


def _plain_answer(status: str, text: str, more: str = "") -> bytes:
    body = f'{{"error":"{text}","code":"{status.partition(" ")[2].lower().replace(" ", "-")}"}}'
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}"
        f"connection: close\r\n\r\n{body}"
    ).encode()


_TOO_LATE = _plain_answer("408 Request Timeout", "the request did not come in time")
_TOO_LARGE = _plain_answer("431 Request Header Fields Too Large", "the headers are too large")
_TOO_MANY = _plain_answer("503 Service Unavailable", "too many connections", "retry-after: 1\r\n")


class ConnectionGuard:
    """
    Watches the open connections of a server, and ends those whose client takes too long.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, limits: ServerLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.clock = clock
        self.connections: set[GuardedProtocol] = set()
        # Short deadlines are for tests, and are kept as exactly.
        self._interval_s = min(1.0, min(limits.header_s, limits.body_s, limits.stall_s) / 4)
        self._next_look: asyncio.TimerHandle | None = None

    def admit(self, connection: GuardedProtocol) -> bool:
        """
        Note a new connection, unless there are too many.
        """
        if len(self.connections) >= self.limits.connections:
            return False
        self.connections.add(connection)
        if self._next_look is None:
            self._next_look = connection.loop.call_later(self._interval_s, self._look, connection.loop)
        return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self.clock()
        for connection in list(self.connections):
            connection.look(now)
        self._next_look = loop.call_later(self._interval_s, self._look, loop) if self.connections else None


class GuardedProtocol(HttpToolsProtocol):
    """
    A connection of uvicorn's that does not wait for ever.
    """

    guard: ConnectionGuard

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _silence
        self.access_log = False
        self._awaited = _HEADERS
        self._since = self.guard.clock()
        self._received = 0
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """
        A client has connected.
        """
        super().connection_made(transport)
        if not self.guard.admit(self):
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """
        The connection is closed.
        """
        self.guard.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """
        Bytes have come.
        """
        if self.transport.is_closing():
            return
        if self._awaited == _NOTHING and self._is_free():
            # Blank lines between two requests begin none, but they too are only waited for so long.
            self._await(_HEADERS)
        if self._awaited == _HEADERS:
            self._received += len(data)
        super().data_received(data)
        if self._awaited == _HEADERS and self._received > self.guard.limits.header_bytes:
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """
        A request begins.
        """
        if self._awaited == _NOTHING:
            self._await(_HEADERS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """
        Its headers are complete.
        """
        # They are not larger than all that has come.
        is_large = (
            self._received > self.guard.limits.header_bytes and self._header_bytes() > self.guard.limits.header_bytes
        )
        self._await(_BODY)
        if is_large or len(self.headers) > _MAX_HEADERS:
            # It reaches uvicorn as a malformed request.
            msg = "headers too large"
            raise httptools.HttpParserError(msg)
        super().on_headers_complete()
        cycle: Any = self.cycle
        if self.scope["http_version"] == "1.0" and cycle is not None and cycle.scope is self.scope:
            _end_by_closing(cycle)

    def on_body(self, body: bytes) -> None:
        """
        A part of its body has come.
        """
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """
        It is complete.
        """
        self._await(_NOTHING)
        super().on_message_complete()

    def look(self, now: float) -> None:
        """
        End the connection if its client has taken too long.
        """
        limits = self.guard.limits
        allowed_s = limits.header_s if self._awaited == _HEADERS else limits.body_s + self._received / _LEAST_BODY_RATE
        if self._awaited != _NOTHING and now - self._since > allowed_s:
            self._refuse(_TOO_LATE)
        unsent = self.transport.get_write_buffer_size()
        if self._unsent == 0 or unsent < self._unsent:
            self._unsent_since = now
        elif now - self._unsent_since > limits.stall_s:
            # To close would wait until all is sent.
            self.transport.abort()
        self._unsent = unsent

    def _header_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _is_free(self) -> bool:
        # uvicorn declares that there is a cycle, but before the first request there is none.
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _await(self, what: int) -> None:
        self._awaited = what
        self._since = self.guard.clock()
        self._received = 0

    def _refuse(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_free() or not self.cycle.response_started:
            self.transport.write(answer)
        self.transport.close()


def _end_by_closing(cycle: RequestResponseCycle) -> None:
    """
    Let the answer to a request of HTTP/1.0 end with its connection: there is no chunked coding.
    """
    send = cycle.send

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


def guarded_protocol(limits: ServerLimits, clock: Callable[[], float] = time.monotonic) -> type[GuardedProtocol]:
    """
    The protocol of one server, for uvicorn to make connections of.
    """

    class Protocol(GuardedProtocol):
        guard = ConnectionGuard(limits, clock)

    return Protocol
