"""
Auditing a store file: the hash chain, and what SQLite and we derive from the events.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, cast

import apsw

from eventsource.domain.event import RecordedEvent
from eventsource.store.audit import ChainAudit
from eventsource.store.embedded.file import EVENT_COLUMNS
from eventsource.store.interface import MAX_AUDIT_PROBLEMS, AuditProblem
from eventsource.store.paging import PAGE_EVENTS

if TYPE_CHECKING:
    from eventsource.store.embedded.reader import Reader
    from eventsource.store.interface import AuditReport

_FOLLOWING = f"SELECT {EVENT_COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?"  # noqa: S608  constants

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
        events, obstacle = await reader.run(partial(_read_events, after=audit.position))
        await asyncio.to_thread(_check_events, audit, events)
        if obstacle:
            audit.note(AuditProblem(audit.position + 1, None, f"cannot be read, nor what follows: {obstacle}"))
            return audit.report()
        if len(events) < PAGE_EVENTS:
            break
    for problem in await reader.run(_check_versions):
        audit.note(problem)
    return audit.report()


def _check_events(audit: ChainAudit, events: list[RecordedEvent]) -> None:
    for event in events:
        audit.check(event)


def _check_pages(connection: apsw.Connection) -> list[AuditProblem]:
    try:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    except apsw.CorruptError as error:
        found = [str(error)]
    return [] if found == ["ok"] else [AuditProblem(None, None, f"SQLite: {problem}") for problem in found]


def _read_events(connection: apsw.Connection, *, after: int) -> tuple[list[RecordedEvent], str | None]:
    """
    The next events, and what kept from reading further, if anything did.
    """
    events: list[RecordedEvent] = []
    try:
        for event in map(RecordedEvent._make, connection.execute(_FOLLOWING, (after, PAGE_EVENTS))):
            if event.position <= after:
                # A page in another one's place: reading on from here could go round in circles.
                return events, f"position {event.position} stands there"
            after = event.position
            events.append(event)
    except (apsw.CorruptError, UnicodeDecodeError) as error:
        return events, str(error)
    return events, None


def _check_versions(connection: apsw.Connection) -> list[AuditProblem]:
    try:
        found = connection.execute(_WRONG_VERSIONS, (MAX_AUDIT_PROBLEMS,)).fetchall()
    except (apsw.CorruptError, UnicodeDecodeError) as error:
        return [AuditProblem(None, None, f"SQLite: {error}")]
    return [
        AuditProblem(cast("int", row[0]), cast("str", row[1]), "its version does not count the events of its subject")
        for row in found
    ]
