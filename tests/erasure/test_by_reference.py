"""
Data of any kind that was stored by reference: once it is erased, everything that read it goes on.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, HttpUrl, create_model
from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert

from eventsource import (
    Aggregate,
    Command,
    DecisionState,
    Dispatcher,
    Erased,
    Event,
    NewEvent,
    ProcessManager,
    ProcessWorker,
    ProjectionWorker,
    Projector,
    ReadModelDatabase,
    RecordedEvent,
    Repository,
    UnitOfWork,
    erase_subject,
    handles,
    select_events,
    starts,
    upcaster,
)
from eventsource.errors import EventDecodingError
from eventsource.processes import list_processes, retry_process
from tests.erasure.people import rows

if TYPE_CHECKING:
    from eventsource import EventStore

found = Table("found_births", MetaData(), Column("person", String), Column("born", String))
kept = Table("kept_births", MetaData(), Column("person", String), Column("born", String))


class Currency(Enum):
    """
    Neither of them is empty.
    """

    EURO = "EUR"
    YEN = "JPY"


class Address(BaseModel):
    """
    A part of an event.
    """

    city: Annotated[str, Field(min_length=1)]
    since: dt.date


# No empty text, 0 or false is a value of any of these.
KINDS: dict[str, tuple[Any, Any]] = {
    "date": (dt.date, dt.date(1990, 1, 1)),
    "time": (dt.datetime, dt.datetime(1990, 1, 1, tzinfo=dt.UTC)),
    "duration": (dt.timedelta, dt.timedelta(days=3)),
    "enum": (Currency, Currency.YEN),
    "bounded": (Annotated[int, Field(ge=18)], 36),
    "model": (Address, Address(city="Paris", since=dt.date(2020, 1, 1))),
    "literal": (Literal["a", "b"], "a"),
    "uuid": (UUID, UUID(int=7)),
    "list": (list[dt.date], [dt.date(1990, 1, 1)]),
    "models": (list[Address], [Address(city="Paris", since=dt.date(2020, 1, 1))]),
    "mapping": (dict[str, Address], {"home": Address(city="Paris", since=dt.date(2020, 1, 1))}),
    "tuple": (tuple[int, Currency], (7, Currency.EURO)),
    "union": (dt.date | UUID, UUID(int=7)),
    "url": (HttpUrl, HttpUrl("https://example.org/ada")),
    "yes": (Literal[True], True),
    "pattern": (Annotated[str, Field(pattern="^[A-Z]+$")], "ADA"),
}


class BirthNoted(Event, type="io.example.test.by-reference.birth-noted"):
    """
    Is not personal by its class.
    """

    born: dt.date


class Greeted(Event, type="io.example.test.by-reference.greeted"):
    """
    What a command makes.
    """


class Greet(Command, subject="/greetings/{person}"):
    """
    Say hello.
    """

    person: str


class Person(Aggregate, subject="/people/{id}"):
    """
    Knows when it was born, as long as that is known.
    """

    born: dt.date | None = None
    notes: int = 0

    def note(self, born: dt.date) -> None:
        """
        Say when.
        """
        self.emit(BirthNoted(born=born))

    @handles
    def _noted(self, event: BirthNoted | Erased[BirthNoted]) -> None:
        self.born = None if isinstance(event, Erased) else event.born
        self.notes += 1


class Birthday(DecisionState):
    """
    Knows the same, and says nothing about erased events.
    """

    born: dt.date | None = None

    def __init__(self) -> None:
        super().__init__(select_events(BirthNoted).at("/people/1"))

    @handles
    def _noted(self, event: BirthNoted) -> None:
        self.born = event.born


class LetsGo(Projector, name="lets-go", subject="/people", tables=[found]):
    """
    Has a handler for erased events of a class that is not personal.
    """

    @handles
    def _noted(self, event: BirthNoted, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(found).values(person=recorded.subject, born=str(event.born)))

    @handles
    def _forgotten(self, _: Erased[BirthNoted], recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(delete(found).where(found.c.person == recorded.subject))


class StartsOver(Projector, name="starts-over", subject="/people", tables=[kept]):
    """
    Has none.
    """

    @handles
    def _noted(self, event: BirthNoted, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(kept).values(person=recorded.subject, born=str(event.born)))


class Greeter(ProcessManager, name="by-reference-greeter", by="/people/{id}", sends=[Greet]):
    """
    Greets those whose birth is noted.
    """

    @starts
    def noted(self, event: BirthNoted) -> None:
        """
        Fail once.
        """
        if event.born.year < 1900:
            raise ValueError
        self.send(Greet(person=self.id))


BORN = dt.date(1990, 1, 1)


def by_reference(event: Event, subject: str, *, marked: bool) -> NewEvent:
    """
    An event to be stored by reference, through its class or as another client writes it: without a mark.
    """
    if marked:
        return NewEvent.of(event, subject=subject, store_data_as_reference=True)
    data = event.model_dump(mode="json", by_alias=True)
    return NewEvent(subject=subject, type=event.event_type, data=data, store_data_as_reference=True)


@pytest.fixture(params=[True, False], ids=["marked", "by-another-client"])
async def person(request: pytest.FixtureRequest, any_store: EventStore) -> EventStore:
    """
    A store with one person.
    """
    await any_store.commit([by_reference(BirthNoted(born=BORN), "/people/1", marked=request.param)])
    return any_store


async def test_an_aggregate_is_loaded_and_changed(person: EventStore) -> None:
    """
    It is told that the event is erased; its version, its history and its guards go on.
    """
    people = Repository(Person, person)
    assert (await people.load("1")).born == BORN
    await erase_subject(person, "/people/1")

    async with people.change("1") as found_person:
        assert (found_person.born, found_person.notes) == (None, 1)
        found_person.note(dt.date(2000, 1, 1))
    states = [entry.state.born async for entry in people.history("1")]
    assert states == [None, dt.date(2000, 1, 1)]
    assert (await people.load("1")).version == 2


async def test_a_decision_is_made_without_it(person: EventStore) -> None:
    """
    A decision state that says nothing about erased events passes them over.
    """
    await erase_subject(person, "/people/1")
    unit = UnitOfWork(person)

    assert (await unit.read(Birthday())).born is None
    unit.emit(Greeted(), at="/greetings/1")
    assert len(await unit.commit()) == 1


async def test_projectors_let_go_or_start_over(person: EventStore, database: ReadModelDatabase) -> None:
    """
    With a handler for the erased event and without one, the rows are gone and the projector goes on.
    """
    lets_go, starts_over = LetsGo(), StartsOver()
    async with ProjectionWorker(person, database, [lets_go, starts_over]) as worker:
        await worker.caught_up()
        assert await rows(database, kept) == await rows(database, found) == [("/people/1", str(BORN))]

        await erase_subject(person, "/people/1", wait_for=[lets_go, starts_over])
        assert await rows(database, kept) == await rows(database, found) == []

        (last,) = await person.commit([NewEvent.of(BirthNoted(born=BORN), subject="/people/2")])
        for projector in (lets_go, starts_over):
            await projector.seen(last.id)
    assert await rows(database, kept) == await rows(database, found) == [("/people/2", str(BORN))]


async def test_a_read_model_is_filled_after_the_erasure(person: EventStore, database: ReadModelDatabase) -> None:
    """
    A projector that comes to the erased event in its own place passes it.
    """
    await erase_subject(person, "/people/1")

    async with ProjectionWorker(person, database, [LetsGo(), StartsOver()]) as worker:
        await worker.caught_up()
    assert await rows(database, kept) == await rows(database, found) == []


async def test_a_process_is_not_begun_by_it(person: EventStore) -> None:
    """
    A process manager does not answer what is not there any more, and answers what comes then.
    """
    await erase_subject(person, "/people/1")
    dispatcher = Dispatcher(person)
    dispatcher.register(Greet, lambda _: Greeted())
    async with ProcessWorker(person, dispatcher, [Greeter]) as worker:
        await worker.settle()
        assert await list_processes(Greeter, person) == []
        await person.commit([NewEvent.of(BirthNoted(born=BORN), subject="/people/1")])
        await worker.settle()

    assert await person.count("/greetings") == 1


async def test_a_process_that_was_parked_at_it_goes_on(any_store: EventStore) -> None:
    """
    An event that waits at a parked process and is erased meanwhile is passed over when the process goes on.
    """
    old = by_reference(BirthNoted(born=dt.date(1800, 1, 1)), "/people/1", marked=True)
    await any_store.commit([old])
    dispatcher = Dispatcher(any_store)
    dispatcher.register(Greet, lambda _: Greeted())
    async with ProcessWorker(any_store, dispatcher, [Greeter]) as worker:
        await worker.settle()
        await erase_subject(any_store, "/people/1")
        await retry_process(Greeter, any_store, "1")
        await worker.settle()
        (state,) = await list_processes(Greeter, any_store)
    assert (state.held, state.parked) == (0, None)


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_field_reads_as_erased(store: EventStore, kind: str, *, marked: bool) -> None:
    """
    What erasing leaves of a date, an enum, a bounded number and so on is no value of it, and nobody takes it for one.
    """
    annotation, value = KINDS[kind]
    checked: type[Event] = create_model(
        "Checked",
        __base__=Event,
        __module__=__name__,
        __cls_kwargs__={"type": f"io.example.test.by-reference.{kind}"},
        some_field=(annotation, ...),
    )

    def take(holder: Holder, _: Any) -> None:
        holder.count += 1

    take.__annotations__["_"] = checked

    class Holder(Aggregate, subject="/holders/{id}"):
        """
        Handles it, and says nothing about erased ones.
        """

        count: int = 0

        _taken = handles(take)

    event = checked.model_validate({"some_field": value})
    await store.commit([by_reference(event, "/holders/1", marked=marked)])
    before = await Repository(Holder, store).load("1")
    await erase_subject(store, "/holders/1")
    after = await Repository(Holder, store).load("1")

    assert (before.count, before.version) == (1, 1)
    assert (after.count, after.version) == (0, 1)
    (recorded,) = [recorded async for recorded in store.stream("/holders/1", recursive=False)]
    assert recorded.decode_all() == (Erased(checked),)


class Moved(Event, type="io.example.test.by-reference.moved", version=2):
    """
    Has another form today.
    """

    to: dt.date


class MovedIn(Event, type="io.example.test.by-reference.moved-in"):
    """
    One of the two that a visit is read as today.
    """

    on: dt.date


class MovedOut(Event, type="io.example.test.by-reference.moved-out", personal=True):
    """
    The other.
    """

    on: dt.date


@upcaster("io.example.test.by-reference.moved", version=1)
def _moved(data: dict[str, Any]) -> dict[str, Any]:
    return {"to": dt.date.fromisoformat(data["day"])}


@upcaster("io.example.test.by-reference.visited", version=1, into=[MovedIn, MovedOut])
def _split(data: dict[str, Any]) -> list[tuple[type[Event], dict[str, Any]]]:
    return [
        (MovedIn, {"on": dt.date.fromisoformat(data["from"])}),
        (MovedOut, {"on": dt.date.fromisoformat(data["to"])}),
    ]


@pytest.mark.parametrize(
    ("new", "left"),
    [
        (NewEvent.of(Moved(to=BORN), subject="/moves/1", store_data_as_reference=True), (Moved,)),
        (
            NewEvent(
                subject="/moves/1", type=Moved.event_type, data={"day": "1990-01-01"}, store_data_as_reference=True
            ),
            (Moved,),
        ),
        (
            NewEvent(
                subject="/moves/1",
                type="io.example.test.by-reference.visited",
                data={"from": "1990-01-01", "to": "1990-01-02"},
                store_data_as_reference=True,
            ),
            (MovedIn, MovedOut),
        ),
    ],
    ids=["todays-form", "older-form", "split"],
)
async def test_upcasters_do_not_run_on_what_erasing_leaves(
    any_store: EventStore, new: NewEvent, left: tuple[type[Event], ...]
) -> None:
    """
    An erased event reads as each class that its type is read as today, and no upcaster sees the empty data.
    """
    await any_store.commit([new])
    await erase_subject(any_store, "/moves/1")

    (recorded,) = [event async for event in any_store.stream("/moves/1", recursive=False)]
    assert recorded.decode_all() == tuple(map(Erased, left))


async def test_what_does_not_fit_its_class_and_was_never_erased_is_still_an_error(store: EventStore) -> None:
    """
    Empty values that were written like that, or no values at all, are no erased event.
    """
    for subject, data in (("/people/1", {"born": ""}), ("/people/2", {}), ("/people/3", {"born": "soon"})):
        await store.commit([NewEvent(subject=subject, type=BirthNoted.event_type, data=data)])
        with pytest.raises(EventDecodingError):
            await Repository(Person, store).load(subject[-1])
