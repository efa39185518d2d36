"""
Auditing a store: events a second whose hashes are computed again.

The floor lets SQLite check the file, as the audit does, reads the rows through a bare connection,
hashes as many bytes with SHA-256 and compares each link; it prints no time and quotes no text.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import apsw

from benchmarks.bare_log import chained_hash
from benchmarks.measurement import Unit, compare
from benchmarks.setting import rate, rate_of
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from benchmarks.measurement import Line
    from benchmarks.setting import Setting

_EVENTS = "SELECT id, time_ns, source, subject, type, data, predecessor_hash, hash FROM events ORDER BY position"


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line.
    """
    events = setting.sizes.medium
    path = await setting.log(events)
    async with EmbeddedEventStore(path) as store:
        yield await compare(
            "audit",
            f"{events:,} events",
            Unit.EVENTS_PER_S,
            rounds=setting.sizes.long_rounds,
            ours=rate_of(events, store.audit),
            floors={"apsw, SHA-256": rate(events, lambda: _audit(path))},
        )


def _audit(path: Path) -> None:
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            msg = "SQLite finds the file damaged"
            raise AssertionError(msg)
        before = "0" * 64
        rows: Iterable[tuple[str, int, str, str, str, str, str, str]] = connection.execute(_EVENTS)
        for event_id, time_ns, source, subject, type_name, data, predecessor_hash, own_hash in rows:
            if predecessor_hash != before:
                msg = "the chain is broken"
                raise AssertionError(msg)
            chained_hash(event_id, time_ns, source, subject, type_name, data, predecessor_hash)
            before = own_hash
