"""
Event stores: the port and its kinds.
"""

from eventsource.store.connect import connect
from eventsource.store.embedded import EmbeddedEventStore
from eventsource.store.interface import AuditProblem, AuditReport, EventStore, EventStream, Page
from eventsource.store.memory import InMemoryEventStore

__all__ = [
    "AuditProblem",
    "AuditReport",
    "EmbeddedEventStore",
    "EventStore",
    "EventStream",
    "InMemoryEventStore",
    "Page",
    "connect",
]
