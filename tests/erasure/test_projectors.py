"""
Read models let go of what was erased: whoever runs them, whenever that is, and once.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, insert, select

from eventsource import (
    Erased,
    NewEvent,
    ProjectionWorker,
    Projector,
    ReadModelDatabase,
    RecordedEvent,
    erase_subject,
    handles,
)
from eventsource.errors import ErasedDataRemainsError, ProjectorFailedError
from eventsource.events import SubjectErased
from eventsource.projections import rebuild
from eventsource.projections.erasures import load_notes
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.erasure.people import (
    PLANTED,
    Directory,
    Elsewhere,
    Names,
    NoteTaken,
    PersonNamed,
    calls,
    directory,
    fill,
    names,
    registered,
    rows,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from pathlib import Path

    from eventsource import EventStore


async def catch_up(store: EventStore, database: ReadModelDatabase, *projectors: Projector) -> None:
    """
    Run projectors until they have all there is.
    """
    async with ProjectionWorker(store, database, projectors) as worker:
        await worker.caught_up()


async def erased_calls(database: ReadModelDatabase) -> list[str]:
    """
    For which people the handler of erased names ran.
    """
    return [person for _, person, what in await rows(database, calls) if what == "erased"]


async def test_a_running_projector_lets_go(any_store: EventStore, database: ReadModelDatabase) -> None:
    """
    The handler of erased events runs once for the event that was emptied; the others are left alone.
    """
    projector = Names()
    await fill(any_store)
    async with ProjectionWorker(any_store, database, [projector]) as worker:
        await worker.caught_up()

        await erase_subject(any_store, "/people/2", wait_for=[projector])

        assert await rows(database, names) == [("/people/1", "Ada"), ("/people/3", "Grace")]
        assert await erased_calls(database) == ["/people/2"]
        await any_store.commit(registered("4", "Mary"))
        await worker.caught_up()
    assert len(await rows(database, names)) == 3


async def test_a_projector_that_did_not_run_lets_go_when_it_does(
    any_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    The erasure waits in the log, and is taken once however often the worker is started.
    """
    await fill(any_store)
    await catch_up(any_store, database, Names())
    await erase_subject(any_store, "/people/2")
    await any_store.commit(registered("4", "Mary"))

    await catch_up(any_store, database, Names())
    await catch_up(any_store, database, Names())

    assert [person for person, _ in await rows(database, names)] == ["/people/1", "/people/3", "/people/4"]
    assert await erased_calls(database) == ["/people/2"]


async def test_a_projector_that_says_nothing_is_filled_again_once(
    any_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    What it made of a name may be anywhere: in other rows, too. Afterwards it is what a new one would be.
    """
    await fill(any_store)
    projector = Directory()
    async with ProjectionWorker(any_store, database, [projector]) as worker:
        await worker.caught_up()
        assert any(PLANTED in line for _, line in await rows(database, directory))

        await erase_subject(any_store, "/people/2", wait_for=[projector])

        assert not any(PLANTED in line for _, line in await rows(database, directory))
        assert worker.progress["directory"].checkpoint.events == await any_store.count()
    before = await rows(database, directory)
    await database.write(lambda tx: tx.execute(insert(directory).values(person="/mark", line="it was not emptied")))
    await catch_up(any_store, database, Directory())
    assert await rows(database, directory) == [*before, ("/mark", "it was not emptied")]
    await rebuild(Directory(), any_store, database)
    assert await rows(database, directory) == before


async def test_a_new_read_model_is_filled_once_whatever_was_erased_before(
    any_store: EventStore, database: ReadModelDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Erased events are read as erased from the start, so that the erasures in the log say nothing new.
    """
    await fill(any_store)
    await erase_subject(any_store, "/people/2")
    await erase_subject(any_store, "/people/3")

    with caplog.at_level(logging.INFO):
        await catch_up(any_store, database, Names(), Directory())

    assert await erased_calls(database) == ["/people/2", "/people/3"]
    assert len(await rows(database, directory)) == 3
    assert "projector.caught_up" in caplog.text
    assert "projector.starting_over" not in caplog.text


async def test_a_projector_that_can_do_neither_stops(any_store: EventStore, database: ReadModelDatabase) -> None:
    """
    It stops before the erasure, each time it is started, rather than to keep what is to be forgotten unnoticed.
    """
    await fill(any_store)
    await catch_up(any_store, database, Elsewhere())
    erasure = await erase_subject(any_store, "/people/2")

    for _ in range(2):
        with pytest.raises(ExceptionGroup) as failure:
            await ProjectionWorker(any_store, database, [Elsewhere()]).run()
        (error,) = failure.value.exceptions
        assert isinstance(error, ErasedDataRemainsError)
        assert (error.event_id, error.subject) == (erasure.recorded[0].id, "/people/2")


class Failing(Projector, name="names", subject="/people", tables=[names, calls]):
    """
    Names whose handler of erased ones has a defect.
    """

    @handles
    def _named(self, event: PersonNamed | Erased[PersonNamed], recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(
            insert(names).values(person=recorded.subject, name=None if isinstance(event, Erased) else event.name)
        )


async def test_a_handler_that_fails_stops_before_the_erasure(store: EventStore, database: ReadModelDatabase) -> None:
    """
    Nothing of it is applied; corrected, it goes on there.
    """
    await fill(store)
    await catch_up(store, database, Failing())
    erasure = await erase_subject(store, "/people/2")

    with pytest.raises(ExceptionGroup) as failure:
        await ProjectionWorker(store, database, [Failing()]).run()

    (error,) = failure.value.exceptions
    assert isinstance(error, ProjectorFailedError)
    assert (error.event_id, error.event_type) == (erasure.recorded[0].id, SubjectErased.event_type)
    assert len(await rows(database, names)) == 3
    await catch_up(store, database, Names())
    assert [person for person, _ in await rows(database, names)] == ["/people/1", "/people/3"]


async def test_data_that_is_not_personal_by_its_class_has_the_tables_filled_again(
    store: EventStore, database: ReadModelDatabase
) -> None:
    """
    Such events are read as erased, too; where no handler takes them so, nothing of them comes into the tables.
    """

    class Notes(Projector, name="notes", tables=[names]):
        @handles
        def _taken(self, event: NoteTaken, recorded: RecordedEvent, tx: Connection) -> None:
            tx.execute(insert(names).values(person=recorded.subject, name=event.text))

    await store.commit([NewEvent.of(NoteTaken(text=PLANTED), subject="/people/2", store_data_as_reference=True)])
    await catch_up(store, database, Notes())
    await erase_subject(store, "/people/2")

    await catch_up(store, database, Notes())

    assert await rows(database, names) == []


async def test_a_projector_may_have_a_handler_of_erasures_itself(
    store: EventStore, database: ReadModelDatabase
) -> None:
    """
    It is an event like any other.
    """

    class Register(Projector, name="register", tables=[calls]):
        @handles
        def _named(self, event: PersonNamed, recorded: RecordedEvent, tx: Connection) -> None:
            pass

        @handles
        def _forgotten(self, _: Erased[PersonNamed], recorded: RecordedEvent, tx: Connection) -> None:
            tx.execute(insert(calls).values(person=recorded.subject, what="erased"))

        @handles
        def _erased(self, event: SubjectErased, recorded: RecordedEvent, tx: Connection) -> None:
            tx.execute(insert(calls).values(person=recorded.subject, what=f"{len(event.event_ids)} event"))

    await fill(store)
    await catch_up(store, database, Register())
    await erase_subject(store, "/people/2")

    await catch_up(store, database, Register())

    assert [row[1:] for row in await rows(database, calls)] == [
        ("/people/2", "erased"),
        ("/people/2/_erasures", "1 event"),
    ]


async def test_histories_with_erasures_end_like_a_rebuild(store: EventStore, database: ReadModelDatabase) -> None:
    """
    Whatever is named, renamed and erased in which order, and whenever workers run: read models end up as new ones.
    """
    rng = seeded_random()
    for number in range(rounds(3, 100)):
        async with ReadModelDatabase(str(database._url).replace("read.db", f"read-{number}.db")) as own:
            await _live(store, own, rng)
            kept = await _tables(own)
            for projector in (Names(), Directory()):
                await rebuild(projector, store, own)
            assert await _tables(own) == kept


async def _live(store: EventStore, database: ReadModelDatabase, rng: random.Random) -> None:
    await catch_up(store, database, Names(), Directory())
    for _ in range(6):
        for _ in range(rng.randrange(1, 8)):
            person = str(rng.randrange(5))
            if rng.random() < 0.3 and await store.count(f"/people/{person}", recursive=False):
                await erase_subject(store, f"/people/{person}")
            else:
                name = f"{PLANTED} {rng.randrange(100)}"
                await store.commit([NewEvent.of(PersonNamed(name=name), subject=f"/people/{person}")])
        if rng.random() < 0.7:
            await catch_up(store, database, *rng.sample([Names(), Directory()], rng.randrange(1, 3)))
    await catch_up(store, database, Names(), Directory())


async def _tables(database: ReadModelDatabase) -> Sequence[Any]:
    return sorted(await rows(database, names)), await rows(database, directory)


# --- The files ---


def holds(path: Path, text: str) -> bool:
    """
    Whether the files of a database have *text* in them.
    """
    return any(text.encode() in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


async def test_no_byte_is_left_in_the_files(store: EventStore, tmp_path: Path) -> None:
    """
    Neither in the file nor in its log, also of rows that were moved about or replaced before.
    """
    path = tmp_path / "read.db"
    await store.commit([event for n in range(400) for event in registered(str(n), f"{PLANTED}, the {n}th")])
    async with ReadModelDatabase(f"sqlite:///{path}") as database:
        projectors = [Names(), Directory()]
        async with ProjectionWorker(store, database, projectors) as worker:
            await worker.caught_up()
            assert holds(path, f"{PLANTED}, the 77th")

            await erase_subject(store, "/people/77", wait_for=projectors)

            assert not holds(path, f"{PLANTED}, the 77th")
            assert holds(path, f"{PLANTED}, the 78th")


async def test_a_file_in_use_is_cleaned_by_the_next_run(store: EventStore, tmp_path: Path) -> None:
    """
    While somebody reads the old rows the projector goes on; it is noted, and made good for after a restart.
    """
    path = tmp_path / "read.db"
    await fill(store)
    async with ReadModelDatabase(f"sqlite:///{path}") as database:
        projector = Names()
        async with ProjectionWorker(store, database, [projector]) as worker:
            await worker.caught_up()
            reader = sqlite3.connect(path, isolation_level=None)
            reader.execute("BEGIN")
            assert len(reader.execute("SELECT * FROM names").fetchall()) == 3

            await erase_subject(store, "/people/2", wait_for=[projector])

        assert (await database.read(lambda tx: load_notes(tx, "names"))).needs_cleaning
        assert len((await database.read(lambda tx: tx.execute(select(names)))).all()) == 2
        assert holds(path, PLANTED)
        reader.close()

        await catch_up(store, database, Names())

        assert not (await database.read(lambda tx: load_notes(tx, "names"))).needs_cleaning
        assert not holds(path, PLANTED)
