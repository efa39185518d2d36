"""
Fixtures and readable differences for pytest.

Name it in the ``conftest.py`` at the root of your tests: ``pytest_plugins = ["eventsource.testing.plugin"]``.
It is not loaded by itself, or every test run in an environment that happens to have this package would
import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from eventsource.events.event import Event, NewEvent, RecordedEvent
from eventsource.events.event_types import event_types
from eventsource.store.memory import InMemoryEventStore
from eventsource.testing.clock import FixedClock, sequential_ids
from eventsource.testing.flaky_store import FlakyStore
from eventsource.testing.scenario.differences import differences
from eventsource.testing.scenario.unchecked import forget_unchecked, last_number, raise_for_unchecked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

# Stands for the place of events that have none: both sides get the same.
_NOWHERE = "/-"


@pytest.fixture
def fixed_clock() -> FixedClock:
    """
    A clock that stands at noon, 1 January 2026 UTC, until the test moves it.
    """
    return FixedClock()


@pytest.fixture
def event_store(fixed_clock: FixedClock) -> InMemoryEventStore:
    """
    An empty store in memory on the test's clock; its events are called event-1, event-2 and so on.
    """
    return InMemoryEventStore(clock=fixed_clock, new_id=sequential_ids())


@pytest.fixture
def flaky_store(event_store: InMemoryEventStore) -> FlakyStore:
    """
    A store that loses some answers and refuses some commits; what really happened is in `event_store`.
    """
    return FlakyStore(event_store, lost=0.1, conflicts=0.1, unavailable=0.05)


@pytest.fixture
def event_types_scope() -> Iterator[None]:
    """
    Forgets after the test which event classes and upcasters it has declared, so that another may use their names.
    """
    with event_types.scope():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """
    Fail a test that runs a scenario and asserts nothing of it.
    """
    before = last_number()
    try:
        yield
    except BaseException:
        forget_unchecked(since=before)
        raise
    raise_for_unchecked(since=before)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """
    Show where two lists of events differ, field by field.
    """
    found, expected = _events(left), _events(right)
    if op != "==" or found is None or expected is None:
        return None
    lines = differences(expected, found)
    return ["events differ", *lines] if lines else None


def _events(value: object) -> Sequence[NewEvent | RecordedEvent] | None:
    if not isinstance(value, list | tuple) or not value:
        return None
    items = cast("Sequence[object]", value)
    if not all(isinstance(item, Event | NewEvent | RecordedEvent) for item in items):
        return None
    return [
        NewEvent.of(item, subject=_NOWHERE) if isinstance(item, Event) else cast("NewEvent | RecordedEvent", item)
        for item in items
    ]
