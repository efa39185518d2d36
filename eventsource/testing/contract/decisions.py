"""
Decisions: one commit over all that they touch, guarded by all that they read, and by nothing else.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, Self

import pytest

from eventsource import (
    Aggregate,
    AggregateExistsError,
    AggregateNotFoundError,
    ConflictError,
    DecisionState,
    Event,
    Guard,
    NewEvent,
    RuleBrokenError,
    UnitOfWork,
    handles,
    rule,
    select_events,
    transact,
)
from eventsource.testing.contract.chance import rounds
from eventsource.testing.contract.samples import read

if TYPE_CHECKING:
    import random

    from eventsource import EventStore
    from eventsource.testing.contract.kinds import StoreKind


class CoinsMoved(Event, type="io.example.contract.coins-moved"):
    """
    Coins came into a chest, or with a negative number went out.
    """

    coins: int


class ChestPainted(Event, type="io.example.contract.chest-painted"):
    """
    What is of no concern to those who count coins.
    """

    colour: str


class SeatSold(Event, type="io.example.contract.seat-sold"):
    """
    A seat of a show was sold.
    """

    show: str
    seat: str


class Chest(Aggregate, subject="/chests/{id}", unknown_events="ignore"):
    """
    Coins, whatever else happens to their chest.
    """

    coins: int = 0

    def put(self, coins: int) -> None:
        """
        Put coins in.
        """
        self.emit(CoinsMoved(coins=coins))

    def take(self, coins: int) -> None:
        """
        Take coins out; the store decides whether there are enough.
        """
        self.emit(CoinsMoved(coins=-coins), unversioned=True)

    @rule("enough coins")
    def _enough(self, event: CoinsMoved) -> Guard:
        return select_events(CoinsMoved).at(self.subject).sum("coins") >= -event.coins

    @handles
    def _moved(self, event: CoinsMoved) -> None:
        self.coins += event.coins


class Painting(Aggregate, subject="/chests/{id}", unknown_events="ignore"):
    """
    The colour of the same chest.
    """

    colour: str = ""

    @handles
    def _painted(self, event: ChestPainted) -> None:
        self.colour = event.colour


class WholeChest(Aggregate, subject="/chests/{id}"):
    """
    All there is to know about a chest.
    """

    events: int = 0

    @handles
    def _changed(self, _: CoinsMoved | ChestPainted) -> None:
        self.events += 1


class SeatsSold(DecisionState):
    """
    The seats of a show that are sold.
    """

    seats: set[str] = set()  # noqa: RUF012  copied for each instance

    @classmethod
    def of(cls, show: str) -> Self:
        """
        Those of one show, wherever they are written.
        """
        return cls(select_events(SeatSold).where(show=show))

    @classmethod
    def below(cls, subject: str) -> Self:
        """
        Those written at a subject or below it.
        """
        return cls(select_events(SeatSold).under(subject))

    @handles
    def _sold(self, event: SeatSold) -> None:
        self.seats.add(event.seat)


HANDLED: Final[dict[type[Aggregate], type[Event]]] = {Chest: CoinsMoved, Painting: ChestPainted}
_HALF = 0.5
# After so many rounds there was a conflict, and a decision without.
ENOUGH = 20


def sold(show: str, seat: str) -> NewEvent:
    """
    A seat that somebody else sold.
    """
    return NewEvent.of(SeatSold(show=show, seat=seat), subject=f"/shows/{show}/seats/{seat}")


def sell(work: UnitOfWork, show: str, seat: str) -> None:
    """
    Sell a seat.
    """
    work.emit(SeatSold(show=show, seat=seat), at=f"/shows/{show}/seats/{seat}")


def new_show() -> str:
    """
    A show that nobody has heard of: what is asked by a field is asked of all of a store.
    """
    return str(uuid.uuid4())


async def test_what_is_decided_is_one_commit(store: EventStore) -> None:
    """
    Events of two aggregates and of none: all are there, next to one another.
    """
    show = new_show()
    work = UnitOfWork(store)
    work.create(Chest, "1").put(5)
    work.create(Chest, "2").put(7)
    sell(work, show, "A1")

    recorded = await work.commit()

    assert [event.subject for event in recorded] == ["/chests/1", "/chests/2", f"/shows/{show}/seats/A1"]
    assert [event.id for event in await read(store.stream())] == [event.id for event in recorded]
    again = UnitOfWork(store)
    assert [chest.coins for chest in await again.load_all(Chest, ["1", "2"])] == [5, 7]
    assert (await again.read(SeatsSold.of(show))).seats == {"A1"}


async def test_what_changed_since_it_was_read_is_a_conflict(store: EventStore) -> None:
    """
    In an aggregate that is read only, or in a state: nothing of the decision is written, and the error tells by what.
    """
    show = new_show()
    await transact(store, lambda work: work.create(Chest, "1").put(5))

    for rival in (NewEvent.of(CoinsMoved(coins=1), subject="/chests/1"), sold(show, "A1")):
        work = UnitOfWork(store)
        await work.load(Chest, "1")
        await work.read(SeatsSold.of(show))
        work.create(Chest, "2").put(7)
        [came_between] = await store.commit([rival])
        with pytest.raises(ConflictError) as failure:
            await work.commit()
        assert [event.id for event in failure.value.events] == [came_between.id]

    assert await store.count("/chests/2") == 0


async def test_what_was_not_read_is_no_conflict(store: EventStore) -> None:
    """
    Other types at the same subject, and other events of the same type, are in nobody's way.
    """
    show = new_show()
    await transact(store, lambda work: work.create(Chest, "1").put(5))
    work = UnitOfWork(store)
    chest = await work.load(Chest, "1")
    await work.read(SeatsSold.of(show))

    await store.commit([NewEvent.of(ChestPainted(colour="red"), subject="/chests/1"), sold(new_show(), "A1")])
    chest.put(1)
    sell(work, show, "A1")

    assert len(await work.commit()) == 2


async def test_two_aggregates_of_one_subject_are_in_nobodys_way(store: EventStore) -> None:
    """
    Each is guarded by what it has handlers for, from its first event on.
    """
    painting, chest = UnitOfWork(store), UnitOfWork(store)
    painting.create(Painting, "1").emit(ChestPainted(colour="red"))
    chest.create(Chest, "1").put(5)

    await painting.commit()
    await chest.commit()

    work = UnitOfWork(store)
    assert ((await work.load(Chest, "1")).coins, work.new_events) == (5, ())
    assert (await UnitOfWork(store).load(Painting, "1")).colour == "red"


async def test_decision_is_made_again_over_what_is_there_now(store: EventStore) -> None:
    """
    A conflict runs it again; what it gives is of the run that was committed.
    """
    show = new_show()
    rivals = [sold(show, "A1"), sold(show, "A2")]

    async def buy(work: UnitOfWork) -> str:
        taken = await work.read(SeatsSold.of(show))
        if rivals:
            await store.commit([rivals.pop(0)])
        seat = next(seat for seat in ("A1", "A2", "A3") if seat not in taken.seats)
        sell(work, show, seat)
        return seat

    assert await transact(store, buy) == "A3"


async def test_rule_decides_without_a_read(store: EventStore) -> None:
    """
    It holds or it is broken, and says so by its name; nobody reads, and nobody is run again.
    """
    await transact(store, lambda work: work.create(Chest, "1").put(5))

    await transact(store, lambda work: work.add(Chest("1")).take(3))
    await transact(store, lambda work: work.add(Chest("1")).take(2))
    with pytest.raises(RuleBrokenError) as failure:
        await transact(store, lambda work: work.add(Chest("1")).take(1))

    assert failure.value.name == "enough coins"


async def test_rule_is_added_to_what_was_read(store: EventStore) -> None:
    """
    Where both could be named it is the conflict: the rule is broken only for who has read all there is.
    """
    await transact(store, lambda work: work.create(Chest, "1").put(5))
    stale, fresh = UnitOfWork(store), UnitOfWork(store)
    (await stale.load(Chest, "1")).put(-5)

    await transact(store, lambda work: work.add(Chest("1")).take(5))
    (await fresh.load(Chest, "1")).put(-5)

    with pytest.raises(ConflictError):
        await stale.commit()
    with pytest.raises(RuleBrokenError, match="enough coins"):
        await fresh.commit()


async def test_what_is_there_is_not_created(store: EventStore) -> None:
    """
    It is no conflict, and one that decided by its absence has a conflict.
    """
    absent = UnitOfWork(store)
    with pytest.raises(AggregateNotFoundError):
        await absent.load(Chest, "1")
    await transact(store, lambda work: work.create(Chest, "1").put(5))

    with pytest.raises(AggregateExistsError):
        await transact(store, lambda work: work.create(Chest, "1").put(5))
    absent.create(Chest, "2").put(1)
    with pytest.raises(ConflictError):
        await absent.commit()


async def test_state_of_what_lies_below_a_subject(store: EventStore) -> None:
    """
    It is read as the stream is, and guarded as far as it was read.
    """
    await store.commit([sold("7", "A1"), sold("8", "A1"), NewEvent.of(ChestPainted(colour="red"), subject="/shows/7")])
    work = UnitOfWork(store)

    taken = await work.read(SeatsSold.below("/shows/7"))
    await store.commit([sold("8", "A2"), NewEvent.of(ChestPainted(colour="blue"), subject="/shows/7")])
    sell(work, "7", "A2")
    await work.commit()

    assert taken.seats == {"A1"}
    late = UnitOfWork(store)
    assert (await late.read(SeatsSold.below("/shows/7"))).seats == {"A1", "A2"}
    await store.commit([sold("7", "A3")])
    sell(late, "7", "A4")
    with pytest.raises(ConflictError):
        await late.commit()


async def test_conflicts_are_what_was_read_and_nothing_else(
    store: EventStore, store_kind: StoreKind, rng: random.Random
) -> None:
    """
    Whatever a decision reads, and whatever comes between: it conflicts exactly if that is of what was read.
    """
    show, other_show = new_show(), new_show()
    rivals: list[tuple[Event, str]] = [
        *((event, f"/chests/{id}") for id in "12" for event in (CoinsMoved(coins=1), ChestPainted(colour="red"))),
        *(
            (SeatSold(show=each, seat="A1"), at)
            for each in (show, other_show)
            for at in ("/shows/7/seats/A1", "/shows/8")
        ),
    ]
    chests: list[type[Aggregate] | None] = [None, Chest, Painting, WholeChest]
    outcomes: set[bool] = set()
    for number in range(store_kind.rounds(rounds(60, 2_000))):
        rival, at = rng.choice(rivals)
        work = UnitOfWork(store)
        is_hit = False
        for id in "12":
            if (kind := rng.choice(chests)) is not None:
                await work.load_or_new(kind, id)
                is_hit |= at == f"/chests/{id}" and (kind is WholeChest or isinstance(rival, HANDLED[kind]))
        if rng.random() < _HALF:
            await work.read(SeatsSold.of(show))
            is_hit |= isinstance(rival, SeatSold) and rival.show == show
        if rng.random() < _HALF:
            await work.read(SeatsSold.below("/shows/7"))
            is_hit |= at.startswith("/shows/7/")

        await store.commit([NewEvent.of(rival, subject=at)])
        work.emit(ChestPainted(colour="blue"), at=f"/results/{number}")
        told: tuple[str, ...] = ()
        try:
            await work.commit()
        except ConflictError as conflict:
            told = tuple(event.type for event in conflict.events)

        assert told == ((rival.event_type,) if is_hit else ())
        outcomes.add(is_hit)

    assert store_kind.rounds(60) < ENOUGH or outcomes == {True, False}
