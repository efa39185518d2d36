"""
Rules for the head of a request, stricter than those of the parser that takes it apart.

Proxies, libraries and caches read an unusual head differently. Each difference between two of them is a way to hide one
request in another, so the server refuses each head that has a second reading.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_HEADERS = 128
"""
How many headers a request may have, and how many trailers.
"""

# Each of them decides who asks, whom, for what, or where the request ends.
_ONCE = frozenset({
    b"authorization",
    b"content-encoding",
    b"content-length",
    b"expect",
    b"host",
    b"idempotency-key",
    b"transfer-encoding",
})  # fmt: skip

# Other protocols of the parser's (RTSP, ICE), and the tunnel that no server of events digs.
_METHODS = frozenset({
    b"DELETE",
    b"GET",
    b"HEAD",
    b"OPTIONS",
    b"PATCH",
    b"POST",
    b"PUT",
    b"QUERY",
    b"TRACE",
})  # fmt: skip

_NOT_IN_HOST = re.compile(rb'[\x00-\x20\x7f,/?#@\\"<>]')

# They describe one connection and end there.
_OF_THE_OFFER = frozenset({b"connection", b"http2-settings", b"upgrade"})


def flaw_of(method: bytes, target: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """
    Returns the reason to refuse a request once its head is complete; None if the head is sound.

    Args:
        headers: Their names are in lower case.
    """
    if version not in {"1.0", "1.1"}:
        return "the server speaks HTTP/1.1"
    if method not in _METHODS:
        return "the server does not know this method"
    if b"#" in target or not (target.startswith(b"/") or (target == b"*" and method == b"OPTIONS")):
        return "the target of a request is a path that begins with a slash"
    values = dict(headers)
    if len(values) != len(headers):
        names = [name for name, _ in headers]
        repeated = [name.decode() for name in sorted(_ONCE) if names.count(name) > 1]
        if repeated:
            return f"the header {repeated[0]} comes once"
    return _flaw_of_values(version, values)


def _flaw_of_values(version: str, values: Mapping[bytes, bytes]) -> str | None:
    host = values.get(b"host", b"" if version == "1.0" else None)
    if host is None or _NOT_IN_HOST.search(host.strip(b" \t")):
        return "the header host names a host and a port"
    coding = values.get(b"transfer-encoding")
    if coding is not None and (version == "1.0" or coding.strip(b" \t").lower() != b"chunked"):
        return "the only transfer coding is chunked, of HTTP/1.1"
    if coding is not None and b"content-length" in values:
        return "a request has either a content-length or a transfer-encoding"
    if values.get(b"upgrade", b"").strip(b" \t").lower().startswith(b"websocket"):
        return "the server speaks no WebSocket"
    if values.get(b"expect", b"100-continue").strip(b" \t").lower() != b"100-continue":
        return "the only expectation is 100-continue"
    return None


def request_line(method: bytes, target: bytes, version: str) -> bytes:
    """
    Returns the first line of a request as the standard writes it, without its line end.
    """
    return b"%b %b HTTP/%b" % (method, target, version.encode())


def without_offer(method: bytes, target: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """
    Returns the same head without its offer of another protocol; it closes the connection after the answer.
    """
    kept = [b"%b: %b" % header for header in headers if header[0] not in _OF_THE_OFFER]
    return b"\r\n".join([request_line(method, target, version), *kept, b"connection: close", b"", b""])
