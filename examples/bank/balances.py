"""
Read model: which accounts there are, who owns them, and what they hold.

A read model is tables, the handlers that fill them from events, and the questions they are made
for. Throw the tables away, and `eventsource.rebuild` fills them again.
"""

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from eventsource import Erased, Projector, RecordedEvent, handles
from examples.bank.account import account_of
from examples.bank.events import (
    AccountClosed,
    AccountOpened,
    CustomerNamed,
    MoneyDeposited,
    MoneyWithdrawn,
    OverdraftGranted,
    TransferReceived,
    TransferSent,
)

metadata = MetaData()

balance_table = Table(
    "balances",
    metadata,
    Column("account", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("overdraft_limit_cents", BigInteger, nullable=False),
    Column("balance_cents", BigInteger, nullable=False),
    Column("is_closed", Boolean, nullable=False),
)

# Names stand apart here too: erasing one touches no balance.
owner_table = Table(
    "owners",
    metadata,
    Column("customer", String, primary_key=True),
    Column("name", String),  # none once it is erased
)

# Statements are built once, here, and get their values by name: a handler runs for every event there ever was, and one
# that builds its statement each time was measured to be six times as slow.
_OPEN = insert(balance_table)
_ADD = (
    update(balance_table)
    .where(balance_table.c.account == bindparam("of_account"))
    .values(balance_cents=balance_table.c.balance_cents + bindparam("added_cents"))
)
_LIMIT = (
    update(balance_table)
    .where(balance_table.c.account == bindparam("of_account"))
    .values(overdraft_limit_cents=bindparam("new_limit_cents"))
)
_CLOSE = update(balance_table).where(balance_table.c.account == bindparam("of_account")).values(is_closed=True)
_NAME = insert(owner_table)
_FORGET = delete(owner_table).where(owner_table.c.customer == bindparam("of_customer"))

# What stands in place of a name.
ERASED = "(erased)"


class Balances(Projector, name="balances", tables=[balance_table, owner_table]):
    """
    Keeps each account's balance, and its owner's name.
    """

    @handles
    def _named(self, event: CustomerNamed, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_NAME, {"customer": recorded.subject.removeprefix("/customers/"), "name": event.name})

    @handles
    def _forgotten(self, _: Erased[CustomerNamed], recorded: RecordedEvent, tx: Connection) -> None:
        # The name may have been here before, or may be erased already when the table is filled again.
        customer = recorded.subject.removeprefix("/customers/")
        tx.execute(_FORGET, {"of_customer": customer})
        tx.execute(_NAME, {"customer": customer, "name": None})

    @handles
    def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None:
        account = account_of(recorded.subject)
        row = {"account": account, "owner": event.owner, "overdraft_limit_cents": 0, "balance_cents": 0}
        tx.execute(_OPEN, {**row, "is_closed": False})

    @handles
    def _overdraft_granted(self, event: OverdraftGranted, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_LIMIT, {"of_account": account_of(recorded.subject), "new_limit_cents": event.limit_cents})

    @handles
    def _closed(self, _: AccountClosed, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_CLOSE, {"of_account": account_of(recorded.subject)})

    @handles
    def _booked(
        self,
        event: MoneyDeposited | MoneyWithdrawn | TransferReceived | TransferSent,
        recorded: RecordedEvent,
        tx: Connection,
    ) -> None:
        tx.execute(_ADD, {"of_account": account_of(recorded.subject), "added_cents": event.delta_cents})


@attrs.frozen
class Balance:
    """
    An account as it is now.
    """

    account: str
    owner: str
    owner_name: str
    overdraft_limit_cents: int
    balance_cents: int
    is_closed: bool = False


_WITH_OWNER = balance_table.outerjoin(owner_table, owner_table.c.customer == balance_table.c.owner)
_BALANCES = (
    select(
        balance_table.c.account,
        balance_table.c.owner,
        func.coalesce(owner_table.c.name, ERASED).label("owner_name"),
        balance_table.c.overdraft_limit_cents,
        balance_table.c.balance_cents,
        balance_table.c.is_closed,
    )
    .select_from(_WITH_OWNER)
    # By length first, or "10" would come before "9".
    .order_by(func.length(balance_table.c.account), balance_table.c.account)
)
_COUNT = select(func.count(), func.coalesce(func.sum(balance_table.c.balance_cents), 0)).select_from(_WITH_OWNER)


def find_balance(tx: Connection, account: str) -> Balance | None:
    """
    One account; None when it is not there.
    """
    row = tx.execute(_BALANCES.where(balance_table.c.account == account)).one_or_none()
    return None if row is None else Balance(*row)


def list_balances(tx: Connection, *, search: str = "", offset: int = 0, limit: int | None = None) -> list[Balance]:
    """
    Accounts by number, those only whose number starts with *search* or whose owner's name has it.
    """
    rows = tx.execute(_BALANCES.where(_matches(search)).offset(offset).limit(limit))
    return [Balance(*row) for row in rows]


def count_balances(tx: Connection, *, search: str = "") -> tuple[int, int]:
    """
    How many accounts `list_balances` finds in all, and the sum of their balances in cents.
    """
    count, total_cents = tx.execute(_COUNT.where(_matches(search))).one()
    return count, total_cents


def highest_number(tx: Connection) -> int:
    """
    The highest account number in use; 0 for none.
    """
    return tx.execute(select(func.coalesce(func.max(cast(balance_table.c.account, Integer)), 0))).scalar_one()


def _matches(search: str) -> ColumnElement[bool]:
    return or_(
        balance_table.c.account.startswith(search, autoescape=True),
        owner_table.c.name.icontains(search, autoescape=True),
    )
