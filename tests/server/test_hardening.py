"""
Clients that take their time, send garbage, or too much: others are served all the same, and nothing breaks.
"""

import asyncio
import logging
import socket
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from eventsource.testing.contract.chance import rounds, seeded_random
from tests.server.raw import connected, request
from tests.server.serving import ADMINISTRATOR, PATIENCE_S, READER, WRITER, Clock, Served, event, failure, serving

COMMIT = b'{"events":[{"source":"s","subject":"/a","type":"t","data":{}}]}'


async def is_well(served: Served) -> bool:
    """
    Whether others are served.
    """
    return (await served.get("/subjects")).status_code == 200


async def test_headers_that_never_end_are_not_waited_for() -> None:
    """
    Whether nothing is sent, half a header, or a byte now and then.
    """
    clock = Clock()
    async with serving(header_s=0.3, clock=clock) as served, AsyncExitStack() as stack:
        silent, half, dripping = [await stack.enter_async_context(connected(served)) for _ in range(3)]
        await half.send(b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\nx-")
        answer = asyncio.create_task(dripping.reader.readline())
        for byte in b"GET /api/v1/status HTTP/1.1\r\n" * 100:
            await dripping.send(bytes([byte]))
            await clock.turn(0.1, until=answer)
            if answer.done():
                break

        assert (await answer).startswith(b"HTTP/1.1 408 ")
        assert await silent.is_closed()
        assert (await half.read_to_end()).startswith(b"HTTP/1.1 408 ")
        assert await is_well(served)


async def test_body_that_never_ends_is_not_waited_for() -> None:
    """
    Whether its length was told or not.
    """
    clock = Clock()
    async with serving(body_s=0.3, clock=clock) as served, AsyncExitStack() as stack:
        told, chunked, none = [await stack.enter_async_context(connected(served)) for _ in range(3)]
        await told.send(request("POST", "/api/v1/commit", COMMIT, token=WRITER)[:-5])
        await chunked.send(
            request("POST", "/api/v1/commit", b"", b"transfer-encoding: chunked", token=WRITER).replace(
                b"content-length: 0\r\n", b""
            ),
            b'5\r\n{"eve\r\n',
        )
        await none.send(request("POST", "/api/v1/commit", COMMIT, token=WRITER)[: -len(COMMIT)])

        # It may not have come yet; then the next turn ends it.
        answers = asyncio.gather(*(raw.read_to_end() for raw in (told, chunked, none)))
        while not answers.done():
            await clock.turn(1.0, until=answers)
        for answer in await answers:
            assert answer.startswith(b"HTTP/1.1 408 ")
        assert await served.stream("/") == []


async def test_two_hundred_slow_clients_of_each_kind_are_gone_in_time_while_others_are_served() -> None:
    """
    Half a header, a body that stays away, a connection that stays open for nothing: 600 of them at once.
    """
    kinds = {
        "half a header": b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\nx-",
        "half a body": request("POST", "/api/v1/commit", COMMIT, token=WRITER)[:-5],
        "idle": request("GET", "/api/v1/status/ping"),
    }
    clock = Clock()
    async with serving(header_s=1.0, body_s=1.0, idle_s=1.0, clock=clock) as served, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(connected(served)) for _ in range(200 * len(kinds))]
        for number, raw in enumerate(slow):
            await raw.send(list(kinds.values())[number % len(kinds)])
        # They are all there, and nobody's time has passed.
        assert await is_well(served)
        leaving = asyncio.gather(*(raw.is_closed() for raw in slow))
        while not leaving.done():
            await clock.turn(1.5, until=leaving)
            assert await is_well(served)

        assert all(await leaving)
        assert await served.stream("/") == []


async def test_blank_lines_between_requests_do_not_keep_a_connection() -> None:
    """
    They begin no request, and are waited for only so long.
    """
    async with serving(header_s=0.3, idle_s=0.3) as served, connected(served) as raw:
        await raw.send(request("GET", "/api/v1/subjects"))
        assert (await raw.read_answer())[0] == 200

        async def send_blank_lines() -> None:
            for _ in range(100):
                await raw.send(b"\r\n")
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(send_blank_lines())
        assert await raw.is_closed()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_idle_connection_is_closed() -> None:
    """
    After its answer, when no further request comes.
    """
    async with serving(idle_s=0.2) as served, connected(served) as raw:
        await raw.send(request("GET", "/api/v1/subjects"))
        assert (await raw.read_answer())[0] == 200

        assert await raw.is_closed()


async def test_client_that_takes_nothing_is_dropped() -> None:
    """
    A stream waits for its reader, but not for ever; meanwhile others are served.
    """
    clock = Clock()
    async with serving(stall_s=0.5, clock=clock) as served:
        await served.commit(*[event("/a", data={"text": "x" * 60_000}) for _ in range(100)])
        loop = asyncio.get_running_loop()
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.setblocking(False)  # noqa: FBT003  its only parameter
            await loop.sock_connect(stalled, served.address)
            await loop.sock_sendall(stalled, request("POST", "/api/v1/stream", b'{"subject":"/"}'))
            # The answer has begun, so from here on it waits for its reader.
            received = len(await loop.sock_recv(stalled, 1024))
            assert await is_well(served)
            for _ in range(5):
                await clock.turn(1.0)
            with suppress(ConnectionError):
                async with asyncio.timeout(PATIENCE_S):
                    while block := await loop.sock_recv(stalled, 65536):
                        received += len(block)
    assert received < 100 * 60_000


async def test_slow_observer_holds_up_nobody() -> None:
    """
    It takes nothing; another one and the writer do not notice.
    """
    async with serving(stall_s=30.0) as served, connected(served) as slow:
        slow.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a reading transport
        await slow.send(request("POST", "/api/v1/observe", b'{"subject":"/"}'))
        async with served.observe("/") as observed:
            for n in range(150):
                await served.commit(event("/a", data={"n": n, "text": "x" * 60_000}))
                assert (await observed.next_event())["data"]["n"] == n


async def test_observer_that_fell_behind_catches_up_from_the_store() -> None:
    """
    What is kept for observers is limited; the log is not. Each event comes once, in order.
    """
    async with serving(stall_s=30.0, heartbeat_s=5.0) as served, served.observe("/") as observed:
        for n in range(400):
            await served.commit(event("/a", data={"n": n, "text": "x" * 60_000}))

        seen = [one["data"]["n"] for one in await observed.events(400)]

    assert seen == list(range(400))


async def test_one_connection_more_is_turned_away() -> None:
    """
    With 503 while all are being answered, and as soon as one is closed the next is served.
    """
    async with serving(connections=3, connections_per_address=3) as served, AsyncExitStack() as stack:
        observers = [await stack.enter_async_context(connected(served)) for _ in range(3)]
        for observer in observers:
            await observer.send(request("POST", "/api/v1/observe", b'{"subject":"/"}'))
            await observer.reader.readuntil(b"payload")
        async with connected(served) as fourth:
            assert (await fourth.read_to_end()).startswith(b"HTTP/1.1 503 ")
        observers[0].writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            # The server gets to know that it is gone a moment later.
            while await _ask_once(served) != 200:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.01)


async def _ask_once(served: Served) -> int:
    async with connected(served) as raw:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await raw.send(request("GET", "/api/v1/subjects"))
            return (await raw.read_answer())[0]
    return 0


@pytest.mark.parametrize("told", [True, False], ids=["told", "chunked"])
async def test_body_that_is_too_large_is_refused_before_it_came(*, told: bool) -> None:
    """
    With 413 and a closed connection, whether its length was told or not.
    """
    async with serving(body_bytes=10_000) as served, connected(served) as raw:
        body = b"x" * 20_000
        if told:
            await raw.send(request("POST", "/api/v1/commit", body, token=WRITER)[:-15_000])
        else:
            head = request("POST", "/api/v1/commit", b"", b"transfer-encoding: chunked", token=WRITER)
            await raw.send(head.replace(b"content-length: 0\r\n", b""), b"%x\r\n%b\r\n" % (len(body), body))

        assert (await raw.read_to_end()).startswith(b"HTTP/1.1 413 ")


async def test_body_of_the_largest_size_is_read() -> None:
    """
    One byte more is not.
    """
    async with serving(body_bytes=len(COMMIT)) as served:
        fits = await served.http.post("/api/v1/commit", content=COMMIT)
        too_large = await served.http.post("/api/v1/commit", content=COMMIT + b" ")

    assert fits.status_code == 200
    assert failure(too_large) == (413, "request-too-large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip"])
async def test_compressed_body_is_refused(served: Served, encoding: str) -> None:
    """
    A few bytes may unpack to very many.
    """
    response = await served.http.post("/api/v1/commit", content=COMMIT, headers={"content-encoding": encoding})

    assert failure(response) == (415, "unsupported-encoding")


@pytest.mark.parametrize(
    "header",
    [b"x: " + b"y" * 40_000, b"\r\n".join(b"x-%d: y" % n for n in range(500)), b"x" * 40_000 + b": y"],
    ids=["long", "many", "long name"],
)
async def test_headers_that_are_too_large_are_refused(served: Served, header: bytes) -> None:
    """
    With a status of the client's kind.
    """
    async with connected(served) as raw:
        await raw.send(request("GET", "/api/v1/subjects", b"", header))

        assert (await raw.read_to_end())[9:10] == b"4"


async def test_headers_without_an_end_are_refused(served: Served) -> None:
    """
    Long before memory is.
    """
    async with connected(served) as raw:
        await raw.send(b"GET / HTTP/1.1\r\nx: ")

        async def send_on() -> None:
            for _ in range(2_000):
                await raw.send(b"y" * 1_000)
                await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await send_on()
    assert await is_well(served)


GARBAGE = [
    b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 100,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET http:// HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nhost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /%ff%00%0a HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n",
    b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v1/commit HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"GET /api/v1/observe HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    b"GET / HTTP/1.1\nhost: a\n\n",
    b"\r\n" * 1_000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_answered_with_a_refusal_or_nothing(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """
    Never with an error of the server's, and nobody's log is filled by it.
    """
    async with serving(header_s=0.2, body_s=0.2, idle_s=0.2) as served:
        async with connected(served) as raw:
            await raw.send(garbage)
            answer = await raw.read_to_end()
        assert await is_well(served)

    assert answer == b"" or answer[9:10] in {b"2", b"4"}, answer
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_random_garbage(caplog: pytest.LogCaptureFixture) -> None:
    """
    A request that is right but for some bytes.
    """
    random = seeded_random()
    sound = request("POST", "/api/v1/commit", COMMIT, token=WRITER)
    async with serving(header_s=0.3, body_s=0.3, idle_s=0.3) as served:

        async def try_one() -> bytes:
            broken = bytearray(sound)
            for _ in range(random.randint(1, 6)):
                broken[random.randrange(len(broken))] = random.randrange(256)
            if random.random() < 0.3:
                del broken[random.randrange(len(broken)) :]
            async with connected(served) as raw:
                await raw.send(bytes(broken))
                return await raw.read_to_end()

        answers = await asyncio.gather(*[try_one() for _ in range(rounds(200, 20_000))])
        assert await is_well(served)

    assert all(answer == b"" or answer[9:10] in {b"2", b"4"} for answer in answers)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[" * 100_000,
        b'{"events":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"events":[{"source":"s","source":"s","subject":"/a","type":"t","data":{}}]}',
        b'{"events":[{"source":"s","subject":"/a","type":"t","data":{"a":1,"a":2}}]}',
        b'{"events":[{"source":"s","subject":"/a","type":"t","data":{"a":NaN}}]}',
        b'{"events":[{"source":"s","subject":"/a","type":"t","data":{"a":1e999}}]}',
        b'{"events":[{"source":"s","subject":"/a","type":"t","data":{"a":"\\ud800"}}]}',
        b'{"events":[{"source":"s","subject":"/a","type":"t","data":{"a":"\xff"}}]}',
        b'{"events":[{"source":"s","subject":"/a","type":"t","data":{"a":' + b"9" * 5_000 + b"}}]}",
        b'{"events":[{"source":"s","subject":"/a","type":"t","data":{"a":' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}}]}",
        b"\xef\xbb\xbf" + COMMIT,
        COMMIT + COMMIT,
        COMMIT.decode().encode("utf-16"),
    ],
)
async def test_json_that_readers_differ_on_is_refused(served: Served, body: bytes) -> None:
    """
    Status 400, nothing written.
    """
    response = await served.http.post("/api/v1/commit", content=body)

    assert failure(response)[0] == 400
    assert await served.stream("/") == []


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    """
    Some clients send the next request before the answer.
    """
    async with connected(served) as raw:
        await raw.send(*[request("POST", "/api/v1/commit", COMMIT, token=WRITER) for _ in range(20)])
        answers = [await raw.read_answer() for _ in range(20)]

    assert [status for status, _ in answers] == [200] * 20
    assert len(await served.stream("/")) == 20


async def test_client_that_asks_before_it_sends_its_body(served: Served) -> None:
    """
    Some do so with larger bodies, curl for instance.
    """
    async with connected(served) as raw:
        whole = request("POST", "/api/v1/commit", COMMIT, b"expect: 100-continue", token=WRITER)
        await raw.send(whole[: -len(COMMIT)])
        assert await raw.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await raw.send(COMMIT)
        assert (await raw.read_answer())[0] == 200


async def test_commit_of_a_client_that_left_is_finished(served: Served) -> None:
    """
    It was asked for; whoever asks again with its key gets the answer.
    """
    async with connected(served) as raw:
        await raw.send(request("POST", "/api/v1/commit", COMMIT, b"idempotency-key: k-1", token=WRITER))
    headers = {"idempotency-key": "k-1"}
    response = await served.http.post("/api/v1/commit", content=COMMIT, headers=headers)

    assert response.status_code == 200
    assert len(await served.stream("/")) == 1


async def test_unexpected_error_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Neither the client nor the log gets its text or a traceback, for they may hold data.
    """
    async with serving() as served:

        async def fail(*_: Any, **__: Any) -> None:
            msg = "secret-canary"
            raise RuntimeError(msg)

        monkeypatch.setattr(served.store, "subjects", fail)
        response = await served.get("/subjects")

    assert failure(response) == (500, "internal")
    assert "canary" not in response.text
    shown = "\n".join(record.getMessage() + str(record.exc_info) for record in caplog.records)
    assert "server.request_failed" in shown
    assert "RuntimeError" in shown
    assert "canary" not in shown


async def test_tokens_are_in_no_log_and_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """
    Whatever is asked for, rightly and wrongly, at the most talkative level.
    """
    caplog.set_level(1)
    logging.getLogger("httpx").setLevel(logging.CRITICAL)
    logging.getLogger("httpcore").setLevel(logging.CRITICAL)
    answers: list[str] = []
    async with serving(metrics=True) as served:
        for token in (ADMINISTRATOR, WRITER, READER, "nobody-canary-1"):
            headers = {"authorization": f"Bearer {token}"}
            answers += [
                (await served.get(path, headers=headers)).text
                for path in ("/status", "/nowhere", "/backup/create", "/status/audit", "/subjects")
            ]
            answers += [
                (await served.post(path, {"token": token}, headers=headers)).text
                for path in ("/commit", "/erase", "/q", "/stream", "/schema/register")
            ]
        answers.append((await served.http.get("/metrics")).text)
        answers.append((await served.http.get("/openapi.json")).text)

    assert "canary" not in "\n".join(answers)
    assert "canary" not in caplog.text
    assert not any("canary" in str(vars(record)) for record in caplog.records)


async def test_server_listens_on_this_machine_only_by_default(served: Served) -> None:
    """
    Others reach it only where somebody has said so.
    """
    assert served.address[0] == "127.0.0.1"


async def test_answers_name_no_software(served: Served) -> None:
    """
    Nor its version.
    """
    for response in (await served.get("/subjects"), await served.get("/nowhere")):
        assert "server" not in response.headers
        assert "uvicorn" not in str(response.headers).lower()
