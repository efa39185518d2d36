"""
Mutated requests: each request that the server finds is the one that h11 finds, a strict and slow parser.
"""

import asyncio
import random
import re
from typing import Any

import attrs
import h11
import httptools
import pytest

from eventsource import connect
from eventsource.server import Application, ServerSettings, make_app
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.server.raw import Raw, request
from tests.server.serving import ADMINISTRATOR, PATIENCE_S, READER, TOKENS, WRITER, Clock, serving
from tests.server.test_framing import BODY, H2C, NOBODY, chunked

_AT_A_TIME = 100
# What the server says in place of an answer, before it closes the connection.
_REFUSALS = {400, 408, 413, 431}

_PIECES = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b":", b",", b";", b"0\r\n\r\n", b"0", b"\r\n\r\n", b"\x80"),
    *(b"+", b"0x", b";a=b", b"chunked", b"\r\n folded", b" HTTP/1.1", b"HTTP/1.0", b"CONNECT ", b"GET ", b"TRACE "),
    *(b"Content-Length: 5\r\n", b"content-length: 0\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n"),
    *(b"Connection: close\r\n", b"Connection: keep-alive, Upgrade\r\n"),
    *(b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: websocket\r\n"),
    *(b"Expect: 100-continue\r\n", b"Host: b\r\n", b"Authorization: Bearer x\r\n"),
    b"POST /api/v1/erase HTTP/1.1\r\n",
    b"Authorization: Bearer %b\r\n" % ADMINISTRATOR.encode(),
)  # fmt: skip

_SPACES = re.compile(rb"\A([A-Z]+) +(\S+) +(HTTP/1\.[01]\r?\n)")


@attrs.frozen
class Asked:
    """
    A request as a parser understood it.
    """

    method: str
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_whole: bool


def _sound(chance: random.Random) -> bytes:
    """
    Returns a sound request of some role, in some form.
    """
    token = chance.choice([ADMINISTRATOR, WRITER, READER, NOBODY])
    make: Any = chance.choice([request, request, chunked])
    headers = chance.choice([(), (), (b"x: y",), H2C, (b"connection: close",)])
    method, path, body = chance.choice(
        [
            ("GET", "/api/v1/subjects", b""),
            ("GET", "/api/v1/status/ping", b"hello"),
            ("GET", "/nowhere", b""),
            ("POST", "/api/v1/commit", BODY),
            ("POST", "/api/v1/commit", b"{}"),
            # An administrator may do that, and it says nothing that could be done.
            ("POST", "/api/v1/erase", b"{}"),
            ("POST", "/api/v1/schema/register", b"[]"),
        ]
    )
    options = {"trailers": b"x-sum: 1\r\n"} if make is chunked and chance.random() < 0.3 else {}
    made: bytes = make(method, path, body, *headers, token=token, **options)
    return made


def _mutated(chance: random.Random) -> bytes:
    """
    One to three requests, one of them hidden in the body of another now and then, and changed in a few places.
    """
    parts = [_sound(chance) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        make: Any = chance.choice([request, chunked])
        parts[0] = make(
            "POST", "/api/v1/commit", parts[-1], *chance.choice([(), H2C]), token=chance.choice([WRITER, NOBODY])
        )
    data = bytearray(b"".join(parts))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 5])):
        at = chance.randrange(len(data) + 1)
        # Where it matters most: at the end of a line.
        line_end = data.find(b"\r\n", at)
        if chance.random() < 0.6 and line_end >= 0:
            at = line_end + chance.choice([0, 2])
        kind = chance.random()
        if kind < 0.5:
            data[at:at] = chance.choice(_PIECES)
        elif kind < 0.7:
            del data[at : at + chance.choice([1, 1, 2, 10])]
        elif kind < 0.85 and at < len(data):
            data[at] = chance.randrange(256)
        else:
            start = chance.randrange(len(data))
            data[at:at] = data[start : start + chance.choice([2, 20, 200])]
    return bytes(data)


def asked_by(data: bytes) -> list[Asked]:
    """
    The requests that h11 finds, up to the first that is malformed or closes the connection.

    The last one may be no more than a head.
    """
    found: list[Asked] = []
    # Blank lines before a request are none; h11 says so of the first one only.
    while data := data.lstrip(b"\r\n"):
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
        # Where two requests come in one read, the server overlooks a second space in the first line of the latter.
        parser.receive_data(_SPACES.sub(rb"\1 \2 \3", data, count=1))
        body = b""
        try:
            head = parser.next_event()
            if not isinstance(head, h11.Request):
                return found
            found.append(_asked(head, b"", is_whole=False))
            while isinstance(event := parser.next_event(), h11.Data):
                body += event.data
        except h11.RemoteProtocolError:
            return found
        if not isinstance(event, h11.EndOfMessage):
            return found
        found[-1] = _asked(head, body, is_whole=True)
        if parser.their_state is h11.MUST_CLOSE:
            return found
        data = parser.trailing_data[0]
    return found


def _asked(head: h11.Request, body: bytes, *, is_whole: bool) -> Asked:
    method, version = head.method.decode(), head.http_version.decode()
    return Asked(method, head.target, version, list(head.headers), body, is_whole)


async def answers_of(app: Application, asked: list[Asked]) -> list[int]:
    """
    The statuses that the application gives to requests that were understood like that.
    """
    return [status for each in asked for status in await _statuses_of(app, each)]


async def _statuses_of(app: Application, asked: Asked) -> list[int]:
    messages = [{"type": "http.request", "body": asked.body, "more_body": not asked.is_whole}]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    path, _, query = asked.target.partition(b"?")
    await app(
        {
            "type": "http",
            "method": asked.method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": asked.headers,
            "http_version": asked.version,
        },
        receive,
        send,
    )
    return statuses


class _Answers:
    """
    Counts the answers on a connection.
    """

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """
        Take what has come.
        """
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """
        One is complete.
        """
        if self._parser.get_status_code() != 100:
            self.statuses.append(self._parser.get_status_code())


async def _send(address: tuple[str, int], data: bytes, cut: int, expected: int, arrived: asyncio.Event) -> list[int]:
    """
    Send the bytes in two parts; the statuses of all answers until the server closes the connection.

    Args:
        arrived: Set when as many answers have come as are expected, or the connection is closed.
    """
    answers = _Answers()
    raw = Raw(*await asyncio.open_connection(*address))
    try:
        await raw.send(data[:cut])
        await asyncio.sleep(0)
        await raw.send(data[cut:])
        if expected == 0:
            arrived.set()
        while block := await raw.reader.read(65536):
            answers.feed(block)
            if len(answers.statuses) >= expected:
                arrived.set()
    except ConnectionError:
        pass
    finally:
        arrived.set()
        raw.writer.transport.abort()
    return answers.statuses


def _agree(answers: list[int], expected: list[int]) -> bool:
    """
    Tells whether the server answered as the reference would have, up to the point where it refused to go on.
    """
    if answers == expected[: len(answers)]:
        return True
    return (
        answers[-1] in _REFUSALS and len(answers) <= len(expected) + 1 and answers[:-1] == expected[: len(answers) - 1]
    )


@pytest.mark.timeout(rounds(300, 7_200))
async def test_no_request_is_found_where_there_is_none() -> None:
    """
    Each answer on a connection belongs to a request that h11 finds there: never two to one, never in another role.
    """
    chance = seeded_random()
    clock = Clock()
    equal = refused = 0
    async with connect("memory:") as store, serving(store, clock=clock, header_s=0.2) as served:
        app = make_app(store, ServerSettings(TOKENS))
        for _ in range(rounds(20, 1_000)):
            batch = [_mutated(chance) for _ in range(_AT_A_TIME)]
            found = [asked_by(data) for data in batch]
            expected = [await answers_of(app, asked) for asked in found]
            arrived = [asyncio.Event() for _ in batch]
            sending = [
                asyncio.create_task(
                    _send(
                        served.address, data, chance.randrange(len(data) + 1), sum(one.is_whole for one in asked), event
                    )
                )
                for data, asked, event in zip(batch, found, arrived, strict=True)
            ]
            # All that is to come has come; the deadlines end the rest.
            try:
                async with asyncio.timeout(PATIENCE_S * 3):
                    await asyncio.gather(*(event.wait() for event in arrived))
            except TimeoutError:
                silent = [data for data, event in zip(batch, arrived, strict=True) if not event.is_set()]
                pytest.fail(f"no answer to {silent}")
            ended = asyncio.gather(*sending)
            while not ended.done():
                await clock.turn(100, until=ended)
            for data, wanted, answers in zip(batch, expected, await ended, strict=True):
                assert _agree(answers, wanted), f"{data!r} {answers} {wanted}"
                equal += answers == wanted
                refused += answers != wanted
    print(f"{equal} understood the same, {refused} refused")  # noqa: T201  for whoever reads the failure

    # Many are sound enough to be compared.
    assert equal > rounds(300, 20_000)
