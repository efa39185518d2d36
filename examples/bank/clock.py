"""
The bank's clock: the time there is, and as many months more as somebody wants to see pass.
"""

import calendar
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import Final

_NS: Final = 1_000_000_000


class BankClock:
    """
    Tells the bank what day it is, and its processes when a timer is due.

    A month can be let pass, so that one need not wait to see what happens then. The clock that is made the
    next time tells the real time again; what has happened stays, and happens no second time.

    The bank's day is that of UTC, from wherever one looks.

    Args:
        now: Nanoseconds since 1970 UTC.
    """

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        self._now = now
        self._offset_ns = 0

    def __call__(self) -> int:
        """
        Nanoseconds since 1970 UTC.
        """
        return self._now() + self._offset_ns

    def today(self) -> date:
        """
        What day it is.
        """
        # Whole seconds: a float of so many nanoseconds would be rounded, at midnight into the next day.
        return datetime.fromtimestamp(self() // _NS, UTC).date()

    def pass_month(self) -> date:
        """
        Let a month pass: to the same day of the next one, or its last if it is shorter.

        Returns:
            What day it is then.
        """
        today = self.today()
        self._offset_ns += (months_later(today, 1) - today).days * 86_400 * _NS
        return self.today()


def clock_of(today: Callable[[], date]) -> BankClock:
    """
    A clock by a calendar: it is always noon.
    """
    return BankClock(lambda: int(datetime.combine(today(), time_of_day(12), UTC).timestamp()) * _NS)


def months_later(day: date, months: int) -> date:
    """
    The same day so many months later, or the last of a month that is shorter.

    >>> months_later(date(2024, 1, 31), 1)
    datetime.date(2024, 2, 29)
    """
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def beginning_of(day: date) -> datetime:
    """
    The moment a day begins.
    """
    return datetime.combine(day, time_of_day(), UTC)
