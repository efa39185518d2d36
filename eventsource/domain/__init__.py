"""
Pure values and rules: no I/O, no clock.
"""

from eventsource.domain.aggregates.aggregate import Aggregate
from eventsource.domain.aggregates.decider import Decider
from eventsource.domain.aggregates.decision_state import DecisionState
from eventsource.domain.aggregates.handler import handles
from eventsource.domain.aggregates.period_aggregate import PeriodAggregate
from eventsource.domain.event import Event, NewEvent, RecordedEvent
from eventsource.domain.event_type import EventTypes, event_types, stored_types_of
from eventsource.domain.evolution.erased import Erased
from eventsource.domain.evolution.subject_erased import SubjectErased
from eventsource.domain.evolution.upcaster import upcaster
from eventsource.domain.guards.event_proxy import one_of
from eventsource.domain.guards.guard import Guard, all_of, events
from eventsource.domain.guards.rule import rule
from eventsource.domain.metadata import Metadata
from eventsource.domain.precondition import (
    Precondition,
    QueryIsTrue,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
)
from eventsource.domain.processes.correlation import own_command
from eventsource.domain.processes.process_manager import ProcessManager
from eventsource.domain.processes.reaction import Refusal, on_refusal, on_timer, reacts, starts
from eventsource.domain.snapshots.snapshot import Snapshot
from eventsource.domain.snapshots.snapshot_policy import At, EveryEvents, SinceSnapshot, SlowerThan, SnapshotPolicy
from eventsource.domain.subject import Subject

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
