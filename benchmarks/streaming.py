"""
Streaming a whole store: events a second, and the memory it takes.

The floor steps through the same columns with one bare cursor and keeps nothing. Memory is taken in a
process of its own, since the one that runs the benchmarks has everybody's left-overs: how far its
resident size rises above what it was before the first event.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from benchmarks.measurement import Aim, Unit, compare
from benchmarks.setting import rate_of
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_ROOT = Path(__file__).resolve().parents[1]
_EVENTS = (
    "SELECT position, id, time_ns, source, subject, type, data, predecessor_hash, hash FROM events ORDER BY position"
)
_SAMPLED_EVERY = 1000
# Less cannot be told from the allocator's moods.
_LEAST_MIB = 1.0
_MEMORY_AIM = Aim(figure=32)


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    A line for the speed, one for the memory.
    """
    path = await setting.log(setting.sizes.large)
    async with EmbeddedEventStore(path) as store:
        events = await store.count()
    yield await compare(
        "streaming",
        f"{events:,} events",
        Unit.EVENTS_PER_S,
        rounds=setting.sizes.long_rounds,
        ours=rate_of(events, lambda: _stream(path, _ignore)),
        floors={"apsw, one cursor": rate_of(events, lambda: _step(path, _ignore))},
    )
    yield await compare(
        "streaming",
        f"memory added by {events:,} events",
        Unit.MEBIBYTES,
        rounds=1,
        warm_up=0,
        ours=_in_a_process("ours", path),
        floors={"apsw, one cursor": _in_a_process("floor", path)},
        aim=_MEMORY_AIM,
    )


async def _stream(path: Path, sample: Callable[[], None]) -> None:
    async with EmbeddedEventStore(path, read_only=True) as store:
        number = 0
        async for _ in store.stream():
            number += 1
            if number % _SAMPLED_EVERY == 0:
                sample()


async def _step(path: Path, sample: Callable[[], None]) -> None:
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        for number, _ in enumerate(connection.execute(_EVENTS)):
            if number % _SAMPLED_EVERY == 0:
                sample()


def _in_a_process(way: str, path: Path) -> Turn:
    async def turn() -> float:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, way, str(path), cwd=_ROOT, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode:
            msg = f"measuring memory failed with exit status {process.returncode}"
            raise RuntimeError(msg)
        return max(float(output), _LEAST_MIB)

    return turn


def _resident_mib() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except FileNotFoundError:
        # Elsewhere only the highest so far is known; macOS gives it in bytes, the others in KiB.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def _ignore() -> None:
    pass


async def _measure_memory(way: str, path: Path) -> float:
    before = highest = _resident_mib()

    def sample() -> None:
        nonlocal highest
        highest = max(highest, _resident_mib())

    await (_stream if way == "ours" else _step)(path, sample)
    return highest - before


if __name__ == "__main__":
    print(asyncio.run(_measure_memory(sys.argv[1], Path(sys.argv[2]))))
