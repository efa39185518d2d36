"""
The server: durable commits a second and how long each takes, and events a second out of a stream.

The server is the command, a program of its own, with a file; who asks is this process, over bare
sockets. The floor of commits is an application that does nothing on the same ASGI server, set up the
same, with requests and answers of the same size: what HTTP costs before anything is read, checked,
written and printed. Nothing of it is durable. The floor of the raw stream is the same server sending as
many ready-made bytes; that of the typed one is the raw stream: what our own client adds to it.
"""

from __future__ import annotations

import itertools
import math
import statistics
import uuid
from typing import TYPE_CHECKING

import attrs
import orjson

from benchmarks.bank import MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.programs import TOKEN, echoing, serving
from benchmarks.raw_http import post_all, read_stream, request
from benchmarks.setting import rate_of
from eventsource.store import EmbeddedEventStore
from eventsource.store.genesisdb import GenesisDBEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from benchmarks.measurement import Line, Turn
    from benchmarks.programs import Program
    from benchmarks.setting import Setting

_AIMS = {1: None, 16: None, 64: Aim(ratio=0.4)}
_COMMITS = {1: 100, 16: 800, 64: 1280}
# Until the write-ahead log has been filled once, each fsync pays for making the file longer, too.
_WARM_UP = {1: 15, 16: 3, 64: 2}
_RAW_AIM = Aim(figure=100_000)
_TYPED_AIM = Aim(figure=50_000)
_EVERYTHING = b'{"subject":"/"}'


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    Lines for the rate, the usual and the worst duration of commits, then for streams.
    """
    with echoing() as echo:
        with serving(setting.folder / "server.db") as server:
            commits = _Commits(setting, server, echo)
            for connections, aim in _AIMS.items():
                yield await commits.compare(connections, "", Unit.COMMITS_PER_S, _rate, aim)
            for connections in (1, 64):
                yield await commits.compare(connections, ", median", Unit.MICROSECONDS, _median)
                yield await commits.compare(connections, ", 99th percentile", Unit.MICROSECONDS, _worst)
        async for line in _measure_streams(setting, echo):
            yield line


def _rate(seconds: float, taken: list[float]) -> float:
    return len(taken) / seconds


def _median(_: float, taken: list[float]) -> float:
    return statistics.median(taken) * 1e6


def _worst(_: float, taken: list[float]) -> float:
    return sorted(taken)[int(len(taken) * 0.99)] * 1e6


@attrs.frozen
class _Commits:
    setting: Setting
    server: Program
    echo: Program

    async def compare(
        self,
        connections: int,
        what: str,
        unit: Unit,
        figure: Callable[[float, list[float]], float],
        aim: Aim | None = None,
    ) -> Line:
        """
        The same commits to both, so many at a time.
        """
        count = math.ceil(_COMMITS[connections] * self.setting.sizes.turn / connections) * connections

        def of(program: Program, path: str) -> Turn:
            made = _requests(path)

            async def turn() -> float:
                commits = list(itertools.islice(made, count))
                return figure(*await post_all(program.address, commits, connections=connections))

            return turn

        return await compare(
            "server",
            f"{connections} at a time{what}",
            unit,
            rounds=self.setting.sizes.rounds,
            ours=of(self.server, "/api/v1/commit"),
            floors={"an application that does nothing": of(self.echo, "/commit")},
            aim=aim,
            warm_up=_WARM_UP[connections],
        )


def _requests(path: str) -> Iterator[bytes]:
    """
    Commits of one event, each with a key.
    """
    for number in itertools.count():
        event = {
            "source": "io.example.bank",
            "subject": f"/accounts/{number % 64}",
            "type": MoneyDeposited.event_type,
            "data": {"cents": number % 5_000, "reference": "a payment"},
        }
        yield request(path, orjson.dumps({"events": [event]}), key=str(uuid.uuid4()))


async def _measure_streams(setting: Setting, echo: Program) -> AsyncIterator[Line]:
    path = await setting.log(setting.sizes.medium)
    async with EmbeddedEventStore(path) as store:
        events = await store.count()
    with serving(path, "--read-only") as server:
        size = await read_stream(server.address, "/api/v1/stream", _EVERYTHING)
        raw = rate_of(events, lambda: read_stream(server.address, "/api/v1/stream", _EVERYTHING))
        yield await compare(
            "server",
            f"stream of {events:,} events, raw",
            Unit.EVENTS_PER_S,
            rounds=setting.sizes.long_rounds,
            ours=raw,
            floors={
                "as many bytes, ready-made": rate_of(events, lambda: read_stream(echo.address, f"/stream/{size}", b""))
            },
            aim=_RAW_AIM,
        )
        async with GenesisDBEventStore(server.url, token=TOKEN) as store:
            yield await compare(
                "server",
                f"stream of {events:,} events, typed by the client",
                Unit.EVENTS_PER_S,
                rounds=setting.sizes.long_rounds,
                ours=rate_of(events, lambda: _read_typed(store, events)),
                floors={"the same, raw": raw},
                aim=_TYPED_AIM,
            )


async def _read_typed(store: GenesisDBEventStore, events: int) -> None:
    count = 0
    async for page in store.stream().pages():
        count += len(page.events)
    if count != events:
        msg = f"{count} of {events} events came"
        raise RuntimeError(msg)
