"""
Schemas: what the data of an event type must look like, checked before a commit is sent on its way.
"""

from eventsource.store.schema.book import MAX_SCHEMA_BYTES, MAX_SCHEMAS, SchemaBook, read_schemas, to_schema_text

__all__ = ["MAX_SCHEMAS", "MAX_SCHEMA_BYTES", "SchemaBook", "read_schemas", "to_schema_text"]
