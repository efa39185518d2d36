"""
What the server is measured against: an ASGI application that does nothing, on the same connections.

A program of its own; it prints its port.

- ``/commit`` reads the body and answers with as many bytes as an answer to a commit has.
- ``/stream/N`` answers with N bytes, ready-made, in blocks.
- ``/observe`` answers without an end: with each line that is sent to ``/publish``.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import uvloop

from eventsource.server import ServerLimits
from eventsource.server.accepting import HttpServer

_BLOCK = b"x" * 256 * 1024
_JSON = [(b"content-type", b"application/json")]
_LINES = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]

# What an answer to a commit of one event has more than its request, about.
_MORE = 330

_observers: list[asyncio.Queue[bytes]] = []


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    body = (await receive())["body"]
    path: str = scope["path"]
    if path.startswith("/stream/"):
        await _stream(int(path.rpartition("/")[2]), send)
    elif path == "/observe":
        await _observe(send)
    else:
        if path == "/publish":
            for observer in _observers:
                observer.put_nowait(body)
        answer = body + b" " * _MORE
        headers = [*_JSON, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def _stream(size: int, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _LINES})
    while size > 0:
        await send({"type": "http.response.body", "body": _BLOCK[:size], "more_body": True})
        size -= len(_BLOCK)
    await send({"type": "http.response.body", "body": b""})


async def _observe(send: Any) -> None:
    lines = asyncio.Queue[bytes]()
    _observers.append(lines)
    await send({"type": "http.response.start", "status": 200, "headers": _LINES})
    await send({"type": "http.response.body", "body": b"\n", "more_body": True})
    while True:
        await send({"type": "http.response.body", "body": await lines.get(), "more_body": True})


async def _serve() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.setblocking(False)  # noqa: FBT003  its only parameter
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        HttpServer(_app, ServerLimits(), time.monotonic).start(listening)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
