"""
Bodies of answers: of which kind they are, that they are not packed, how much of them is held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from eventsource.genesisdb.answer import EndedByClosingError
from eventsource.genesisdb.errors import AnswerTooLargeError
from eventsource.genesisdb.own_client import restated
from eventsource.wire.errors import DamagedLineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The whole of a refusal, and of an answer that is one small object or a line of text.
SMALL_BYTES = 1024 * 1024

_OK = range(200, 300)


def check_media_type(headers: httpx.Headers) -> None:
    """
    Refuse an answer that says of itself that it is something else than JSON, lines of it, or plain text.

    A proxy or a web application at the same address answers anything with a page, and with 200.

    Raises:
        DamagedLineError: It does.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in _PLAIN and "json" not in media_type:
        # Other words of the server's are not repeated: a token may be among them.
        shown = media_type if media_type in _NAMED else "of another media type"
        reason = f"the answer is {shown}, and not what a Genesis DB sends; is it the right URL?"
        raise DamagedLineError(1, reason)


_PLAIN = frozenset({"text/plain", "text/event-stream", "application/octet-stream"})
_NAMED = frozenset({"text/html", "application/xhtml+xml", "application/xml", "text/xml", "application/grpc"})


def parts(response: httpx.Response) -> AsyncIterator[bytes]:
    """
    The body as it comes. Nothing is ever unpacked, so whatever is counted of it is what came.

    Raises:
        DamagedLineError: It is packed, which was not asked for.
    """
    if any(coding.strip().lower() not in _NOT_PACKED for coding in _codings(response.headers)):
        reason = (
            "the answer is compressed, which was not asked for; switch compression off in what stands before the server"
        )
        raise DamagedLineError(1, reason)
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101  for the type checkers
    # httpx's own reader costs as much as the transport; the client's own answers look after their ends themselves.
    return stream.__aiter__() if "http_version" not in response.extensions else _checked(response, stream)


_NOT_PACKED = frozenset({"", "identity"})


def _codings(headers: httpx.Headers) -> list[str]:
    found = headers.get("content-encoding")
    return [] if found is None else found.split(",")


async def _checked(response: httpx.Response, stream: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    """
    The body of an answer that a user's own client of httpx has read from a network.
    """
    has_length = "content-length" in response.headers
    has_coding = "transfer-encoding" in response.headers
    is_http1 = response.extensions["http_version"] in _HTTP1
    if is_http1 and has_length and has_coding:
        message = "the answer has more than one length"
        raise httpx.RemoteProtocolError(message)
    try:
        async for part in stream:
            yield part
    except httpx.TransportError as error:
        raise restated(error) from None
    if is_http1 and not (has_length or has_coding or response.status_code in _WITHOUT_BODY):
        raise EndedByClosingError


_HTTP1 = frozenset({b"HTTP/1.1", b"HTTP/1.0"})
_WITHOUT_BODY = frozenset({204, 304})


async def read_body(response: httpx.Response, limit_bytes: int) -> bytes:
    """
    The whole body.

    The words of a refusal are read as far as they come: that it is one says its status.

    Raises:
        httpx.TransportError: It does not come to its end.
        AnswerTooLargeError: It has more than *limit_bytes*.
        DamagedLineError: It is packed.
    """
    is_refusal = response.status_code not in _OK
    limit = min(limit_bytes, SMALL_BYTES) if is_refusal else limit_bytes
    first, rest = b"", bytearray()
    try:
        async for part in parts(response):
            # One part is the rule. Many small ones in a list would take many times their size.
            if first:
                rest += part
            else:
                first = part
            _check_size(len(first) + len(rest), limit)
    except EndedByClosingError:
        # It may be cut, or whole.
        if not is_refusal:
            raise
    except (httpx.TransportError, AnswerTooLargeError, DamagedLineError):
        if not is_refusal:
            raise
        return b""
    return first + rest if rest else first


def _check_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise AnswerTooLargeError(limit_bytes)
