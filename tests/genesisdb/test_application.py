"""
A web application on uvicorn that keeps its events on a server of this package, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

APPLICATION = """
import contextlib, json, sys
import uvicorn
from eventsource import NewEvent, connect

store = connect(sys.argv[1])  # made before there is a loop, as a module does

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await store.aclose()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    subject = scope["path"]
    if scope["method"] == "POST":
        await store.commit([NewEvent(subject=subject, type="io.example.noted", data={"by": "application"})])
    body = json.dumps([event.data["by"] async for event in store.stream(subject)]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)

if __name__ == "__main__":
    Server(uvicorn.Config(app, port=0, loop=sys.argv[2], log_level="error")).run()
"""

SERVER = """
import asyncio, sys
from eventsource import connect
from eventsource.server import ServerSettings, Tokens, serve

async def main():
    async with connect("memory:") as behind, serve(behind, ServerSettings(Tokens("t0ken-of-tests"))) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@contextmanager
def program(folder: Path, name: str, text: str, *arguments: str) -> Generator[IO[str]]:
    """
    A running program, by what it prints.
    """
    file = folder / f"{name}.py"
    file.write_text(textwrap.dedent(text))
    process = subprocess.Popen(
        [sys.executable, file, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "GENESISDB_AUTH_TOKEN": "t0ken-of-tests"},
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_application_on_uvicorn_keeps_its_events_on_our_server(loop: str, tmp_path: Path) -> None:
    """
    It commits and reads over HTTP in the loop that uvicorn runs, which is uvloop where that is installed.
    """
    with ExitStack() as running:
        url = running.enter_context(program(tmp_path, "server", SERVER)).readline().strip()
        said = running.enter_context(program(tmp_path, "application", APPLICATION, url, loop))
        port = said.readline().strip()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as browser:
            answers: list[Any] = [json.loads(browser.post("/notes/1").text) for _ in range(3)]

    assert [len(answer) for answer in answers] == [1, 2, 3]
