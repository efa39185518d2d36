"""
One request and its answer, over plain ASGI.

Web frameworks make objects of each request and each answer; on the routes that matter that costs
more than the work itself.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

from eventsource.wire.request_errors import RequestRefusedError, RequestTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping

    from eventsource.server.readers import Readers, Reading
    from eventsource.server.tokens import Role

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

JSON = b"application/json"
NDJSON = b"application/x-ndjson"
TEXT = b"text/plain; charset=utf-8"

# The headers that anything here looks at.
_READ = frozenset({
    b"accept",
    b"authorization",
    b"content-encoding",
    b"content-length",
    b"idempotency-key",
    b"origin",
})  # fmt: skip

# As much is handed to the connection at a time; while it is not taken nothing further is made. A client has
# `stall_s` to take so much.
_BLOCK_BYTES = 64 * 1024
# An answer is held twice: what it was made of, and what is sent.
_HELD_PER_BYTE = 2

print_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class ClientLeftError(Exception):
    """
    The client closed its connection before it had sent its whole request.
    """


class Exchange:
    """
    One request and its answer.

    Attributes:
        headers: Of the request, those that are looked at, by lower-case name.

        status: Of the answer; 0 as long as it has not begun.

        answer_headers: What every answer carries beside what its endpoint says.

        role: What the token of the request allows; None as long as that was not asked.
    """

    __slots__ = (
        "_held",
        "_readers",
        "_reading",
        "_receive",
        "_send",
        "answer_headers",
        "headers",
        "role",
        "scope",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, readers: Readers) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._readers = readers
        self._reading: Reading | None = None
        self._held = 0
        self.headers: dict[bytes, bytes] = {name: value for name, value in scope["headers"] if name in _READ}
        self.answer_headers: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.role: Role | None = None

    def wants_lines(self) -> bool:
        """
        True if the client asked for NDJSON.
        """
        return NDJSON in self.headers.get(b"accept", b"")

    async def read_body(self, limit_bytes: int) -> bytes:
        """
        The whole body of the request.

        Raises:
            RequestTooLargeError: It is larger than *limit_bytes*.
            RequestRefusedError: It is compressed.
            ClientLeftError: It did not come.
        """
        self._check_encoding(limit_bytes)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        # Most bodies come in one piece.
        if message.get("more_body") or message["type"] != "http.request":
            return b"".join([block async for block in self._blocks(limit_bytes, message)])
        if len(body) > limit_bytes:
            raise RequestTooLargeError(limit_bytes)
        return body

    async def body_blocks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """
        The body of the request as it comes.

        Raises:
            RequestTooLargeError: It is larger than *limit_bytes*.
            RequestRefusedError: It is compressed.
            ClientLeftError: It did not come to its end.
        """
        self._check_encoding(limit_bytes)
        async for block in self._blocks(limit_bytes, await self._receive()):
            yield block

    async def wait_until_client_leaves(self) -> None:
        """
        Return when the connection is closed, or the answer complete. Not before the body was read.
        """
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(
        self,
        body: bytes,
        content_type: bytes = JSON,
        *,
        status: int = 200,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """
        Send a whole answer.
        """
        if len(body) > _BLOCK_BYTES:
            self._reading_of_it().hold(_HELD_PER_BYTE * len(body))
        self.status = status
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", content_type),
                    (b"content-length", b"%d" % len(body)),
                    *self.answer_headers,
                    *headers,
                ],
            }
        )
        if len(body) > _BLOCK_BYTES:
            await self.send_block(body)
            body = b""
        await self._send({"type": "http.response.body", "body": body})

    async def answer_json(
        self, value: object, *, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """
        Send a JSON value as the whole answer.
        """
        await self.answer(print_json(value).encode(), status=status, headers=headers)

    async def begin(self, content_type: bytes = NDJSON) -> None:
        """
        Begin an answer that comes in blocks: send its status, 200, and its headers.
        """
        self.status = 200
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                # Neither a browser nor a proxy (nginx reads the third) shall wait for more of it or keep it.
                "headers": [
                    (b"content-type", content_type),
                    (b"cache-control", b"no-store"),
                    (b"x-accel-buffering", b"no"),
                    *self.answer_headers,
                ],
            }
        )

    async def send_block(self, block: bytes) -> None:
        """
        Send a part of the answer; returns when the client has taken most of what it was sent before.
        """
        reading = self._reading_of_it()
        reading.hold(self._held + _HELD_PER_BYTE * len(block))
        if len(block) <= _BLOCK_BYTES:
            await self._send_part(reading, block)
        else:
            view = memoryview(block)
            for start in range(0, len(block), _BLOCK_BYTES):
                await self._send_part(reading, bytes(view[start : start + _BLOCK_BYTES]))
        reading.hold(self._held)

    def hold(self, size: int) -> None:
        """
        Count *size* bytes that are kept for the rest of this answer, beside its blocks.

        Raises:
            RequestRefusedError: That is too much beside what is held for other answers.
        """
        self._held = size
        self._reading_of_it().hold(size)

    @property
    def is_dropped(self) -> bool:
        """
        True if the client was dropped because it did not take its answer in time.
        """
        return self._reading is not None and self._reading.is_dropped

    def close(self) -> None:
        """
        Let go of what is held for the answer.
        """
        if self._reading is not None:
            self._reading.close()

    async def end(self) -> None:
        """
        Complete an answer that came in blocks. Without it the client sees that it was cut.
        """
        await self._send({"type": "http.response.body", "body": b""})

    def _reading_of_it(self) -> Reading:
        if self._reading is None:
            self._reading = self._readers.add()
        return self._reading

    async def _send_part(self, reading: Reading, part: bytes) -> None:
        reading.wait()
        await self._send({"type": "http.response.body", "body": part, "more_body": True})
        reading.move()

    def _check_encoding(self, limit_bytes: int) -> None:
        headers = self.headers
        if b"content-encoding" in headers and headers[b"content-encoding"].strip().lower() != b"identity":
            # A few bytes may unpack to very many.
            text = "a compressed body is not accepted"
            raise RequestRefusedError(text, status=415, refusal="unsupported-encoding")
        length = headers.get(b"content-length", b"0")
        # uvicorn's parser has checked that it is a number.
        if len(length) > len(str(limit_bytes)) or int(length) > limit_bytes:
            raise RequestTooLargeError(limit_bytes)

    async def _blocks(self, limit_bytes: int, message: Message) -> AsyncIterator[bytes]:
        size = 0
        while message["type"] == "http.request":
            block: bytes = message.get("body", b"")
            size += len(block)
            if size > limit_bytes:
                raise RequestTooLargeError(limit_bytes)
            yield block
            if not message.get("more_body"):
                return
            message = await self._receive()
        raise ClientLeftError


class Departure:
    """
    Notices that the client of an exchange has left. Use it as ``async with``.
    """

    def __init__(self, exchange: Exchange, *, told: Callable[[], object] | None = None) -> None:
        self._exchange = exchange
        self._told = told
        self._waiting: asyncio.Task[None] | None = None

    @property
    def has_left(self) -> bool:
        """
        Whether it has.
        """
        return self._waiting is not None and self._waiting.done()

    async def __aenter__(self) -> Self:
        self._waiting = asyncio.ensure_future(self._exchange.wait_until_client_leaves())
        if self._told is not None:
            told = self._told
            self._waiting.add_done_callback(lambda _: told())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
