"""
The file of an embedded store: its format, how it is created, opened and recognised.

One SQLite database in WAL mode. `events` is the log; schemas and idempotency keys stand beside it, and
everything else is derived from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import apsw

from eventsource.events.event import RecordedEvent
from eventsource.private_files import sync_folder
from eventsource.store.audit import ChainAudit
from eventsource.store.embedded import commit_keys, entries, erasure, schema_rows
from eventsource.store.embedded.entries import read_entries
from eventsource.store.embedded.failures import translated
from eventsource.store.embedded.open_files import APPLICATION_ID
from eventsource.store.embedded.query import data_index, functions
from eventsource.store.embedded.query.plan import COMMAND_ID, COMMAND_ID_INDEX, HAS_COMMAND_ID
from eventsource.store.embedded.query.sql import fetch
from eventsource.store.errors import NotAStoreError, StoreFormatError
from eventsource.wire.errors import StoreCorruptedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from eventsource.store.embedded.files import StoreFiles

FORMAT = 5

# position: 1, 2, 3 …; the order of the log.
# version: the event's number within its subject, from 1 on. The last one is the answer to "how many events has this
# subject", at the cost of one index search.
_SCHEMA_1 = """
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    source TEXT NOT NULL,
    subject TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    predecessor_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_subject ON events (subject);
"""

# An index ends with the position, so the events of one type are found in the order of the log.
_SCHEMA_2 = f"""
CREATE INDEX events_type ON events (type);
{data_index.SCHEMA}
"""

_SCHEMA_3 = f"""
{entries.SCHEMA}
{erasure.SCHEMA}
{schema_rows.SCHEMA}
{commit_keys.SCHEMA}
"""

# Which events carry the id of a command; what others cost is a look for the name of the member. Canonical JSON has it
# as it is written here, so no event is missed.
_SCHEMA_4 = f"""
CREATE INDEX {COMMAND_ID_INDEX} ON events ({COMMAND_ID}) WHERE {HAS_COMMAND_ID};
"""

# subjects: how many subjects the log has up to this event, so that the last event tells it. Of the events written
# before this format only the last has it.
_SCHEMA_5 = """
ALTER TABLE events ADD COLUMN subjects INTEGER;
UPDATE events SET subjects = (SELECT count(DISTINCT subject) FROM events)
WHERE position = (SELECT max(position) FROM events);
"""

# What each format adds to the one before it.
_STEPS = (_SCHEMA_1, _SCHEMA_2, _SCHEMA_3, _SCHEMA_4, _SCHEMA_5)

SCHEMA = "".join(_STEPS)

# In the order of `RecordedEvent`.
EVENT_COLUMNS = "position, id, time_ns, source, subject, type, data, predecessor_hash, hash"

# The WAL-reset bug loses data in earlier ones. Source: SQLite release notes 3.51.3.
_OLDEST_SAFE_SQLITE = (3, 51, 3)

# How many of the last events are checked when a file is opened: damage at the end is what a crash could do.
_EVENTS_CHECKED_AT_OPEN = 100

BUSY_TIMEOUT_MS = 5000


def open_for_writing(files: StoreFiles) -> apsw.Connection:
    """
    Open the file, making a store of an empty one. The caller holds the lock of the writer.

    Raises:
        NotAStoreError, StoreFormatError, StoreCorruptedError, StoreUnavailableError: As they say.
    """
    path = files.path
    _check_sqlite_version(path)
    with translated(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _configure(connection)
            connection.pragma("synchronous", "FULL")
            # What is deleted is overwritten, so that erasing erases.
            connection.pragma("secure_delete", True)  # noqa: FBT003  a pragma's value
            # Checkpoints are explicit: what an automatic one fails at, nobody is told.
            connection.wal_autocheckpoint(0)
            # The size of the file does not tell: it is now that SQLite takes back what a crash left of making it.
            if connection.pragma("page_count") == 0:
                _create(connection, files)
            _recognise(connection, path)
            _start_log(connection, path)
            files.opened(connection)
            _bring_up_to_date(connection)
            check_end(connection, path)
            _sync_directory(path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_reading(files: StoreFiles) -> apsw.Connection:
    """
    Open an existing file; nothing is ever written or checkpointed through it.

    Raises:
        NotAStoreError, StoreFormatError, StoreUnavailableError: As they say.
        ReadingNeedsLogError: It cannot be read like this by who may not write beside it.
    """
    with translated(files.path):
        try:
            return _open_to_read(files, str(files.path), has_log=True)
        except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
            raise ReadingNeedsLogError(str(files.path), str(error)) from error


def open_at_rest(files: StoreFiles) -> apsw.Connection:
    """
    Open a file that was closed well, for reading, without the right to write beside it.

    The connection never looks whether the file has changed; the caller does.

    Raises:
        NotAStoreError, StoreFormatError, StoreUnavailableError: As they say.
    """
    with translated(files.path):
        return _open_to_read(files, f"file:{quote(str(files.path))}?immutable=1", has_log=False)


class ReadingNeedsLogError(StoreUnavailableError):
    """
    SQLite keeps an index of the write-ahead log beside the file even to read, and may not make it.
    """


def _open_to_read(files: StoreFiles, name: str, *, has_log: bool) -> apsw.Connection:
    connection = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        _configure(connection)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.pragma("query_only", True)  # noqa: FBT003  a pragma's value
        _recognise(connection, files.path)
        files.opened(connection, has_log=has_log)
    except BaseException:
        connection.close()
        raise
    return connection


def to_recorded(rows: Iterable[tuple[object, ...]]) -> list[RecordedEvent]:
    """
    Rows of `EVENT_COLUMNS` as events.
    """
    return list(map(RecordedEvent._make, rows))


def _configure(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.pragma("cell_size_check", True)  # noqa: FBT003  a pragma's value
    functions.register(connection)


def _create(connection: apsw.Connection, files: StoreFiles) -> None:
    with connection:
        connection.execute(SCHEMA)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", FORMAT)
    files.sync()


def _recognise(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise NotAStoreError(path, "it is an SQLite database of something else")
    found = connection.pragma("user_version")
    if found > FORMAT:
        raise StoreFormatError(path, found=found, supported=FORMAT)


def _bring_up_to_date(connection: apsw.Connection) -> None:
    """
    Bring a file of an older format to the newest, all or nothing.
    """
    found = connection.pragma("user_version")
    if found == FORMAT:
        return
    with connection:
        connection.execute("".join(_STEPS[found:]))
        connection.pragma("user_version", FORMAT)


def _start_log(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("journal_mode", "WAL") != "wal":
        raise StoreUnavailableError(str(path), "its file system allows no write-ahead log")
    # The first read opens the log and its index.
    connection.pragma("schema_version")


def check_end(connection: apsw.Connection, path: Path) -> None:
    """
    Check the last events of a file against their hash chain.

    Raises:
        StoreCorruptedError: It does not hold.
    """
    found = fetch(
        connection, "SELECT position FROM events ORDER BY position DESC LIMIT ?", (_EVENTS_CHECKED_AT_OPEN + 1,)
    )
    if not found:
        return
    last = list(read_entries(connection, after=found[-1][0] - 1, until=found[0][0], limit=_EVENTS_CHECKED_AT_OPEN + 1))
    before = last.pop(0).event if len(last) > _EVENTS_CHECKED_AT_OPEN else None
    audit = ChainAudit(after=before)
    for entry in last:
        audit.check(entry)
    problems = audit.report().problems
    if problems:
        raise StoreCorruptedError(str(path), f"position {problems[0].position}: {problems[0].what}")


def _check_sqlite_version(path: Path) -> None:
    version = tuple(map(int, apsw.sqlite_lib_version().split(".")))
    if version < _OLDEST_SAFE_SQLITE:
        reason = f"SQLite {apsw.sqlite_lib_version()} can lose commits; install an apsw that bundles 3.51.3 or newer"
        raise StoreUnavailableError(str(path), reason)


def _sync_directory(path: Path) -> None:
    # SQLite ignores an error of syncing the directory, so a power cut could lose the name of a new file, or that of
    # its write-ahead log, which is made anew at each opening.
    sync_folder(path.parent)
