"""
The bank's books, month by month: what a closed month says is never changed again.

Nobody has to look before booking whether the month is still open: the rule travels with each booking, and
the store decides.
"""

from datetime import date, timedelta

from eventsource import Guard, PeriodAggregate, handles, rule, select_events
from examples.bank.events import MonthClosed, MonthOpened
from examples.bank.rules import BOOKINGS, BOOKS_ADD_UP

BANK = "bank"


class Books(PeriodAggregate, subject="/books/{id}/{period}", closed_by=MonthClosed):
    """
    The books of the bank: one period for each month, of which only the last is read.
    """

    total_cents: int = 0

    def begin(self) -> None:
        """
        Begin the first month there is: until then there was nothing.
        """
        self.emit(MonthOpened(total_cents=0))

    def close(self, total_cents: int) -> MonthOpened:
        """
        Close the month; *total_cents* is what all accounts hold together, and `adds_up`.

        Returns:
            What the next month opens with.
        """
        self.emit(MonthClosed(total_cents=total_cents))
        return MonthOpened(total_cents=total_cents)

    @rule(BOOKS_ADD_UP)
    def adds_up(self, event: MonthClosed) -> Guard:
        """
        What is written down is the sum of all bookings there are, at that place in the log.
        """
        return select_events(*BOOKINGS).under("/accounts").sum(lambda e: e.delta_cents) == event.total_cents

    @handles
    def _opened(self, event: MonthOpened) -> None:
        self.total_cents = event.total_cents


def month_of(day: date) -> str:
    """
    The month a day is in, as the books name it.

    >>> month_of(date(2024, 2, 29))
    '2024-02'
    """
    return f"{day:%Y-%m}"


def month_after(month: str) -> str:
    """
    The month that follows.

    >>> month_after("2024-12")
    '2025-01'
    """
    first = date.fromisoformat(f"{month}-01")
    return month_of(first + timedelta(days=31))
