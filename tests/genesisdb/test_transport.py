"""
The transport: connections are reused, bounded, verified, and let go of when something is wrong.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from eventsource.genesisdb import Transport
from tests.genesisdb.stub import Request, Talk, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def echo(request: Request, talk: Talk) -> None:
    """
    Answer with the body.
    """
    await talk.answer(request.body)


def request_to(
    url: str, body: bytes = b"", *, method: str = "POST", read_s: float = 5.0, **timeout: float
) -> httpx.Request:
    """
    A request with timeouts.
    """
    waits = {"connect": 5.0, "read": read_s, "write": 5.0, "pool": 5.0, **timeout}
    return httpx.Request(method, url, content=body, extensions={"timeout": waits})


async def send(transport: Transport, request: httpx.Request) -> httpx.Response:
    """
    Send, and read the whole answer.
    """
    response = await transport.handle_async_request(request)
    await response.aread()
    await response.aclose()
    return response


async def test_a_connection_is_used_again() -> None:
    """
    Requests one after the other share one connection.
    """
    async with serving(echo) as stub, Transport() as transport:
        for number in range(20):
            answer = await send(transport, request_to(stub.url, b"%d" % number))
            assert answer.content == b"%d" % number

        assert stub.connections == 1


async def test_it_serves_a_client_of_httpx() -> None:
    """
    It is a transport like any other.
    """
    async with serving(echo) as stub, httpx.AsyncClient(transport=Transport()) as http:
        answer = await http.post(stub.url, content=b"hello")

        assert (answer.status_code, answer.text) == (200, "hello")


async def test_no_more_connections_than_allowed_and_the_first_comes_first() -> None:
    """
    Requests wait in line, and are served in the order they came.
    """
    open_now, most = 0, 0

    async def slow(request: Request, talk: Talk) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.001)
        open_now -= 1
        await talk.answer(request.body)

    async with serving(slow) as stub, Transport(max_connections=3) as transport:
        done: list[int] = []

        async def one(number: int) -> None:
            await send(transport, request_to(stub.url, b"x"))
            done.append(number)

        await asyncio.gather(*map(one, range(60)))

        assert (stub.connections, most) == (3, 3)
        assert max(abs(place - number) for place, number in enumerate(done)) <= 3


async def test_a_place_in_line_that_was_given_up_is_not_lost() -> None:
    """
    Whoever is cancelled or times out while waiting blocks nobody.
    """
    gate, asked = asyncio.Event(), asyncio.Event()

    async def gated(request: Request, talk: Talk) -> None:
        asked.set()
        await gate.wait()
        await talk.answer(request.body)

    async with serving(gated) as stub, Transport(max_connections=1) as transport:
        first = asyncio.create_task(send(transport, request_to(stub.url)))
        await asked.wait()
        cancelled = [asyncio.create_task(send(transport, request_to(stub.url))) for _ in range(5)]
        await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        with pytest.raises(httpx.PoolTimeout):
            await send(transport, request_to(stub.url, pool=0.01))
        gate.set()

        await first
        assert (await send(transport, request_to(stub.url, b"next"))).content == b"next"


async def test_cancelling_at_any_moment_leaves_a_working_pool() -> None:
    """
    Requests cancelled after each number of steps of the loop mix up no answers and lose no place.
    """
    async with serving(echo) as stub, Transport(max_connections=2) as transport:
        for steps in range(40):
            tasks = [asyncio.create_task(send(transport, request_to(stub.url, b"gone"))) for _ in range(4)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

            answers = await asyncio.gather(*(send(transport, request_to(stub.url, b"%d" % n)) for n in range(3)))
            assert [answer.content for answer in answers] == [b"0", b"1", b"2"]


async def test_a_connection_the_server_closed_is_not_used() -> None:
    """
    After a server has closed an idle connection the next request gets a new one.
    """

    async def once(request: Request, talk: Talk) -> None:
        await talk.answer(request.body)
        talk.cut()

    async with serving(once) as stub, Transport() as transport:
        for _ in range(5):
            assert (await send(transport, request_to(stub.url, b"x"))).status_code == 200
            async with asyncio.timeout(60):
                # The pool tells no one when it hears of the closing.
                while any(pool._open for pool in transport._pools.here().by_origin.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0)

        assert stub.connections == 5


async def test_an_old_idle_connection_is_not_used() -> None:
    """
    What was idle longer than allowed is closed.
    """
    async with serving(echo) as stub, Transport(keep_alive_s=0.02) as transport:
        await send(transport, request_to(stub.url))
        await asyncio.sleep(0.05)
        await send(transport, request_to(stub.url))

        assert stub.connections == 2


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", httpx.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, httpx.RemoteProtocolError),
    ],
    ids=["nothing", "half a body", "half a chunk", "no last chunk", "another protocol", "endless head"],
)
async def test_a_broken_answer_is_an_error(sent: bytes, error: type[Exception]) -> None:
    """
    An answer that is cut or none at all never looks like a whole one.
    """

    async def broken(_: Request, talk: Talk) -> None:
        await talk.send(sent)
        talk.cut()

    async with serving(broken) as stub, Transport() as transport:
        with pytest.raises(error):
            await send(transport, request_to(stub.url))


async def test_an_answer_cut_at_every_byte_is_an_error() -> None:
    """
    Whatever part of an answer arrives, less than all of it is told as an error.
    """
    whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nline 1\r\n0\r\n\r\n"

    async def cutting(request: Request, talk: Talk) -> None:
        await talk.send(whole[: int(request.body)])
        talk.cut()

    async with serving(cutting) as stub, Transport() as transport:
        for place in range(len(whole)):
            with pytest.raises(httpx.TransportError):
                await send(transport, request_to(stub.url, b"%d" % place))
        assert (await send(transport, request_to(stub.url, b"%d" % len(whole)))).content == b"line 1"


async def test_a_second_answer_to_one_request_is_not_believed() -> None:
    """
    What a server sends beyond its answer is not taken for the answer to the next request.
    """

    async def twice(_: Request, talk: Talk) -> None:
        await talk.send(
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrueHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfalse"
        )

    async with serving(twice) as stub, Transport() as transport:
        for _ in range(3):
            assert (await send(transport, request_to(stub.url))).content == b"true"

        assert stub.connections == 3


async def test_silence_is_a_timeout_and_its_connection_is_gone() -> None:
    """
    A late answer is not taken for the answer to another request.
    """
    gate = asyncio.Event()

    async def late(request: Request, talk: Talk) -> None:
        if request.body == b"slow":
            await gate.wait()
        await talk.answer(request.body)

    async with serving(late) as stub, Transport(max_connections=1) as transport:
        with pytest.raises(httpx.ReadTimeout):
            await send(transport, request_to(stub.url, b"slow", read_s=0.02))
        assert (await send(transport, request_to(stub.url, b"quick"))).content == b"quick"
        gate.set()
        assert (await send(transport, request_to(stub.url, b"quick"))).content == b"quick"
        # The one that timed out, and another.
        assert stub.connections == 2


async def test_a_reader_that_waits_holds_up_the_server() -> None:
    """
    An answer that nobody takes does not fill the memory.
    """
    sent = 0

    async def endless(request: Request, talk: Talk) -> None:  # noqa: ARG001  as all of them
        nonlocal sent
        await talk.begin()
        for _ in range(1_000):
            await talk.chunk(b"x" * 65_536)
            sent += 65_536
        await talk.chunk(b"")

    async with serving(endless) as stub, Transport() as transport:
        response = await transport.handle_async_request(request_to(stub.url))
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.05)
        # What the sockets hold, and a little more than a MiB here.
        assert sent < 16 * 2**20

        parts = [len(part) async for part in response.aiter_raw()]

        assert sum(parts) == 1_000 * 65_536


async def test_a_body_in_parts_is_sent_in_parts() -> None:
    """
    A body that is a stream goes out in chunks, as it comes.
    """

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"y" * 10_000

    async def measure(request: Request, talk: Talk) -> None:
        await talk.answer(str(len(request.body)))

    async with serving(measure) as stub, Transport() as transport:
        request = httpx.Request("POST", stub.url, content=parts())
        assert (await send(transport, request)).text == "500000"


async def test_a_header_cannot_be_broken_out_of() -> None:
    """
    A line break in a header is refused before anything is sent.
    """
    async with serving(echo) as stub, Transport() as transport:
        request = httpx.Request("POST", stub.url, headers={"Idempotency-Key": "a\r\nX-Admin: yes"})
        with pytest.raises(httpx.LocalProtocolError):
            await send(transport, request)

        assert stub.connections == 0


async def test_nobody_there_is_a_connect_error() -> None:
    """
    A refused connection is told as one, so that nothing can have been sent.
    """
    async with serving(echo) as stub:
        url = stub.url
    async with Transport() as transport:
        with pytest.raises(httpx.ConnectError):
            await send(transport, request_to(url))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_certificates_are_verified(tmp_path: Path) -> None:
    """
    A server that nobody vouches for is refused, with the reason; one that is vouched for is not.
    """
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)  # noqa: ASYNC221
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    async with serving(echo, tls=server_side) as stub:
        async with Transport() as transport:
            with pytest.raises(httpx.ConnectError, match="certificate is not accepted"):
                await send(transport, request_to(stub.url))
        async with Transport(tls=ssl.create_default_context(cafile=str(certificate))) as transport:
            assert (await send(transport, request_to(stub.url, b"hello"))).content == b"hello"
