"""
What type checkers know of time travel, periods and snapshots.
"""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import assert_type

from eventsource import Event, EventStore, PeriodAggregate, ReadModelDatabase, RecordedEvent, Repository, Snapshots
from eventsource.aggregates import (
    AfterEvent,
    AggregateCache,
    Difference,
    EveryEvents,
    HistoryEntry,
    InMemorySnapshotStore,
    Loader,
    SlowerThan,
    SnapshotStore,
    SqlSnapshotStore,
)
from tests.typing.bank import Account, AccountOpened


class Closed(Event, type="io.example.typing.past.closed"):
    """
    A period ends.
    """


class Opened(Event, type="io.example.typing.past.opened"):
    """
    A period begins.
    """


class Books(PeriodAggregate, subject="/books/{id}/{period}", closed_by=Closed):
    """
    Has periods.
    """

    total_cents: int = 0

    def close(self, fee: int) -> Opened:
        """
        Close.
        """
        if fee < 0:
            raise ValueError(fee)
        self.emit(Closed())
        return Opened()


async def travel(accounts: Repository[Account]) -> None:
    """
    The aggregate keeps its class, whenever it is loaded as of.
    """
    assert_type(await accounts.load("1", at="an id"), Account)
    assert_type(await accounts.load("1", at=datetime(2026, 7, 1, tzinfo=UTC)), Account)
    assert_type(accounts.history("1", since="an id"), AsyncGenerator[HistoryEntry[Account]])
    async for event, account in accounts.history("1"):
        assert_type(event, RecordedEvent)
        assert_type(account, Account)
    difference = await accounts.diff("1", None, "an id")
    assert_type(difference, Difference[Account])
    assert_type(difference.after, Account)
    await accounts.load("1", at=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def close(books: Repository[Books], accounts: Repository[Account]) -> None:
    """
    Closing is for what has periods, and the command's arguments are checked.
    """
    assert_type(await books.close_period("1", "2026-08", Books.close, 5), Books)
    assert_type(await books.close_period("1", "2026-08", Books.close, fee=5), Books)
    assert_type((await books.load("1")).period, str)
    await books.close_period("1", "2026-08", Books.close, "5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await accounts.close_period("1", "2026-08", Books.close, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def configure(store: EventStore, database: ReadModelDatabase) -> None:
    """
    Stores of snapshots are given by what they can do; policies combine.
    """
    kept: SnapshotStore = InMemorySnapshotStore()
    kept = SqlSnapshotStore(database)
    snapshots = Snapshots(kept, {Account: EveryEvents(100) | SlowerThan(0.05) & AfterEvent(AccountOpened)})
    Repository(Account, store, snapshots=snapshots, cache=AggregateCache(10))
    Loader(store, snapshots=snapshots, cache=AggregateCache())
