"""
The wait before the next attempt.
"""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import attrs

# What a server may ask us to wait at the most, in seconds: beyond it somebody made a mistake.
MAX_RETRY_AFTER_S = 300.0

# One for all: to seed another takes longer than many a request.
_RANDOM = random.Random()  # noqa: S311  nothing secret


@attrs.define
class Backoff:
    """
    Pauses that grow, each anywhere between nothing and its limit.

    So those who were cut off together do not come back together.

    Attributes:
        base_s: The limit of the first pause, in seconds; that of each further one is twice as long.

        cap_s: The limit of all.

        source: Source of randomness.
    """

    base_s: float = 0.05
    cap_s: float = 5.0
    source: random.Random = _RANDOM
    _tries: int = attrs.field(default=0, init=False)

    def pause_s(self, retry_after_s: float | None = None) -> float:
        """
        How long to wait now, in seconds; not less than the server asked for.
        """
        limit = min(self.cap_s, self.base_s * 2**self._tries)
        # Beyond that it would grow for ever, and the limit is long reached.
        self._tries = min(self._tries + 1, 32)
        return self.source.uniform(0, limit) + min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)

    def reset(self) -> None:
        """
        It went well: start again.
        """
        self._tries = 0


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """
    What a ``Retry-After`` header asks for, in seconds: it is a number of them, or a date.

    >>> read_retry_after("120")
    120.0
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, OverflowError):
        # A date that no calendar has, or a time zone beyond all others.
        return None
