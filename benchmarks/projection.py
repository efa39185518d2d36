"""
A projector that catches up: events a second from the log into a SQLite read model.

Each event changes one row through SQLAlchemy; the checkpoint is written in the same transaction.

The floor reads the log through a bare connection, decodes with orjson and updates through the
standard library's sqlite3, 500 events and the checkpoint to a transaction, no classes, no
SQLAlchemy. The second does the updates with the same prepared SQLAlchemy statements as our
projector. All write in WAL mode with ``synchronous=NORMAL``.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import apsw
import orjson
from sqlalchemy import Column, Integer, Table, create_engine, event, update

from benchmarks.bank import AccountOpened, Balances, MoneyWithdrawn, add_to_balance, balances, metadata, open_account
from benchmarks.measurement import Aim, Unit, compare
from eventsource import ProjectionWorker, ReadModelDatabase
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_AIM = Aim(figure=40_000)
_BATCH = 500
# The peers take seconds for what we do in a tenth of one.
_PEERS_EVENTS = 2_000

_Row = tuple[int, str, str, str]

_checkpoint = Table("bare_checkpoint", metadata, Column("position", Integer, nullable=False))
_move_checkpoint = update(_checkpoint)


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line.
    """
    events = setting.sizes.medium
    path = await setting.log(events)
    names = (setting.folder / f"projection-{number}.db" for number in itertools.count())
    async with EmbeddedEventStore(path) as store:
        yield await compare(
            "projection",
            "catching up, one row updated by each event",
            Unit.EVENTS_PER_S,
            rounds=setting.sizes.long_rounds,
            ours=_ours(store, names, events),
            floors={
                "sqlite3, orjson": _floor(path, names, events),
                "SQLAlchemy, orjson": _sqlalchemy_floor(path, names, events),
            },
            peers=setting.peers_at("projection", events=_PEERS_EVENTS),
            aim=_AIM,
        )


def _ours(store: EmbeddedEventStore, names: Iterator[Path], events: int) -> Turn:
    async def turn() -> float:
        async with ReadModelDatabase(f"sqlite:///{next(names)}") as database:
            start = time.perf_counter()
            async with ProjectionWorker(store, database, [Balances()]) as worker:
                await worker.caught_up()
                return events / (time.perf_counter() - start)

    return turn


def _floor(path: Path, names: Iterator[Path], events: int) -> Turn:
    async def turn() -> float:
        with (
            closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as log,
            closing(sqlite3.connect(next(names), isolation_level=None)) as model,
        ):
            _configure(model, None)
            model.execute("CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)")
            model.execute("CREATE TABLE bare_checkpoint (position INTEGER NOT NULL)")
            model.execute("INSERT INTO bare_checkpoint VALUES (0)")
            start = time.perf_counter()
            for batch in _batches(log):
                model.execute("BEGIN IMMEDIATE")
                for _, subject, type_name, data in batch:
                    if type_name == AccountOpened.event_type:
                        model.execute("INSERT INTO balances VALUES (?, 0)", (subject,))
                    else:
                        change = (_amount(type_name, data), subject)
                        model.execute("UPDATE balances SET cents = cents + ? WHERE account = ?", change)
                model.execute("UPDATE bare_checkpoint SET position = ?", (batch[-1][0],))
                model.execute("COMMIT")
            return events / (time.perf_counter() - start)

    return turn


def _sqlalchemy_floor(path: Path, names: Iterator[Path], events: int) -> Turn:
    async def turn() -> float:
        engine = create_engine(f"sqlite:///{next(names)}")
        # On the pool: a listener on the engine would be asked at each statement.
        event.listen(engine.pool, "connect", _configure)
        metadata.create_all(engine, [balances, _checkpoint])
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as log, engine.connect() as tx:
            tx.execute(_checkpoint.insert().values(position=0))
            tx.commit()
            start = time.perf_counter()
            for batch in _batches(log):
                tx.exec_driver_sql("BEGIN IMMEDIATE")
                for _, subject, type_name, data in batch:
                    if type_name == AccountOpened.event_type:
                        tx.execute(open_account, {"subject": subject})
                    else:
                        tx.execute(add_to_balance, {"subject": subject, "amount": _amount(type_name, data)})
                tx.execute(_move_checkpoint, {"position": batch[-1][0]})
                tx.commit()
            elapsed = time.perf_counter() - start
        engine.dispose()
        return events / elapsed

    return turn


def _batches(log: apsw.Connection) -> Iterator[list[_Row]]:
    position = 0
    while True:
        rows: Iterable[_Row] = log.execute(
            "SELECT position, subject, type, data FROM events WHERE position > ? ORDER BY position LIMIT ?",
            (position, _BATCH),
        )
        batch = list(rows)
        if not batch:
            return
        yield batch
        position = batch[-1][0]


def _amount(type_name: str, data: str) -> int:
    cents: int = orjson.loads(data)["cents"]
    return -cents if type_name == MoneyWithdrawn.event_type else cents


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
