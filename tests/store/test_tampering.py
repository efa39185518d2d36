"""
Auditing a file that somebody has changed: what was done shows, and where.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource.events.hash_chain import event_hash
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import noted

if TYPE_CHECKING:
    from pathlib import Path

    from eventsource.store import AuditReport

# More than are checked at opening, so that the audit is what finds the change.
EVENTS = 300


async def make_store(path: Path) -> None:
    """
    A store of 300 events, ten of each of 30 subjects.
    """
    ids = (f"id-{number}" for number in itertools.count(1))
    async with EmbeddedEventStore(path, new_id=lambda: next(ids)) as store:
        await store.commit([noted(f"/a/{number % 30}", data={"number": number}) for number in range(EVENTS)])


async def audit_after(path: Path, *statements: str) -> AuditReport:
    """
    Make a store, run SQL on its closed file, and audit it.
    """
    await make_store(path)
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()
    async with EmbeddedEventStore(path) as store:
        return await store.audit()


def at_150(assignment: str) -> str:
    """
    SQL that changes the event in the middle.
    """
    return f"UPDATE events SET {assignment} WHERE position = 150"  # noqa: S608  from this file


def places(report: AuditReport) -> list[tuple[int | None, str | None]]:
    """
    Position and id of each problem.
    """
    return [(problem.position, problem.event_id) for problem in report.problems]


async def test_an_untouched_file_is_intact(tmp_path: Path) -> None:
    """
    Without a change there is no problem.
    """
    report = await audit_after(tmp_path / "store.db")

    assert report.is_intact
    assert report.events == EVENTS


@pytest.mark.parametrize(
    "assignment",
    [
        "data = '{\"number\":1}'",
        "data = data || ' '",
        "time_ns = time_ns + 1",
        "source = 'io.example.other'",
        "subject = '/a/30'",
        "type = 'io.example.other'",
        "id = 'id-0'",
        "hash = substr(hash, 1, 63) || iif(substr(hash, 64) = '0', '1', '0')",
    ],
)
async def test_an_edited_event_is_found(tmp_path: Path, assignment: str) -> None:
    """
    Whichever column of an event is edited, the audit names that event.
    """
    report = await audit_after(tmp_path / "store.db", at_150(assignment))

    assert places(report)[0][0] == 150
    assert not report.is_intact


async def test_an_edited_link_is_found(tmp_path: Path) -> None:
    """
    An event whose predecessor hash was changed does not follow the event before it.
    """
    report = await audit_after(tmp_path / "store.db", at_150(f"predecessor_hash = '{'0' * 64}'"))

    assert places(report) == [(150, "id-150"), (150, "id-150")]
    assert "predecessor" in report.problems[0].what


async def test_a_hash_made_anew_is_found_at_the_next_event(tmp_path: Path) -> None:
    """
    Who edits an event and computes its hash again breaks the link of the event behind it.
    """
    path = tmp_path / "store.db"
    await make_store(path)
    connection = apsw.Connection(str(path))
    columns = "id, time_ns, source, subject, type, predecessor_hash"
    id, time_ns, source, subject, type, predecessor = next(
        connection.execute(f"SELECT {columns} FROM events WHERE position = 150")  # noqa: S608  a constant
    )
    forged = event_hash(
        id=id,
        time_ns=time_ns,
        source=source,
        subject=subject,
        type=type,
        data_json='{"number":1}',
        predecessor_hash=predecessor,
    )
    connection.execute("UPDATE events SET data = '{\"number\":1}', hash = ? WHERE position = 150", (forged,))
    connection.close()

    async with EmbeddedEventStore(path) as store:
        report = await store.audit()

    assert places(report) == [(151, "id-151")]


async def test_a_deleted_event_is_found(tmp_path: Path) -> None:
    """
    Where an event is missing, the audit names the one that follows the gap.
    """
    report = await audit_after(tmp_path / "store.db", "DELETE FROM events WHERE position = 150")

    assert report.problems[0].position == 151
    assert "missing" in report.problems[0].what
    assert report.events == EVENTS - 1


async def test_a_deleted_event_is_found_when_the_rest_moved_up(tmp_path: Path) -> None:
    """
    Closing the gap in the positions does not hide it: the chain has a link less.
    """
    report = await audit_after(
        tmp_path / "store.db",
        "DELETE FROM events WHERE position = 150",
        "UPDATE events SET position = -position WHERE position > 150",
        "UPDATE events SET position = -position - 1 WHERE position < 0",
        "UPDATE events SET version = version - 1 WHERE subject = '/a/29' AND position >= 150",
    )

    assert places(report) == [(150, "id-151")]


async def test_events_that_changed_places_are_found(tmp_path: Path) -> None:
    """
    Two events that stand in each other's place are both named.
    """
    report = await audit_after(
        tmp_path / "store.db",
        "UPDATE events SET position = -1 WHERE position = 150",
        "UPDATE events SET position = 150 WHERE position = 151",
        "UPDATE events SET position = 151 WHERE position = -1",
    )

    assert {150, 151} <= {problem.position for problem in report.problems}


async def test_an_inserted_event_is_found(tmp_path: Path) -> None:
    """
    An event that was put in between, at a place made for it, is named.
    """
    report = await audit_after(
        tmp_path / "store.db",
        "UPDATE events SET position = -position WHERE position > 150",
        "UPDATE events SET position = -position + 1 WHERE position < 0",
        "INSERT INTO events SELECT 151, 'forged', time_ns + 1, source, subject, type, data, hash, hash, version + 1, "
        "subjects FROM events WHERE position = 150",
    )

    assert (151, "forged") in places(report)


@pytest.mark.parametrize("assignment", ["version = version + 1", "version = 1", "version = 0"])
async def test_a_wrong_version_is_found(tmp_path: Path, assignment: str) -> None:
    """
    The version that preconditions are answered from is checked too, and the event with a wrong one is named.
    """
    report = await audit_after(tmp_path / "store.db", at_150(assignment))

    assert (150, "id-150") in places(report)
    assert "version" in report.problems[0].what


async def test_many_problems_are_not_all_told(tmp_path: Path) -> None:
    """
    After 100 problems the report ends, but every event is still counted.
    """
    report = await audit_after(tmp_path / "store.db", "UPDATE events SET data = '{}' WHERE position <= 150")

    assert [problem.position for problem in report.problems] == list(range(1, 101))
    assert report.events == EVENTS


async def test_several_changes_are_told_in_order(tmp_path: Path) -> None:
    """
    The problems of a report come in the order of their positions.
    """
    report = await audit_after(
        tmp_path / "store.db",
        "UPDATE events SET version = 99 WHERE position = 40",
        "UPDATE events SET data = '{}' WHERE position IN (20, 180)",
        "DELETE FROM events WHERE position = 100",
    )

    positions = [problem.position or 0 for problem in report.problems]
    assert positions == sorted(positions)
    assert {20, 40, 101, 180} <= set(positions)
