"""
Processes that fail: parked alone, known to every worker, and let go on.
"""

from datetime import timedelta
from typing import ClassVar

import pytest
from pydantic import field_validator

from eventsource import (
    Command,
    Dispatcher,
    Event,
    EventStore,
    NewEvent,
    ProcessManager,
    UnitOfWork,
    on_refusal,
    on_timer,
    reacts,
    rule,
    select_events,
    starts,
)
from eventsource.errors import ProcessManagerFailedError, ProcessNotFoundError, ProcessNotParkedError
from eventsource.processes import list_processes, retry_process
from tests.processes.bank import Bank, assert_exactly_once


class ParcelPosted(Event, type="io.example.parcels.posted"):
    """
    Somebody brings a parcel.
    """

    parcel: str
    grams: int


class ParcelScanned(Event, type="io.example.parcels.scanned"):
    """
    It has come by somewhere.
    """

    parcel: str
    place: str


class ParcelCarried(Event, type="io.example.parcels.carried"):
    """
    What the command does.
    """

    place: str


class PatienceLost(Event, type="io.example.parcels.patience-lost"):
    """
    A timer.
    """

    reason: str = "a day has passed"

    @field_validator("reason")
    @classmethod
    def _is_readable(cls, reason: str) -> str:
        if "patience" in Parcels.broken:
            raise ValueError
        return reason


class CarryParcel(Command, subject="/parcels/{parcel}"):
    """
    Bring it somewhere.
    """

    parcel: str
    place: str

    @rule("not to the moon")
    def _not_to_the_moon(self) -> object:
        far = 1 if self.place == "moon" else 0
        return select_events(ParcelCarried).at("/nowhere").count() >= far


class Parcels(ProcessManager, name="parcels", by="parcel", sends=[CarryParcel]):
    """
    Has each parcel carried to where it was scanned.

    Attributes:
        broken: The places that its code cannot take yet.
    """

    broken: ClassVar[set[str]] = set()

    @starts
    def posted(self, _: ParcelPosted) -> None:
        """
        To the office.
        """
        self.send(CarryParcel(parcel=self.id, place="office"))
        self.schedule(PatienceLost(), after=timedelta(days=1))

    @reacts
    def scanned(self, event: ParcelScanned) -> None:
        """
        To the place.
        """
        if event.place in self.broken:
            raise KeyError(event.place)
        self.send(CarryParcel(parcel=self.id, place=event.place))

    @on_timer
    def lost(self, _: PatienceLost) -> None:
        """
        It is what it is.
        """
        self.complete()


class Carrier:
    """
    Carries parcels, unless it is told to fail.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.asked = 0

    async def carry(self, command: CarryParcel, work: UnitOfWork) -> None:
        """
        Carry, or fail.
        """
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        work.emit(ParcelCarried(place=command.place), at=command.subject)

    def dispatcher(self, store: EventStore) -> Dispatcher:
        """
        What a worker wants.
        """
        dispatcher = Dispatcher(store)
        dispatcher.register(CarryParcel, self.carry)
        return dispatcher


@pytest.fixture(autouse=True)
def broken() -> set[str]:
    """
    What the code cannot take; empty again for each test.
    """
    Parcels.broken.clear()
    return Parcels.broken


async def work(bank: Bank, carrier: Carrier | None = None, *processes: type[ProcessManager]) -> None:
    """
    Let a new worker do all there is to do.
    """
    dispatcher = (carrier or Carrier()).dispatcher(bank.store)
    await bank.work(dispatcher=dispatcher, processes=processes or [Parcels])


async def scan(bank: Bank, parcel: str, *places: str) -> None:
    """
    A parcel comes by.
    """
    await bank.commit(f"/scanner/{parcel}", *(ParcelScanned(parcel=parcel, place=place) for place in places))


async def carried(bank: Bank, parcel: str) -> list[str]:
    """
    Where a parcel was carried, in order.
    """
    found = await bank.events(f"/parcels/{parcel}")
    return [event.place for event in found if isinstance(event, ParcelCarried)]


async def standing(bank: Bank) -> dict[str, tuple[str, int]]:
    """
    How each process stands, and how many events wait for it.
    """
    return {state.id: (state.standing, state.held) for state in await list_processes(Parcels, bank.store)}


async def test_failing_process_is_parked_alone(bank: Bank, broken: set[str]) -> None:
    """
    Others go on; what comes for it later waits, and is answered in order when the code is mended.
    """
    broken.add("hall 2")
    await bank.commit("/desk", ParcelPosted(parcel="a", grams=1), ParcelPosted(parcel="b", grams=1))
    await scan(bank, "a", "hall 1", "hall 2", "hall 3")
    await scan(bank, "b", "hall 1")
    await work(bank)
    await scan(bank, "a", "hall 4")
    await work(bank)
    assert await carried(bank, "a") == ["office", "hall 1"]
    assert await carried(bank, "b") == ["office", "hall 1"]
    assert await standing(bank) == {"a": ("parked", 3), "b": ("running", 0)}
    parked = next(state for state in await list_processes(Parcels, bank.store) if state.id == "a")
    assert parked.parked is not None
    assert (parked.parked.error, parked.parked.cause_type) == ("KeyError", ParcelScanned.event_type)
    assert parked.parked.place.startswith("test_parking.py:")

    broken.clear()
    await retry_process(Parcels, bank.store, "a")
    await work(bank)

    assert await carried(bank, "a") == ["office", "hall 1", "hall 2", "hall 3", "hall 4"]
    assert await standing(bank) == {"a": ("running", 0), "b": ("running", 0)}
    await assert_exactly_once(bank.store)


async def test_running_worker_hears_of_a_retry(bank: Bank, broken: set[str]) -> None:
    """
    Nobody has to start it again.
    """
    broken.add("hall 1")
    async with bank.worker(dispatcher=Carrier().dispatcher(bank.store), processes=[Parcels]) as worker:
        await bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
        await scan(bank, "a", "hall 1", "hall 2")
        await worker.settle()
        broken.clear()
        await retry_process(Parcels, bank.store, "a")
        await worker.settle()

    assert await carried(bank, "a") == ["office", "hall 1", "hall 2"]


async def test_parked_again_if_it_fails_again(memory_bank: Bank, broken: set[str]) -> None:
    """
    The order of what waits does not change.
    """
    broken |= {"hall 1"}
    await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await scan(memory_bank, "a", "hall 1", "hall 2")
    await work(memory_bank)
    await retry_process(Parcels, memory_bank.store, "a")
    await work(memory_bank)
    assert await standing(memory_bank) == {"a": ("parked", 2)}

    broken.clear()
    await retry_process(Parcels, memory_bank.store, "a")
    await work(memory_bank)

    assert await carried(memory_bank, "a") == ["office", "hall 1", "hall 2"]
    await assert_exactly_once(memory_bank.store)


async def test_start_that_fails_keeps_what_follows(memory_bank: Bank) -> None:
    """
    A process that could not even begin holds its events, too.
    """

    class Broken(Parcels, name="parcels", by="parcel", sends=[CarryParcel]):
        @starts
        def posted(self, _: ParcelPosted) -> None:
            raise ValueError

    await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await scan(memory_bank, "a", "hall 1")
    await work(memory_bank, None, Broken)
    assert await standing(memory_bank) == {"a": ("parked", 2)}

    await retry_process(Parcels, memory_bank.store, "a")
    await work(memory_bank)

    assert await carried(memory_bank, "a") == ["office", "hall 1"]


async def test_command_that_fails_for_a_while_is_tried_again(memory_bank: Bank) -> None:
    """
    Two failures, then it works: nobody is parked.
    """
    carrier = Carrier()
    carrier.failures = 2
    await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await work(memory_bank, carrier)

    assert carrier.asked == 3
    assert await carried(memory_bank, "a") == ["office"]
    assert await standing(memory_bank) == {"a": ("running", 0)}


async def test_command_that_fails_parks_its_process(bank: Bank) -> None:
    """
    After three tries; let go on, the same command is carried out, once.
    """
    carrier = Carrier()
    carrier.failures = 3
    await bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await work(bank, carrier)
    await scan(bank, "a", "hall 1")
    await work(bank, carrier)
    (state,) = await list_processes(Parcels, bank.store)
    assert (state.standing, state.unsent, state.held) == ("parked", 1, 1)
    assert state.parked is not None
    assert (state.parked.stage, state.parked.error) == ("command", "ConnectionError")
    assert carrier.asked == 3

    await retry_process(Parcels, bank.store, "a")
    await work(bank, carrier)

    assert await carried(bank, "a") == ["office", "hall 1"]
    await assert_exactly_once(bank.store)


async def test_refusal_that_nothing_answers_parks_its_process(memory_bank: Bank) -> None:
    """
    A broken rule is not tried again; once a reaction is there for it, the process goes on.
    """

    class Mended(Parcels, name="parcels", by="parcel", sends=[CarryParcel]):
        @on_refusal()
        def stays(self, command: CarryParcel) -> None:
            self.send(CarryParcel(parcel=self.id, place=f"not {command.place}"))

    await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await scan(memory_bank, "a", "moon", "hall 1")
    await work(memory_bank)
    (state,) = await list_processes(Parcels, memory_bank.store)
    assert state.parked is not None
    assert state.parked.error == "RefusalUnansweredError"

    await retry_process(Parcels, memory_bank.store, "a")
    await work(memory_bank, None, Mended)

    assert await carried(memory_bank, "a") == ["office", "hall 1", "not moon"]


async def test_event_that_does_not_fit_parks_its_process(memory_bank: Bank) -> None:
    """
    As long as it says which process it is for, nobody else is concerned.
    """
    unfit = NewEvent(subject="/desk", type=ParcelPosted.event_type, data={"parcel": "a", "grams": "heavy"})
    await memory_bank.store.commit([unfit])
    await memory_bank.commit("/desk", ParcelPosted(parcel="b", grams=1))
    await work(memory_bank)

    assert await standing(memory_bank) == {"a": ("parked", 1), "b": ("running", 0)}


async def test_event_that_leads_nowhere_stops_its_process_manager(memory_bank: Bank) -> None:
    """
    Nobody can tell whose order would be broken; what stopped it is told.
    """

    class Guessing(ProcessManager, name="guessing", by=lambda event: event.parcel[7]):
        @starts
        def posted(self, _: ParcelPosted) -> None:
            pass

    recorded = await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    with pytest.raises(ProcessManagerFailedError) as caught:
        await work(memory_bank, None, Guessing)

    assert caught.value.event_id == recorded.id
    assert isinstance(caught.value.__cause__, IndexError)


async def test_timer_whose_event_cannot_be_read_parks_its_process(memory_bank: Bank, broken: set[str]) -> None:
    """
    When the class is mended and the process let go on, the timer is recorded, once.
    """
    await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await work(memory_bank)
    broken.add("patience")
    memory_bank.clock.advance(days=2)
    await work(memory_bank)
    await work(memory_bank)
    (state,) = await list_processes(Parcels, memory_bank.store)
    assert state.parked is not None
    assert (state.parked.stage, state.timers) == ("timer", 1)
    assert (await memory_bank.names("/process")).count("ProcessParked") == 1

    broken.clear()
    await retry_process(Parcels, memory_bank.store, "a")
    await work(memory_bank)

    assert await memory_bank.count(PatienceLost) == 1
    assert await standing(memory_bank) == {"a": ("completed", 0)}


async def test_only_what_is_parked_can_be_let_go_on(memory_bank: Bank) -> None:
    """
    Names that are none, and processes that run, are told.
    """
    await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await work(memory_bank)

    with pytest.raises(ProcessNotParkedError):
        await retry_process(Parcels, memory_bank.store, "a")
    with pytest.raises(ProcessNotFoundError):
        await retry_process(Parcels, memory_bank.store, "z")


async def test_timer_of_a_parked_process_is_recorded_and_waits(memory_bank: Bank, broken: set[str]) -> None:
    """
    That the time has come is a fact; the answer comes later, behind what was before.
    """
    broken.add("hall 1")
    await memory_bank.commit("/desk", ParcelPosted(parcel="a", grams=1))
    await scan(memory_bank, "a", "hall 1")
    await work(memory_bank)
    memory_bank.clock.advance(days=2)
    await work(memory_bank)
    assert await memory_bank.count(PatienceLost) == 1
    assert await standing(memory_bank) == {"a": ("parked", 2)}

    broken.clear()
    await retry_process(Parcels, memory_bank.store, "a")
    await work(memory_bank)

    assert await carried(memory_bank, "a") == ["office", "hall 1"]
    assert await standing(memory_bank) == {"a": ("completed", 0)}
