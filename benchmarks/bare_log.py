"""
The floor below the embedded store: an event log in as little code as it takes.
"""

from __future__ import annotations

import time
import uuid
from hashlib import sha256
from typing import TYPE_CHECKING

import apsw

from eventsource.store.embedded.file import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INSERT = """
INSERT INTO events (position, id, time_ns, source, subject, type, data, predecessor_hash, hash, version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class BareLog:
    """
    The same table and indices as the store's, the same durability, an id and a chained hash for each event.

    No guards, no checks, no threads, no answers. Checkpoints are SQLite's own, every 1,000 pages,
    which is as often as the store's. The indices are those of the store's schema, whatever they are: one
    that is added slows both, which the figures show and the ratio does not.
    """

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.pragma("journal_mode", "WAL")
        self._connection.pragma("synchronous", "FULL")
        self._connection.execute(SCHEMA)
        self._position = 0
        self._hash = "0" * 64
        self._versions: dict[str, int] = {}

    def commit(self, events: Sequence[tuple[str, str, str]]) -> None:
        """
        Write events (subject, type, data as JSON) in one transaction.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        rows = []
        for subject, type_name, data in events:
            event_id = str(uuid.uuid4())
            time_ns = time.time_ns()
            predecessor_hash = self._hash
            self._hash = chained_hash(event_id, time_ns, "floor", subject, type_name, data, predecessor_hash)
            self._position += 1
            self._versions[subject] = version = self._versions.get(subject, 0) + 1
            rows.append(
                (
                    self._position,
                    event_id,
                    time_ns,
                    "floor",
                    subject,
                    type_name,
                    data,
                    predecessor_hash,
                    self._hash,
                    version,
                )
            )
        self._connection.executemany(_INSERT, rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """
        Close the file.
        """
        self._connection.close()


def chained_hash(  # noqa: PLR0917  the columns in their order
    event_id: str, time_ns: int, source: str, subject: str, type_name: str, data: str, predecessor_hash: str
) -> str:
    """
    A hash over as many bytes as the store's, without its care for what has to be quoted.
    """
    text = (
        f'{{"data":{data},"datacontenttype":"application/json","id":"{event_id}",'
        f'"predecessorhash":"{predecessor_hash}","source":"{source}","specversion":"1.0",'
        f'"subject":"{subject}","time":"{time_ns}","type":"{type_name}"}}'
    )
    return sha256(text.encode()).hexdigest()
