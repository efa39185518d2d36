"""
Read model: the double-entry ledger.

Each booking is posted twice, once with each sign, so its postings sum to zero, and so does the
whole ledger at any time. A plus is a credit, a minus a debit. A customer's account is posted under
its subject and so adds up to its balance; the bank's own accounts mirror that: cash at -700.00
means that the customers brought 700.00, and the bank has it.
"""

import attrs
from sqlalchemy import BigInteger, Column, Connection, Date, Integer, MetaData, String, Table, select
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.sqlite import insert

from eventsource import Projector, RecordedEvent, handles
from examples.bank.events import Booking, MoneyDeposited, MoneyWithdrawn, TransferReceived, TransferSent

# Money on its way between two accounts of this bank: zero after each commit, for both halves of a transfer are in one.
TRANSFERS = "transfers"

# All customers' accounts together.
CUSTOMERS = "customers"

metadata = MetaData()

posting_table = Table(
    "postings",
    metadata,
    Column("posting", Integer, primary_key=True),
    Column("event_id", String, nullable=False),
    Column("booked_on", Date, nullable=False),
    Column("account", String, nullable=False),
    Column("cents", BigInteger, nullable=False),
)

# What the postings add up to, kept up to date: the page asks after every event, and there are many postings.
total_table = Table(
    "ledger_totals",
    metadata,
    Column("account", String, primary_key=True),
    Column("cents", BigInteger, nullable=False),
)

_POST = plain_insert(posting_table)
_FIRST = insert(total_table)
_ADD = _FIRST.on_conflict_do_update(
    index_elements=[total_table.c.account], set_={"cents": total_table.c.cents + _FIRST.excluded.cents}
)


class Ledger(Projector, name="ledger", subject="/accounts", tables=[posting_table, total_table]):
    """
    Posts each booking to the customer's account and, the other way round, to one of the bank's own.
    """

    @handles
    def _at_the_bank(self, event: MoneyDeposited | MoneyWithdrawn, recorded: RecordedEvent, tx: Connection) -> None:
        _post(event, recorded, tx, against=event.against)

    @handles
    def _between_customers(
        self, event: TransferReceived | TransferSent, recorded: RecordedEvent, tx: Connection
    ) -> None:
        _post(event, recorded, tx, against=TRANSFERS)


def _post(event: Booking, recorded: RecordedEvent, tx: Connection, *, against: str) -> None:
    cents = event.delta_cents
    posting = {"event_id": recorded.id, "booked_on": event.booked_on}
    tx.execute(
        _POST,
        [
            {**posting, "account": recorded.subject, "cents": cents},
            {**posting, "account": against, "cents": -cents},
        ],
    )
    tx.execute(_ADD, [{"account": CUSTOMERS, "cents": cents}, {"account": against, "cents": -cents}])


@attrs.frozen
class LedgerTotal:
    """
    What the postings of one account add up to.
    """

    account: str
    cents: int


def list_totals(tx: Connection) -> list[LedgerTotal]:
    """
    The bank's own accounts, and all customers' together; by name. They sum to zero.
    """
    return [LedgerTotal(*row) for row in tx.execute(select(total_table).order_by(total_table.c.account))]
