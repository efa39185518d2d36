"""
Points in time: printed with nanoseconds, given as `datetime`.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.events.timestamp import format_timestamp, to_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001  bounds are naive, times are not
    lambda time: (time - EPOCH) // timedelta(microseconds=1)
)


@given(MICROSECONDS, st.integers(0, 999))
def test_text_agrees_with_datetime(microseconds: int, nanoseconds: int) -> None:
    """
    The text is what `datetime` prints to the microsecond, three more digits, and a Z.
    """
    time = EPOCH + timedelta(microseconds=microseconds)

    text = format_timestamp(microseconds * 1000 + nanoseconds)

    assert text == f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond:06d}{nanoseconds:03d}Z"


@given(MICROSECONDS, st.integers(0, 999))
def test_datetime_is_cut_to_microseconds(microseconds: int, nanoseconds: int) -> None:
    """
    The `datetime` is aware and never later than the time itself.
    """
    time = to_datetime(microseconds * 1000 + nanoseconds)

    assert time == EPOCH + timedelta(microseconds=microseconds)
    assert time.tzinfo is UTC


@given(MICROSECONDS, MICROSECONDS)
def test_texts_sort_by_time(one: int, other: int) -> None:
    """
    Texts are of one length, so they sort as the times do.
    """
    earlier, later = sorted([one, other])

    assert format_timestamp(earlier * 1000) <= format_timestamp(later * 1000)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (951_782_400 * 10**9, "2000-02-29T00:00:00.000000000Z"),
        (1_748_878_801_157_792_875, "2025-06-02T15:40:01.157792875Z"),
        (253_402_300_799_999_999_999, "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_known_times(time_ns: int, text: str) -> None:
    """
    The epoch, a leap day, a time from Genesis DB's documentation, and the last one with four digits.
    """
    assert format_timestamp(time_ns) == text
