"""
A server whose every byte a test decides.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Awaitable, Callable


@attrs.frozen
class Request:
    """
    What came.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """
        The body as JSON.
        """
        return json.loads(self.body)


class Talk:
    """
    One connection, from the server's side.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, text: str | bytes) -> None:
        """
        Send bytes as they are.
        """
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def answer(self, body: str | bytes = b"", *, status: str = "200 OK", headers: str = "") -> None:
        """
        Send a whole answer; *headers* are lines, each with its line end.
        """
        body = body.encode() if isinstance(body, str) else body
        await self.send(f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def begin(self) -> None:
        """
        Begin an answer of chunks.
        """
        await self.send("HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n")

    async def chunk(self, text: str | bytes) -> None:
        """
        Send one; an empty one ends the answer.
        """
        data = text.encode() if isinstance(text, str) else text
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def cut(self) -> None:
        """
        Close the connection now.
        """
        self.writer.close()


@attrs.define
class Stub:
    """
    A running stub.

    Attributes:
        url: Where.

        requests: All that came, in order.

        connections: How many were opened.
    """

    url: str = ""
    requests: list[Request] = attrs.field(factory=list[Request])
    connections: int = 0

    def of(self, path: str) -> list[Request]:
        """
        The requests to one endpoint.
        """
        return [request for request in self.requests if request.path.endswith(path)]


@asynccontextmanager
async def serving(
    behave: Callable[[Request, Talk], Awaitable[None]], *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Stub]:
    """
    Run a server that answers each request as *behave* does.
    """
    stub = Stub()
    writers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stub.connections += 1
        writers.add(writer)
        try:
            while (request := await read_request(reader)) is not None:
                stub.requests.append(request)
                await behave(request, Talk(reader, writer))
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port, ssl=tls)
    stub.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
        for writer in list(writers):
            writer.transport.abort()
        await asyncio.sleep(0)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """
    The next request of a connection; None at its end.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def event(number: int, *, subject: str = "/a", type: str = "io.example.noted", data: Any = None) -> dict[str, Any]:
    """
    An event as a Genesis DB tells it, the *number*-th of its store.
    """
    return {
        "source": "io.example",
        "subject": subject,
        "type": type,
        "specversion": "1.0",
        "id": f"id-{number}",
        "time": f"2026-01-01T00:00:{number // 1000:02d}.{number % 1000:03d}Z",
        "datacontenttype": "application/json",
        "predecessorhash": f"{number - 1:064d}",
        "data": {"number": number} if data is None else data,
        "hash": f"{number:064d}",
    }


def lines(*events: dict[str, Any]) -> str:
    """
    Events as NDJSON.
    """
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


@attrs.define
class PlainGenesisDB:
    """
    As much of a Genesis DB as commits and streams need: it answers a commit with nothing, keeps no keys.

    Attributes:
        log: What is stored.

        loses: Asked at each commit that was stored or refused; True closes the connection without an answer.
    """

    log: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    loses: Callable[[], bool] = lambda: False

    async def __call__(self, request: Request, talk: Talk) -> None:
        """
        Answer one request.
        """
        if request.path.endswith("/commit"):
            body = request.json()
            status = "200 OK" if all(map(self._holds, body.get("preconditions", []))) else "412 Precondition Failed"
            if status == "200 OK":
                for sent in body["events"]:
                    stored = event(len(self.log) + 1, subject=sent["subject"], type=sent["type"], data=sent["data"])
                    self.log.append({**stored, "source": sent["source"]})
            if self.loses():
                talk.cut()
            else:
                await talk.answer(status=status)
        elif request.path.endswith("/stream"):
            body = request.json()
            bound = (body.get("options") or {}).get("lowerBound")
            ids = [stored["id"] for stored in self.log]
            found = self.log[ids.index(bound) + 1 if bound else 0 :]
            scope = body["subject"].rstrip("/")
            await talk.answer(
                lines(*(e for e in found if e["subject"] == scope or e["subject"].startswith(scope + "/")))
            )
        else:
            await talk.answer("no such place", status="404 Not Found")

    def _holds(self, precondition: dict[str, Any]) -> bool:
        payload = precondition["payload"]
        if precondition["type"] == "isSubjectNew":
            return self._count(payload["subject"]) == 0
        # The version guard, the only query that is sent here.
        _, subject, rest = payload["query"].split("'")
        return self._count(subject) == int(rest.rsplit("==", 1)[1])

    def _count(self, subject: str) -> int:
        return sum(stored["subject"] == subject for stored in self.log)
