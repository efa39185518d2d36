"""
How long it takes to load a short aggregate: 10 events, what most commands begin with.

The floor queries, decodes and folds in the event loop's own thread; so it stops the loop while the
disk is read. The second does the same in a thread, which is what not stopping the loop costs.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import apsw

from benchmarks.bank import Account
from benchmarks.fold import fold_models
from benchmarks.measurement import Unit, compare
from benchmarks.setting import EVENTS_PER_ACCOUNT
from eventsource import Repository
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_LOADS = 200


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line.
    """
    events = setting.sizes.medium
    path = await setting.log(events)
    count = setting.accounts(events)
    with (
        closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as bare,
        ThreadPoolExecutor(1) as threads,
    ):
        async with EmbeddedEventStore(path) as store:
            accounts = Repository(Account, store)

            async def load(id: str) -> None:
                await accounts.load(id)

            async def fold(id: str) -> None:
                fold_models(bare, Account.subject_of(id))

            async def fold_in_thread(id: str) -> None:
                await asyncio.get_running_loop().run_in_executor(threads, fold_models, bare, Account.subject_of(id))

            def each(way: Callable[[str], Awaitable[None]]) -> Turn:
                async def turn() -> float:
                    return statistics.median([await _time(way, setting, count) for _ in range(_LOADS)]) * 1e6

                return turn

            yield await compare(
                "load",
                f"aggregate of {EVENTS_PER_ACCOUNT} events",
                Unit.MICROSECONDS,
                rounds=setting.sizes.rounds,
                ours=each(load),
                floors={"apsw, pydantic, method": each(fold), "the same, in a thread": each(fold_in_thread)},
            )


async def _time(way: Callable[[str], Awaitable[None]], setting: Setting, count: int) -> float:
    id = str(setting.random.randrange(count))
    start = time.perf_counter()
    await way(id)
    return time.perf_counter() - start
