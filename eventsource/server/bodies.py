"""
Bodies of requests: how large they may be, how much of them is held, and where they are read.

To parse a large body takes so long that others would notice, so that is done in a thread. What a
request asks that only reads is small.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from eventsource.wire.bodies import Body, read_body
from eventsource.wire.request_errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service

Parsed = TypeVar("Parsed")
AnyBody = TypeVar("AnyBody", bound=Body)

# What is smaller is parsed at once: that takes less than to hand it to a thread and back, or a few milliseconds.
_SMALL_BYTES = 8 * 1024


class BodyRoom:
    """
    The amount held of the bodies of all requests.

    Attributes:
        held: Bytes that are held now.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.held = 0
        self._limit = limit_bytes
        # One at a time: a parsed body takes many times its size.
        self._parsing = asyncio.Lock()

    def take(self, size: int) -> None:
        """
        Hold *size* bytes more.

        Raises:
            RequestRefusedError: There is no room.
        """
        if self.held + size > self._limit:
            text = "too many large requests at a time; try again in a moment"
            raise RequestRefusedError(text, status=503, refusal="busy")
        self.held += size

    def give(self, size: int) -> None:
        """
        Release *size* bytes.
        """
        self.held -= size

    async def parse(self, parse: Callable[[bytes], Parsed], body: bytes) -> Parsed:
        """
        Have a body parsed, in a thread if it is not small.
        """
        if len(body) <= _SMALL_BYTES:
            return parse(body)
        async with self._parsing:
            return await asyncio.to_thread(parse, body)


async def read_form(service: Service, exchange: Exchange, form: type[AnyBody]) -> AnyBody:
    """
    The body of a request that changes something.

    Raises:
        RequestTooLargeError, RequestRefusedError, InvalidJsonError, InvalidRequestError: As they say.
    """
    return await read_parsed(service, exchange, lambda body: read_body(form, body))


async def read_parsed(service: Service, exchange: Exchange, parse: Callable[[bytes], Parsed]) -> Parsed:
    """
    The result of *parse* for the body of a request that changes something.

    Raises:
        RequestTooLargeError, RequestRefusedError: As they say; whatever *parse* raises.
    """
    room = service.bodies
    parts: list[bytes] = []
    held = 0
    try:
        async for part in exchange.body_blocks(service.settings.limits.body_bytes):
            room.take(len(part))
            held += len(part)
            parts.append(part)
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return await room.parse(parse, body)
    finally:
        room.give(held)


async def read_asked(service: Service, exchange: Exchange, parse: Callable[[bytes], Parsed]) -> Parsed:
    """
    The result of *parse* for the body of a request that only reads.

    Raises:
        RequestTooLargeError, RequestRefusedError: As they say; whatever *parse* raises.
    """
    limits = service.settings.limits
    body = await exchange.read_body(min(limits.read_body_bytes, limits.body_bytes))
    return await service.bodies.parse(parse, body)
