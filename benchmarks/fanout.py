"""
Observers: events delivered to many of them a second, how late, and what memory that takes.

The server is the command, a program of its own; the observers are connections of this process. The
floor is an application on the same ASGI server that hands each line that it is sent to all who observe,
one queue each, without a store.

First as fast as it goes: a few hundred commits, one after the other, until everybody has everything.
Then at 15 events a second for as long as the sizes say: there the figures are the delay of the slowest
hundredth of the deliveries, from before the commit until the event is here, and how much larger the
server's resident memory is at the end than when everybody was there. Each time all must have got all.
"""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import orjson

from benchmarks.measurement import Aim, Unit, compare
from benchmarks.programs import echoing, serving
from benchmarks.raw_http import Observing, post_all, request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from benchmarks.measurement import Line, Turn
    from benchmarks.programs import Program
    from benchmarks.setting import Setting

_EVENTS_PER_S = 15
_BURST = 200
_PATIENCE_S = 60.0
# Less cannot be told from the allocator's moods.
_LEAST_MIB = 1.0
_MEMORY_AIM = Aim(figure=16)
# Connections that begin at a time.
_AT_A_TIME = 50


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    Lines for the rate, the delay and the memory.
    """
    observers, seconds = setting.sizes.observers, setting.sizes.observed_s
    _allow_files(observers + 200)
    with echoing() as echo, serving(setting.folder / "fanout.db") as server:
        ours = _Fanout(server, "/api/v1/observe", "/api/v1/commit")
        floor = _Fanout(echo, "/observe", "/publish")
        yield await compare(
            "fanout",
            f"{min(observers, 100)} observers, as fast as it goes",
            Unit.DELIVERIES_PER_S,
            rounds=setting.sizes.long_rounds,
            ours=ours.burst(min(observers, 100), int(_BURST * setting.sizes.turn)),
            floors={"lines handed on, no store": floor.burst(min(observers, 100), int(_BURST * setting.sizes.turn))},
        )
        setting.say(f"fanout: {observers} observers for {seconds:.0f} s, twice")
        runs = [await fanout.steady(observers, seconds) for fanout in (ours, floor)]
        what = f"{observers:,} observers, {seconds:g} s at {_EVENTS_PER_S} events/s"
        for figure, unit, aim in (
            ("delay_ms", Unit.MILLISECONDS, None),
            ("added_mib", Unit.MEBIBYTES, _MEMORY_AIM),
        ):
            yield await compare(
                "fanout",
                f"{what}, {_WORDS[figure].format(runs[0])}",
                unit,
                rounds=1,
                warm_up=0,
                ours=_given(getattr(runs[0], figure)),
                floors={"lines handed on, no store": _given(getattr(runs[1], figure))},
                aim=aim,
            )


_WORDS = {
    "delay_ms": "99th percentile of the delay",
    "added_mib": "memory added to {0.before_mib:.0f} MiB",
}


@attrs.frozen
class _Steady:
    """
    What a steady run has shown.
    """

    delay_ms: float
    before_mib: float
    after_mib: float

    @property
    def added_mib(self) -> float:
        return max(self.after_mib - self.before_mib, _LEAST_MIB)


@attrs.frozen
class _Fanout:
    """
    A server, where to observe, and where to commit.
    """

    program: Program
    observing: str
    committing: str

    def burst(self, observers: int, events: int) -> Turn:
        """
        Deliveries a second, as fast as it goes.
        """

        async def turn() -> float:
            async with self._observed(observers) as all_of_them:
                start = time.perf_counter()
                await self._commit(events)
                await _wait_for(all_of_them, events)
                return observers * events / (max(one.arrivals[-1] for one in all_of_them) - start)

        return turn

    async def steady(self, observers: int, seconds: float) -> _Steady:
        """
        Events at their pace.
        """
        events = max(2, int(seconds * _EVENTS_PER_S))
        async with self._observed(observers) as all_of_them:
            # What the first events and their connections take is taken.
            await self._commit(1)
            await _wait_for(all_of_them, 1)
            before_mib = self.program.resident_mib()
            begun: list[float] = []
            first = time.perf_counter()
            for number in range(events):
                await asyncio.sleep(first + number / _EVENTS_PER_S - time.perf_counter())
                begun.append(time.perf_counter())
                await self._commit(1)
            await _wait_for(all_of_them, events + 1)
            after_mib = self.program.resident_mib()
            delays = sorted(
                arrival - start for one in all_of_them for start, arrival in zip(begun, one.arrivals[1:], strict=True)
            )
        return _Steady(delays[int(len(delays) * 0.99)] * 1e3, before_mib, after_mib)

    async def _commit(self, events: int) -> None:
        await post_all(self.program.address, [request(self.committing, _BODY)] * events, connections=1)

    @asynccontextmanager
    async def _observed(self, observers: int) -> AsyncGenerator[list[Observing]]:
        opening = request(self.observing, b'{"subject":"/"}')
        loop = asyncio.get_running_loop()
        all_of_them: list[Observing] = []
        try:
            while len(all_of_them) < observers:
                connecting = (
                    loop.create_connection(lambda: Observing(opening), *self.program.address)
                    for _ in range(min(_AT_A_TIME, observers - len(all_of_them)))
                )
                new = [observer for _, observer in await asyncio.gather(*connecting)]
                all_of_them += new
                await asyncio.gather(*(observer.begun for observer in new))
            yield all_of_them
        finally:
            for observer in all_of_them:
                observer.close()


_BODY = orjson.dumps(
    {
        "events": [
            {
                "source": "io.example.bank",
                "subject": "/accounts/1",
                "type": "io.example.bank.money-deposited",
                "data": {"cents": 1, "reference": "a payment"},
                # Where it is only handed on it has to be recognised, too.
                "specversion": "1.0",
            }
        ]
    }
)


async def _wait_for(observers: list[Observing], events: int) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while any(observer.events < events for observer in observers):  # noqa: ASYNC110  nobody is woken: it costs
            await asyncio.sleep(0.01)
    if any(observer.events > events for observer in observers):
        msg = "an event was delivered twice"
        raise RuntimeError(msg)


def _given(figure: float) -> Turn:
    async def turn() -> float:
        return figure

    return turn


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
