"""
From a commit to the read model, live: how long until one reads one's own write.

An event is committed, and `Projector.seen` is awaited; a worker follows the store in the same
process. The floor does the same two durable steps without being asked, in one thread: the event
into a `BareLog`, the row and the checkpoint into the read model through sqlite3.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.bank import AccountOpened, Balances, MoneyDeposited
from benchmarks.bare_log import BareLog
from benchmarks.measurement import Unit, compare
from eventsource import NewEvent, ProjectionWorker
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_COMMITS = 60
_SUBJECT = "/accounts/1"


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line.
    """
    projector = Balances()
    model_path = setting.folder / "seen-floor-model.db"
    with (
        closing(BareLog(setting.folder / "seen-floor.db")) as log,
        closing(sqlite3.connect(model_path, isolation_level=None)) as model,
    ):
        async with EmbeddedEventStore(setting.folder / "seen.db") as store:
            await store.commit([NewEvent.of(AccountOpened(owner="Ada"), subject=_SUBJECT)])
            async with ProjectionWorker(store, f"sqlite:///{setting.folder / 'seen-model.db'}", [projector]) as worker:
                await worker.caught_up()
                yield await compare(
                    "seen",
                    "commit, then wait for the read model",
                    Unit.MICROSECONDS,
                    rounds=setting.sizes.rounds,
                    ours=_ours(store, projector),
                    floors={"both written in one thread": _floor(log, model)},
                )


def _ours(store: EmbeddedEventStore, projector: Balances) -> Turn:
    async def turn() -> float:
        taken = []
        for number in range(_COMMITS):
            start = time.perf_counter()
            event = NewEvent.of(MoneyDeposited(cents=number, reference="a payment"), subject=_SUBJECT)
            recorded = await store.commit([event])
            await projector.seen(recorded[-1].id)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken) * 1e6

    return turn


def _floor(log: BareLog, model: sqlite3.Connection) -> Turn:
    model.execute("PRAGMA journal_mode = WAL")
    model.execute("PRAGMA synchronous = NORMAL")
    model.execute("CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)")
    model.execute("CREATE TABLE checkpoint (position INTEGER NOT NULL)")
    model.execute("INSERT INTO balances VALUES (?, 0)", (_SUBJECT,))
    model.execute("INSERT INTO checkpoint VALUES (0)")

    async def turn() -> float:
        taken = []
        for number in range(_COMMITS):
            start = time.perf_counter()
            log.commit([(_SUBJECT, MoneyDeposited.event_type, f'{{"cents":{number},"reference":"a payment"}}')])
            model.execute("BEGIN IMMEDIATE")
            model.execute("UPDATE balances SET cents = cents + ? WHERE account = ?", (number, _SUBJECT))
            model.execute("UPDATE checkpoint SET position = position + 1")
            model.execute("COMMIT")
            taken.append(time.perf_counter() - start)
        return statistics.median(taken) * 1e6

    return turn
