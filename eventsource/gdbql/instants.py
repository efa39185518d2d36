"""
Points in time: RFC 3339 texts that compare as the instants they name.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

# Source: RFC 3339, section 5.6. Its ABNF is case-insensitive; its note on a blank for the T is
# about other formats. Digits beyond the ninth are read and cut off.
_DATE_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9})[0-9]*+)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_S: Final = 86_400
_NS: Final = 1_000_000_000
_FIRST_NS: Final = (1 - _EPOCH_DAY) * _DAY_S * _NS
_LAST_NS: Final = (date.max.toordinal() + 1 - _EPOCH_DAY) * _DAY_S * _NS - 1


class Instant(str):
    """
    An RFC 3339 text, and the nanoseconds since 1970-01-01 UTC that it stands for.

    It is its text wherever a text is wanted. Comparing, ordering and grouping use `ns`, so that
    ``…00Z`` comes before ``…00.5Z``, and ``…00Z`` is the same as ``…02:00+02:00``.
    """

    __slots__ = ("ns",)

    ns: int


def to_instant(text: str) -> Instant | None:
    """
    Read an RFC 3339 date-time; None if *text* is anything else.

    A leap second is the first moment of the next minute. Years are 1 to 9999 in UTC.

    >>> to_instant("1970-01-01T01:00:00.5+01:00").ns
    500000000
    """
    if type(text) is Instant:
        return text
    match = _DATE_TIME.fullmatch(text)
    ns = None if match is None else _nanoseconds(*match.groups(default=""))
    if ns is None:
        return None
    instant = Instant(text)
    instant.ns = ns
    return instant


def utc_date(instant: Instant) -> date:
    """
    The day *instant* lies in, in UTC.
    """
    return date.min + timedelta(days=(instant.ns - _FIRST_NS) // (_DAY_S * _NS))


def utc_hour(instant: Instant) -> int:
    """
    The hour of the day *instant* lies in, 0 to 23, in UTC.
    """
    return instant.ns // (3600 * _NS) % 24


def _nanoseconds(  # noqa: PLR0917 - the groups of the pattern, in its order
    year: str,
    month: str,
    day: str,
    hour: str,
    minute: str,
    second: str,
    fraction: str,
    sign: str,
    offset_hours: str,
    offset_minutes: str,
) -> int | None:
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    if hour > "23" or minute > "59" or second > "60":
        return None
    seconds = days * _DAY_S + int(hour) * 3600 + int(minute) * 60 + int(second)
    if sign:
        if offset_hours > "23" or offset_minutes > "59":
            return None
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        seconds += offset if sign == "-" else -offset
    ns = seconds * _NS + int(fraction.ljust(9, "0"))
    return ns if _FIRST_NS <= ns <= _LAST_NS else None
