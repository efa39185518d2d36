"""
A server to try requests on, and the clients that make them: over real sockets, in this event loop.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from eventsource import EventStore, connect
from eventsource.server import ServerLimits, ServerSettings, Tokens, serve

ADMINISTRATOR = "administrator-canary-1234567890"
WRITER = "writer-canary-1234567890"
READER = "reader-canary-1234567890"
TOKENS = Tokens(ADMINISTRATOR, WRITER, READER)

# Machines are shared: what takes a moment may take a while.
PATIENCE_S = 20.0

HEARTBEAT = {"payload": ""}

_NO_LIMITS = httpx.Limits(max_connections=None)


def event(subject: str = "/accounts/1", **members: Any) -> dict[str, Any]:
    """
    An event as an SDK sends it.
    """
    return {"source": "io.example", "subject": subject, "type": "io.example.opened", "data": {"cents": 1}, **members}


@attrs.frozen
class Served:
    """
    A store that is served, and a client with the administrator's token.
    """

    url: str
    store: EventStore
    http: httpx.AsyncClient

    @property
    def address(self) -> tuple[str, int]:
        """
        Where it listens.
        """
        parts = httpx.URL(self.url)
        return parts.host, parts.port or 80

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """
        Ask an endpoint.
        """
        return await self.http.get(f"/api/v1{path}", **options)

    async def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        """
        Send an endpoint a JSON body.
        """
        return await self.http.post(f"/api/v1{path}", json=body, **options)

    async def commit(self, *events: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
        """
        Commit events; returns them as recorded.
        """
        response = await self.post("/commit", {"events": events, **members})
        assert response.status_code == 200, response.text
        recorded: list[dict[str, Any]] = response.json()["events"]
        return recorded

    async def stream(self, subject: str = "/", **options: Any) -> list[dict[str, Any]]:
        """
        The events of a subject.
        """
        response = await self.post("/stream", {"subject": subject, "options": options})
        assert response.status_code == 200, response.text
        return lines(response)

    async def query(self, query: str) -> list[Any]:
        """
        The rows of a result.
        """
        response = await self.post("/q", {"query": query})
        assert response.status_code == 200, response.text
        return lines(response)

    @asynccontextmanager
    async def observe(self, subject: str = "/", **options: Any) -> AsyncGenerator["Observed"]:
        """
        Observe a subject; the first heartbeat has been read.
        """
        body = {"subject": subject, "options": options}
        async with self.http.stream("POST", "/api/v1/observe", json=body) as response:
            observed = Observed(response, response.aiter_bytes())
            if response.status_code == 200:
                assert await observed.next_line() == HEARTBEAT
            yield observed


class Observed:
    """
    An observed stream.
    """

    def __init__(self, response: httpx.Response, blocks: AsyncIterator[bytes]) -> None:
        self.response = response
        self._blocks = blocks
        self._rest = b""

    async def next_line(self) -> Any:
        """
        The next line, heartbeats too; None at the end.
        """
        async with asyncio.timeout(PATIENCE_S):
            while b"\n" not in self._rest:
                block = await anext(self._blocks, None)
                if block is None:
                    assert self._rest == b""
                    return None
                self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    async def next_event(self) -> Any:
        """
        The next event; None at the end.
        """
        while (line := await self.next_line()) == HEARTBEAT:
            pass
        return line

    async def events(self, count: int) -> list[Any]:
        """
        So many events.
        """
        return [await self.next_event() for _ in range(count)]


class Clock:
    """
    The clock of a server's deadlines: it stands still until a test turns it.
    """

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._asked = 0

    def __call__(self) -> float:
        """
        The time, for the server.
        """
        self._asked += 1
        return self._now_s

    async def turn(self, seconds: float, *, until: asyncio.Future[Any] | None = None) -> None:
        """
        Let time pass, and wait until the server has looked at its connections by the new time.

        Args:
            until: Do not wait longer than for this: without connections the server does not look.
        """
        self._now_s += seconds
        # Each look asks once; whoever has just begun or sent something asks too.
        asked = self._asked
        async with asyncio.timeout(PATIENCE_S):
            while self._asked < asked + 3 and not (until and until.done()):  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    store: EventStore | None = None,
    *,
    settings: ServerSettings | None = None,
    grace_s: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
    certificate: Path | None = None,
    key: Path | None = None,
    verify: ssl.SSLContext | bool = True,
    **changes: Any,
) -> AsyncGenerator[Served]:
    """
    Serve a store, by default an empty one in memory, with a heartbeat that tests need not wait for.

    Args:
        verify: How the client trusts the server's certificate.
    """
    limits = {name: changes.pop(name) for name in list(changes) if name in attrs.fields_dict(ServerLimits)}
    settings = settings or ServerSettings(TOKENS, **{"heartbeat_s": 0.2, "limits": ServerLimits(**limits), **changes})
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(connect("memory:")) if store is None else store
        async with serve(served, settings, grace_s=grace_s, clock=clock, certificate=certificate, key=key) as url:
            headers = {"authorization": f"Bearer {ADMINISTRATOR}"}
            async with httpx.AsyncClient(
                base_url=url, headers=headers, timeout=PATIENCE_S, limits=_NO_LIMITS, verify=verify
            ) as http:
                yield Served(url, served, http)


def lines(response: httpx.Response) -> list[Any]:
    """
    The values of an NDJSON body, each line of which ends in a newline.
    """
    assert response.headers["content-type"] == "application/x-ndjson"
    assert not response.content or response.content.endswith(b"\n")
    return [json.loads(line) for line in response.content.split(b"\n")[:-1]]


def failure(response: httpx.Response) -> tuple[int, str]:
    """
    The status and the code of a refusal.
    """
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert body["error"]
    return response.status_code, body["code"]
