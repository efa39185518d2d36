"""
Points in time, as integer nanoseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_timestamp(time_ns: int) -> str:
    """
    Print a time as RFC 3339 in UTC with nine digits of fraction, the form Genesis DB uses.

    >>> format_timestamp(1_748_878_801_157_792_875)
    '2025-06-02T15:40:01.157792875Z'
    """
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{_format_second(seconds)}.{nanoseconds:09d}Z"


def to_datetime(time_ns: int) -> datetime:
    """
    The time as an aware `datetime` in UTC, cut to microseconds.
    """
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


# Events come in order of time, so neighbours share their second.
@functools.lru_cache(maxsize=256)
def _format_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
