"""
How long it takes to open a store with many events, until it could commit.

The floor opens one connection, sets its mode and reads the last row. The store takes the writer's
lock, looks at the end of the hash chain and opens a second connection for readers; none of that may
grow with the log.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import apsw

from benchmarks.measurement import Unit, compare
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line for the long log, beside the short one.
    """
    short, long = setting.sizes.small, setting.sizes.large
    yield await compare(
        "opening",
        f"a store with {long:,} events",
        Unit.MILLISECONDS,
        rounds=setting.sizes.rounds,
        ours=_ours(await setting.log(long)),
        floors={
            "apsw: WAL, last row": _floor(await setting.log(long)),
            f"ours, {short:,} events": _ours(await setting.log(short)),
        },
    )


def _ours(path: Path) -> Turn:
    async def turn() -> float:
        start = time.perf_counter()
        async with EmbeddedEventStore(path):
            return (time.perf_counter() - start) * 1e3

    return turn


def _floor(path: Path) -> Turn:
    async def turn() -> float:
        start = time.perf_counter()
        with closing(apsw.Connection(str(path))) as connection:
            connection.pragma("journal_mode", "WAL")
            connection.pragma("synchronous", "FULL")
            connection.execute("SELECT * FROM events ORDER BY position DESC LIMIT 1").fetchall()
            return (time.perf_counter() - start) * 1e3

    return turn
