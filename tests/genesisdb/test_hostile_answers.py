"""
A server that means harm: its answers take no memory, start no unpacking and reach no terminal.
"""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from eventsource.errors import (
    CommitOutcomeUnknownError,
    DamagedLineError,
    EventSourceError,
    StoreUnavailableError,
)
from eventsource.genesisdb import Client, Event, Limits
from tests.genesisdb.answers import EVENT
from tests.genesisdb.stub import Request, Stub, Talk, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

TOKEN = "t0ken-of-the-tests"  # noqa: S105  the one of conftest.py
FLOOD_BYTES = 64 * 1024 * 1024
# The buffers of the sockets of a machine, and what is read before a limit is looked at.
MOST_BYTES = 24 * 1024 * 1024
LIMITS = Limits(tries=1, commit_tries=1, answer_bytes=4 * 1024 * 1024, line_bytes=256 * 1024)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT = {"source": "s", "subject": "/a", "type": "t", "data": {}}


async def _first(events: AsyncGenerator[Any]) -> Any:
    async for event in events:
        return event
    return None


ASKS: dict[str, Callable[[Client], Awaitable[Any]]] = {
    "commit": lambda client: client.commit_events([_EVENT]),
    "stream": lambda client: client.stream_events("/a"),
    "query": lambda client: client.query_events("STREAM e FROM events MAP COUNT()"),
    "observe": lambda client: _first(client.observe_events("/a", {"lower_bound": "1", "upper_bound": "2"})),
    "backup": lambda client: _first(client.backup()),
    "schemas": lambda client: client.schemas(),
    "status": lambda client: client.status(),
    "subjects": lambda client: client.subjects(),
    "ping": lambda client: client.ping(),
    "audit": lambda client: client.audit(),
    "erase": lambda client: client.erase_data("/a"),
}

# Each without an end: what comes first, and what comes again and again.
FLOODS = {
    "words of the status": (b"HTTP/1.1 200 ", b"x" * 1024),
    "one header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 1024),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 128),
    "blank lines": (b"", b"\r\n" * 512),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n" * 32),
    "a chunk extension": (CHUNKED + b"2;a=", b"x" * 1024),
    "extensions of small chunks": (CHUNKED, (b"1;a=" + b"x" * 300 + b"\r\n \r\n") * 4),
    "one trailer": (CHUNKED + b"2\r\n[]\r\n0\r\nX-A: ", b"x" * 1024),
    "trailers": (CHUNKED + b"2\r\n[]\r\n0\r\n", b"X-A: b\r\n" * 128),
}
# Likewise as a body, which is right as HTTP.
BODIES = {"a line without an end": b"x" * 1024, "a text without an end": b'["' + b"x" * 1022}


@asynccontextmanager
async def client_of(stub: Stub, *, own: bool) -> AsyncGenerator[Client]:
    """
    A client with connections of its own, or with a client of httpx that is a user's own.
    """
    async with httpx.AsyncClient() as http, Client(stub.url, limits=LIMITS, http=http if own else None) as client:
        yield client


@asynccontextmanager
async def flooding(first: bytes, unit: bytes) -> AsyncGenerator[tuple[str, list[int]]]:
    """
    A server whose answers have no end; with it the bytes that it got rid of, one number for each connection.
    """
    sent: list[int] = []

    async def flood(request: Request, talk: Talk) -> None:
        del request
        place = len(sent)
        sent.append(0)
        await talk.send(first)
        piece = unit * (32 * 1024 // len(unit))
        while sent[place] < FLOOD_BYTES:
            await talk.send(piece)
            sent[place] += len(piece)
        talk.cut()

    async with serving(flood) as stub:
        yield stub.url, sent


@pytest.mark.parametrize("flood", FLOODS)
async def test_what_is_no_body_is_limited_wherever_it_comes_from(flood: str) -> None:
    """
    The client hangs up long before the server is through, and says so by an error of its own.
    """
    async with flooding(*FLOODS[flood]) as (url, sent), Client(url, limits=LIMITS) as client:
        for name, ask in ASKS.items():
            if name == "commit" and FLOODS[flood][0].startswith(CHUNKED):
                # The status came first and counts: the commit is stored, and nothing of the answer is needed.
                assert await client.commit_events([_EVENT]) == []
                continue
            with pytest.raises(EventSourceError):
                await ask(client)

    assert len(sent) >= len(ASKS)
    assert max(sent) < MOST_BYTES


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_without_an_end_is_limited(body: str) -> None:
    """
    An answer of each kind is read as far as its limit.
    """
    unit = b"400\r\n%b\r\n" % BODIES[body]
    async with flooding(CHUNKED, unit) as (url, sent), Client(url, limits=LIMITS) as client:
        for name, ask in ASKS.items():
            if name != "commit":
                with pytest.raises(EventSourceError):
                    await ask(client)

    assert max(sent) < MOST_BYTES


async def test_a_commit_whose_answer_has_no_end_is_stored_by_its_status() -> None:
    """
    The answer is not read further than a commit of its size needs; the status stands.
    """
    unit = b"400\r\n%b\r\n" % (b"x" * 1024)
    async with flooding(CHUNKED, unit) as (url, sent), Client(url, limits=Limits(commit_tries=1)) as client:
        assert await client.commit_events([_EVENT]) == []

    assert max(sent) < MOST_BYTES


async def test_lines_of_nothing_become_no_list() -> None:
    """
    Blank lines in a body are skipped a window at a time, and none is kept.
    """

    async def blank(request: Request, talk: Talk) -> None:
        del request
        await talk.answer(b"\n" * (1024 * 1024) + b'"/a"\n')

    async with serving(blank) as stub, Client(stub.url, limits=LIMITS) as client:
        assert await client.subjects() == ["/a"]
        assert await client.query_events("STREAM e FROM events") == ["/a"]


async def test_no_trailer_becomes_a_header() -> None:
    """
    A trailer says nothing of the server, the body or the commit.
    """

    async def answer(request: Request, talk: Talk) -> None:
        key = request.headers.get("idempotency-key", "")
        body = b"%x\r\n%b\r\n0\r\nIdempotency-Key: %b\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n"
        await talk.send(CHUNKED + body % (len(EVENT), EVENT, key.encode()))

    async with serving(answer) as stub, Client(stub.url) as client:
        (event,) = await client.commit_events([_EVENT])

        assert event["id"] == "1"
        assert client.committer.keys.value == "no"


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate", "br", "GZIP", "identity, gzip", "x"])
@pytest.mark.parametrize("own", [False, True], ids=["own connections", "httpx.AsyncClient"])
async def test_a_packed_answer_is_refused_and_not_unpacked(encoding: str, own: bool) -> None:  # noqa: FBT001  a parameter
    """
    It was not asked for, so nothing is unpacked, however small it is and however large it would become.
    """
    packed = gzip.compress(gzip.compress(b"\n" * 1024 * 1024))

    async def answer(request: Request, talk: Talk) -> None:
        assert request.headers["accept-encoding"] == "identity"
        await talk.answer(packed, headers=f"Content-Encoding: {encoding}\r\n")

    async with serving(answer) as stub, client_of(stub, own=own) as client:
        for name, ask in ASKS.items():
            if name != "commit":
                with pytest.raises(DamagedLineError, match="compress"):
                    await ask(client)


async def test_a_packed_answer_leaves_a_commit_its_status() -> None:
    """
    The events are not known by it, the outcome is.
    """

    async def answer(request: Request, talk: Talk) -> None:
        del request
        await talk.answer(gzip.compress(EVENT), headers="Content-Encoding: gzip\r\n")

    async with serving(answer) as stub, Client(stub.url) as client:
        assert await client.commit_events([_EVENT]) == []


@pytest.mark.parametrize("ask", ["stream", "query", "backup", "status", "ping"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("own", [False, True], ids=["own connections", "httpx.AsyncClient"])
async def test_an_answer_that_ends_by_closing_is_not_taken_as_whole(ask: str, version: str, own: bool) -> None:  # noqa: FBT001  a parameter
    """
    A cut between two lines looks the same, so nothing tells whether more was to come.
    """

    async def answer(request: Request, talk: Talk) -> None:
        del request
        await talk.send(f"HTTP/{version} 200 OK\r\n\r\n".encode() + EVENT + b"\n")
        talk.cut()

    async def ask_all(client: Client) -> None:
        if ask == "backup":
            async for _ in client.backup():
                pass
        elif ask in {"stream", "query"}:
            rows = client.stream_events("/a") if ask == "stream" else client.query_events("STREAM e FROM events")
            try:
                await rows
            except DamagedLineError as damage:
                # A list is no event; each line is looked at before the end has come.
                raise StoreUnavailableError(client.url, "by closing") from damage
        else:
            await ASKS[ask](client)

    async with serving(answer) as stub, client_of(stub, own=own) as client:
        with pytest.raises(StoreUnavailableError, match="by closing"):
            await ask_all(client)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n",
        "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 O\x1bK\r\nContent-Length: 2\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/0.9 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
    ],
)
async def test_a_head_that_can_be_read_in_two_ways_is_no_answer(head: str) -> None:
    """
    A commit that meets one has an unknown outcome, and a read none at all.
    """

    async def answer(request: Request, talk: Talk) -> None:
        del request
        await talk.send(f"{head}\r\n2\r\n[]\r\n0\r\n\r\n" if "chunked" in head else f"{head}\r\n[]")
        talk.cut()

    async with serving(answer) as stub, Client(stub.url, limits=LIMITS) as client:
        with pytest.raises(CommitOutcomeUnknownError):
            await client.commit_events([_EVENT])
        with pytest.raises(StoreUnavailableError):
            await client.subjects()


WORDS = f"\x1b[2J\x1b]0;pwned\x07 \u202egnp.exe\u2066 \u200b\x85\u2028 {TOKEN} end"
NASTY = ("\x1b", "\x07", "\u202e", "\u2066", "\u2028", "\x85", "\n", TOKEN)


STATUSES = ("200 OK", "400 Bad", "403 No", "404 No", "412 No", "500 No", "503 No")
CODES = ("", "forbidden", "event-not-found", "invalid-subject", "query-syntax", "store-corrupted", WORDS)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("ask", ["commit", "stream", "observe", "backup", "status"])
async def test_the_words_of_a_server_are_fit_to_be_shown(status: str, ask: str) -> None:
    """
    Without what a terminal obeys, without marks that turn a text, without the token, and not by the megabyte.
    """
    facts = dict.fromkeys(["text", "reason", "path", "event_id", "subject", "found", "expected", "role"], WORDS)
    code = ""

    async def answer(request: Request, talk: Talk) -> None:
        del request
        details = {**facts, "query": WORDS, "offset": 3}
        body = {"error": WORDS, "code": code, "details": details, "precondition": {"index": 0, "type": WORDS}}
        await talk.answer(httpx.Response(200, json=body).content, status=status)

    async with serving(answer) as stub, Client(stub.url, limits=LIMITS) as client:
        for code in CODES:
            try:
                await ASKS[ask](client)
            except EventSourceError as error:
                # An error of a query shows its line, and the place below it.
                shown = _shown(error).replace("\n", "" if code == "query-syntax" else "\n")
                assert not [each for each in NASTY if each in shown]
            else:
                assert status == "200 OK"


def _shown(error: BaseException | None) -> str:
    """
    The error and all that led to it, as a traceback shows them.
    """
    texts = ""
    while error is not None:
        texts += str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return texts


@pytest.mark.parametrize("own", [False, True], ids=["own connections", "httpx.AsyncClient"])
async def test_what_is_no_http_is_not_repeated(own: bool) -> None:  # noqa: FBT001  a parameter
    """
    A parser that quotes what it could not read does not bring the token into an error or into its causes.
    """

    async def answer(request: Request, talk: Talk) -> None:
        del request
        await talk.send(f"HTTP/9.9 \x1b {TOKEN}\r\n\r\n")
        talk.cut()

    async with serving(answer) as stub, client_of(stub, own=own) as client:
        with pytest.raises(StoreUnavailableError) as refused:
            await client.status()

    assert not [each for each in NASTY if each in _shown(refused.value)]


async def test_a_megabyte_of_words_becomes_a_line() -> None:
    """
    A refusal has as many words as a reader reads.
    """

    async def answer(request: Request, talk: Talk) -> None:
        del request
        await talk.answer(b'{"error":"%b","code":"%b"}' % (b"x" * 900_000, b"y" * 900), status="400 Bad")

    async with serving(answer) as stub, Client(stub.url, limits=LIMITS) as client:
        with pytest.raises(EventSourceError) as refused:
            await client.subjects()

    assert len(str(refused.value)) < 2_000


async def test_an_event_in_a_log_is_fit_to_be_shown() -> None:
    """
    The repr of an event of a hostile server has nothing that a terminal obeys.
    """
    shown = repr(Event(dict.fromkeys(("id", "type", "subject", "time"), WORDS)))

    assert not [each for each in NASTY if each in shown and each != TOKEN]


class _ClosedAfterSending(httpx.AsyncBaseTransport):
    """
    A transport that takes the request and then speaks of connecting, as some do.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for _ in request.stream:
            pass
        message = "the server disconnected"
        raise httpx.ConnectTimeout(message)


class _NeverConnected(httpx.AsyncBaseTransport):
    """
    A transport that cannot connect.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        message = "refused"
        raise httpx.ConnectError(message)


async def test_a_commit_whose_body_was_taken_is_not_called_unsent() -> None:
    """
    Whatever a transport of a user calls its error: bytes may have left, so the commit is in doubt.
    """
    async with httpx.AsyncClient(transport=_ClosedAfterSending()) as http:
        client = Client("http://a", http=http, limits=LIMITS)
        with pytest.raises(CommitOutcomeUnknownError):
            await client.commit_events([_EVENT])
    async with httpx.AsyncClient(transport=_NeverConnected()) as http:
        client = Client("http://a", http=http, limits=LIMITS)
        with pytest.raises(StoreUnavailableError):
            await client.commit_events([_EVENT])


async def test_a_connection_closed_behind_the_request_leaves_a_commit_in_doubt() -> None:
    """
    On a connection that was used before, too, and it is sent once.
    """

    async def answer(request: Request, talk: Talk) -> None:
        if request.path.endswith("/commit") and len(stub.of("/commit")) > 1:
            talk.cut()
            return
        await talk.answer(EVENT)

    async with serving(answer) as stub, Client(stub.url, limits=LIMITS) as client:
        await client.commit_events([_EVENT])
        with pytest.raises(CommitOutcomeUnknownError):
            await client.commit_events([_EVENT])
        await asyncio.sleep(0)

        assert len(stub.of("/commit")) == 2
        assert stub.connections == 1


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2026 07:28600199999", "Wed, 21 Oct 99999 07:28:00 GMT", "1" * 5000])
async def test_a_retry_after_that_no_calendar_has_is_left_out(date: str) -> None:
    """
    The refusal stays a refusal.
    """

    async def answer(request: Request, talk: Talk) -> None:
        del request
        await talk.answer(status="429 Too Many", headers=f"Retry-After: {date}\r\n")

    async with serving(answer) as stub, Client(stub.url, limits=LIMITS) as client:
        with pytest.raises(EventSourceError, match="429"):
            await client.status()
