"""
Time and ids that a test knows beforehand.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

START: Final = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class FixedClock:
    """
    A clock that stands still until it is told to go on.

    Called, it gives nanoseconds since 1970 UTC, as stores want it: ``InMemoryEventStore(clock=clock)``.

    >>> clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    >>> clock.advance(hours=1)
    >>> clock.now().isoformat()
    '2026-05-01T01:00:00+00:00'

    Args:
        start: The time it stands at, with a time zone.

    Raises:
        ValueError: *start* has no time zone.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = _aware(start)

    def now(self) -> datetime:
        """
        The time it stands at: aware, UTC.
        """
        return self._now

    def __call__(self) -> int:
        """
        The same in nanoseconds since 1970 UTC.
        """
        return (self._now - _EPOCH) // _MICROSECOND * 1000

    def advance(self, by: timedelta | None = None, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """
        Go on by so much.

        Raises:
            ValueError: Time would go back.
        """
        step = (by or timedelta()) + timedelta(days=days, hours=hours, seconds=seconds)
        if step < timedelta():
            msg = "time does not go back: make another clock"
            raise ValueError(msg)
        self._now += step

    def move_to(self, time: datetime) -> None:
        """
        Go on to *time*.

        Raises:
            ValueError: *time* is in the past, or has no time zone.
        """
        self.advance(_aware(time) - self._now)


def sequential_ids(prefix: str = "event-") -> Callable[[], str]:
    """
    Ids that count: ``InMemoryEventStore(new_id=sequential_ids())``.

    >>> new_id = sequential_ids()
    >>> new_id(), new_id()
    ('event-1', 'event-2')
    """
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        msg = f"{time.isoformat()} has no time zone: say datetime(..., tzinfo=UTC)"
        raise ValueError(msg)
    return time.astimezone(UTC)
