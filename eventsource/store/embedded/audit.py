"""
Auditing a store file: the hash chain, and what SQLite and we derive from the events.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, cast

import apsw

from eventsource.store.audit import ChainAudit
from eventsource.store.embedded.entries import read_entries
from eventsource.store.interface import MAX_AUDIT_PROBLEMS, AuditProblem
from eventsource.store.paging import PAGE_EVENTS

if TYPE_CHECKING:
    from eventsource.store.embedded.reader import Reader
    from eventsource.store.interface import AuditReport
    from eventsource.store.log_entry import LogEntry

_NO_END = 2**63 - 1

# Guards are answered from the version of a subject's last event, so it must count the subject's events. Of each
# subject the first that does not.
_WRONG_VERSIONS = """
SELECT min(position), id FROM (
    SELECT position, id, subject, version, row_number() OVER (PARTITION BY subject ORDER BY position) AS number
    FROM events
) WHERE version <> number GROUP BY subject ORDER BY 1 LIMIT ?
"""


async def audit_file(reader: Reader) -> AuditReport:
    """
    Check every event, then the database around them. Reads page by page; commits go on meanwhile.
    """
    audit = ChainAudit()
    for problem in await reader.run(_check_pages):
        audit.note(problem)
    while True:
        entries, obstacle = await reader.run(partial(_read_entries, after=audit.position))
        await asyncio.to_thread(_check_entries, audit, entries)
        if obstacle:
            audit.note(AuditProblem(audit.position + 1, None, f"cannot be read, nor what follows: {obstacle}"))
            return audit.report()
        if len(entries) < PAGE_EVENTS:
            break
    for problem in await reader.run(_check_versions):
        audit.note(problem)
    return audit.report()


def _check_entries(audit: ChainAudit, entries: list[LogEntry]) -> None:
    for entry in entries:
        audit.check(entry)


def _check_pages(connection: apsw.Connection) -> list[AuditProblem]:
    try:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    except apsw.CorruptError as error:
        found = [str(error)]
    return [] if found == ["ok"] else [AuditProblem(None, None, f"SQLite: {problem}") for problem in found]


def _read_entries(connection: apsw.Connection, *, after: int) -> tuple[list[LogEntry], str | None]:
    """
    The next events, and what kept from reading further, if anything did.
    """
    entries: list[LogEntry] = []
    try:
        for entry in read_entries(connection, after=after, until=_NO_END, limit=PAGE_EVENTS):
            position = entry.event.position
            if position <= after:
                # A page in another one's place: reading on from here could go round in circles.
                return entries, f"position {position} stands there"
            after = position
            entries.append(entry)
    except (apsw.CorruptError, UnicodeDecodeError) as error:
        return entries, str(error)
    return entries, None


def _check_versions(connection: apsw.Connection) -> list[AuditProblem]:
    try:
        found = connection.execute(_WRONG_VERSIONS, (MAX_AUDIT_PROBLEMS,)).fetchall()
    except (apsw.CorruptError, UnicodeDecodeError) as error:
        return [AuditProblem(None, None, f"SQLite: {error}")]
    return [
        AuditProblem(cast("int", row[0]), cast("str", row[1]), "its version does not count the events of its subject")
        for row in found
    ]
