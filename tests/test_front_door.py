"""
The front door: the names users import, each on purpose.
"""

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
