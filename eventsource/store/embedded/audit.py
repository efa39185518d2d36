"""
Auditing a store file: the hash chain, and what SQLite and we derive from the events.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventsource.domain.subject import Subject
from eventsource.store.audit import ChainAudit
from eventsource.store.embedded.reader import LogPages
from eventsource.store.paging import Selection

if TYPE_CHECKING:
    import apsw

    from eventsource.store.embedded.reader import Reader
    from eventsource.store.interface import AuditReport, Page


async def audit_file(reader: Reader) -> AuditReport:
    """
    Check every event, then the database around them. Reads page by page; commits go on meanwhile.
    """
    audit = ChainAudit()
    for problem in await reader.run(_check_pages):
        audit.note(problem)
    pages = LogPages(reader, Selection(Subject("/"), recursive=True))
    while True:
        page = await pages.next_page()
        await asyncio.to_thread(_check_events, audit, page)
        if page.caught_up:
            break
    for problem in await reader.run(_check_versions):
        audit.note(problem)
    return audit.report()


def _check_events(audit: ChainAudit, page: Page) -> None:
    for event in page.events:
        audit.check(event)


def _check_pages(connection: apsw.Connection) -> list[str]:
    found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else [f"SQLite: {problem}" for problem in found]


def _check_versions(connection: apsw.Connection) -> list[str]:
    # Guards are answered from the version of a subject's last event, so it must be the number of its events.
    found = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY subject "
        "HAVING min(version) <> 1 OR max(version) <> count(*) OR count(DISTINCT version) <> count(*))"
    ).get
    return [f"{found} subjects whose versions do not count their events"] if found else []
