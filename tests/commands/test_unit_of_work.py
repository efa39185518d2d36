"""
Decisions over several subjects: one read each, one commit over all, guarded by what was read.
"""

import asyncio
from typing import Self

import pytest

from eventsource import (
    AggregateExistsError,
    AggregateNotFoundError,
    ConflictError,
    DecisionState,
    Event,
    NewEvent,
    Repository,
    RuleBrokenError,
    UnitOfWork,
    decide,
    events,
    handles,
)
from tests.commands.accounts import Account, CardIssued, Customer, MoneyMoved, transfer
from tests.commands.observed_store import ObservedStore


class SeatTaken(Event, type="io.example.test.commands.seat-taken"):
    """
    A seat of a show is sold.
    """

    seat: str


class SeatPriced(Event, type="io.example.test.commands.seat-priced"):
    """
    Something else about a seat.
    """

    cents: int


class SeatsTaken(DecisionState):
    """
    The seats of a show that are sold.
    """

    seats: set[str] = set()  # noqa: RUF012  copied for each instance

    @classmethod
    def of(cls, show: str) -> Self:
        """
        Those of one show.
        """
        return cls(events(SeatTaken).under(f"/shows/{show}"))

    @handles
    def _taken(self, event: SeatTaken) -> None:
        self.seats.add(event.seat)


async def open_accounts(store: ObservedStore, *cents: int) -> None:
    """
    Accounts "1", "2", … with so much in each: two events each.
    """
    work = UnitOfWork(store)
    for number, amount in enumerate(cents, start=1):
        account = work.create(Account, f"{number}")
        account.open("Ada")
        account.deposit(amount)
    await work.commit()
    store.read.clear()
    store.commits = 0


async def test_one_commit_over_several_subjects(store: ObservedStore) -> None:
    """
    Aggregates, a decision state and an event of no aggregate: all is written in one commit.
    """
    await open_accounts(store, 10, 0)
    work = UnitOfWork(store)
    one, two = await work.load_all(Account, ["1", "2"])
    taken = await work.read(SeatsTaken.of("7"))

    transfer(one, two, 4)
    work.emit(SeatTaken(seat="A1"), at="/shows/7/seats/A1")
    recorded = await work.commit()

    assert taken.seats == set()
    assert store.commits == 1
    assert [event.subject for event in recorded] == ["/accounts/1", "/accounts/2", "/shows/7/seats/A1"]
    assert [(await Repository(Account, store).load(id)).cents for id in ("1", "2")] == [6, 4]
    assert (await UnitOfWork(store).read(SeatsTaken.of("7"))).seats == {"A1"}


async def test_what_was_read_and_has_changed_is_a_conflict(store: ObservedStore) -> None:
    """
    The error has the events that came between, and nothing is written.
    """
    await open_accounts(store, 10, 0)
    work = UnitOfWork(store)
    taken = await work.read(SeatsTaken.of("7"))
    account = await work.load(Account, "1")
    [rival] = await store.commit([NewEvent.of(SeatTaken(seat="A1"), subject="/shows/7/seats/A1")])

    assert "A1" not in taken.seats
    account.withdraw(10)
    work.emit(SeatTaken(seat="A1"), at="/shows/7/seats/A1")
    with pytest.raises(ConflictError) as excinfo:
        await work.commit()

    assert [event.id for event in excinfo.value.events] == [rival.id]
    assert (await Repository(Account, store).load("1")).cents == 10


async def test_what_is_not_of_the_selection_is_in_nobodys_way(store: ObservedStore) -> None:
    """
    Other events at the same subject, and the same events elsewhere, do not conflict.
    """
    work = UnitOfWork(store)
    await work.read(SeatsTaken.of("7"))
    await store.commit(
        [
            NewEvent.of(SeatPriced(cents=5), subject="/shows/7/seats/A1"),
            NewEvent.of(SeatTaken(seat="A1"), subject="/shows/8/seats/A1"),
        ]
    )

    work.emit(SeatTaken(seat="A1"), at="/shows/7/seats/A1")

    assert len(await work.commit()) == 1


async def test_conflicts_are_decided_again(store: ObservedStore) -> None:
    """
    The function runs again over what there is now, and its result is that of the run that was committed.
    """
    await open_accounts(store, 10, 0)
    store.rivals = [lambda: store.inner.commit([NewEvent.of(SeatTaken(seat="A1"), subject="/shows/7/seats/A1")])]

    async def sell(work: UnitOfWork) -> str:
        taken = await work.read(SeatsTaken.of("7"))
        account = await work.load(Account, "1")
        seat = next(seat for seat in ("A1", "A2") if seat not in taken.seats)
        account.withdraw(3)
        work.emit(SeatTaken(seat=seat), at=f"/shows/7/seats/{seat}")
        return seat

    assert await decide(store, sell) == "A2"
    assert (await Repository(Account, store).load("1")).cents == 7


async def test_rule_that_is_broken_is_not_decided_again(store: ObservedStore) -> None:
    """
    A rule of the decision's own is told by its name, at the first attempt.
    """

    def sell(work: UnitOfWork) -> None:
        work.emit(SeatTaken(seat="A1"), at="/shows/7/seats/A1")
        work.require((events(SeatTaken).under("/shows/7").count() < 1).named("one seat"))

    await decide(store, sell)
    with pytest.raises(RuleBrokenError) as excinfo:
        await decide(store, sell)

    assert excinfo.value.name == "one seat"
    assert store.commits == 2
    assert store.read == []


async def test_decision_without_events_commits_nothing(store: ObservedStore) -> None:
    """
    There is nothing to guard either.
    """
    await open_accounts(store, 10)

    async def look(work: UnitOfWork) -> int:
        return (await work.load(Account, "1")).cents

    assert await decide(store, look) == 10
    assert store.commits == 0


async def test_same_thing_is_read_once(store: ObservedStore) -> None:
    """
    Whoever asks again, or at the same time, gets the same object.
    """
    await open_accounts(store, 10)
    work = UnitOfWork(store)

    accounts = await asyncio.gather(*(work.load(Account, "1") for _ in range(3)), work.load(Account, "1"))
    states = [await work.read(SeatsTaken.of("7")), await work.read(SeatsTaken.of("7"))]

    assert len({id(account) for account in accounts}) == 1
    assert states[0] is states[1]


async def test_created_where_there_is_one_is_refused(store: ObservedStore) -> None:
    """
    It is no conflict: deciding again would change nothing.
    """
    await open_accounts(store, 10)
    work = UnitOfWork(store)
    work.create(Account, "1").open("Bob")

    with pytest.raises(AggregateExistsError):
        await work.commit()


async def test_what_was_not_there_guards_too(store: ObservedStore) -> None:
    """
    Whoever decides by something's absence conflicts with whoever made it.
    """
    work = UnitOfWork(store)
    with pytest.raises(AggregateNotFoundError):
        await work.load(Account, "1")
    await open_accounts(store, 10)

    work.create(Customer, "1").greet()
    with pytest.raises(ConflictError) as excinfo:
        await work.commit()

    assert [event.type for event in excinfo.value.events][-1] == MoneyMoved.event_type


async def test_unit_of_work_is_good_for_one_commit(store: ObservedStore) -> None:
    """
    What it read is not what there is behind its own commit.
    """
    work = UnitOfWork(store)
    work.emit(CardIssued(number="1"), at="/accounts/1/cards/1")
    await work.commit()

    with pytest.raises(RuntimeError, match="make a new one"):
        work.emit(CardIssued(number="2"), at="/accounts/1/cards/2")
