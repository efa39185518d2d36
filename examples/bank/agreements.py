"""
Read model: standing orders and loans, and how far each is.
"""

from datetime import date

import attrs
from sqlalchemy import BigInteger, Column, Connection, Date, Integer, MetaData, String, Table, bindparam, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of

from eventsource import Projector, RecordedEvent, handles
from examples.bank.clock import months_later
from examples.bank.events import (
    FundsReleased,
    FundsReserved,
    LoanGranted,
    LoanRefused,
    LoanRequested,
    OrderEnded,
    PaymentMade,
    PaymentMissed,
    StandingOrderPlaced,
    StandingOrderStopped,
)

metadata = MetaData()

order_table = Table(
    "standing_orders",
    metadata,
    # Counts up, so it keeps the order of the log.
    Column("line", Integer, primary_key=True),
    Column("order_id", String, nullable=False, unique=True),
    Column("sender", String, nullable=False),
    Column("receiver", String, nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("first_on", Date, nullable=False),
    Column("due", Integer, nullable=False),
    Column("paid", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("refused_by", String, nullable=False),
)

loan_table = Table(
    "loans",
    metadata,
    Column("line", Integer, primary_key=True),
    Column("loan", String, nullable=False, unique=True),
    Column("account", String, nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("refused_by", String, nullable=False),
)

_ORDER = insert_into(order_table)
_OF_ORDER = update_of(order_table).where(order_table.c.order_id == bindparam("of_order"))
# Each day of an order is paid or missed, or ends it.
_PAID = _OF_ORDER.values(due=order_table.c.due + 1, paid=order_table.c.paid + 1, refused_by="")
_MISSED = _OF_ORDER.values(due=order_table.c.due + 1, refused_by=bindparam("rule"))
_OVER = _OF_ORDER.values(state=bindparam("now"))
_LOAN = insert_into(loan_table)
_OF_LOAN = update_of(loan_table).where(loan_table.c.loan == bindparam("of_loan"))
_STEP = _OF_LOAN.values(state=bindparam("now"))
_REFUSED = _OF_LOAN.values(state="refused", refused_by=bindparam("rule"))


class Agreements(Projector, name="agreements", tables=[order_table, loan_table]):
    """
    Keeps what customers and the bank agreed on, and what became of it.
    """

    @handles
    def _placed(self, event: StandingOrderPlaced, recorded: RecordedEvent, tx: Connection) -> None:
        row = event.model_dump() | {"order_id": _id_in(recorded), "due": 0, "paid": 0}
        tx.execute(_ORDER, row | {"state": "running", "refused_by": ""})

    @handles
    def _paid(self, _: PaymentMade, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_PAID, {"of_order": _id_in(recorded)})

    @handles
    def _missed(self, event: PaymentMissed, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_MISSED, {"of_order": _id_in(recorded), "rule": event.rule})

    @handles
    def _stopped(self, _: StandingOrderStopped, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_OVER, {"of_order": _id_in(recorded), "now": "stopped"})

    @handles
    def _ended(self, event: OrderEnded, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_MISSED, {"of_order": _id_in(recorded), "rule": event.rule})
        tx.execute(_OVER, {"of_order": _id_in(recorded), "now": "ended"})

    @handles
    def _requested(self, event: LoanRequested, recorded: RecordedEvent, tx: Connection) -> None:
        row = {"loan": _id_in(recorded), "account": event.account, "cents": event.cents}
        tx.execute(_LOAN, row | {"state": "requested", "refused_by": ""})

    @handles
    def _reserved(self, event: FundsReserved, _: RecordedEvent, tx: Connection) -> None:
        tx.execute(_STEP, {"of_loan": event.loan, "now": "reserved"})

    @handles
    def _released(self, event: FundsReleased, _: RecordedEvent, tx: Connection) -> None:
        tx.execute(_STEP, {"of_loan": event.loan, "now": "released"})

    @handles
    def _granted(self, _: LoanGranted, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_STEP, {"of_loan": _id_in(recorded), "now": "granted"})

    @handles
    def _refused(self, event: LoanRefused, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(_REFUSED, {"of_loan": _id_in(recorded), "rule": event.rule})


@attrs.frozen
class OrderLine:
    """
    A standing order.

    Attributes:
        due: How many of its days have come.

        paid: How many of them were paid.

        state: "running", "stopped" by the customer, or "ended", since a rule will refuse it for ever.

        refused_by: The rule that refused the last payment; empty for none.
    """

    order: str
    sender: str
    receiver: str
    cents: int
    first_on: date
    due: int
    paid: int
    state: str
    refused_by: str

    @property
    def next_on(self) -> date | None:
        """
        The next day on which it is paid; None if it is over.
        """
        return months_later(self.first_on, self.due) if self.state == "running" else None


@attrs.frozen
class LoanLine:
    """
    A loan.

    Attributes:
        state: "requested", "reserved", then "granted"; or "released" where that was taken back, and "refused".

        refused_by: The rule that refused it; empty for none.
    """

    loan: str
    account: str
    cents: int
    state: str
    refused_by: str


def list_orders(tx: Connection, *, limit: int | None = None) -> list[OrderLine]:
    """
    Standing orders, the newest first.
    """
    found = tx.execute(select(order_table).order_by(order_table.c.line.desc()).limit(limit))
    return [OrderLine(*row[1:]) for row in found]


def list_loans(tx: Connection, *, limit: int | None = None) -> list[LoanLine]:
    """
    Loans, the newest first.
    """
    found = tx.execute(select(loan_table).order_by(loan_table.c.line.desc()).limit(limit))
    return [LoanLine(*row[1:]) for row in found]


def _id_in(recorded: RecordedEvent) -> str:
    return recorded.subject.rpartition("/")[2]
