"""
Read model: the statement of each account, a line for each booking.
"""

from datetime import date

import attrs
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
)

from eventsource import Projector, RecordedEvent, handles
from examples.bank.account import account_of
from examples.bank.events import MoneyDeposited, MoneyWithdrawn, TransferReceived, TransferSent

metadata = MetaData()

line_table = Table(
    "statement_lines",
    metadata,
    # Counts up as lines are written, so it keeps the order of the log.
    Column("line", Integer, primary_key=True),
    Column("account", String, nullable=False, index=True),
    Column("event_id", String, nullable=False),
    Column("booked_on", Date, nullable=False),
    Column("text", String, nullable=False),
    Column("cents", BigInteger, nullable=False),
)

_WRITE = insert(line_table)


class Statements(Projector, name="statements", subject="/accounts", tables=[line_table]):
    """
    Writes what a customer finds on the statement.
    """

    @handles
    def _booked(
        self,
        event: MoneyDeposited | MoneyWithdrawn | TransferReceived | TransferSent,
        recorded: RecordedEvent,
        tx: Connection,
    ) -> None:
        line = {
            "account": account_of(recorded.subject),
            "event_id": recorded.id,
            "booked_on": event.booked_on,
            "text": event.text,
            "cents": event.delta_cents,
        }
        tx.execute(_WRITE, line)


@attrs.frozen
class StatementLine:
    """
    One booking, and what the account held after it.
    """

    booked_on: date
    text: str
    cents: int
    balance_cents: int


_RUNNING = (
    select(line_table, func.sum(line_table.c.cents).over(order_by=line_table.c.line).label("balance_cents"))
    .where(line_table.c.account == bindparam("of_account"))
    .subquery()
)
_LINES = select(_RUNNING.c.booked_on, _RUNNING.c.text, _RUNNING.c.cents, _RUNNING.c.balance_cents).order_by(
    _RUNNING.c.line.desc()
)


def list_lines(tx: Connection, account: str, *, offset: int = 0, limit: int | None = None) -> list[StatementLine]:
    """
    The lines of one account, the newest first.
    """
    rows = tx.execute(_LINES.offset(offset).limit(limit), {"of_account": account})
    return [StatementLine(*row) for row in rows]


def count_lines(tx: Connection, account: str | None = None) -> int:
    """
    How many lines one account has, or all of them.
    """
    question = select(func.count()).select_from(line_table)
    return tx.execute(question if account is None else question.where(line_table.c.account == account)).scalar_one()


def event_before_last_lines(tx: Connection, lines: int) -> str | None:
    """
    The id of the event that the last so many lines follow; None where there are not more.
    """
    return tx.execute(
        select(line_table.c.event_id).order_by(line_table.c.line.desc()).offset(lines).limit(1)
    ).scalar_one_or_none()
