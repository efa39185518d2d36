"""
Clients that speak HTTP/1.0, such as proxies in front of older programs: an answer ends with its connection.
"""

import json

import pytest

from tests.server.raw import connected, request
from tests.server.serving import HEARTBEAT, READER, WRITER, Served, event

COMMIT = b'{"events":[{"source":"s","subject":"/a","type":"t","data":{}}]}'


def older(method: str, path: str, body: bytes = b"", *headers: bytes, token: str = READER) -> bytes:
    """
    A request of HTTP/1.0.
    """
    return request(method, path, body, *headers, token=token).replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)


def taken_apart(answer: bytes) -> tuple[bytes, bytes]:
    """
    The head of an answer, in lower case, and its body.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.lower(), body


@pytest.mark.parametrize("keep", [(), (b"connection: keep-alive",)], ids=["close", "keep-alive"])
async def test_a_stream_ends_with_its_connection(served: Served, keep: tuple[bytes, ...]) -> None:
    """
    There is no chunked coding, and nothing else between the lines.
    """
    recorded = await served.commit(*[event(f"/a/{n}", data={"n": n}) for n in range(1_500)])

    async with connected(served) as raw:
        await raw.send(older("POST", "/api/v1/stream", b'{"subject":"/"}', *keep))
        head, body = taken_apart(await raw.read_to_end())

    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert [json.loads(line) for line in body.splitlines()] == recorded


async def test_an_observer_gets_its_lines_plain(served: Served) -> None:
    """
    Heartbeats and events come as they are made.
    """
    async with connected(served) as raw:
        await raw.send(older("POST", "/api/v1/observe", b'{"subject":"/"}'))
        head = await raw.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert json.loads(await raw.reader.readline()) == HEARTBEAT
        (first,) = await served.commit(event())
        while (line := json.loads(await raw.reader.readline())) == HEARTBEAT:
            pass
        assert line == first


@pytest.mark.parametrize("path", ["/api/v1/backup/create", "/api/v1/q", "/api/v1/status/ping", "/nowhere"])
async def test_every_answer_ends(served: Served, path: str) -> None:
    """
    Backups, rows, short answers and errors.
    """
    await served.commit(event())
    is_query = path.endswith("/q")
    body = b'{"query":"STREAM e FROM events MAP e.id"}' if is_query else b""

    async with connected(served) as raw:
        token = served.http.headers["authorization"].removeprefix("Bearer ")
        await raw.send(older("POST" if is_query else "GET", path, body, token=token))
        head, body = taken_apart(await raw.read_to_end())

    assert b"transfer-encoding" not in head
    assert body
    if b"content-length" in head:
        assert b"content-length: %d" % len(body) in head


async def test_a_commit_is_answered(served: Served) -> None:
    """
    With its length, and the connection is closed then.
    """
    async with connected(served) as raw:
        await raw.send(older("POST", "/api/v1/commit", COMMIT, b"connection: keep-alive", token=WRITER))
        head, body = taken_apart(await raw.read_to_end())

    assert b" 200 " in head
    assert json.loads(body)["success"] is True


async def test_only_its_head_is_sent_where_that_is_asked(served: Served) -> None:
    """
    HEAD has no body, whatever the version.
    """
    async with connected(served) as raw:
        await raw.send(older("HEAD", "/api/v1/status/ping"))
        head, body = taken_apart(await raw.read_to_end())

    assert b" 200 " in head
    assert body == b""
