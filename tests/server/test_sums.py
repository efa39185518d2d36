"""
Limits hold for a whole, in however many pieces it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventsource.server import ServerLimits, ServerSettings, make_app
from eventsource.store import InMemoryEventStore
from tests.server.raw import connected
from tests.server.serving import ADMINISTRATOR, READER, TOKENS, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 1_000


async def answer_to(path: str, pieces: Iterable[bytes]) -> tuple[int, int]:
    """
    Send a request whose body comes in *pieces*; its status, and how many pieces were taken.
    """
    taken, statuses = 0, list[int]()
    waiting = iter(pieces)

    async def receive() -> dict[str, Any]:
        nonlocal taken
        piece = next(waiting, None)
        taken += piece is not None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "headers": [(b"authorization", f"Bearer {ADMINISTRATOR}".encode()), (b"transfer-encoding", b"chunked")],
    }
    settings = ServerSettings(TOKENS, limits=ServerLimits(body_bytes=LIMIT, restore_bytes=LIMIT))
    async with InMemoryEventStore() as store:
        await make_app(store, settings)(scope, receive, send)
    return statuses[0], taken


BODIES = [
    "/commit",
    "/stream",
    "/observe",
    "/q",
    "/explain",
    "/erase",
    "/schema/register",
    "/indexes",
    "/backup/restore",
]


@pytest.mark.parametrize("size", [1, 7, LIMIT - 1])
@pytest.mark.parametrize("path", BODIES)
async def test_a_body_in_pieces_is_limited_as_a_whole(path: str, size: int) -> None:
    """
    Each piece is small, their sum is too large: it is refused at the first byte that is too many, and no more is read.
    """
    pieces = [b" " * size] * (40 * LIMIT // size)

    status, taken = await answer_to(f"/api/v1{path}", pieces)

    assert status == 413
    assert taken == LIMIT // size + 1


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("path", ["/commit", "/q"])
async def test_a_body_of_the_largest_size_may_come_in_pieces(path: str, size: int) -> None:
    """
    What is exactly as large as it may be is read to its end, and refused for what it says.
    """
    body = b" " * LIMIT
    pieces = [body[start : start + size] for start in range(0, LIMIT, size)]

    status, taken = await answer_to(f"/api/v1{path}", pieces)

    assert status == 400
    assert taken == len(pieces)


async def test_headers_in_pieces_are_limited_as_a_whole() -> None:
    """
    Many short headers are as much too large as a long one.
    """
    async with serving(header_bytes=LIMIT) as served, connected(served) as raw:
        await raw.send(
            b"GET /api/v1/subjects HTTP/1.1\r\nhost: a\r\nauthorization: Bearer " + READER.encode() + b"\r\n"
        )
        # No more than what is too much: an answer is lost where a server has to leave something unread.
        for number in range(LIMIT // 20):
            await raw.send(b"x-%02d: %s\r\n" % (number, b"y" * 13))

        assert (await raw.read_to_end()).startswith(b"HTTP/1.1 431 ")
