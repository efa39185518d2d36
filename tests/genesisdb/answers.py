"""
Answers that are mutated at random, and what a strict parser (h11) makes of them.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import h11

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator

EVENT = (
    b'[{"id":"1","source":"s","subject":"/a","type":"t","time":"2026-01-01T00:00:00Z","data":{},'
    b'"specversion":"1.0","datacontenttype":"application/json","predecessorhash":"0","hash":"1"}]'
)
_ERROR = b'{"error":"no","code":"forbidden"}'


def _sized(status: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, more, len(body), body)


def _chunked(status: bytes, body: bytes, trailers: bytes = b"") -> bytes:
    half = len(body) // 2
    return b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n%x\r\n%b\r\n0\r\n%b\r\n" % (
        status,
        half,
        body[:half],
        len(body) - half,
        body[half:],
        trailers,
    )


_WHOLE = [
    _sized(b"200 OK", EVENT),
    _sized(b"200 OK", EVENT, b"Content-Type: application/json\r\nConnection: keep-alive\r\n"),
    _chunked(b"200 OK", EVENT),
    _chunked(b"200 OK", EVENT, b"Idempotency-Key: k\r\nContent-Length: 3\r\n"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + _sized(b"200 OK", EVENT),
    b"HTTP/1.0 200 OK\r\n\r\n" + EVENT,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    _sized(b"403 Forbidden", _ERROR),
    _chunked(b"412 Precondition Failed", b'{"error":"no"}'),
    _sized(b"429 Too Many Requests", b"", b"Retry-After: 1\r\n"),
    _sized(b"503 Busy", b'{"error":"no","code":"store-unavailable"}'),
]
_PIECES = [
    *b"\0 \t\r\n:;,0123456789abcdefFxX-+\x0b\x7f\x80\xff".split(b" "),
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"Content-Length: 2\r\n",
    b"Content-Length: 2, 2\r\n",
    b"content-length : 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Connection: close\r\n",
    b"Upgrade: h2c\r\n",
    b" folded\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"0\r\n\r\n",
    b"ffffffffffffffff",
    b"00000002",
    b"Content-Encoding: gzip\r\n",
]


def mutated(rng: random.Random) -> bytes:
    """
    An answer that was changed in a few places, cut, or followed by another one.
    """
    answer = rng.choice(_WHOLE)
    for _ in range(rng.choice([0, 1, 1, 2, 3, 6])):
        at = rng.randrange(len(answer) + 1)
        end = min(len(answer), at + rng.choice([0, 1, 1, 2, 20]))
        match rng.randrange(6):
            case 0:
                answer = answer[:at] + bytes([rng.randrange(256)]) + answer[at + 1 :]
            case 1:
                answer = answer[:at] + rng.choice(_PIECES) + answer[at:]
            case 2:
                answer = answer[:at] + answer[end:]
            case 3:
                lines = answer.split(b"\r\n")
                place = rng.randrange(len(lines))
                lines.insert(place, rng.choice([lines[rng.randrange(len(lines))], rng.choice(_PIECES).strip()]))
                answer = b"\r\n".join(lines)
            case 4:
                answer = answer[:at] if rng.random() < 0.3 else answer
            case _:
                answer += rng.choice(_WHOLE) if rng.random() < 0.3 else b""
    return answer


@attrs.frozen
class Reading:
    """
    What the strict parser reads.

    Attributes:
        status: That of the first final head; None if there is no such head.

        body: As far as it came.

        is_whole: Whether the answer came to its end before the connection was closed.
    """

    status: int | None
    body: bytes
    is_whole: bool


def read_strictly(answer: bytes) -> Reading:
    """
    Read the answer to a POST as h11 does.
    """
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="POST", target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(_without_blank_lines(answer))
    status, body = None, b""
    try:
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return Reading(status, body, is_whole=True)
            elif event is h11.NEED_DATA or event is h11.PAUSED:
                break
    except h11.RemoteProtocolError:
        pass
    return Reading(status, body, is_whole=False)


_INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")


def _without_blank_lines(answer: bytes) -> bytes:
    """
    The answer without blank lines before a status line, which harm nothing and which h11 refuses.
    """
    before = b""
    while True:
        answer = answer.lstrip(b"\r\n")
        if (interim := _INTERIM.match(answer)) is None:
            return before + answer
        before += interim.group()
        answer = answer[interim.end() :]


class Hostile:
    """
    A server that answers each request with the next prepared bytes, in pieces, and closes.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.url = ""
        self.answer = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer one request.
        """
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            cut = self._rng.randrange(len(self.answer) + 1)
            for piece in (self.answer[:cut], self.answer[cut:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hostile(rng: random.Random) -> AsyncGenerator[Hostile]:
    """
    Run such a server.
    """
    behave = Hostile(rng)
    server = await asyncio.start_server(behave, "127.0.0.1", 0)
    behave.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield behave
    finally:
        server.close()
        await server.wait_closed()
