"""
Schemas: what the data of an event type must look like, checked before a commit is sent on its way.
"""

from eventsource.store.schema.generated import Allowance, schema_of
from eventsource.store.schema.registering import SchemaDifference, SchemaState, diff_schemas, push_schemas
from eventsource.store.schema.registry import (
    MAX_SCHEMA_BYTES,
    MAX_SCHEMAS,
    SchemaRegistry,
    read_schemas,
    to_schema_text,
)

__all__ = [
    "MAX_SCHEMAS",
    "MAX_SCHEMA_BYTES",
    "Allowance",
    "SchemaDifference",
    "SchemaRegistry",
    "SchemaState",
    "diff_schemas",
    "push_schemas",
    "read_schemas",
    "schema_of",
    "to_schema_text",
]
