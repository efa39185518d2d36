"""
With the programs that people really use in front of the server and as its clients: Caddy, nginx, curl, Java.
"""

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from eventsource.store import InMemoryEventStore
from tests.server.proxies import certificate_of, proxied
from tests.server.raw import Raw, request
from tests.server.serving import ADMINISTRATOR, PATIENCE_S, READER, WRITER, Observed, event, serving

OFFER = (b"connection: upgrade", b"upgrade: h2c")
BODY = b'{"events":[{"source":"s","subject":"/a","type":"t","data":{}}]}'


class _HeldStore(InMemoryEventStore):
    """
    A store that tells whether it can be read when that is allowed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()
        self.released.set()

    async def ping(self) -> None:
        """
        Answer when that is allowed.
        """
        self.arrived.set()
        await self.released.wait()
        await super().ping()


@pytest.mark.parametrize("kind", ["caddy", "nginx"])
@pytest.mark.parametrize("way", ["told", "chunked"])
async def test_hidden_request_does_not_get_the_token_of_the_next_client(kind: str, way: str, tmp_path: Path) -> None:
    """
    The beginning of an erasure, hidden in a body and sent through a proxy, does not join with the next request.
    """
    beginning = b"POST /api/v1/erase HTTP/1.1\r\nhost: a\r\nx: "
    if way == "chunked":
        length, body = b"transfer-encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(beginning), beginning)
    else:
        length, body = b"content-length: %d" % len(beginning), beginning
    head = b"\r\n".join([b"GET /readyz HTTP/1.1", b"host: a", *OFFER, length, b"", b""])
    async with (
        _HeldStore() as store,
        serving(store) as served,
        proxied(kind, served.address, tmp_path) as proxy,
        httpx.AsyncClient(base_url=f"http://{proxy.host}:{proxy.port}", timeout=PATIENCE_S) as victim,
    ):
        await served.commit(event("/accounts/1"))
        for _ in range(4):
            store.arrived.clear()
            store.released.clear()
            raw = Raw(*await asyncio.open_connection(*proxy.address))
            await raw.send(head)
            if kind == "caddy":
                # The request has reached the server; its body follows. (nginx waits for the body.)
                await asyncio.wait_for(store.arrived.wait(), PATIENCE_S)
            await raw.send(body)
            await served.http.get("/healthz")
            store.released.set()
            await asyncio.wait_for(raw.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)

            answer = await victim.post(
                "/api/v1/stream",
                json={"subject": "/accounts/1"},
                headers={"authorization": f"Bearer {ADMINISTRATOR}"},
            )
            assert answer.status_code == 200
            assert [json.loads(line)["subject"] for line in answer.text.splitlines()] == ["/accounts/1"]
            raw.writer.close()

        assert len(await served.stream("/accounts/1")) == 1


@pytest.mark.parametrize("kind", ["caddy", "nginx"])
async def test_everything_works_through_a_proxy(kind: str, tmp_path: Path) -> None:
    """
    Commits, streams, observed streams as they come, and commits of a client that offers HTTP/2.
    """
    async with (
        serving() as served,
        proxied(kind, served.address, tmp_path) as proxy,
        httpx.AsyncClient(
            base_url=f"http://{proxy.host}:{proxy.port}",
            headers={"authorization": f"Bearer {WRITER}"},
            timeout=PATIENCE_S,
        ) as http,
    ):
        async with http.stream("POST", "/api/v1/observe", json={"subject": "/"}) as response:
            observed = Observed(response, response.aiter_bytes())
            assert await observed.next_line() == {"payload": ""}
            for number in range(20):
                offer = {"connection": "Upgrade", "upgrade": "h2c"} if number % 2 else {}
                commit = await http.post("/api/v1/commit", json={"events": [event(f"/a/{number}")]}, headers=offer)
                assert commit.status_code == 200
                assert (await observed.next_event())["subject"] == f"/a/{number}"
        assert (await http.post("/api/v1/commit", content=b"{", headers={})).status_code == 400
        assert len((await http.post("/api/v1/stream", json={"subject": "/"})).text.splitlines()) == 20


@pytest.fixture(params=["plain", "tls"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[tuple[Any, list[str]]]:
    """
    A server and what curl needs to trust it.
    """
    if request.param == "plain":
        async with serving() as served:
            yield served, []
    else:
        certificate, key, trusting = certificate_of(tmp_path)
        async with serving(certificate=certificate, key=key, verify=trusting) as served:
            yield served, ["--cacert", str(certificate)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize(
    "options", [["--http2"], ["--http1.1"], ["--http1.0"], ["--http2", "-H", "Expect: 100-continue"]]
)
async def test_curl_commits(options: list[str], address: tuple[Any, list[str]]) -> None:
    """
    Whichever version it asks for first, with a small body and with one that it asks about first.
    """
    served, trust = address
    events = [event("/a", data={"text": "x" * size}) for size in (1, 60_000)]
    for each in events:
        curl = await asyncio.create_subprocess_exec(
            *["curl", "--silent", "--show-error", *options, *trust, "--write-out", "\n%{http_code}"],
            *["-H", f"Authorization: Bearer {WRITER}", "--data-binary", "@-", f"{served.url}/api/v1/commit"],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(curl.communicate(json.dumps({"events": [each]}).encode()), PATIENCE_S * 3)
        body, _, status = said.decode().rpartition("\n")
        assert status == "200", body
        assert json.loads(body)["success"] is True

    assert len(await served.stream("/a")) == 2


_JAVA = """
import java.net.URI;
import java.net.http.*;

public class Commit {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int number = 0; number < 3; number++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0] + "/api/v1/commit"))
                .header("Authorization", "Bearer " + arguments[1])
                .POST(HttpRequest.BodyPublishers.ofString(arguments[2])).build();
            System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
        }
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a Java compiler")
async def test_client_of_java_commits(tmp_path: Path) -> None:
    """
    It offers HTTP/2 with each request unless it is told not to.
    """
    (tmp_path / "Commit.java").write_text(_JAVA)
    async with serving() as served:
        java = await asyncio.create_subprocess_exec(
            *["java", "Commit.java", served.url, WRITER, BODY.decode()], cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await java.communicate()

        assert said.decode().split() == ["200"] * 3
        assert len(await served.stream("/a")) == 3


async def test_offer_inside_tls_hides_nothing(tmp_path: Path) -> None:
    """
    The body of a request that offers another protocol is its body there too, and nothing behind it is read.
    """
    certificate, key, trusting = certificate_of(tmp_path)
    hidden = request("POST", "/api/v1/commit", BODY, token=ADMINISTRATOR)
    whole = request("GET", "/api/v1/subjects", hidden, *OFFER, token=READER)
    head_bytes = whole.index(b"\r\n\r\n") + 4
    async with serving(certificate=certificate, key=key, verify=trusting) as served:
        for reads in ([whole + hidden], [whole[:head_bytes], whole[head_bytes:], hidden]):
            raw = Raw(*await asyncio.open_connection(*served.address, ssl=trusting))
            for read in reads:
                with suppress(ConnectionError):
                    await raw.send(read)
                await served.get("/status/ping")
            assert (await raw.read_to_end()).count(b"HTTP/1.1 ") == 1
            raw.writer.transport.abort()

        assert await served.stream("/") == []


async def test_client_that_speaks_no_tls_is_let_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    The log gets no line, since any client can do that.
    """
    certificate, key, trusting = certificate_of(tmp_path)
    async with serving(certificate=certificate, key=key, verify=trusting) as served:
        raw = Raw(*await asyncio.open_connection(*served.address))
        await raw.send(request("GET", "/api/v1/subjects"))
        assert b"HTTP/1.1" not in await raw.read_to_end()
        raw.writer.transport.abort()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(*served.address, ssl=ssl.create_default_context())
        assert (await served.get("/status/ping")).status_code == 200

    assert not [record for record in caplog.records if record.name.startswith(("asyncio", "eventsource.server"))]
