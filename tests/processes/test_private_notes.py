"""
What a process records for itself is its own: no other reader takes it for a fact of the domain.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select

from eventsource import (
    Aggregate,
    Command,
    DecisionState,
    DeclarationError,
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
    handles,
    on_timer,
    select_events,
    starts,
    upcaster,
)
from eventsource.events.reserved import written_by_library
from eventsource.processes import list_processes
from eventsource.processes.process_events import ProcessNoted, ProcessReacted, SetTimer, TimerFired
from eventsource.store import InMemoryEventStore
from eventsource.testing.clock import FixedClock
from tests.older_logs import forged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eventsource import EventStore

    from .bank import Bank

given_orders = Table("given_orders", MetaData(), Column("place", String))


class OrderGiven(Event, type="io.example.test.notes.order-given"):
    """
    A fact of the domain, which one manager also remembers for itself.
    """

    order: str


class DayCame(Event, type="io.example.test.notes.day-came"):
    """
    The event of a timer; another manager answers facts of the same class.
    """

    order: str


class GiverNamed(Event, type="io.example.test.notes.giver-named", personal=True):
    """
    What a process remembers of a person.
    """

    name: str


class FeePaid(Event, type="io.example.test.notes.fee-paid"):
    """
    What came of a command.
    """


class PayFee(Command, subject="/fees/all"):
    """
    Ask for a fee.
    """


class Standing(ProcessManager, name="notes-standing", by="order", sends=[]):
    """
    Remembers events of the domain as they are.
    """

    given: str = ""
    giver: str = ""
    days: int = 0

    @starts
    def begins(self, event: OrderGiven) -> None:
        """
        Remember it, whose it is, and wait a day.
        """
        self.emit(event)
        self.emit(GiverNamed(name="Zebulon"))
        self.schedule(DayCame(order=event.order), after=timedelta(days=1))

    @on_timer
    def day_came(self, event: DayCame) -> None:
        """
        Wait for the next one.
        """
        if event.order == self.given:
            self.emit(OrderGiven(order=f"{self.given} again"))

    @handles
    def _given(self, event: OrderGiven) -> None:
        self.given = event.order
        self.days += 1

    @handles
    def _named(self, event: GiverNamed | Erased[GiverNamed]) -> None:
        self.giver = "" if isinstance(event, Erased) else event.name


class Fee(ProcessManager, name="notes-fee", by="order", sends=[PayFee]):
    """
    Takes a fee for each order and each day that comes in the domain.
    """

    @starts
    def given(self, _: OrderGiven) -> None:
        """
        A fee for the order.
        """
        self.send(PayFee())

    @starts
    def day(self, _: DayCame) -> None:
        """
        A fee for the day.
        """
        self.send(PayFee())


class Orders(Projector, name="notes-orders", tables=[given_orders]):
    """
    Keeps where an order was given.
    """

    @handles
    def _given(self, _: OrderGiven, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(given_orders).values(place=recorded.subject))

    @handles
    def _came(self, _: DayCame, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(given_orders).values(place=recorded.subject))


class OrdersGiven(DecisionState):
    """
    Counts the orders of the whole store.
    """

    count: int = 0

    def __init__(self) -> None:
        super().__init__(select_events(OrderGiven, DayCame))

    @handles
    def _counted(self, _: OrderGiven | DayCame) -> None:
        self.count += 1


def dispatcher_on(store: EventStore) -> Dispatcher:
    """
    A dispatcher that takes fees.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(PayFee, lambda _: FeePaid())
    return dispatcher


async def work(bank: Bank, managers: Sequence[type[ProcessManager]] = (Standing, Fee)) -> None:
    """
    Let a worker of both managers do all there is to do.
    """
    async with ProcessWorker(bank.store, dispatcher_on(bank.store), managers, clock=bank.clock) as worker:
        await worker.settle()


async def test_what_a_process_remembers_is_answered_by_no_other(bank: Bank) -> None:
    """
    An event of a domain class that a process emits, or that its timer records, starts nothing elsewhere.
    """
    await bank.commit("/orders/9", OrderGiven(order="9"))
    await work(bank)
    bank.clock.advance(days=2)
    await work(bank)

    assert await bank.store.count("/fees") == 1
    standing = await Repository(Standing, bank.store).load("9")
    assert (standing.given, standing.giver, standing.days) == ("9 again", "Zebulon", 2)
    assert [state.answered for state in await list_processes(Standing, bank.store)] == [2]


async def test_what_a_process_remembers_is_counted_by_no_rule(bank: Bank) -> None:
    """
    A rule, a decision state and a query over the class see the facts of the domain alone.
    """
    await bank.commit("/orders/9", OrderGiven(order="9"))
    await work(bank)
    bank.clock.advance(days=2)
    await work(bank)

    unit = UnitOfWork(bank.store)
    assert (await unit.read(OrdersGiven())).count == 1
    unit.require(select_events(OrderGiven).count() == 1, select_events(DayCame).count() == 0)
    unit.emit(FeePaid(), at="/fees/all")
    await unit.commit()
    query = f'FROM e IN events WHERE e.type == "{OrderGiven.event_type}" PROJECT INTO e.subject'
    assert [row async for row in bank.store.query(query)] == ["/orders/9"]


async def test_what_a_process_remembers_is_projected_by_no_read_model(bank: Bank, tmp_path: Path) -> None:
    """
    A projector of everything keeps the one order that a customer gave.
    """
    await bank.commit("/orders/9", OrderGiven(order="9"))
    await work(bank)
    bank.clock.advance(days=2)
    await work(bank)

    async with ReadModelDatabase(f"sqlite:///{tmp_path / 'orders.db'}") as database:
        async with ProjectionWorker(bank.store, database, [Orders()]) as worker:
            await worker.caught_up()
        assert await database.read(lambda tx: list(tx.scalars(select(given_orders.c.place)))) == ["/orders/9"]


async def test_what_a_process_remembers_decodes_as_a_note(memory_bank: Bank) -> None:
    """
    A program that decodes the whole log meets a note, and no event of the domain.
    """
    await memory_bank.commit("/orders/9", OrderGiven(order="9"))
    await work(memory_bank, [Standing])

    decoded = [recorded.decode() async for recorded in memory_bank.store.stream("/process/notes-standing/9")]
    assert ProcessNoted(type=OrderGiven.event_type, data={"order": "9"}) in decoded
    assert not [event for event in decoded if isinstance(event, OrderGiven)]


async def test_a_command_on_a_process_records_notes_too(memory_bank: Bank) -> None:
    """
    A process that is changed through a repository keeps what it emits to itself.
    """
    await memory_bank.commit("/orders/9", OrderGiven(order="9"))
    await work(memory_bank, [Standing])
    standings = Repository(Standing, memory_bank.store)
    await standings.execute("9", lambda standing: standing.emit(OrderGiven(order="by hand")))
    await work(memory_bank)

    assert (await standings.load("9")).given == "by hand"
    assert await memory_bank.store.count("/fees") == 1


async def test_a_note_of_a_person_can_be_erased(bank: Bank) -> None:
    """
    A process that remembers something personal is loaded, and goes on, after that was erased.
    """
    await bank.commit("/orders/9", OrderGiven(order="9"))
    await work(bank, [Standing])
    await bank.store.erase("/process/notes-standing/9")
    assert not [event async for event in bank.store.stream() if "Zebulon" in event.data_json]

    bank.clock.advance(days=2)
    await work(bank, [Standing])
    standing = await Repository(Standing, bank.store).load("9")
    assert (standing.giver, standing.days) == ("", 2)


class Measured(Event, type="io.example.test.notes.measured", version=2):
    """
    What a process has remembered in another form before.
    """

    metres: int


@upcaster("io.example.test.notes.measured", version=1)
def _in_metres(data: dict[str, object]) -> dict[str, object]:
    return {"metres": int(str(data["kilometres"])) * 1_000}


class Surveyor(ProcessManager, name="notes-surveyor", by="order", sends=[]):
    """
    Remembers a length.
    """

    metres: int = 0

    @starts
    def begins(self, _: OrderGiven) -> None:
        """
        Remember it.
        """
        self.emit(Measured(metres=7_000))

    @handles
    def _measured(self, event: Measured) -> None:
        self.metres += event.metres


async def test_notes_go_through_upcasters(memory_bank: Bank) -> None:
    """
    Notes in an older form, and those that an earlier release stored with the type of the class, are read.
    """
    store = memory_bank.store
    subject = "/process/notes-surveyor/9"
    older = forged(subject, f"io.eventsource.process-noted.{Measured.event_type}", {"kilometres": 1})
    oldest = forged(subject, Measured.event_type, {"kilometres": 2})
    await store.commit([oldest, older])
    await memory_bank.commit("/orders/9", OrderGiven(order="9"))
    await work(memory_bank, [Surveyor])

    assert (await Repository(Surveyor, store).load("9")).metres == 10_000


def older_note(event: Event, subject: str) -> NewEvent:
    """
    What a process wrote to its subject, under the type of the event's class.
    """
    return written_by_library(NewEvent.of(event, subject=subject))


async def written_by_the_release_before(store: EventStore, *, fired: bool) -> None:
    """
    An order, and the process that has answered it, as the release wrote them that kept notes under their own types.
    """
    clock = FixedClock()
    (given,) = await store.commit([NewEvent.of(OrderGiven(order="9"), subject="/orders/9")])
    subject = "/process/notes-standing/9"
    timer = SetTimer(due_at=clock.now() + timedelta(days=1), type=DayCame.event_type, data={"order": "9"})
    reacted = ProcessReacted(cause=given.id, cause_type=given.type, cause_time=given.time, timers=(timer,))
    await store.commit([older_note(event, subject) for event in (OrderGiven(order="9"), reacted)])
    if fired:
        data = {"order": "9", "_meta": {"causationId": f"{given.id}/0"}}
        new = forged(subject, DayCame.event_type, data)
        await store.commit([older_note(TimerFired(timer=f"{given.id}/0"), subject), new])


@pytest.mark.parametrize("fired", [False, True], ids=["timer-set", "timer-fired"])
async def test_a_log_of_the_release_before_goes_on(bank: Bank, *, fired: bool) -> None:
    """
    Processes that an earlier release has led are read, answered once, and answered by no other manager.
    """
    await written_by_the_release_before(bank.store, fired=fired)
    bank.clock.advance(days=2)
    await work(bank)
    await work(bank)

    standing = await Repository(Standing, bank.store).load("9")
    assert (standing.given, standing.days) == ("9 again", 2)
    assert [state.answered for state in await list_processes(Standing, bank.store)] == [2]
    assert await bank.store.count("/fees") == 1


def test_the_place_of_processes_is_taken() -> None:
    """
    No aggregate keeps its events where processes keep theirs, and no event class takes the type of a note.
    """
    with pytest.raises(DeclarationError, match="process managers"):

        class Line(Aggregate, subject="/process/line/{id}"):
            """
            Of a factory.
            """

    with pytest.raises(DeclarationError, match="notes of process managers"):

        class Note(Event, type="io.eventsource.process-noted.mine"):
            """
            Of its own.
            """

    class Step(Aggregate, subject="/process/{id}"):
        """
        One level up there is room.
        """

    assert Step("7").subject == "/process/7"


def test_a_name_that_leaves_no_room_is_refused() -> None:
    """
    A manager whose events have names too long to be noted is refused when it is declared.
    """

    class Endless(Event, type=f"io.example.{'x' * 240}"):
        """
        A long name.
        """

    with pytest.raises(DeclarationError, match="at most"):

        class Patient(ProcessManager, name="notes-patient", by="order", sends=[]):
            """
            Remembers it.
            """

            @handles
            def _endless(self, event: Endless) -> None:
                pass


async def test_a_manager_of_the_store_in_memory_reads_its_own_notes_only() -> None:
    """
    Two managers that remember events of one class each see their own.
    """

    class Other(ProcessManager, name="notes-other", by="order", sends=[]):
        """
        Remembers orders, too.
        """

        days: int = 0

        @starts
        def begins(self, event: OrderGiven) -> None:
            """
            Remember it twice.
            """
            self.emit(event)
            self.emit(event)

        @handles
        def _given(self, _: OrderGiven) -> None:
            self.days += 1

    async with InMemoryEventStore() as store:
        await store.commit([NewEvent.of(OrderGiven(order="9"), subject="/orders/9")])
        async with ProcessWorker(store, dispatcher_on(store), [Standing, Other]) as worker:
            await worker.settle()
        assert (await Repository(Standing, store).load("9")).days == 1
        assert (await Repository(Other, store).load("9")).days == 2
