"""
Commits a second through the HTTP client, 1, 16 and 64 under way at a time.

The server is a program of its own that answers at once with the same event, so what is measured is
the client. Ours is `commit` of the store over HTTP, from a new event with a version guard to a
recorded event. The floor is aiohttp sending the same bytes, ready-made, and reading the answer as
JSON: a client that checks nothing, prints nothing and recognises no refusal.

Beside it stands `httpx.AsyncClient` with its own transport doing the same as the floor: what the
client would be without a transport of its own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import orjson

from benchmarks.bank import MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from eventsource import NewEvent, SubjectIsAtVersion
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.wire.bodies import print_commit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_SERVER = Path(__file__).with_name("echo_server.py")
_AIM = Aim(ratio=0.5)
_COMMITS = {1: 400, 16: 1600, 64: 1600}


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line for each number of commits under way.
    """
    # Only who measures needs it.
    import aiohttp  # noqa: PLC0415

    event = NewEvent.of(MoneyDeposited(cents=1, reference="a payment"), subject="/accounts/1")
    guard = SubjectIsAtVersion("/accounts/1", 7)
    body = print_commit([event], [guard], source="io.example.bank")
    headers = {"Authorization": "Bearer t0ken", "Content-Type": "application/json", "Idempotency-Key": "a" * 36}
    with _server() as url:
        target = f"{url}/api/v1/commit"
        async with (
            GenesisDBEventStore(url, token="t0ken", source="io.example.bank") as store,  # noqa: S106  nobody's
            aiohttp.ClientSession() as session,
            httpx.AsyncClient() as http,
        ):

            async def ours() -> None:
                await store.commit([event], [guard])

            async def plain() -> None:
                async with session.post(target, data=body, headers=headers) as answer:
                    orjson.loads(await answer.read())

            async def with_httpx() -> None:
                orjson.loads((await http.post(target, content=body, headers=headers)).content)

            for writers, most in _COMMITS.items():
                commits = max(writers, int(most * setting.sizes.turn))
                yield await compare(
                    "client",
                    "1 at a time" if writers == 1 else f"{writers} at a time",
                    Unit.COMMITS_PER_S,
                    rounds=setting.sizes.rounds,
                    ours=_rate(ours, writers, commits),
                    floors={
                        "aiohttp, ready-made bytes": _rate(plain, writers, commits),
                        "httpx.AsyncClient, likewise": _rate(with_httpx, writers, max(writers, commits // 8)),
                    },
                    aim=_AIM,
                )


def _rate(commit: Callable[[], Awaitable[None]], writers: int, commits: int) -> Turn:
    async def write() -> None:
        for _ in range(commits // writers):
            await commit()

    async def turn() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(write() for _ in range(writers)))
        return commits // writers * writers / (time.perf_counter() - start)

    return turn


@contextmanager
def _server() -> Generator[str]:
    command = [sys.executable, str(_SERVER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  a constant
        try:
            assert process.stdout is not None  # noqa: S101  for the type checkers
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
