"""
The bank that all benchmarks share: its events, its aggregate, its read model.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, bindparam, insert, update

from eventsource import Aggregate, Event, Projector, RecordedEvent, handles


class AccountOpened(Event, type="io.example.benchmarks.account-opened"):
    """
    The first event of an account.
    """

    owner: str


class MoneyDeposited(Event, type="io.example.benchmarks.money-deposited"):
    """
    Money came in.
    """

    cents: int
    reference: str


class MoneyWithdrawn(Event, type="io.example.benchmarks.money-withdrawn"):
    """
    Money went out.
    """

    cents: int
    reference: str


class Account(Aggregate, subject="/accounts/{id}"):
    """
    An account with a balance.
    """

    owner: str = ""
    balance: int = 0

    @handles
    def _opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @handles
    def _deposited(self, event: MoneyDeposited) -> None:
        self.balance += event.cents

    @handles
    def _withdrawn(self, event: MoneyWithdrawn) -> None:
        self.balance -= event.cents


def history(events: int) -> list[Event]:
    """
    A life of one account: opened, then money in and out by turns.
    """
    moves = (
        (MoneyDeposited if number % 2 else MoneyWithdrawn)(cents=number % 5_000, reference=f"payment {number}")
        for number in range(1, events)
    )
    return [AccountOpened(owner="Ada"), *moves]


metadata = MetaData()

balances = Table(
    "balances",
    metadata,
    Column("account", String, primary_key=True),
    Column("cents", BigInteger, nullable=False),
)

# Built once: building an expression costs more than running it.
open_account = insert(balances).values(account=bindparam("subject"), cents=0)
add_to_balance = (
    update(balances)
    .where(balances.c.account == bindparam("subject"))
    .values(cents=balances.c.cents + bindparam("amount"))
)


class Balances(Projector, name="balances", subject="/accounts", tables=[balances]):
    """
    What each account holds: one row changed by each event.
    """

    @handles
    def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  a handler's form
        tx.execute(open_account, {"subject": recorded.subject})

    @handles
    def _deposited(self, event: MoneyDeposited, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(add_to_balance, {"subject": recorded.subject, "amount": event.cents})

    @handles
    def _withdrawn(self, event: MoneyWithdrawn, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(add_to_balance, {"subject": recorded.subject, "amount": -event.cents})
