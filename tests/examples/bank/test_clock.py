"""
The bank's clock, and months of different length.
"""

from datetime import date

import pytest

from examples.bank.clock import BankClock, clock_of, months_later


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2024, 1, 31), 2, date(2024, 3, 31)),
        (date(2024, 12, 15), 1, date(2025, 1, 15)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2024, 5, 5), 0, date(2024, 5, 5)),
    ],
)
def test_months_end_where_they_end(day: date, months: int, later: date) -> None:
    """
    The same day, or the last of a month that does not have it.
    """
    assert months_later(day, months) == later


def test_month_passes_for_days_and_timers_alike() -> None:
    """
    The clock goes on by whole days, and the time of day stays.
    """
    clock = clock_of(lambda: date(2024, 1, 31))
    before = clock()

    assert clock.pass_month() == clock.today() == date(2024, 2, 29)
    assert clock() - before == 29 * 86_400 * 1_000_000_000


def test_day_ends_at_midnight_and_not_before() -> None:
    """
    Not even a nanosecond.
    """
    midnight = 1_709_251_200 * 1_000_000_000

    assert BankClock(lambda: midnight - 1).today() == date(2024, 2, 29)
    assert BankClock(lambda: midnight).today() == date(2024, 3, 1)
