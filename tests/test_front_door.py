"""
The front door: the names users import, each on purpose.
"""

import importlib
import re
from typing import Any

import pytest

import eventsource

# What may be added to, and never silently taken from.
NAMES = [
    "Aggregate",
    "AggregateExistsError",
    "AggregateNotFoundError",
    "Command",
    "CommitOutcomeUnknownError",
    "ConflictError",
    "Decider",
    "DecisionState",
    "DeclarationError",
    "Dispatcher",
    "Erased",
    "Event",
    "EventSourceError",
    "EventStore",
    "Guard",
    "Metadata",
    "NewEvent",
    "PeriodAggregate",
    "Precondition",
    "ProcessManager",
    "ProcessWorker",
    "ProjectionWorker",
    "Projector",
    "QueryHolds",
    "ReadModelDatabase",
    "RecordedEvent",
    "Refusal",
    "Repository",
    "RetryPolicy",
    "RuleBrokenError",
    "Snapshots",
    "StoreError",
    "Subject",
    "SubjectExists",
    "SubjectIsAtVersion",
    "SubjectIsNew",
    "UnitOfWork",
    "connect",
    "erase_subject",
    "handles",
    "on_refusal",
    "on_timer",
    "reacts",
    "rule",
    "scoped",
    "select_events",
    "starts",
    "transact",
    "upcaster",
    "with_metadata",
]


def test_exported_names_are_these() -> None:
    """
    Adding or removing a public name is a decision, so it shows here.
    """
    assert sorted(dir(eventsource)) == NAMES


def test_every_exported_name_is_there() -> None:
    """
    Each name leads to something.
    """
    assert all(getattr(eventsource, name) is not None for name in dir(eventsource))


def test_nothing_is_exported_twice() -> None:
    """
    The list has each name once.
    """
    assert len(set(dir(eventsource))) == len(dir(eventsource))


def test_everything_exported_is_documented() -> None:
    """
    Each public class and function says what it is.
    """
    undocumented = [name for name in dir(eventsource) if not (getattr(eventsource, name).__doc__ or "").strip()]

    assert undocumented == []


@pytest.mark.parametrize(
    ("former", "place", "now"),
    [
        ("EmbeddedEventStore", "eventsource.store", "EmbeddedEventStore"),
        ("StoreClosedError", "eventsource.errors", "StoreClosedError"),
        ("Worker", "eventsource", "ProjectionWorker"),
        ("decide", "eventsource", "transact"),
        ("At", "eventsource.aggregates", "AfterEvent"),
        ("ProcessState", "eventsource.processes", "ProcessStatus"),
        ("purging", "eventsource.erasure", "purge_caches"),
    ],
)
def test_former_names_lead_on_and_say_where(former: str, place: str, now: str) -> None:
    """
    A name that has left the front door is still found there, with a warning that names its place.
    """
    with pytest.warns(DeprecationWarning, match=rf"use {re.escape(place)}\.{now};"):
        found = getattr(eventsource, former)

    assert found is getattr(importlib.import_module(place), now)
    assert former not in dir(eventsource)


def test_the_former_rule_builder_is_called_as_before() -> None:
    """
    `events(...)` builds the same rules as `select_events(...)`, with a warning.
    """

    class Counted(eventsource.Event, type="io.example.former-names.counted"):
        n: int

    builder: Any = importlib.import_module("eventsource.events")

    with pytest.warns(DeprecationWarning, match="select_events"):
        rule = builder(Counted).count() == 0

    assert rule.query == (eventsource.select_events(Counted).count() == 0).query


def test_a_name_that_never_was_is_an_error() -> None:
    """
    Anything else is an AttributeError, as of every module.
    """
    with pytest.raises(AttributeError, match="has no attribute 'Acount'"):
        _ = eventsource.Acount  # type: ignore[attr-defined]
