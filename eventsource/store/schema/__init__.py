"""
Schemas: what the data of an event type must look like, checked before a commit is sent on its way.
"""

from eventsource.store.schema.book import MAX_SCHEMA_BYTES, MAX_SCHEMAS, SchemaBook, read_schemas, to_schema_text
from eventsource.store.schema.generated import Allowance, schema_of
from eventsource.store.schema.registering import SchemaDifference, SchemaState, diff_schemas, push_schemas

__all__ = [
    "MAX_SCHEMAS",
    "MAX_SCHEMA_BYTES",
    "Allowance",
    "SchemaBook",
    "SchemaDifference",
    "SchemaState",
    "diff_schemas",
    "push_schemas",
    "read_schemas",
    "schema_of",
    "to_schema_text",
]
