"""
Clocks and ids that a test knows beforehand.
"""

from datetime import UTC, datetime, timedelta

import pytest

from eventsource import NewEvent
from eventsource.store import InMemoryEventStore
from eventsource.testing import FixedClock, sequential_ids


async def test_events_get_the_time_and_the_ids_of_the_test() -> None:
    """
    To the microsecond; the clock stands until it is moved.
    """
    clock = FixedClock(datetime(2026, 5, 1, 10, 0, 0, 123_456, tzinfo=UTC))
    async with InMemoryEventStore(clock=clock, new_id=sequential_ids()) as store:
        [first] = await store.commit([NewEvent(subject="/a", type="a", data={})])
        clock.advance(timedelta(days=1), hours=2)
        [second] = await store.commit([NewEvent(subject="/a", type="a", data={})])

    assert (first.id, first.time) == ("event-1", datetime(2026, 5, 1, 10, 0, 0, 123_456, tzinfo=UTC))
    assert (second.id, second.time) == ("event-2", datetime(2026, 5, 2, 12, 0, 0, 123_456, tzinfo=UTC))


def test_time_does_not_go_back() -> None:
    """
    Nor does it stand at a time without a zone.
    """
    clock = FixedClock()
    clock.move_to(clock.now() + timedelta(seconds=5))

    with pytest.raises(ValueError, match="does not go back"):
        clock.move_to(clock.now() - timedelta(seconds=1))
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(datetime(2026, 5, 1))  # noqa: DTZ001  the mistake that is meant
