"""
Erasing data from a store file, so that no byte of it is left.

An erase empties the events in one transaction, which also notes that the file is to be cleaned;
from then on nobody reads the data. Cleaning moves the write-ahead log into the file and cuts it, then
zeroes what SQLite's b-trees left behind: with ``secure_delete`` it overwrites what it deletes, but not
the copies that splitting and joining pages left in their unused space. Last the note is removed. Each
step can be done again, so whoever opens the file after a crash finishes the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import apsw

from eventsource.events.data_reference import emptied
from eventsource.events.timestamp import format_timestamp
from eventsource.store.embedded.commit_keys import forget_request
from eventsource.store.embedded.query.sql import fetch
from eventsource.wire.errors import NotSupportedError, SubjectNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from eventsource.store.embedded.query.data_index import IndexKeeper

# A row says that events were emptied while bytes of their data may be left in the files.
SCHEMA: Final = """
CREATE TABLE unfinished_erasures (
    position INTEGER PRIMARY KEY
) STRICT;
"""

# The first byte tells a b-tree page from others only while page numbers are below this: 128 GiB.
_MAX_PAGES: Final = 2 * 2**24
# Source: SQLite file format, section 1.6. By the kind of page, the size of its header.
_HEADER_BYTES: Final = {2: 12, 5: 12, 10: 8, 13: 8}
_CHUNK_BYTES: Final = 2**20


def erase_data(connection: apsw.Connection, indexes: IndexKeeper, subject: str, including: Collection[str] = ()) -> int:
    """
    Empty the events of *subject*, inside a transaction.

    Args:
        including: Also erase data of these types that was not stored by reference.

    Returns:
        Number of events emptied.

    Raises:
        SubjectNotFoundError: It has no events.
        NotSupportedError: The file is too large to be cleaned.
    """
    if connection.execute("SELECT 1 FROM events WHERE subject = ? LIMIT 1", (subject,)).get is None:
        raise SubjectNotFoundError(subject)
    if connection.pragma("page_count") >= _MAX_PAGES:
        msg = "data cannot be erased from a store file of 128 GiB or more"
        raise NotSupportedError(msg)
    found = fetch(
        connection,
        "SELECT e.position FROM events AS e JOIN data_references AS r ON r.position = e.position "
        "WHERE e.subject = ? AND r.salt IS NOT NULL",
        (subject,),
    )
    unreferenced = _unreferenced(connection, subject, including)
    found += [(position,) for position, _ in unreferenced]
    if not found:
        return 0
    # Entries of an index that was dropped are found by nobody but this.
    while indexes.sweep():
        pass
    for (position,) in found:
        event_type, data_json = fetch(connection, "SELECT type, data FROM events WHERE position = ?", (position,))[0]
        left = emptied(data_json)
        indexes.replace(position, event_type, old=data_json, new=left)
        connection.execute("UPDATE events SET data = ? WHERE position = ?", (left, position))
        connection.execute("UPDATE data_references SET salt = NULL WHERE position = ?", (position,))
        # Whoever guesses the data could try the guess on the digest of the request.
        forget_request(connection, position)
    # Their hashes cover the data, so they can be computed no more.
    connection.executemany(
        "INSERT OR IGNORE INTO imported_events (position, time) VALUES (?, ?)",
        [(position, format_timestamp(time_ns)) for position, time_ns in unreferenced],
    )
    connection.execute("INSERT OR IGNORE INTO unfinished_erasures (position) VALUES (?)", found[0])
    return len(found)


def _unreferenced(connection: apsw.Connection, subject: str, including: Collection[str]) -> list[tuple[int, int]]:
    """
    Position and time of the events of these types that hold data which was not stored by reference.
    """
    return [
        (position, time_ns)
        for event_type in sorted(set(including))
        for position, time_ns, data_json in fetch(
            connection,
            "SELECT e.position, e.time_ns, e.data FROM events AS e "
            "LEFT JOIN data_references AS r ON r.position = e.position "
            "WHERE e.subject = ? AND e.type = ? AND r.position IS NULL",
            (subject, event_type),
        )
        if emptied(data_json) != data_json
    ]


def is_unfinished(connection: apsw.Connection) -> bool:
    """
    True if bytes of erased data may be left in the files.
    """
    return connection.execute("SELECT 1 FROM unfinished_erasures LIMIT 1").get is not None


def clean(connection: apsw.Connection) -> str | None:
    """
    Remove the rest of erased data from the files, if no reader is in the way. Outside of a transaction.

    The caller is the only one who writes to the file.

    Returns:
        The obstacle; None when nothing is left.

    Raises:
        apsw.Error: SQLite could not read or write the files.
    """
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.execute("BEGIN IMMEDIATE")
    except apsw.BusyError:
        return "somebody is reading from it, or another program holds its lock"
    try:
        if Path(connection.filename_wal).stat().st_size:
            # Another program committed in between.
            connection.execute("ROLLBACK")
            return "another program writes to it"
        # What the connection has in memory has the old copies too, and would write them again.
        connection.release_memory()
        _clean_pages(connection)
        connection.execute("DELETE FROM unfinished_erasures")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return None


def _clean_pages(connection: apsw.Connection) -> None:
    """
    Zero the unused space of all b-tree pages, in the file itself.

    The log is empty and stays so: all that counts stands in the file, and no one reads unused space. So
    whatever of this gets lost or is cut short, the database is the same.
    """
    page_bytes: int = connection.pragma("page_size")
    # Through SQLite, since closing a file that was opened in another way would end SQLite's locks on it.
    file = apsw.VFSFile(
        connection.open_vfs, connection.filename, [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0]
    )
    try:
        size = file.xFileSize()
        # The first page holds the definitions of the tables, and no event.
        for start in range(page_bytes, size, _CHUNK_BYTES):
            chunk = file.xRead(min(_CHUNK_BYTES, size - start), start)
            for offset in range(0, len(chunk), page_bytes):
                for first, end in _unused(chunk[offset : offset + page_bytes]):
                    file.xWrite(bytes(end - first), start + offset + first)
        file.xSync(apsw.SQLITE_SYNC_FULL)
    finally:
        file.xClose()


def _unused(page: bytes) -> Iterator[tuple[int, int]]:
    """
    The places where a b-tree page has unused bytes that are not zero.

    Source:
        https://www.sqlite.org/fileformat2.html#b_tree_pages
    """
    header = _HEADER_BYTES.get(page[0])
    if header is None:
        return
    first = header + 2 * int.from_bytes(page[3:5])
    end = int.from_bytes(page[5:7]) or 65_536
    if first < end <= len(page) and page.count(0, first, end) < end - first:
        yield first, end
    block = int.from_bytes(page[1:3])
    # Free blocks come in the order of their places.
    while block and block + 4 <= len(page):
        following, size = int.from_bytes(page[block : block + 2]), int.from_bytes(page[block + 2 : block + 4])
        first, end = block + 4, block + size
        if first < end <= len(page) and page.count(0, first, end) < end - first:
            yield first, end
        if following <= block:
            return
        block = following
