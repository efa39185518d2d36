"""
The rules that the store decides, each at the place in the log where the commit lands.

A rule is made for one command and travels with its event. Nobody reads first and hopes that it still
holds later: however many writers there are, it holds, and a command that keeps it never has to be run
again since somebody else was faster.

Each has a name, for the error of the commit that breaks it.
"""

from datetime import date
from typing import Final

from eventsource import EventStore, Guard, select_events
from eventsource.gdbql import Aggregate, Path, Query
from examples.bank.events import (
    AccountClosed,
    Booking,
    CustomerRegistered,
    FundsChanged,
    FundsReleased,
    FundsReserved,
    MoneyDeposited,
    MoneyWithdrawn,
    MonthClosed,
    OverdraftGranted,
    TransferReceived,
    TransferSent,
)

UNIQUE_EMAIL: Final = "one customer for each e-mail"
FUNDS: Final = "sufficient funds"
DAILY_LIMIT: Final = "daily withdrawal limit"
OPEN: Final = "open account"
EMPTY: Final = "empty account"
OPEN_MONTH: Final = "open month"
BOOKS_ADD_UP: Final = "the books add up"
LENDING_LIMIT: Final = "lending limit"

# What a customer may withdraw in a day.
DAILY_LIMIT_CENTS: Final = 1_000_00

# What the bank lends in all.
LENDING_LIMIT_CENTS: Final = 100_000_00

# The one place where that is written down.
LENDING: Final = "/lending"

BOOKINGS: Final[tuple[type[Booking], ...]] = (MoneyDeposited, MoneyWithdrawn, TransferReceived, TransferSent)
_FUNDS_CHANGES: Final[tuple[type[FundsChanged], ...]] = (OverdraftGranted, *BOOKINGS)


def is_unique_email(email_key: str) -> Guard:
    """
    Nobody registered with the e-mail that this key stands for.
    """
    return (select_events(CustomerRegistered).where(email_key=email_key).count() == 0).named(UNIQUE_EMAIL)


def covers(account: str, cents: int) -> Guard:
    """
    The balance and the overdraft limit of the account at this subject cover the amount.
    """
    return (select_events(*_FUNDS_CHANGES).at(account).sum(lambda e: e.delta_cents) >= cents).named(FUNDS)


def is_within_daily_limit(allowance: str, cents: int) -> Guard:
    """
    So much more can be withdrawn of a customer's allowance for a day.
    """
    withdrawn = select_events(MoneyWithdrawn).where(allowance=allowance).sum(lambda e: e.delta_cents)
    return (withdrawn - cents >= -DAILY_LIMIT_CENTS).named(DAILY_LIMIT)


def withdrawn_of(allowance: str) -> Query:
    """
    What is withdrawn already of a customer's allowance for a day.

    The answer is one row: the sum of the changes in cents, zero or below.
    """
    return (
        select_events(MoneyWithdrawn).where(allowance=allowance).query(Aggregate("SUM", Path(("data", "deltaCents"))))
    )


def total_of_accounts() -> Query:
    """
    What all accounts hold together.

    The answer is one row: the sum in cents.
    """
    return select_events(*BOOKINGS).under("/accounts").query(Aggregate("SUM", Path(("data", "deltaCents"))))


def is_open(account: str) -> Guard:
    """
    Nobody closed the account at this subject.
    """
    return (select_events(AccountClosed).at(account).count() == 0).named(OPEN)


def is_empty(account: str) -> Guard:
    """
    The balance of the account at this subject is zero.
    """
    return (select_events(*BOOKINGS).at(account).sum(lambda e: e.delta_cents) == 0).named(EMPTY)


def is_in_open_month(day: date) -> Guard:
    """
    Nobody closed the bank's books of the month that the day is in.
    """
    return (select_events(MonthClosed).at(f"/books/bank/{day:%Y-%m}").count() == 0).named(OPEN_MONTH)


def is_within_lending_limit(cents: int) -> Guard:
    """
    So much more can be lent.
    """
    reserved = select_events(FundsReserved, FundsReleased).at(LENDING).sum(lambda e: e.delta_cents)
    return (reserved + cents <= LENDING_LIMIT_CENTS).named(LENDING_LIMIT)


def allowance_of(customer: str, day: date) -> str:
    """
    What a customer may withdraw on a day, by its name.

    >>> allowance_of("21", date(2024, 2, 29))
    '21/2024-02-29'
    """
    return f"{customer}/{day.isoformat()}"


async def declare_indexes(store: EventStore) -> None:
    """
    Let the store find by search what the rules ask for in the data of events.

    What they ask for by subject every store finds by itself.
    """
    await store.create_index(CustomerRegistered.event_type, "data.emailKey")
    await store.create_index(MoneyWithdrawn.event_type, "data.allowance")
