"""
Events and read models of these tests: each handled event leaves a row and is added to a sum.

A row too many or too few shows an event applied twice or never, and so does the sum.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from eventsource import Event, NewEvent, Projector, RecordedEvent, handles

if TYPE_CHECKING:
    from pathlib import Path

    from eventsource import EventStore, ReadModelDatabase

_METADATA = MetaData()

applied = Table(
    "applied",
    _METADATA,
    Column("number", Integer, primary_key=True),
    Column("event_id", String(36), nullable=False),
)
balances = Table(
    "balances",
    _METADATA,
    Column("account", String(100), primary_key=True),
    Column("cents", BigInteger, nullable=False),
    Column("movements", Integer, nullable=False),
)
greetings = Table("greetings", _METADATA, Column("customer", String(100), primary_key=True), Column("times", Integer))

_note = insert(applied).values(event_id=bindparam("id"))
_open = insert(balances).values(account=bindparam("account"), cents=0, movements=0)
_move = (
    update(balances)
    .where(balances.c.account == bindparam("subject"))
    .values(cents=balances.c.cents + bindparam("amount"), movements=balances.c.movements + 1)
)
_greet = insert(greetings).values(customer=bindparam("subject"), times=1)


class AccountOpened(Event, type="io.example.test.projections.account-opened"):
    """
    The first event of an account.
    """


class MoneyMoved(Event, type="io.example.test.projections.money-moved"):
    """
    Money came in, or with a negative amount went out.
    """

    cents: int


class LetterSent(Event, type="io.example.test.projections.letter-sent"):
    """
    An event below ``/accounts`` that no projector here handles.
    """


class CustomerGreeted(Event, type="io.example.test.projections.customer-greeted"):
    """
    An event elsewhere.
    """


class Balances(Projector, name="balances", subject="/accounts", tables=[applied, balances]):
    """
    Keeps the balance of each account, and notes each event it took.

    Attributes:
        poison: The id of an event that the handler cannot take.
    """

    def __init__(self, *, poison: str | None = None) -> None:
        self.poison = poison

    @handles
    def _opened(self, _: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_note, {"id": recorded.id})
        tx.execute(_open, {"account": recorded.subject})

    @handles
    def _moved(self, event: MoneyMoved, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_note, {"id": recorded.id})
        if recorded.id == self.poison:
            raise PoisonedError
        tx.execute(_move, {"subject": recorded.subject, "amount": event.cents})


class Greetings(Projector, name="greetings", subject="/customers", tables=[greetings]):
    """
    Notes who was greeted.
    """

    @handles
    def _greeted(self, _: CustomerGreeted, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_greet, {"subject": recorded.subject})


class PoisonedError(Exception):
    """
    What a handler raises.
    """


def opened(account: str) -> NewEvent:
    """
    An account is opened.
    """
    return NewEvent.of(AccountOpened(), subject=f"/accounts/{account}")


def moved(account: str, cents: int) -> NewEvent:
    """
    Money is moved.
    """
    return NewEvent.of(MoneyMoved(cents=cents), subject=f"/accounts/{account}")


def greeted(customer: str) -> NewEvent:
    """
    A customer is greeted.
    """
    return NewEvent.of(CustomerGreeted(), subject=f"/customers/{customer}")


def letter(account: str) -> NewEvent:
    """
    A letter is sent.
    """
    return NewEvent.of(LetterSent(), subject=f"/accounts/{account}")


async def balance_of(database: ReadModelDatabase, account: str) -> int | None:
    """
    What the read model says; None if it does not know the account.
    """
    question = select(balances.c.cents).where(balances.c.account == f"/accounts/{account}")
    return await database.read(lambda tx: tx.execute(question).scalar_one_or_none())


async def assert_applied_exactly_once(store: EventStore, path: Path) -> None:
    """
    Check the read model in a SQLite file against the store: every event is in it once, in order, and none too many.
    """
    ids: list[str] = []
    cents: dict[str, int] = {}
    movements: dict[str, int] = {}
    async for recorded in store.stream("/accounts"):
        if recorded.type == AccountOpened.event_type:
            ids.append(recorded.id)
            cents[recorded.subject] = movements[recorded.subject] = 0
        elif recorded.type == MoneyMoved.event_type:
            ids.append(recorded.id)
            cents[recorded.subject] += recorded.data["cents"]
            movements[recorded.subject] += 1

    assert query(path, "SELECT event_id FROM applied ORDER BY number") == [(id,) for id in ids]
    assert query(path, "SELECT account, cents, movements FROM balances ORDER BY account") == [
        (account, cents[account], movements[account]) for account in sorted(cents)
    ]


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """
    Ask a SQLite file, past everything of ours.
    """
    connection = sqlite3.connect(path, timeout=10)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def run_sql(path: Path, sql: str) -> None:
    """
    Change a SQLite file, past everything of ours.
    """
    connection = sqlite3.connect(path, timeout=10)
    try:
        with connection:
            connection.execute(sql)
    finally:
        connection.close()


def dump(path: Path) -> str:
    """
    All that is in a SQLite file, as SQL text; of the checkpoints only how far they are.
    """
    connection = sqlite3.connect(path, timeout=10)
    try:
        lines = [line for line in connection.iterdump() if not line.startswith('INSERT INTO "eventsource_checkpoints"')]
        with contextlib.suppress(sqlite3.OperationalError):
            places = "SELECT listener, event_id, event_hash, position, events FROM eventsource_checkpoints"
            lines += map(str, connection.execute(places))
        return "\n".join(lines)
    finally:
        connection.close()


def copy_database(source: Path, target: Path) -> None:
    """
    Copy a SQLite file as a backup tool does, over whatever is at *target*.
    """
    for suffix in ("", "-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    reading, writing = sqlite3.connect(source, timeout=10), sqlite3.connect(target, timeout=10)
    try:
        reading.backup(writing)
    finally:
        reading.close()
        writing.close()
