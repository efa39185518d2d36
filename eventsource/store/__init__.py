"""
Event stores: the port and its kinds.
"""

from eventsource.store.connect import connect
from eventsource.store.embedded import EmbeddedEventStore
from eventsource.store.interface import AuditProblem, AuditReport, EventStore, EventStream, Page, StoreStatus
from eventsource.store.memory import InMemoryEventStore
from eventsource.store.query import DataIndex, ExplainedPart, Explanation, IndexState, QueryLimits, QueryRows
from eventsource.store.schema import SchemaDifference, SchemaState, diff_schemas, push_schemas, schema_of
from eventsource.store.scope import ScopedEventStore, scoped

__all__ = [
    "AuditProblem",
    "AuditReport",
    "DataIndex",
    "EmbeddedEventStore",
    "EventStore",
    "EventStream",
    "ExplainedPart",
    "Explanation",
    "InMemoryEventStore",
    "IndexState",
    "Page",
    "QueryLimits",
    "QueryRows",
    "SchemaDifference",
    "SchemaState",
    "ScopedEventStore",
    "StoreStatus",
    "connect",
    "diff_schemas",
    "push_schemas",
    "schema_of",
    "scoped",
]
