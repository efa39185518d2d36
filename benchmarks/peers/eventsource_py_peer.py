# mypy: ignore-errors
# The imports are those of the peers' environment: `eventsource` is the peer's there, not ours.
"""
`eventsource-py` at the work of the benchmarks: its aggregates, repository, SQLite store and subscriptions.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from answering import answer, open_answers, refuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

answers = open_answers()
try:
    from pydantic import BaseModel

    from eventsource import (
        AggregateRepository,
        DeclarativeAggregate,
        DomainEvent,
        ExpectedVersion,
        InMemoryEventBus,
        SQLCheckpointRepository,
        SQLiteEventStore,
        StreamId,
        create_async_engine,
        handles,
        register_event,
    )
    from eventsource.application.subscriptions import SubscriptionConfig, SubscriptionManager
except ImportError as error:
    refuse(answers, str(error))
    raise SystemExit from None

_numbers = itertools.count()
_stores = []
_loop = asyncio.new_event_loop()
_CATEGORY = "Account"
_BATCH = 500


@register_event
class AccountOpened(DomainEvent):
    """
    The first event of an account.
    """

    event_type: str = "AccountOpened"
    aggregate_type: str = _CATEGORY
    owner: str


@register_event
class MoneyDeposited(DomainEvent):
    """
    Money came in.
    """

    event_type: str = "MoneyDeposited"
    aggregate_type: str = _CATEGORY
    cents: int
    reference: str


@register_event
class MoneyWithdrawn(DomainEvent):
    """
    Money went out.
    """

    event_type: str = "MoneyWithdrawn"
    aggregate_type: str = _CATEGORY
    cents: int
    reference: str


class AccountState(BaseModel):
    """
    What events have made of an account.
    """

    owner: str = ""
    balance: int = 0


class Account(DeclarativeAggregate[AccountState]):
    """
    The account of the benchmarks.
    """

    aggregate_type = _CATEGORY

    def _get_initial_state(self) -> AccountState:
        return AccountState()

    @handles(AccountOpened)
    def _opened(self, event: AccountOpened) -> None:
        self._state = AccountState(owner=event.owner)

    @handles(MoneyDeposited)
    def _deposited(self, event: MoneyDeposited) -> None:
        self._state.balance += event.cents

    @handles(MoneyWithdrawn)
    def _withdrawn(self, event: MoneyWithdrawn) -> None:
        self._state.balance -= event.cents


class Balances:
    """
    The read model, written a batch to a transaction by hand: the fastest way the peer offers.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)")
        self.handled = 0

    def subscribed_to(self) -> list[type[DomainEvent]]:
        """
        What it wants.
        """
        return [AccountOpened, MoneyDeposited, MoneyWithdrawn]

    async def handle(self, event: DomainEvent) -> None:
        """
        One event, as a batch of one.
        """
        await self.handle_batch([event])

    async def handle_batch(self, events: list[DomainEvent]) -> None:
        """
        A batch in one transaction.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        for event in events:
            account = str(event.aggregate_id)
            if isinstance(event, AccountOpened):
                self._connection.execute("INSERT INTO balances VALUES (?, 0)", (account,))
            else:
                cents = event.cents if isinstance(event, MoneyDeposited) else -event.cents
                self._connection.execute("UPDATE balances SET cents = cents + ? WHERE account = ?", (cents, account))
        self._connection.execute("COMMIT")
        self.handled += len(events)

    def close(self) -> None:
        """
        Close the database.
        """
        self._connection.close()


def commits(folder: str, *, writers: int, commits: int) -> Callable[[], float]:
    """
    Each writer is a task with a stream of its own: make one event, append it at the expected version, again.
    """
    store = _open(_file(folder))
    streams = {uuid4(): 0 for _ in range(writers)}

    async def write(id: UUID) -> None:
        stream = StreamId(aggregate_id=id, category=_CATEGORY)
        for number in range(commits // writers):
            version = streams[id]
            event = MoneyDeposited(aggregate_id=id, aggregate_version=version + 1, cents=number, reference="a payment")
            expected = ExpectedVersion.exact(version) if version else ExpectedVersion.no_stream()
            await store.append(stream, [event], expected)
            streams[id] += 1

    async def run() -> float:
        start = time.perf_counter()
        await asyncio.gather(*map(write, streams))
        return commits // writers * writers / (time.perf_counter() - start)

    return lambda: _loop.run_until_complete(run())


def rebuild(folder: str, *, events: int) -> Callable[[], float]:
    """
    `repository.load`, without snapshots.
    """
    store = _open(_file(folder))
    id = uuid4()
    _loop.run_until_complete(_append(store, id, events))
    accounts = AggregateRepository(store, Account, enable_tracing=False)

    async def run() -> float:
        start = time.perf_counter()
        await accounts.load(id)
        return events / (time.perf_counter() - start)

    return lambda: _loop.run_until_complete(run())


def projection(folder: str, *, events: int) -> Callable[[], float]:
    """
    A subscription that catches up, batch by batch, its position saved after each.
    """
    path = _file(folder)
    store = _open(path)
    for _ in range(events // 10):
        _loop.run_until_complete(_append(store, uuid4(), 10))
    expected = events // 10 * 10

    async def run() -> float:
        # The store's file has the table for positions.
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        with closing(Balances(_file(folder))) as balances:
            positions = SQLCheckpointRepository(engine, enable_tracing=False)
            manager = SubscriptionManager(store, InMemoryEventBus(), positions, enable_tracing=False)
            config = SubscriptionConfig(start_from="beginning", batch_size=_BATCH)
            await manager.subscribe(balances, config=config, name="balances")
            start = time.perf_counter()
            await manager.start()
            while balances.handled < expected:  # noqa: ASYNC110  it tells nobody when it has caught up
                await asyncio.sleep(0.001)
            elapsed = time.perf_counter() - start
            await manager.stop()
        await engine.dispose()
        return expected / elapsed

    return lambda: _loop.run_until_complete(run())


def _open(path: Path) -> SQLiteEventStore:
    store = SQLiteEventStore(str(path))
    _stores.append(store)
    return store


async def _append(store: SQLiteEventStore, id: UUID, events: int) -> None:
    life = [AccountOpened(aggregate_id=id, aggregate_version=1, owner="Ada")]
    for number in range(1, events):
        kind = MoneyDeposited if number % 2 else MoneyWithdrawn
        life.append(
            kind(
                aggregate_id=id,
                aggregate_version=number + 1,
                cents=number % 5_000,
                reference=f"payment {number}",
            )
        )
    await store.append(StreamId(aggregate_id=id, category=_CATEGORY), life, ExpectedVersion.no_stream())


def _file(folder: str) -> Path:
    return Path(folder) / f"eventsource-py-{next(_numbers)}.db"


answer(
    answers,
    "eventsource-py",
    {"commits": commits, "rebuild": rebuild, "projection": projection},
    notes=["its projection is a batch handler with SQL by hand; its position is saved in a transaction of its own"],
)
# Its connections have threads that keep a process from ending.
for store in _stores:
    _loop.run_until_complete(store.close())
