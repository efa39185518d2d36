"""
What a store file keeps beside the events themselves, and reading events together with it.

Both tables have a row only for the few events they are about, so commits and reads of all others
never touch them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventsource.events.data_reference import DataReference
from eventsource.events.event import RecordedEvent
from eventsource.store.log_entry import LogEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import apsw

# data_references: the events whose data is stored by reference; the salt is null once the data is erased.
# imported_events: those restored from another kind of store, with their time as it was written there.
SCHEMA: Final = """
CREATE TABLE data_references (
    position INTEGER PRIMARY KEY,
    salt TEXT,
    digest TEXT NOT NULL
) STRICT;
CREATE TABLE imported_events (
    position INTEGER PRIMARY KEY,
    time TEXT NOT NULL
) STRICT;
"""

_FORMAT_WITH_ENTRIES: Final = 3
_FIELDS: Final = len(RecordedEvent._fields)
_EVENT: Final = ", ".join(f"e.{'data' if field == 'data_json' else field}" for field in RecordedEvent._fields)
_STRETCH: Final = "WHERE e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?"
_WITH_ENTRIES: Final = f"""
SELECT {_EVENT}, r.salt, r.digest, i.time FROM events AS e
LEFT JOIN data_references AS r ON r.position = e.position
LEFT JOIN imported_events AS i ON i.position = e.position
{_STRETCH}
"""  # noqa: S608  constants
# In a file of an older format, opened for reading.
_EVENTS_ALONE: Final = f"SELECT {_EVENT}, NULL, NULL, NULL FROM events AS e {_STRETCH}"  # noqa: S608  constants


def read_entries(connection: apsw.Connection, *, after: int, until: int, limit: int) -> Iterator[LogEntry]:
    """
    The events behind a position with all that is kept of them, in the order of the log.
    """
    version: int = connection.pragma("user_version")
    statement = _WITH_ENTRIES if version >= _FORMAT_WITH_ENTRIES else _EVENTS_ALONE
    for row in connection.execute(statement, (after, until, limit)):
        salt, digest, imported_time = row[_FIELDS:]
        reference = None if digest is None else DataReference(salt, digest)
        yield LogEntry(RecordedEvent._make(row[:_FIELDS]), reference, imported_time)


def write_references(connection: apsw.Connection, references: Iterable[tuple[int, DataReference]]) -> None:
    """
    Keep what ties events, named by position, to their data.
    """
    rows: list[tuple[Any, ...]] = [(position, *reference) for position, reference in references]
    connection.executemany("INSERT INTO data_references (position, salt, digest) VALUES (?, ?, ?)", rows)


def write_imported_times(connection: apsw.Connection, times: Iterable[tuple[int, str]]) -> None:
    """
    Keep that events, named by position, were restored from another kind of store, and their times there.
    """
    connection.executemany("INSERT INTO imported_events (position, time) VALUES (?, ?)", list(times))
