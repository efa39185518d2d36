"""
When a snapshot is due.
"""

import pytest

from eventsource import DeclarationError, Event, upcaster
from eventsource.aggregates import AfterEvent, EveryEvents, SinceSnapshot, SlowerThan


class BooksClosed(Event, type="io.example.test.policy.books-closed"):
    """
    An event that snapshots are taken at.
    """


class Abstract(Event, abstract=True):
    """
    No event is ever of it.
    """


@upcaster("io.example.test.policy.year-ended", version=1, into=BooksClosed)
def _moved(data: dict[str, object]) -> dict[str, object]:
    return data


def test_every_so_many_events() -> None:
    """
    From that many on.
    """
    policy = EveryEvents(100)

    assert [policy.is_due(SinceSnapshot(events=count)) for count in (1, 99, 100, 250)] == [False, False, True, True]


def test_when_loading_was_slow() -> None:
    """
    By the clock, unless there were too few events to be the reason.
    """
    policy = SlowerThan(0.05, least_events=10)

    assert policy.is_due(SinceSnapshot(events=10, load_s=0.06))
    assert not policy.is_due(SinceSnapshot(events=10, load_s=0.05))
    assert not policy.is_due(SinceSnapshot(events=9, load_s=9.0))


def test_at_an_event() -> None:
    """
    At the classes that were given, whatever name they were stored under.
    """
    policy = AfterEvent(BooksClosed)

    assert policy.is_due(SinceSnapshot(events=1, event_types={"x", "io.example.test.policy.books-closed"}))
    assert policy.is_due(SinceSnapshot(events=1, event_types=["io.example.test.policy.year-ended"]))
    assert not policy.is_due(SinceSnapshot(events=1, event_types=["x"]))


def test_they_combine() -> None:
    """
    One of two, both, and any depth of that.
    """
    many, slow, at = EveryEvents(100), SlowerThan(1.0), AfterEvent(BooksClosed)
    since = SinceSnapshot(events=100, load_s=0.5)

    assert (many | slow).is_due(since)
    assert not (many & slow).is_due(since)
    assert ((many & slow) | (many | at)).is_due(since)
    assert not ((many | at) & slow).is_due(since)


@pytest.mark.parametrize("classes", [(), (Abstract,)], ids=["none", "abstract"])
def test_at_nothing_is_refused(classes: tuple[type[Event], ...]) -> None:
    """
    It would never be due.
    """
    with pytest.raises(DeclarationError):
        AfterEvent(*classes)


@pytest.mark.parametrize("count", [0, -1])
def test_a_policy_that_makes_no_sense_is_refused(count: int) -> None:
    """
    Every event at the least; a time above nothing.
    """
    with pytest.raises(ValueError, match="must be >= 1"):
        EveryEvents(count)
    with pytest.raises(ValueError, match="must be > 0"):
        SlowerThan(float(count))
