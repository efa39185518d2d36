"""
The server limits trailers, chunk extensions and blank lines before it knows who sends them.
"""

import pytest

from tests.server.raw import Raw, connected, request
from tests.server.serving import ADMINISTRATOR, READER, Served, serving
from tests.server.test_framing import BODY, chunked, statuses

_BLOCK_BYTES = 64 * 1024
# The limit is half a block; a read and what is on its way come to it.
_MOST_BLOCKS = 8

NOBODY = "none"
OPEN = chunked("POST", "/api/v1/commit", BODY, token=NOBODY)[: -len(b"0\r\n\r\n")]
KNOWN = chunked("POST", "/api/v1/commit", BODY, token=READER)[: -len(b"0\r\n\r\n")]

ENDLESS = {
    "the value of a trailer": (OPEN + b"0\r\nx: ", b"y"),
    "the name of a trailer": (OPEN + b"0\r\nx", b"y"),
    "spaces before the value of a trailer": (OPEN + b"0\r\nx:", b" "),
    "trailers": (OPEN + b"0\r\n", b"x: y\r\n"),
    "trailers of a reader": (KNOWN + b"0\r\n", b"x: y\r\n"),
    "an extension of a chunk": (OPEN + b"5;a=", b"y"),
    "extensions of a chunk": (OPEN + b"5", b";a=y"),
    "an extension of the last chunk": (OPEN + b"0;a=", b"y"),
    "extensions of many chunks": (OPEN, b"1;" + b"a" * 40 + b"\r\ny\r\n"),
    "zeros before the size of a chunk": (OPEN, b"0"),
    "a header": (b"GET / HTTP/1.1\r\nx: ", b"y"),
    "the name of a header": (b"GET / HTTP/1.1\r\nx", b"y"),
    "headers": (b"GET / HTTP/1.1\r\n", b"x: y\r\n"),
    "a target": (b"GET /", b"y"),
    "spaces before a target": (b"GET", b" "),
    "spaces behind a target": (b"GET /", b" "),
    "blank lines": (b"", b"\r\n"),
    "blank lines behind a request": (request("GET", "/api/v1/subjects"), b"\r\n"),
    "blank lines behind an observer": (request("POST", "/api/v1/observe", b'{"subject":"/"}'), b"\r\n"),
    "line feeds": (b"", b"\n"),
}


async def blocks_taken(served: Served, raw: Raw, piece: bytes, pieces_of: int = _BLOCK_BYTES) -> int:
    """
    How many blocks of a piece the server takes before it refuses them; after each it has answered others.
    """
    block = piece * (pieces_of // len(piece))
    for count in range(_MOST_BLOCKS):
        try:
            await raw.send(block)
        except ConnectionError:
            return count
        for _ in range(2):
            assert (await served.get("/status/ping")).status_code == 200
    return _MOST_BLOCKS


@pytest.mark.parametrize(("beginning", "piece"), ENDLESS.values(), ids=ENDLESS)
async def test_what_never_ends_is_cut(beginning: bytes, piece: bytes, served: Served) -> None:
    """
    After little more than the largest head, whatever it is made of, and others are answered meanwhile.
    """
    async with connected(served) as raw:
        await raw.send(beginning)
        if b"observe" in beginning:
            # The answer goes on, and nothing more is read.
            await blocks_taken(served, raw, piece)
            await served.commit({"source": "s", "subject": "/a", "type": "t", "data": {}})
            await raw.reader.readuntil(b'"/a"')
        else:
            assert await blocks_taken(served, raw, piece) < _MOST_BLOCKS
            # The refusal may be lost: the client was still sending.
            assert statuses(await raw.read_to_end()) in ([], [431], [400], [401], [403], [200, 431])


async def test_server_holds_no_more_than_the_largest_head(served: Served) -> None:
    """
    Four endless trailers that come in small pieces: what is held of each stays below the limit, so nothing is slow.
    """
    for _ in range(4):
        async with connected(served) as raw:
            await raw.send(OPEN, b"0\r\nx: ")
            sent = 0
            try:
                for _ in range(100):
                    await raw.send(b"y" * 2_000)
                    sent += 2_000
                    await served.get("/status/ping")
            except ConnectionError:
                pass
            assert sent < 64 * 1024


@pytest.mark.parametrize("trailers", [1, 128, 129, 1_000])
async def test_trailers_are_counted(trailers: int, served: Served) -> None:
    """
    There may be as many as headers, whether they come in one read or not.
    """
    lines = b"".join(b"x-%d: y\r\n" % n for n in range(trailers))
    async with connected(served) as raw:
        await raw.send(chunked("GET", "/api/v1/subjects", b"hello", trailers=lines), request("GET", "/api/v1/subjects"))
        await raw.send(request("GET", "/api/v1/subjects", b"", b"connection: close"))
        answers = statuses(await raw.read_to_end())

    assert answers.count(200) == (3 if trailers <= 128 else 0)


@pytest.mark.parametrize("split", [False, True], ids=["one read", "another read"])
async def test_trailer_is_no_header(split: bool, served: Served) -> None:  # noqa: FBT001  a parameter of the test
    """
    A token that comes as a trailer is not looked at, whether there is another one or not.
    """
    erase = b'{"subject":"/a"}'
    trailer = b"authorization: Bearer %b\r\n" % ADMINISTRATOR.encode()
    await served.commit({"source": "s", "subject": "/a", "type": "t", "data": {}})
    for token, status in ((NOBODY, 401), (READER, 403)):
        whole = chunked("POST", "/api/v1/erase", erase, b"connection: close", token=token, trailers=trailer)
        if status == 401:
            whole = whole.replace(b"authorization: Bearer none\r\n", b"")
        at = whole.index(trailer) + 5 if split else len(whole)
        async with connected(served) as raw:
            await raw.send(whole[:at])
            await served.get("/status/ping")
            await raw.send(whole[at:])
            assert statuses(await raw.read_to_end()) == [status]

    assert len(await served.stream("/a")) == 1


async def test_small_chunks_are_no_attack(served: Served) -> None:
    """
    A body may come in chunks of one byte, with short extensions now and then.
    """
    body = BODY.replace(b"{}}", b'{"text":"%b"}}' % (b"x" * 20_000))
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = chunked("POST", "/api/v1/commit", b"", token=ADMINISTRATOR).removesuffix(b"0\r\n\r\n")
    async with connected(served) as raw:
        await raw.send(head, chunks, b"0;last\r\nx-sum: 1\r\n\r\n")
        assert (await raw.read_answer())[0] == 200


async def test_body_behind_a_refusal_is_not_read_for_ever() -> None:
    """
    A client without a token sends on and on: after the largest body the connection is closed.
    """
    async with serving(body_bytes=100_000) as served, connected(served) as raw:
        await raw.send(OPEN)
        assert (await raw.read_answer())[0] == 401
        assert await blocks_taken(served, raw, b"1000\r\n" + b"x" * 4096 + b"\r\n") < _MOST_BLOCKS
