"""
What keeps snapshots: in memory and in a database, with the same answers.
"""

import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import attrs
import pytest

from eventsource import ReadModelDatabase
from eventsource.aggregates import InMemorySnapshotStore, Snapshot, SnapshotStore, SqlSnapshotStore

SNAPSHOT = Snapshot(
    subject="/accounts/1",
    aggregate="Account",
    fingerprint="f1",
    version=7,
    passed_over=2,
    last_event_id="e-7",
    last_event_hash="ab" * 32,
    state='{"cents": 5, "owner": "Grüße"}',
)


@pytest.fixture(params=["memory", "sql"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[SnapshotStore]:
    """
    Each kind in turn, empty.
    """
    if request.param == "memory":
        yield InMemorySnapshotStore()
        return
    async with ReadModelDatabase(f"sqlite:///{tmp_path / 'snapshots.db'}") as database:
        yield SqlSnapshotStore(database)


async def find(kept: SnapshotStore, snapshot: Snapshot = SNAPSHOT) -> tuple[Snapshot | None, int]:
    """
    What is found under the key of a snapshot.
    """
    found = await kept.find(subject=snapshot.subject, aggregate=snapshot.aggregate, fingerprint=snapshot.fingerprint)
    return found.snapshot, found.purges


async def test_what_was_put_is_found(kept: SnapshotStore) -> None:
    """
    All of it, under its subject, class and fingerprint, and under no other.
    """
    assert await find(kept) == (None, 0)

    assert await kept.put(SNAPSHOT, purges=0)

    assert await find(kept) == (SNAPSHOT, 0)
    for other in (
        attrs.evolve(SNAPSHOT, subject="/accounts/2"),
        attrs.evolve(SNAPSHOT, aggregate="Order"),
        attrs.evolve(SNAPSHOT, fingerprint="f2"),
    ):
        assert await find(kept, other) == (None, 0)


async def test_a_later_one_takes_the_place(kept: SnapshotStore) -> None:
    """
    There is one for each fingerprint, the last that was put, whatever its version.
    """
    later, earlier = attrs.evolve(SNAPSHOT, version=9), attrs.evolve(SNAPSHOT, version=3)

    await kept.put(SNAPSHOT, purges=0)
    await kept.put(later, purges=0)
    assert await find(kept) == (later, 0)
    await kept.put(earlier, purges=0)

    assert await find(kept) == (earlier, 0)


async def test_two_programs_of_different_versions_have_theirs(kept: SnapshotStore) -> None:
    """
    While a new version is rolled out, both find their own; what no program makes any more is forgotten.
    """
    versions = [attrs.evolve(SNAPSHOT, fingerprint=f"f{number}") for number in range(4)]
    for snapshot in (versions[0], versions[1], versions[2], versions[1], versions[3]):
        await kept.put(snapshot, purges=0)

    found = [(await find(kept, snapshot))[0] for snapshot in versions]

    assert found == [None, versions[1], None, versions[3]]


async def test_one_can_be_discarded(kept: SnapshotStore) -> None:
    """
    The others stay, and another one can be put in its place.
    """
    other = attrs.evolve(SNAPSHOT, fingerprint="f2")
    await kept.put(SNAPSHOT, purges=0)
    await kept.put(other, purges=0)

    await kept.discard(subject="/accounts/1", aggregate="Account", fingerprint="f1")

    assert await find(kept) == (None, 0)
    assert await find(kept, other) == (other, 0)
    assert await kept.put(SNAPSHOT, purges=0)


async def test_purging_takes_all_of_a_subject(kept: SnapshotStore) -> None:
    """
    Those of each class and fingerprint, and of no other subject.
    """
    mine = [SNAPSHOT, attrs.evolve(SNAPSHOT, fingerprint="f2"), attrs.evolve(SNAPSHOT, aggregate="Limits")]
    below = attrs.evolve(SNAPSHOT, subject="/accounts/1/cards")
    for snapshot in (*mine, below):
        await kept.put(snapshot, purges=0)

    assert await kept.purge("/accounts/1") == 3

    assert [await find(kept, snapshot) for snapshot in mine] == [(None, 1)] * 3
    assert await find(kept, below) == (below, 0)
    assert await kept.purge("/accounts/1") == 0


async def test_what_was_on_its_way_does_not_come_back(kept: SnapshotStore) -> None:
    """
    A snapshot of what was read before a purge is refused, however late it comes.
    """
    _, purges = await find(kept)
    await kept.purge(SNAPSHOT.subject)

    assert not await kept.put(SNAPSHOT, purges=purges)

    assert await find(kept) == (None, 1)
    assert await kept.put(SNAPSHOT, purges=1)


async def test_a_database_keeps_them_for_the_next_program(tmp_path: Path) -> None:
    """
    Snapshots and the number of purges outlive the process.
    """
    url = f"sqlite:///{tmp_path / 'read.db'}"
    async with ReadModelDatabase(url) as database:
        await SqlSnapshotStore(database).purge(SNAPSHOT.subject)
        await SqlSnapshotStore(database).put(SNAPSHOT, purges=1)

    async with ReadModelDatabase(url) as database:
        assert await find(SqlSnapshotStore(database)) == (SNAPSHOT, 1)


async def test_no_byte_of_what_was_purged_is_left_in_the_file(tmp_path: Path) -> None:
    """
    SQLite overwrites what is deleted here; only its write-ahead log may have it until it is checkpointed.
    """
    path = tmp_path / "read.db"
    async with ReadModelDatabase(f"sqlite:///{path}") as database:
        kept = SqlSnapshotStore(database)
        for version in range(30):
            state = f'{{"name": "Ada Lovelace {"x" * 500}"}}'
            await kept.put(attrs.evolve(SNAPSHOT, version=version, state=state), purges=0)
        await kept.purge(SNAPSHOT.subject)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    assert b"Lovelace" not in path.read_bytes()
