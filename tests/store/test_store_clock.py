"""
A clock that was wrong is noticed: times in the log cannot be put right, so it is said.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.store.clock import ClockWatch
from eventsource.testing.contract.samples import noted

if TYPE_CHECKING:
    from pathlib import Path

    from eventsource import EventStore

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
YEAR = 365 * 86_400 * SECOND


class Clock:
    """
    A clock that a test sets.
    """

    now = NOW

    def __call__(self) -> int:
        """
        The time that was set.
        """
        return self.now


def warnings(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, Any]]:
    """
    What was warned of, and by how many seconds.
    """
    return [
        (vars(record)["event"], vars(record)["seconds"])
        for record in caplog.records
        if record.levelno == logging.WARNING and record.name.startswith("eventsource")
    ]


@pytest.fixture
def clock() -> Clock:
    """
    A clock that is right.
    """
    return Clock()


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> EventStore:
    """
    A store that takes its times from it.
    """
    if request.param == "file":
        return EmbeddedEventStore(tmp_path / "store.db", clock=clock)
    return InMemoryEventStore(clock=clock)


async def test_an_event_from_the_future_is_told(
    store: EventStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Once the clock is right again, the status says how far the log is ahead of it, and a warning is logged, once.
    """
    async with store:
        await store.commit([noted("/a")])
        assert (await store.status()).time_ahead_s == 0
        clock.now = NOW + YEAR
        await store.commit([noted("/a")])
        clock.now = NOW + 10 * SECOND

        events = [(await store.commit([noted("/a")]))[0] for _ in range(3)]
        status = await store.status()

    assert events[-1].time_ns == NOW + YEAR + 3
    assert status.time_ahead_s == pytest.approx(YEAR / SECOND - 10)
    assert warnings(caplog) == [("clock.behind_last_event", YEAR // SECOND - 10)]


async def test_small_differences_are_no_fault(
    store: EventStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A clock that is set back by seconds, as machines do, is not worth a word.
    """
    async with store:
        await store.commit([noted("/a")])
        clock.now -= 5 * SECOND
        await store.commit([noted("/a")])

        assert (await store.status()).time_ahead_s == 0
    assert warnings(caplog) == []


async def test_it_is_told_when_a_store_is_opened(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Opening a store whose last event is from the future warns before anything is committed.
    """
    clock.now = NOW + YEAR
    async with EmbeddedEventStore(tmp_path / "store.db", clock=clock) as store:
        await store.commit([noted("/a")])
    clock.now = NOW

    async with EmbeddedEventStore(tmp_path / "store.db", clock=clock):
        pass

    assert warnings(caplog) == [("clock.behind_last_event", YEAR // SECOND)]


def test_a_jump_of_the_machines_clock_is_told_when_it_happens(caplog: pytest.LogCaptureFixture) -> None:
    """
    A clock that is an hour or more ahead of the time that has passed is warned of; sleeping for long is no jump.
    """
    passed = iter([0, 10 * SECOND, 20 * SECOND, YEAR])
    watch = ClockWatch("store.db", elapsed=lambda: next(passed))

    watch.look(NOW, NOW)
    watch.look(NOW, NOW + 10 * SECOND)
    watch.look(NOW, NOW + 20 * SECOND + 2 * 3600 * SECOND)
    watch.look(NOW, NOW + 2 * 3600 * SECOND + YEAR)

    assert warnings(caplog) == [("clock.jumped_ahead", 7_200)]
