"""
Noticing a clock that is wrong.

The times of events only ever grow, so that their order is that of the log. Hence one event that a clock far
ahead has stamped gives its time, and a nanosecond more, to each later one until the clock has caught up. No
store can put that right, for what is stored stays; so it is said as soon as it can be seen.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from eventsource.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger(__name__)

_SECOND: Final = 1_000_000_000
# From here on the time of the last event is a fault: clocks of machines in order differ by less.
_AHEAD_NS: Final = 60 * _SECOND
# From here on a clock was set, and did not just drift or skip a second.
_JUMP_NS: Final = 3600 * _SECOND


class ClockWatch:
    """
    Compares the clock with the times in the log, and with the time that has passed since it was read last.

    Args:
        name: The name of the store.

        elapsed: Nanoseconds since a moment that stays, counting also while the machine sleeps; None if the
            clock is not the machine's own, such as one that a test turns.
    """

    def __init__(self, name: str, *, elapsed: Callable[[], int] | None) -> None:
        self._name = name
        self._elapsed = elapsed
        self._offset: int | None = None
        self._is_told = False

    @classmethod
    def of(cls, name: str, clock: Callable[[], int]) -> ClockWatch:
        """
        The watch for a store that takes its times from *clock*.
        """
        return cls(name, elapsed=since_boot_ns if clock is time.time_ns else None)

    def look(self, last_ns: int, now_ns: int) -> None:
        """
        Warn in the log if the clock is far behind the last event, or has jumped far ahead since the last look.

        Each is said once, until the clock is right again.
        """
        if self._elapsed is not None:
            offset = now_ns - self._elapsed()
            if self._offset is not None and offset - self._offset > _JUMP_NS:
                log.warning("clock.jumped_ahead", store=self._name, seconds=(offset - self._offset) // _SECOND)
            self._offset = offset
        is_behind = last_ns - now_ns > _AHEAD_NS
        if is_behind and not self._is_told:
            log.warning("clock.behind_last_event", store=self._name, seconds=(last_ns - now_ns) // _SECOND)
        self._is_told = is_behind


def seconds_ahead(last_ns: int | None, now_ns: int) -> float:
    """
    By how many seconds the time of the last event is ahead of the clock, where that is a fault; else 0.
    """
    ahead_ns = 0 if last_ns is None else last_ns - now_ns
    return ahead_ns / _SECOND if ahead_ns > _AHEAD_NS else 0.0


def since_boot_ns() -> int:
    """
    Nanoseconds since the machine was started, sleep included where the system counts it.
    """
    return time.clock_gettime_ns(_BOOT) if _BOOT is not None else time.monotonic_ns()


_BOOT: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)
