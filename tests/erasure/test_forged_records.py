"""
Records of erasures that no erasure wrote: they stop nothing, and nothing is done about what they say.

The library takes them from no user, but a foreign server takes them from anybody, and a log of before may hold them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert

from eventsource import (
    Aggregate,
    Erased,
    Event,
    NewEvent,
    ProjectionWorker,
    Projector,
    ReadModelDatabase,
    RecordedEvent,
    Repository,
    erase_subject,
    handles,
    scoped,
)
from eventsource.erasure import plan_erasure, purge_caches
from eventsource.events import SubjectErased
from eventsource.store import InMemoryEventStore
from tests.erasure.people import (
    PLANTED,
    Directory,
    Elsewhere,
    Names,
    PersonNamed,
    PersonRegistered,
    calls,
    directory,
    fill,
    names,
    rows,
)
from tests.older_logs import erasure, forged

if TYPE_CHECKING:
    from eventsource import EventStore

ERASED = SubjectErased.event_type

SHAPES: dict[str, NewEvent] = {
    "at the root": erasure("/_erasures", "e-1"),
    "at a person": erasure("/people/2", "e-1"),
    "of nobody": erasure("/people/99/_erasures", "e-1"),
    "without data": forged("/people/2/_erasures", ERASED, {}),
    "of no text": forged("/people/2/_erasures", ERASED, {"eventIds": [1, None, {}], "snapshotsPurged": "x"}),
    "with a text for a list": forged("/people/2/_erasures", ERASED, {"eventIds": "e-1"}),
    "of another version": erasure("/people/2/_erasures", "e-1", _meta={"version": 99}),
    "of a huge version": erasure("/people/2/_erasures", "e-1", _meta={"version": 10**400}),
    "with metadata that is a text": erasure("/people/2/_erasures", "e-1", _meta='{"version":2}'),
    "with metadata that is a list": erasure("/people/2/_erasures", "e-1", _meta=["version", 2, "held"]),
    "with metadata that is a number": erasure("/people/2/_erasures", "e-1", _meta=7),
    "with deep metadata": erasure("/people/2/_erasures", "e-1", _meta={"held": {"version": {"version": [[[]]]}}}),
    "with much metadata": erasure("/people/2/_erasures", "e-1", _meta={f"m{n}": "x" * 100 for n in range(400)}),
    "that calls itself erased": erasure("/people/2/_erasures", "e-1", _meta={"held": ""}),
    "by reference": forged("/people/2/_erasures", ERASED, {"eventIds": ["e-1"]}, by_reference=True),
    "among deep ones": erasure("/people/2/_erasures/_erasures/_erasures", "e-1"),
}


heard = Table("heard", MetaData(), Column("number", Integer, primary_key=True), Column("place", String))


class Register(Projector, name="register", tables=[heard]):
    """
    Has a handler of the records themselves.
    """

    @handles
    def _erased(self, event: SubjectErased, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(heard).values(place=f"{recorded.subject}: {len(event.event_ids)}"))


async def catch_up(store: EventStore, database: ReadModelDatabase, *projectors: Projector) -> None:
    """
    Run projectors until they have all there is.
    """
    async with ProjectionWorker(store, database, projectors) as worker:
        await worker.caught_up()


async def ids(store: EventStore, subject: str) -> list[str]:
    """
    Which events a subject has.
    """
    return [event.id async for event in store.stream(subject, recursive=False)]


def fillings(caplog: pytest.LogCaptureFixture) -> int:
    """
    How often a projector has begun anew.
    """
    return sum("projector.starting_over" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "later"])
async def test_a_record_that_does_not_fit_stops_no_projector(
    store: EventStore,
    database: ReadModelDatabase,
    shape: str,
    *,
    is_running: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    Projectors go by it with a warning, whether they handle such records or not, and read what comes behind.
    """
    await fill(store)
    projectors = [Names(), Directory(), Elsewhere(), Register()]
    if is_running:
        async with ProjectionWorker(store, database, projectors) as worker:
            await worker.caught_up()
            await store.commit([SHAPES[shape]])
            (last,) = await store.commit([NewEvent.of(PersonNamed(name="Eve"), subject="/people/3")])
            for projector in projectors:
                await projector.seen(last.id, 30)
    else:
        await store.commit([SHAPES[shape]])
        await store.commit([NewEvent.of(PersonNamed(name="Eve"), subject="/people/3")])
    await catch_up(store, database, *projectors)

    assert await rows(database, names) == [("/people/1", "Ada"), ("/people/2", PLANTED), ("/people/3", "Eve")]
    assert [row[2] for row in await rows(database, calls)] == ["named"] * 4
    assert await rows(database, heard) == []
    assert len(await rows(database, directory)) == 3
    assert fillings(caplog) == 0
    if is_running:
        assert any("erasure.record_ignored" in record.getMessage() for record in caplog.records)


async def test_events_that_hold_their_data_are_no_reason(
    any_store: EventStore, database: ReadModelDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A hundred records that name every event of a subject, or of others, leave read models as they are.
    """
    await fill(any_store)
    projectors = [Names(), Directory(), Elsewhere(), Register()]
    everything = [event.id async for event in any_store.stream()]
    async with ProjectionWorker(any_store, database, projectors) as worker:
        await worker.caught_up()
        for _ in range(10):
            await any_store.commit([erasure(f"/people/{1 + n % 3}/_erasures", *everything) for n in range(10)])
        last = await any_store.last_event()
        assert last is not None
        for projector in projectors:
            await projector.seen(last.id, 30)

    assert [row[2] for row in await rows(database, calls)] == ["named"] * 3
    assert len(await rows(database, directory)) == 3
    assert fillings(caplog) == 0


async def test_a_flood_of_records_fills_a_read_model_once(
    store: EventStore, database: ReadModelDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """
    However often emptied events are named again, together or apart, they are let go of once.
    """
    await fill(store)
    await store.commit([NewEvent.of(PersonNamed(name=f"{PLANTED} {n}"), subject="/people/2") for n in range(5)])
    projectors = [Names(), Directory()]
    async with ProjectionWorker(store, database, projectors) as worker:
        await worker.caught_up()
        genuine = await erase_subject(store, "/people/2", wait_for=projectors)
        assert len(genuine.event_ids) == 6
        before = await rows(database, calls)
        for event_id in genuine.event_ids * 3:
            (last,) = await store.commit([erasure("/people/2/_erasures", event_id)])
            for projector in projectors:
                await projector.seen(last.id, 30)
        await store.commit([erasure("/people/2/_erasures", *genuine.event_ids) for _ in range(20)])
    await catch_up(store, database, *projectors)
    await catch_up(store, database, *projectors)

    assert fillings(caplog) == 1
    assert await rows(database, calls) == before
    assert [row[0] for row in await rows(database, names)] == ["/people/1", "/people/3"]


async def test_what_was_empty_when_it_was_read_is_no_reason(
    store: EventStore, database: ReadModelDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A read model that was first filled behind an erasure holds nothing of it, whoever names its events again.
    """
    await fill(store)
    genuine = await erase_subject(store, "/people/2")
    projectors = [Names(), Directory()]
    await catch_up(store, database, *projectors)
    await store.commit([erasure("/people/2/_erasures", *genuine.event_ids)])
    await catch_up(store, database, *projectors)

    assert fillings(caplog) == 0
    assert [row[2] for row in await rows(database, calls)] == ["named", "erased", "named"]


async def test_a_record_before_the_erasure_does_not_stand_in_for_it(
    any_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    Events that somebody named before they were emptied are recorded and let go of when they are.
    """
    await fill(any_store)
    projectors = [Names(), Directory()]
    named = await ids(any_store, "/people/2")
    await any_store.commit([erasure("/people/2/_erasures", *named), forged("/people/2/_erasures", ERASED, {})])
    await catch_up(any_store, database, *projectors)

    erased = await erase_subject(any_store, "/people/2")
    await catch_up(any_store, database, *projectors)

    assert erased.event_ids == (named[1],)
    assert [row[0] for row in await rows(database, names)] == ["/people/1", "/people/3"]
    assert all(PLANTED not in row[1] for row in await rows(database, directory))
    assert (await erase_subject(any_store, "/people/2")).recorded == ()
    assert (await plan_erasure(any_store, "/people/2")).ignored == 1


async def test_a_record_of_one_subject_speaks_of_no_other(store: EventStore, database: ReadModelDatabase) -> None:
    """
    Emptied events that a record of another subject names stay in a read model until their own record comes.
    """
    await fill(store)
    await catch_up(store, database, Names())
    await store.erase("/people/2")
    named = await ids(store, "/people/2")
    await store.commit([erasure("/people/1/_erasures", *named)])
    await catch_up(store, database, Names())
    assert len(await rows(database, names)) == 3

    await erase_subject(store, "/people/2")
    await catch_up(store, database, Names())

    assert [row[0] for row in await rows(database, names)] == ["/people/1", "/people/3"]


async def test_a_tenant_stops_no_projector_over_all(store: EventStore, database: ReadModelDatabase) -> None:
    """
    A projector over all tenants goes by what one of them forged, and lets go of what another erased.
    """

    class All(Projector, name="all", tables=[names, calls]):
        @handles
        def _named(self, event: PersonNamed, recorded: RecordedEvent, tx: Connection) -> None:
            tx.execute(insert(names).values(person=recorded.subject, name=event.name))

    acme, globex = scoped(store, "/tenants/acme"), scoped(store, "/tenants/globex")
    await fill(acme)
    await fill(globex)
    await catch_up(store, database, All())
    await acme.commit([erasure("/people/2/_erasures", *await ids(globex, "/people/2"))])
    await store.commit([erasure("/tenants/_erasures", "e-1"), erasure("/tenants/acme/_erasures", "e-1")])
    await erase_subject(globex, "/people/2")

    await catch_up(store, database, All())

    assert {row[0] for row in await rows(database, names)} == {
        f"/tenants/{tenant}/people/{n}" for tenant in ("acme", "globex") for n in (1, 2, 3)
    } - {"/tenants/globex/people/2"}


class Holder:
    """
    Keeps states, and tells which it threw away.
    """

    def __init__(self) -> None:
        self.purged: list[str] = []
        self.changed = asyncio.Event()

    def purge(self, subject: str) -> None:
        """
        Note it.
        """
        self.purged.append(subject)
        self.changed.set()


async def test_caches_go_by_what_does_not_fit(store: EventStore) -> None:
    """
    A server that purges its caches goes on, and purges what was really erased.
    """
    await fill(store)
    holder = Holder()
    async with purge_caches(store, holder), asyncio.timeout(60):
        for shape in SHAPES.values():
            await store.commit([shape])
        await store.commit([erasure("/people/1/_erasures", *await ids(store, "/people/1"))])
        await erase_subject(store, "/people/2")
        await holder.changed.wait()

    assert [subject[-len("/people/2") :] for subject in holder.purged] == ["/people/2"]


async def test_an_event_that_calls_itself_erased_is_read_as_what_it_says() -> None:
    """
    The mark of erased data counts only where the data is not what was committed.
    """
    async with InMemoryEventStore() as store:
        full, empty = await store.commit(
            [
                forged("/people/2", PersonNamed.event_type, {"name": "Ada", "_meta": {"held": ""}}),
                NewEvent.of(PersonNamed(name="Eve"), subject="/people/2"),
            ]
        )
        assert full.decode() == PersonNamed(name="Ada")

        erased = await erase_subject(store, "/people/2", including=[PersonNamed])

        assert set(erased.event_ids) == {full.id, empty.id}
        assert [event.decode_all() async for event in store.stream("/people/2", recursive=False)] == [
            (Erased(PersonNamed),)
        ] * 2


class Person(Aggregate, subject="/people/{id}"):
    """
    Counts its names.
    """

    named: int = 0

    def name_(self, name: str) -> None:
        """
        Give it another one.
        """
        self.emit(PersonNamed(name=name))

    @handles
    def _registered(self, _: PersonRegistered) -> None:
        pass

    @handles
    def _named(self, _: PersonNamed) -> None:
        self.named += 1


@pytest.mark.parametrize("shape", ["at a person", "without data"])
async def test_an_aggregate_passes_a_record_over(any_store: EventStore, shape: str) -> None:
    """
    A record that somebody put at the subject of an aggregate counts in its version and nowhere else.
    """
    await fill(any_store)
    await any_store.commit([SHAPES[shape].at("/people/2")])
    people = Repository(Person, any_store)

    await people.execute("2", Person.name_, "Eve")

    person = await people.load("2")
    assert (person.named, person.version) == (2, 4)


class Plain(Event, type="io.example.test.erasure.plain"):
    """
    Has no metadata to speak of.
    """

    number: int


@pytest.mark.parametrize(
    "metadata",
    ["x", [1], 7, None, {"held": [1]}, {"version": [2]}, {"commandId": {}}, {"a": {"b": [{}] * 9}}],
    ids=repr,
)
async def test_metadata_of_any_shape_is_read_as_none(store: EventStore, metadata: Any) -> None:
    """
    An event of a log of before is decoded, planned for and erased, whatever stands in the place of its metadata.
    """
    await store.commit([forged("/people/2", Plain.event_type, {"number": 1, "_meta": metadata})])
    (recorded,) = [event async for event in store.stream("/people/2")]

    assert recorded.decode() == Plain(number=1)
    assert recorded.metadata.command_id is None
    assert (await erase_subject(store, "/people/2")).recorded == ()
