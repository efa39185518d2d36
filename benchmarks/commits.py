"""
Commits a second, by 1, 16 and 64 concurrent writers.

Each writer is a task with a subject of its own. It makes one event, commits it guarded by the
version of the subject, and waits until it is durable before it makes the next.

The floor is a `BareLog`: the same rows, indices, ids, hashes and fsyncs in a bare loop. It gets 1
event a transaction beside 1 writer, and 16 beside 16 and 64: the best that callers who all wait for
their commit could share among 16. What a store adds is guards, answers, and patience with many callers.

Two more explain the distance. With 1 writer, the same bare loop in a thread of its own that
answers the event loop: what any store costs that keeps fsync out of the event loop. With 64, the
bare loop with 64 events a transaction.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson

from benchmarks.bank import MoneyDeposited
from benchmarks.bare_log import BareLog
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.setting import rate
from eventsource import NewEvent, Subject, SubjectIsAtVersion
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_AIMS = {1: Aim(ratio=0.8), 16: None, 64: Aim(ratio=0.6)}
# Commits in a turn, by the number of writers: the disk has moods, so a pair of turns has to be over soon.
_COMMITS = {1: 40, 16: 320, 64: 1280}
# How much more often than others these take turns.
_ROUNDS = {1: 4, 16: 2, 64: 1}
_BARE_TRANSACTIONS = {1: (1,), 16: (16,), 64: (16, 64)}
# Peers that share no fsync would hold everybody up.
_PEERS_COMMITS = {1: 40, 16: 160}
# Until the write-ahead log has been filled once, each fsync pays for making the file longer, too.
_WARM_UP = {1: 15, 16: 3, 64: 2}


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line for each number of writers.
    """
    for writers, aim in _AIMS.items():
        # Whole transactions, and as many for each writer.
        commits = math.ceil(_COMMITS[writers] * setting.sizes.turn / writers) * writers
        async with EmbeddedEventStore(setting.folder / f"commits-{writers}.db") as store:
            with ExitStack() as bare_logs:
                yield await compare(
                    "commits",
                    "1 writer" if writers == 1 else f"{writers} writers",
                    Unit.COMMITS_PER_S,
                    rounds=setting.sizes.rounds * _ROUNDS[writers],
                    ours=_ours(store, writers, commits),
                    floors=_floors(setting.folder, writers, commits, bare_logs),
                    peers=_peers(setting, writers),
                    aim=aim,
                    warm_up=_WARM_UP[writers],
                )


def _peers(setting: Setting, writers: int) -> dict[str, Turn]:
    if writers not in _PEERS_COMMITS:
        return {}
    return setting.peers_at("commits", writers=writers, commits=_PEERS_COMMITS[writers])


def _ours(store: EmbeddedEventStore, writers: int, commits: int) -> Turn:
    versions = dict.fromkeys((Subject(f"/accounts/{writer}") for writer in range(writers)), 0)

    async def write(subject: Subject) -> None:
        for number in range(commits // writers):
            event = NewEvent.of(MoneyDeposited(cents=number, reference="a payment"), subject=subject)
            await store.commit([event], [SubjectIsAtVersion(subject, versions[subject])])
            versions[subject] += 1

    async def turn() -> float:
        start = time.perf_counter()
        await asyncio.gather(*map(write, versions))
        return commits / (time.perf_counter() - start)

    return turn


def _floors(folder: Path, writers: int, commits: int, bare_logs: ExitStack) -> dict[str, Turn]:
    floors = {
        f"apsw, {size} a transaction": rate(commits, partial(_fill, _open(folder, bare_logs), commits, size))
        for size in _BARE_TRANSACTIONS[writers]
    }
    if writers == 1:
        floors["the same, handed to a thread"] = _handed_over(_open(folder, bare_logs), commits)
    return floors


def _open(folder: Path, bare_logs: ExitStack) -> BareLog:
    return bare_logs.enter_context(closing(BareLog(folder / f"commits-floor-{uuid4()}.db")))


def _fill(log: BareLog, commits: int, size: int) -> None:
    batch = []
    for event in _bare_events(commits):
        batch.append(event)
        if len(batch) == size:
            log.commit(batch)
            batch = []


def _handed_over(log: BareLog, commits: int) -> Turn:
    async def turn() -> float:
        loop = asyncio.get_running_loop()
        waiting: queue.SimpleQueue[tuple[asyncio.Future[None], tuple[str, str, str]] | None] = queue.SimpleQueue()

        def run() -> None:
            while (request := waiting.get()) is not None:
                answer, event = request
                log.commit([event])
                loop.call_soon_threadsafe(answer.set_result, None)

        thread = threading.Thread(target=run)
        thread.start()
        start = time.perf_counter()
        for event in _bare_events(commits):
            answer = loop.create_future()
            waiting.put((answer, event))
            await answer
        elapsed = time.perf_counter() - start
        waiting.put(None)
        thread.join()
        return commits / elapsed

    return turn


def _bare_events(count: int) -> Iterator[tuple[str, str, str]]:
    for number in range(count):
        data = orjson.dumps({"cents": number, "reference": "a payment"}).decode()
        yield f"/accounts/{number % 64}", MoneyDeposited.event_type, data
