"""
Pure values and rules: no I/O, no clock.
"""

from eventsource.domain.aggregate import Aggregate
from eventsource.domain.event import Event, NewEvent, RecordedEvent
from eventsource.domain.event_type import EventTypes, event_types
from eventsource.domain.handler import handles
from eventsource.domain.precondition import (
    Precondition,
    QueryIsTrue,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
)
from eventsource.domain.subject import Subject

__all__ = [
    "Aggregate",
    "Event",
    "EventTypes",
    "NewEvent",
    "Precondition",
    "QueryIsTrue",
    "RecordedEvent",
    "Subject",
    "SubjectExists",
    "SubjectIsAtVersion",
    "SubjectIsNew",
    "event_types",
    "handles",
]
