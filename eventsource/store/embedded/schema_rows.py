"""
The schemas of an embedded store, as rows of its file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventsource.store.embedded.query.sql import fetch

if TYPE_CHECKING:
    import apsw

# schema: canonical JSON, as it was registered.
SCHEMA: Final = """
CREATE TABLE schemas (
    event_type TEXT PRIMARY KEY,
    schema TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_FORMAT_WITH_SCHEMAS: Final = 3


def read_schema_texts(connection: apsw.Connection) -> dict[str, str]:
    """
    All schemas, by event type.
    """
    version: int = connection.pragma("user_version")
    if version < _FORMAT_WITH_SCHEMAS:
        return {}
    return dict(fetch(connection, "SELECT event_type, schema FROM schemas"))


def insert_schema(connection: apsw.Connection, event_type: str, schema: str) -> None:
    """
    Store a schema, inside a transaction of the writer.
    """
    connection.execute("INSERT INTO schemas (event_type, schema) VALUES (?, ?)", (event_type, schema))
