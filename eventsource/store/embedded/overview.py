"""
What an embedded store holds, found without reading every event: its last event, subjects, types, size.

The last event of one subject, or of the whole store, is one search of an index. That of a subtree is
looked for among the newest events first; failing that, the index entries of the subtree are gone
through, which took 60 ms for 1,000,000 events.

Each event has the number of subjects up to it, so counting them is a look at the last one. A file
that is read only, and older than that, has its subjects gone through.

The different values of an indexed column are found by searching for the next larger one again and
again: 25 ms for 10,000 subjects with 1,000,000 events. A step costs six times as much as reading
an entry, so with few events to a subject the entries are read instead.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from eventsource.store.clock import seconds_ahead
from eventsource.store.embedded.file import EVENT_COLUMNS, to_recorded
from eventsource.store.embedded.query.sql import fetch
from eventsource.store.embedded.reader import range_below
from eventsource.store.interface import StoreStatus

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

    from eventsource.events.event import RecordedEvent
    from eventsource.store.paging import Selection

# How many of the newest events are looked at before an index is: a subtree in use has one among them.
_NEWEST: Final = 200

_LAST: Final = f"SELECT {EVENT_COLUMNS} FROM events ORDER BY position DESC LIMIT 1"  # noqa: S608  constants
_LAST_OF_SUBJECT: Final = f"SELECT {EVENT_COLUMNS} FROM events WHERE subject = ? ORDER BY position DESC LIMIT 1"  # noqa: S608  constants
_AT: Final = f"SELECT {EVENT_COLUMNS} FROM events WHERE position = ?"  # noqa: S608  constants
# The unary plus keeps SQLite from the index on subjects: here the end of the log is walked.
_NEWEST_BELOW: Final = """
SELECT position FROM events
WHERE position > (SELECT max(position) FROM events) - ?1 AND (+subject = ?2 OR (+subject >= ?3 AND +subject < ?4))
ORDER BY position DESC LIMIT 1
"""
_LAST_BELOW: Final = """
SELECT max(position) FROM (
    SELECT max(position) AS position FROM events WHERE subject = ?1
    UNION ALL
    SELECT max(position) FROM events WHERE subject >= ?2 AND subject < ?3
)
"""

# Step by step to the next larger value; {0} is the column, {1} what the values must fulfil.
_STEPS: Final = """
WITH RECURSIVE found (value) AS (
    SELECT min({0}) FROM events WHERE {1}
    UNION ALL
    SELECT (SELECT min({0}) FROM events WHERE {0} > found.value AND {1}) FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL LIMIT ?
"""
_ENTRIES: Final = "SELECT DISTINCT {0} FROM events WHERE {1} ORDER BY 1"

# With at least so many events to a value steps are taken, so finding out costs less than reading the entries does.
_EVENTS_A_STEP: Final = 20
_FORMAT_WITH_TYPES: Final = 2
_FORMAT_WITH_COUNTED_SUBJECTS: Final = 5


def last_event(connection: apsw.Connection, selection: Selection) -> RecordedEvent | None:
    """
    The last event of a subject or subtree; None if it has none.
    """
    subject = str(selection.subject)
    if selection.covers_all:
        rows = connection.execute(_LAST)
    elif selection.recursive:
        rows = connection.execute(_AT, (_last_position_below(connection, subject),))
    else:
        rows = connection.execute(_LAST_OF_SUBJECT, (subject,))
    found = to_recorded(rows)
    return found[0] if found else None


def list_subjects(connection: apsw.Connection, under: Selection) -> tuple[str, ...]:
    """
    The subjects that have events, in the order of their characters.
    """
    if under.covers_all:
        return _values(connection, "subject", "1", ())
    subject = str(under.subject)
    own = connection.execute("SELECT 1 FROM events WHERE subject = ? LIMIT 1", (subject,)).get
    below = _values(connection, "subject", "subject >= ? AND subject < ?", range_below(subject))
    return (subject, *below) if own else below


def list_types(connection: apsw.Connection) -> tuple[str, ...]:
    """
    The event types that have events, in the order of their characters.
    """
    if connection.pragma("user_version") < _FORMAT_WITH_TYPES:
        return tuple(row[0] for row in fetch(connection, _ENTRIES.format("type", "1")))
    return _values(connection, "type", "1", ())


def read_status(connection: apsw.Connection, path: Path, now_ns: int) -> StoreStatus:
    """
    How much there is, and whether the clock fits.
    """
    # One transaction: one state of the log.
    connection.execute("BEGIN")
    try:
        events: int = connection.execute("SELECT max(position) FROM events").get or 0
        subjects = _count_subjects(connection, events)
        types = len(list_types(connection))
        last_ns: int | None = connection.execute("SELECT time_ns FROM events ORDER BY position DESC LIMIT 1").get
        return StoreStatus(
            events=events,
            subjects=subjects,
            types=types,
            storage_bytes=_storage_bytes(path),
            time_ahead_s=seconds_ahead(last_ns, now_ns),
        )
    finally:
        connection.execute("ROLLBACK")


def _last_position_below(connection: apsw.Connection, subject: str) -> int | None:
    scope = (subject, *range_below(subject))
    newest: int | None = connection.execute(_NEWEST_BELOW, (_NEWEST, *scope)).get
    if newest is not None:
        return newest
    last: int | None = connection.execute(_LAST_BELOW, scope).get
    return last


def _count_subjects(connection: apsw.Connection, events: int) -> int:
    if connection.pragma("user_version") >= _FORMAT_WITH_COUNTED_SUBJECTS:
        counted: int | None = connection.execute("SELECT subjects FROM events ORDER BY position DESC LIMIT 1").get
        return counted or 0
    most = events // _EVENTS_A_STEP + 1
    count: int = connection.execute(f"SELECT count(*) FROM ({_STEPS.format('subject', '1')})", (most,)).get  # noqa: S608
    if count == most:
        count = connection.execute("SELECT count(DISTINCT subject) FROM events").get
    return count


def _values(connection: apsw.Connection, column: str, where: str, values: tuple[str, ...]) -> tuple[str, ...]:
    events: int = connection.execute("SELECT max(position) FROM events").get or 0
    most = events // _EVENTS_A_STEP + 1
    rows = fetch(connection, _STEPS.format(column, where), (*values, *values, most))
    if len(rows) == most:
        rows = fetch(connection, _ENTRIES.format(column, where), values)
    return tuple(row[0] for row in rows)


def _storage_bytes(path: Path) -> int:
    size = path.stat().st_size
    # The log is removed when the last connection closes.
    with suppress(FileNotFoundError):
        size += path.with_name(f"{path.name}-wal").stat().st_size
    return size
