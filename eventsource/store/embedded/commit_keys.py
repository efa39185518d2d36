"""
The idempotency keys of an embedded store: which events each of them stands for.

A row is written in the transaction of its events and kept as long as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from eventsource.store.embedded.query.sql import fetch
from eventsource.wire.backup import CommitKey

if TYPE_CHECKING:
    import apsw

# request: the digest of what was asked for, to tell a repeat from another commit; NULL once data of its events was
# erased, since a digest lets one try out what the data may have been.
SCHEMA: Final = """
CREATE TABLE commit_keys (
    key TEXT PRIMARY KEY,
    request BLOB,
    first_position INTEGER NOT NULL,
    last_position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX commit_keys_first_position ON commit_keys (first_position);
"""

INSERT: Final = "INSERT INTO commit_keys (key, request, first_position, last_position) VALUES (?, ?, ?, ?)"


_FORMAT_WITH_KEYS: Final = 3


@attrs.frozen
class StoredKey:
    """
    A key in the file.

    Attributes:
        request: The digest of the commit that was made with it; None if it cannot be compared any more.

        first, last: The positions of its events.
    """

    request: bytes | None
    first: int
    last: int


def find_key(connection: apsw.Connection, key: str) -> StoredKey | None:
    """
    What *key* stands for; None for a key nobody used.
    """
    row = connection.execute(
        "SELECT request, first_position, last_position FROM commit_keys WHERE key = ?", (key,)
    ).fetchone()
    return StoredKey(*row) if row else None


def forget_request(connection: apsw.Connection, position: int) -> bool:
    """
    Forget what was asked for by the commit that made the event at a position.

    To be called in the transaction that erases its data. The key stays used: no commit is made with
    it again.

    Returns:
        True if there was something to forget.
    """
    connection.execute(
        "UPDATE commit_keys SET request = NULL WHERE request IS NOT NULL AND last_position >= ? "
        "AND first_position = (SELECT max(first_position) FROM commit_keys WHERE first_position <= ?)",
        (position, position),
    )
    return connection.changes() > 0


def read_keys(connection: apsw.Connection, *, first: int, last: int) -> dict[int, CommitKey]:
    """
    The keys of the commits whose first events are at these positions, by position.
    """
    version: int = connection.pragma("user_version")
    if version < _FORMAT_WITH_KEYS:
        return {}
    found = fetch(
        connection,
        "SELECT key, request, first_position, last_position FROM commit_keys WHERE first_position BETWEEN ? AND ?",
        (first, last),
    )
    return {begin: CommitKey(key, request, end - begin + 1) for key, request, begin, end in found}
