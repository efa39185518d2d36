"""
Nothing personal where nobody would look for it: log lines, errors with all their causes, files.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import apsw
import pytest
from sqlalchemy import Connection, event, insert
from sqlalchemy.pool import Pool

from eventsource import (
    Aggregate,
    NewEvent,
    ProjectionWorker,
    Projector,
    ReadModelDatabase,
    RecordedEvent,
    Repository,
    Snapshots,
    erase_subject,
    handles,
)
from eventsource.aggregates import AggregateCache, EveryEvents, SqlSnapshotStore
from eventsource.erasure import plan_erasure
from eventsource.store import EmbeddedEventStore
from tests.erasure.people import PLANTED, Directory, Names, PersonNamed, PersonRegistered, fill, names, registered

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(autouse=True, params=["OFF", "ON"], ids=["kept on deletion", "overwritten on deletion"])
def builds_of_sqlite(request: pytest.FixtureRequest) -> Generator[None]:
    """
    Builds of SQLite differ in whether they overwrite what is deleted: Debian's does, most do not.
    """
    pragma = f"PRAGMA secure_delete = {request.param}"

    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(pragma)

    def configure_store(connection: apsw.Connection) -> None:
        connection.execute(pragma)

    event.listen(Pool, "connect", configure)
    apsw.connection_hooks.append(configure_store)
    yield
    apsw.connection_hooks.remove(configure_store)
    event.remove(Pool, "connect", configure)


class Twice(Projector, name="twice", tables=[names]):
    """
    Has a defect that the database finds: its error has the statement, and could have the values.
    """

    @handles
    def _named(self, event: PersonNamed, recorded: RecordedEvent, tx: Connection) -> None:
        for _ in range(2):
            tx.execute(insert(names).values(person=recorded.subject, name=event.name))


async def test_a_handler_that_fails_tells_nothing_personal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    The database's own error stands among the causes, without the values of its statement.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await store.commit(registered("2", PLANTED))
        with caplog.at_level(logging.DEBUG), pytest.raises(ExceptionGroup) as failure:
            await ProjectionWorker(store, f"sqlite:///{tmp_path / 'read.db'}", [Twice()]).run()

    told = "".join(traceback.format_exception(failure.value)) + caplog.text
    assert "UNIQUE constraint failed" in told
    assert PLANTED not in told


async def test_after_erasing_nothing_is_left_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    A year of somebody's names, with read models in use: no file has one, no line did.
    """
    projectors = [Names(), Directory()]
    with caplog.at_level(logging.DEBUG):
        async with (
            EmbeddedEventStore(tmp_path / "store.db") as store,
            ReadModelDatabase(f"sqlite:///{tmp_path / 'read.db'}") as database,
            ProjectionWorker(store, database, projectors) as worker,
        ):
            await store.create_index(PersonNamed.event_type, "data.name")
            await fill(store)
            for number in range(50):
                renamed = PersonNamed(name=f"{PLANTED} the {number}th")
                await store.commit([NewEvent.of(renamed, subject="/people/2")])
            await worker.caught_up()
            assert _holders(tmp_path) != []
            told = [repr(await plan_erasure(store, "/people/2", projectors=projectors))]

            told.append(repr(await erase_subject(store, "/people/2", clean=[database], wait_for=projectors)))

            # While all is open, with logs written ahead.
            assert _holders(tmp_path) == []
    assert _holders(tmp_path) == []
    assert PLANTED not in f"{told} {caplog.text}"
    assert "subject.erased" in caplog.text


class Person(Aggregate, subject="/people/{id}"):
    """
    Keeps what had better not be in a snapshot.
    """

    name: str = ""

    @handles
    def _registered(self, event: PersonRegistered) -> None:
        pass

    @handles
    def _named(self, event: PersonNamed) -> None:
        self.name = event.name


async def test_snapshots_and_cached_aggregates_are_gone(tmp_path: Path) -> None:
    """
    Their database has no byte of it either, and what is loaded next knows nothing.
    """
    cache = AggregateCache(10)
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as store,
        ReadModelDatabase(f"sqlite:///{tmp_path / 'snapshots.db'}") as database,
    ):
        snapshots = Snapshots(SqlSnapshotStore(database), {Person: EveryEvents(1)})
        people = Repository(Person, store, snapshots=snapshots, cache=cache)
        await fill(store)
        for _ in range(2):
            assert (await people.load("2")).name == PLANTED
            await snapshots.settle()
        assert any(name.startswith("snapshots.db") for name in _holders(tmp_path))

        erasure = await erase_subject(store, "/people/2", purge=[snapshots, cache], clean=[database])

        assert _holders(tmp_path) == []
        assert erasure.snapshots_purged >= 1
        assert len(cache) == 0
        assert (await people.load("2")).name == ""


def _holders(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if PLANTED.encode() in path.read_bytes()]
