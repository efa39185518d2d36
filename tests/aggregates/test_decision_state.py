"""
Decision states: a fold over a selection of events, and the guard that it is still so.
"""

from typing import ClassVar

import pytest

from eventsource import (
    DecisionState,
    DeclarationError,
    Event,
    NewEvent,
    RecordedEvent,
    UnitOfWork,
    handles,
    select_events,
    upcaster,
)
from eventsource.aggregates.state import copied
from eventsource.store import InMemoryEventStore


class SeatTaken(Event, type="io.example.test.decision-state.seat-taken"):
    """
    A seat was taken.
    """

    seat: str


class SeatFreed(Event, type="io.example.test.decision-state.seat-freed"):
    """
    It was given back.
    """

    seat: str


class ShowOpened(Event, type="io.example.test.decision-state.show-opened"):
    """
    Came together with the first seat once.
    """


class Seats(DecisionState):
    """
    Which seats are taken.
    """

    taken: list[str] = []  # noqa: RUF012  copied for each instance

    @handles
    def _taken(self, event: SeatTaken) -> None:
        self.taken.append(event.seat)

    @handles
    def _freed(self, event: SeatFreed) -> None:
        self.taken.remove(event.seat)


@upcaster("io.example.test.decision-state.opened-with-seat", version=1, into=[ShowOpened, SeatTaken])
def _split(data: dict[str, str]) -> list[tuple[type[Event], dict[str, str]]]:
    return [(ShowOpened, {}), (SeatTaken, {"seat": data["first"]})]


async def recorded(*new: NewEvent) -> tuple[RecordedEvent, ...]:
    """
    These, as some store records them.
    """
    async with InMemoryEventStore() as store:
        return await store.commit(new)


async def test_events_are_folded_and_counted() -> None:
    """
    The guard says that there are as many as were folded, of these classes at that place.
    """
    seats = Seats(select_events(SeatTaken, SeatFreed).at("/shows/7"))
    found = await recorded(
        NewEvent.of(SeatTaken(seat="A1"), subject="/shows/7"),
        NewEvent.of(SeatTaken(seat="A2"), subject="/shows/7"),
        NewEvent.of(SeatFreed(seat="A1"), subject="/shows/7"),
    )

    seats.fold(found[:2])
    seats.fold(())
    seats.fold(found[2:])

    assert seats.taken == ["A2"]
    assert (seats.events_folded, seats.last_event) == (3, found[2])
    assert seats.guard == (select_events(SeatFreed, SeatTaken).at("/shows/7").count_recorded() == 3)


def test_instances_share_no_state() -> None:
    """
    Mutable defaults are copied.
    """
    one, other = Seats(select_events(SeatTaken)), Seats(select_events(SeatTaken))

    one.taken.append("A1")

    assert other.taken == []


def test_selected_class_needs_a_handler() -> None:
    """
    Whatever is selected guards, so it must count in the state, too.
    """
    with pytest.raises(DeclarationError, match="selects ShowOpened, which it has no handler for"):
        Seats(select_events(SeatTaken, ShowOpened))


def test_state_attribute_takes_no_name_in_use() -> None:
    """
    It would overwrite what the class itself needs.
    """
    with pytest.raises(DeclarationError, match="DecisionState itself uses"):

        class Wrong(DecisionState):  # pyright: ignore[reportUnusedClass]  it is not made
            guard: int = 0  # type: ignore[assignment]  # pyright: ignore  that is what is refused


async def test_older_events_that_become_selected_ones_are_read_and_guarded() -> None:
    """
    A stored event of another type from which upcasters lead here counts; what else it gives is passed over.
    """
    async with InMemoryEventStore() as store:
        old = NewEvent(subject="/shows/7", type="io.example.test.decision-state.opened-with-seat", data={"first": "A1"})
        await store.commit([old, NewEvent.of(SeatTaken(seat="A2"), subject="/shows/7")])
        work = UnitOfWork(store)

        seats = await work.read(Seats(select_events(SeatTaken).at("/shows/7")))
        work.emit(SeatTaken(seat="A3"), at="/shows/7")
        await work.commit()

    assert seats.taken == ["A1", "A2"]
    assert seats.events_folded == 2


def test_copies_share_nothing_that_changes() -> None:
    """
    Whatever is in the state: plain collections, nested ones, and what two attributes share.
    """

    class Everything(Seats):
        number: int = 1
        names: set[str] = set()  # noqa: RUF012  copied for each instance
        nested: dict[str, list[int]] = {}  # noqa: RUF012  likewise
        kinds: ClassVar[list[str]] = ["never copied"]

    state = Everything(select_events(SeatTaken))
    state.names.add("a")
    state.nested["a"] = [1]
    shared = [1, 2]
    vars(state).update(one=shared, other=shared)

    twin = copied(state)
    twin.number = 2
    twin.names.add("b")
    twin.nested["a"].append(2)
    vars(twin)["one"].append(3)

    assert (state.number, state.names, state.nested, shared) == (1, {"a"}, {"a": [1]}, [1, 2])
    assert vars(twin)["one"] is vars(twin)["other"]
    assert type(twin) is Everything
    assert twin.selection == state.selection
