# mypy: ignore-errors
# The imports are those of the peers' environment, which the type checker does not see.
"""
`eventsourcing` at the work of the benchmarks: its aggregates, application and SQLite recorders.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from answering import answer, open_answers, refuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

answers = open_answers()
try:
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event
    from eventsourcing.persistence import Tracking
    from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder
except ImportError as error:
    refuse(answers, str(error))
    raise SystemExit from None

_numbers = itertools.count()
_PAGE = 500


class Account(Aggregate):
    """
    The account of the benchmarks.
    """

    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = 0

    @event("Deposited")
    def deposit(self, cents: int, reference: str) -> None:  # noqa: ARG002  stored with the event
        """
        Money came in.
        """
        self.balance += cents

    @event("Withdrawn")
    def withdraw(self, cents: int, reference: str) -> None:  # noqa: ARG002  stored with the event
        """
        Money went out.
        """
        self.balance -= cents


class Balances(SQLiteTrackingRecorder):
    """
    The read model, its rows and its tracking in one transaction, as the peer's documentation does it.
    """

    def construct_create_table_statements(self) -> list[str]:
        """
        Its table beside the one for tracking.
        """
        table = "CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)"
        return [*super().construct_create_table_statements(), table]

    def open(self, account: str, tracking: Tracking) -> None:
        """
        Add a row.
        """
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute("INSERT INTO balances VALUES (?, 0)", (account,))

    def add(self, account: str, cents: int, tracking: Tracking) -> None:
        """
        Change a row.
        """
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute("UPDATE balances SET cents = cents + ? WHERE account = ?", (cents, account))


def commits(folder: str, *, writers: int, commits: int) -> Callable[[], float]:
    """
    Each writer is a thread with an aggregate of its own: trigger one event, save, again.
    """
    application = _application(folder)
    accounts = [Account(owner="Ada") for _ in range(writers)]
    application.save(*accounts)

    def write(account: Account) -> None:
        for number in range(commits // writers):
            account.deposit(cents=number, reference="a payment")
            application.save(account)

    threads = ThreadPoolExecutor(writers)

    def turn() -> float:
        start = time.perf_counter()
        list(threads.map(write, accounts))
        return commits // writers * writers / (time.perf_counter() - start)

    return turn


def rebuild(folder: str, *, events: int) -> Callable[[], float]:
    """
    `repository.get`, without a cache and without snapshots.
    """
    application = _application(folder)
    account = _account(events)
    application.save(account)

    def turn() -> float:
        start = time.perf_counter()
        application.repository.get(account.id)
        return events / (time.perf_counter() - start)

    return turn


def projection(folder: str, *, events: int) -> Callable[[], float]:
    """
    The notifications, page by page, into a view with tracking.
    """
    application = _application(folder)
    accounts = [_account(10) for _ in range(events // 10)]
    application.save(*accounts)

    def turn() -> float:
        view = Balances(SQLiteDatastore(str(_file(folder))))
        view.create_table()
        start = time.perf_counter()
        position = 1
        while notifications := application.recorder.select_notifications(start=position, limit=_PAGE):
            for notification in notifications:
                happened = application.mapper.to_domain_event(notification)
                tracking = Tracking(application.name, notification.id)
                account = str(happened.originator_id)
                if isinstance(happened, Account.Opened):
                    view.open(account, tracking)
                elif isinstance(happened, Account.Deposited):
                    view.add(account, happened.cents, tracking)
                else:
                    view.add(account, -happened.cents, tracking)
            position = notifications[-1].id + 1
        elapsed = time.perf_counter() - start
        view.datastore.close()
        return len(accounts) * 10 / elapsed

    return turn


def _account(events: int) -> Account:
    account = Account(owner="Ada")
    for number in range(1, events):
        move = account.deposit if number % 2 else account.withdraw
        move(cents=number % 5_000, reference=f"payment {number}")
    return account


def _application(folder: str) -> Application[UUID]:
    return Application(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(_file(folder))})


def _file(folder: str) -> Path:
    return Path(folder) / f"eventsourcing-{next(_numbers)}.db"


answer(
    answers,
    "eventsourcing",
    {"commits": commits, "rebuild": rebuild, "projection": projection},
    notes=[
        "its 16 writers are threads",
        "its projection is fed page by page by hand, since its SQLite recorder has no subscriptions",
    ],
)
