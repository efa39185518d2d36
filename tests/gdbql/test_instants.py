"""
RFC 3339 texts as points in time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.gdbql import to_instant
from eventsource.gdbql.instants import utc_date, utc_hour


def ns(text: str) -> int | None:
    """
    The nanoseconds since 1970 that *text* stands for.
    """
    instant = to_instant(text)
    return None if instant is None else instant.ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00.0000000019Z", 1),
        ("1970-01-01T00:00:00." + "0" * 8 + "9" * 5_000 + "Z", 9),
        ("1970-01-01T00:00:00.5Z", 500_000_000),
        ("1970-01-01t01:30:00+01:30", 0),
        ("1969-12-31T23:00:00.25-01:00", 250_000_000),
        ("1969-12-31T23:59:59.999999999z", -1),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1972-06-30T23:59:60Z", 78_796_800 * 10**9),
        ("0001-01-01T00:00:00Z", -62_135_596_800 * 10**9),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_800 * 10**9 - 1),
        ("2025-06-02T15:40:01.157792875Z", 1_748_878_801_157_792_875),
    ],
)
def test_instant_is_exact_to_the_nanosecond(text: str, expected: int) -> None:
    """
    Any number of digits, any offset, years 1 to 9999, a leap second.
    """
    assert ns(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01T00:00Z", "2024-01-01T00:00:00.Z",
        "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+01:60",
        "2024-01-01T00:00:00+0100", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:60Z", " 2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z\n", "\uff12024-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_other_texts_are_no_instants(text: str) -> None:
    """
    Neither other formats of ISO 8601 nor days and hours that do not exist.
    """
    assert ns(text) is None


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001 - the zone is drawn
    st.integers(-1439, 1439),
)
def test_instants_agree_with_datetime(local: datetime, minutes: int) -> None:
    """
    Python's own reading, exact to the microsecond, gives the same.
    """
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    instant = to_instant(moment.isoformat())

    assert instant is not None
    assert instant.ns == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    assert utc_date(instant) == moment.astimezone(UTC).date()
    assert utc_hour(instant) == moment.astimezone(UTC).hour


def test_instant_is_still_its_text() -> None:
    """
    Text functions see what was written.
    """
    text = "2024-01-01T00:00:00.50+00:00"

    assert to_instant(text) == text
