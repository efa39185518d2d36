"""
Pure values and rules: no I/O, no clock.
"""

from eventsource.domain.aggregate import Aggregate
from eventsource.domain.correlation import own_command
from eventsource.domain.decider import Decider
from eventsource.domain.decision_state import DecisionState
from eventsource.domain.erased import Erased
from eventsource.domain.event import Event, NewEvent, RecordedEvent
from eventsource.domain.event_proxy import one_of
from eventsource.domain.event_type import EventTypes, event_types, stored_types_of
from eventsource.domain.guard import Guard, all_of, events
from eventsource.domain.handler import handles
from eventsource.domain.metadata import Metadata
from eventsource.domain.period_aggregate import PeriodAggregate
from eventsource.domain.precondition import (
    Precondition,
    QueryIsTrue,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
)
from eventsource.domain.process_manager import ProcessManager
from eventsource.domain.reaction import Refusal, on_refusal, on_timer, reacts, starts
from eventsource.domain.rule import rule
from eventsource.domain.snapshot import Snapshot
from eventsource.domain.snapshot_policy import At, EveryEvents, SinceSnapshot, SlowerThan, SnapshotPolicy
from eventsource.domain.subject import Subject
from eventsource.domain.subject_erased import SubjectErased
from eventsource.domain.upcaster import upcaster

__all__ = [
    "Aggregate",
    "At",
    "Decider",
    "DecisionState",
    "Erased",
    "Event",
    "EventTypes",
    "EveryEvents",
    "Guard",
    "Metadata",
    "NewEvent",
    "PeriodAggregate",
    "Precondition",
    "ProcessManager",
    "QueryIsTrue",
    "RecordedEvent",
    "Refusal",
    "SinceSnapshot",
    "SlowerThan",
    "Snapshot",
    "SnapshotPolicy",
    "Subject",
    "SubjectErased",
    "SubjectExists",
    "SubjectIsAtVersion",
    "SubjectIsNew",
    "all_of",
    "event_types",
    "events",
    "handles",
    "on_refusal",
    "on_timer",
    "one_of",
    "own_command",
    "reacts",
    "rule",
    "starts",
    "stored_types_of",
    "upcaster",
]
