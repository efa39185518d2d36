"""
Events about a person that were not stored by reference: an erasure says that they are left, and can take them along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventsource import (
    Aggregate,
    Erased,
    Event,
    NewEvent,
    ProcessManager,
    ProjectionWorker,
    ReadModelDatabase,
    Repository,
    erase_subject,
    handles,
    starts,
    upcaster,
)
from eventsource.erasure import plan_erasure
from eventsource.errors import NotSupportedError, PersonalDataRemainsError
from eventsource.events import SubjectErased
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.store.delegating import DelegatingEventStore
from eventsource.store.scope import place_of
from tests.erasure.people import PLANTED, Directory, Names, NoteTaken, PersonNamed, PersonRegistered, names, rows
from tests.older_logs import forged

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from eventsource import EventStore, RecordedEvent


class Person(Aggregate, subject="/people/{id}"):
    """
    Has a name, as long as that is known.
    """

    name: str = ""

    @handles
    def _registered(self, event: PersonRegistered) -> None:
        pass

    @handles
    def _named(self, event: PersonNamed | Erased[PersonNamed]) -> None:
        self.name = "" if isinstance(event, Erased) else event.name


def older(name: str = PLANTED, *, subject: str = "/people/2") -> NewEvent:
    """
    A name as the release wrote it whose class was not personal yet, with the metadata that such events have.
    """
    meta = {"commandId": "c-1", "actor": "officer-7"}
    return NewEvent(subject=subject, type=PersonNamed.event_type, data={"name": name, "_meta": meta})


async def fill_with_older(store: EventStore) -> None:
    """
    A person who was named in both forms.
    """
    await store.commit([NewEvent.of(PersonRegistered(branch=1), subject="/people/2"), older()])
    await store.commit([NewEvent.of(PersonNamed(name=f"{PLANTED} II"), subject="/people/2"), older()])


async def texts(store: EventStore) -> str:
    """
    The data of all events.
    """
    return "".join([event.data_json async for event in store.stream()])


@pytest.mark.parametrize("including", [PersonNamed, PersonNamed.event_type])
async def test_one_type_that_stands_alone(any_store: EventStore, including: Any) -> None:
    """
    A class or a stored type that is given without a list around it is that one type, and no other.
    """
    part = PersonNamed.event_type[:-1]
    await fill_with_older(any_store)
    await any_store.commit([NewEvent(subject="/people/2", type=part, data={"kept": "yes"})])

    erasure = await erase_subject(any_store, "/people/2", including=including)

    assert erasure.emptied == 3
    assert PLANTED not in await texts(any_store)
    assert '"kept":"yes"' in await texts(any_store)


async def test_one_type_that_a_store_is_given(any_store: EventStore) -> None:
    """
    A store takes a single text as one type, too, and not as its letters or its parts.
    """
    part = PersonNamed.event_type[:-1]
    await any_store.commit([older(), NewEvent(subject="/people/2", type=part, data={"kept": "yes"})])

    assert await any_store.erase("/people/2", including=PersonNamed.event_type) == 1
    assert PLANTED not in await texts(any_store)
    assert '"kept":"yes"' in await texts(any_store)


async def test_what_is_left_is_named(any_store: EventStore) -> None:
    """
    All that can be erased is, that is recorded, and the error names the subject and the types, and no value.
    """
    await fill_with_older(any_store)

    with pytest.raises(PersonalDataRemainsError) as caught:
        await erase_subject(any_store, "/people/2")

    error = caught.value
    assert (error.subject, error.types, error.emptied) == ("/people/2", {PersonNamed.event_type: 2}, 1)
    assert PersonNamed.event_type in str(error)
    assert PLANTED not in str(error)
    assert (await texts(any_store)).count(PLANTED) == 2
    assert await any_store.count("/people/2/_erasures") == 1


@pytest.mark.parametrize("including", [[PersonNamed], [PersonNamed.event_type]], ids=["class", "type"])
async def test_what_is_left_can_be_included(any_store: EventStore, including: list[Any]) -> None:
    """
    The data is gone in all events, and each of them is named in one record.
    """
    await fill_with_older(any_store)
    with pytest.raises(PersonalDataRemainsError):
        await erase_subject(any_store, "/people/2")

    erasure = await erase_subject(any_store, "/people/2", including=including)

    assert (erasure.emptied, len(erasure.event_ids)) == (2, 2)
    assert PLANTED not in await texts(any_store)
    assert "officer-7" not in await texts(any_store)
    person = await Repository(Person, any_store).load("2")
    assert (person.name, person.version) == ("", 4)
    events = [event async for event in any_store.stream("/people/2", recursive=False)]
    assert [event.decode_all() for event in events[1:]] == [(Erased(PersonNamed),)] * 3
    named = [
        event_id
        async for record in any_store.stream("/people/2/_erasures")
        for event_id in SubjectErased.from_recorded(record).event_ids
    ]
    assert sorted(named) == sorted(event.id for event in events[1:])
    again = await erase_subject(any_store, "/people/2")
    assert (again.emptied, again.recorded) == (0, ())


async def test_once_is_enough(any_store: EventStore) -> None:
    """
    Whoever includes the class at once need not erase twice.
    """
    await fill_with_older(any_store)

    assert (await erase_subject(any_store, "/people/2", including=[PersonNamed])).emptied == 3


async def test_projectors_let_go_of_what_was_included(any_store: EventStore, database: ReadModelDatabase) -> None:
    """
    Names that were stored in the older form leave the read models, too.
    """
    await any_store.commit([NewEvent.of(PersonRegistered(branch=1), subject="/people/2"), older()])
    projectors = [Names(), Directory()]
    async with ProjectionWorker(any_store, database, projectors) as worker:
        await worker.caught_up()
        assert await rows(database, names) == [("/people/2", PLANTED)]

        await erase_subject(any_store, "/people/2", including=[PersonNamed], wait_for=projectors)
    assert await rows(database, names) == []


async def test_no_byte_is_left_and_the_chain_holds(tmp_path: Path) -> None:
    """
    The files hold nothing of it, the audit finds the store intact, and says how many hashes it could not compute.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.create_index(PersonNamed.event_type, "data.name")
        await fill_with_older(store)
        await store.commit([NewEvent.of(NoteTaken(text="kept"), subject="/people/2")])
        await erase_subject(store, "/people/2", including=[PersonNamed])
        assert [file.name for file in tmp_path.iterdir() if PLANTED.encode() in file.read_bytes()] == []
        report = await store.audit()
        assert (report.is_intact, report.imported) == (True, 2)
    async with EmbeddedEventStore(path) as store:
        await store.commit([NewEvent.of(NoteTaken(text="more"), subject="/people/2")])
        assert (await store.audit()).is_intact


@pytest.mark.parametrize("kind", ["memory", "embedded"])
async def test_a_backup_of_it_restores(any_store: EventStore, tmp_path: Path, kind: str) -> None:
    """
    A store that was restored reads as the one that was backed up, and has nothing to erase.
    """
    await fill_with_older(any_store)
    await erase_subject(any_store, "/people/2", including=[PersonNamed])
    whole, _ = place_of(any_store, "/")
    copy = InMemoryEventStore() if kind == "memory" else EmbeddedEventStore(tmp_path / "copy.db")
    async with copy:
        await copy.restore([event async for event in whole.backup()])
        assert (await copy.audit()).is_intact
        assert PLANTED not in await texts(copy)


class Registered(Event, type="io.example.test.later.registered"):
    """
    Was stored with the name before.
    """

    branch: int


@upcaster("io.example.test.later.entered", version=1, into=[Registered, PersonNamed])
def _split(data: dict[str, Any]) -> list[tuple[type[Event], dict[str, Any]]]:
    return [(Registered, {"branch": data["branch"]}), (PersonNamed, {"name": data["name"]})]


class Renamed(Event, type="io.example.test.later.renamed", personal=True):
    """
    Was of another type before.
    """

    name: str


@upcaster("io.example.test.later.called", version=1, into=Renamed)
def _called(data: dict[str, Any]) -> dict[str, Any]:
    return data


class Addressed(Event, type="io.example.test.later.addressed", version=2):
    """
    Holds nothing personal today; its first version did.
    """

    country: str


@upcaster("io.example.test.later.addressed", version=1, into=[(Addressed, 2), PersonNamed])
def _without_name(data: dict[str, Any]) -> list[tuple[type[Event], dict[str, Any]]]:
    return [(Addressed, {"country": data["country"]}), (PersonNamed, {"name": data["name"]})]


@pytest.mark.parametrize(
    ("stored_type", "data", "including"),
    [
        ("io.example.test.later.entered", {"branch": 1, "name": PLANTED}, PersonNamed),
        ("io.example.test.later.called", {"name": PLANTED}, Renamed),
        ("io.example.test.later.addressed", {"country": "FR", "name": PLANTED}, PersonNamed),
        (PersonNamed.event_type, {"nom": PLANTED}, PersonNamed),
    ],
    ids=["split", "renamed", "older-version", "misfit"],
)
async def test_events_that_upcasters_make_personal_are_known(
    any_store: EventStore, stored_type: str, data: dict[str, Any], including: type[Event]
) -> None:
    """
    What is stored with a type that is not personal by itself, and reads as a personal class, counts.
    """
    await any_store.commit([NewEvent(subject="/people/2", type=stored_type, data=data)])

    with pytest.raises(PersonalDataRemainsError) as caught:
        await erase_subject(any_store, "/people/2")
    assert caught.value.types == {stored_type: 1}
    await erase_subject(any_store, "/people/2", including=[including])

    assert PLANTED not in await texts(any_store)
    (recorded,) = [event async for event in any_store.stream("/people/2", recursive=False)]
    assert all(isinstance(event, Erased) for event in recorded.decode_all())


async def test_a_version_that_is_not_personal_is_no_obstacle(any_store: EventStore) -> None:
    """
    Events of a type whose first version was personal, in the form of today, are left and not complained of.
    """
    await any_store.commit([NewEvent.of(Addressed(country="FR"), subject="/people/2")])

    assert (await erase_subject(any_store, "/people/2")).emptied == 0


async def test_the_subject_alone_is_looked_at(any_store: EventStore) -> None:
    """
    What lies below, and beside, is left; the plan names what lies below.
    """
    await any_store.commit([NewEvent.of(PersonNamed(name="Ada"), subject="/people/2")])
    await any_store.commit([older(subject="/people/2/notes"), older(subject="/people/20")])

    plan = await plan_erasure(any_store, "/people/2")
    await erase_subject(any_store, "/people/2", including=[PersonNamed])

    assert plan.below == ("/people/2/notes",)
    assert (await texts(any_store)).count(PLANTED) == 2


async def test_a_plan_says_what_would_be_left(store: EventStore) -> None:
    """
    It names the types that hold personal data, and those that nobody here knows.
    """
    await fill_with_older(store)
    await store.commit([NewEvent(subject="/people/2", type="io.example.of-another-program", data={"x": 1})])

    plan = await plan_erasure(store, "/people/2")
    assert (len(plan.events), plan.kept, plan.remaining) == (1, 4, {PersonNamed.event_type: 2})
    assert plan.unknown == ("io.example.of-another-program",)

    plan = await plan_erasure(store, "/people/2", including=[PersonNamed, "io.example.of-another-program"])
    assert (len(plan.events), plan.kept, plan.remaining, plan.unknown) == (4, 1, {}, ())


class OrderPlaced(Event, type="io.example.test.later.order-placed"):
    """
    Begins a process.
    """


class Rememberer(ProcessManager, name="later-rememberer", by="/orders/{id}", sends=[]):
    """
    Has remembered names when their class was not personal.
    """

    name: str = ""

    @starts
    def placed(self, _: OrderPlaced) -> None:
        """
        Nothing to do.
        """

    @handles
    def _named(self, event: PersonNamed | Erased[PersonNamed]) -> None:
        self.name = "" if isinstance(event, Erased) else event.name


@pytest.mark.parametrize("prefix", ["", "io.eventsource.process-noted."], ids=["older-release", "note"])
async def test_notes_of_processes_count(any_store: EventStore, prefix: str) -> None:
    """
    What a process has remembered of a person is named and erased as anything else, and the process is loaded.
    """
    subject = "/process/later-rememberer/7"
    await any_store.commit([forged(subject, prefix + PersonNamed.event_type, {"name": PLANTED})])
    processes = Repository(Rememberer, any_store)
    assert (await processes.load("7")).name == PLANTED

    with pytest.raises(PersonalDataRemainsError):
        await erase_subject(any_store, subject)
    await erase_subject(any_store, subject, including=[PersonNamed])

    assert (await processes.load("7")).name == ""
    assert PLANTED not in await texts(any_store)


class ByReferenceOnly(DelegatingEventStore):
    """
    Erases as a Genesis DB does.
    """

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        """
        By reference, and no other.
        """
        erased = await super().erase(subject)
        if including:
            msg = "the server erases by reference"
            raise NotSupportedError(msg)
        return erased


async def test_a_store_that_cannot_include_says_so(store: EventStore) -> None:
    """
    What can be erased is erased and recorded all the same.
    """
    await fill_with_older(store)

    with pytest.raises(NotSupportedError):
        await erase_subject(ByReferenceOnly(store), "/people/2", including=[PersonNamed])

    records: list[RecordedEvent] = [event async for event in store.stream("/people/2/_erasures")]
    assert [len(SubjectErased.from_recorded(record).event_ids) for record in records] == [1]
