"""
Decisions over several subjects: one read each, one commit over all, guarded by what was read.
"""

import asyncio
from collections.abc import Sequence
from typing import Self

import pytest

from eventsource import (
    Aggregate,
    AggregateExistsError,
    AggregateNotFoundError,
    ConflictError,
    DecisionState,
    Event,
    Metadata,
    NewEvent,
    Precondition,
    RecordedEvent,
    Repository,
    RetryPolicy,
    RuleBrokenError,
    UnitOfWork,
    handles,
    select_events,
    transact,
    with_metadata,
)
from eventsource.errors import PreconditionFailedError
from eventsource.guards.guard import EventSelection
from eventsource.wire.failures import read_failure
from tests.aggregates.accounts import Account, CardIssued, Customer, InsufficientFundsError, MoneyMoved, transfer
from tests.aggregates.observed_store import ObservedStore


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


class CoinPut(Event, type="io.example.test.commands.coin-put"):
    """
    A coin was put into a wallet.
    """


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
        return cls(select_events(SeatTaken).under(f"/shows/{show}"))

    @handles
    def _taken(self, event: SeatTaken) -> None:
        self.seats.add(event.seat)


class AnonymousStore(ObservedStore):
    """
    Does not say which precondition failed.
    """

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        Commit, and tell only that it was refused.
        """
        try:
            return await self.inner.commit(events, preconditions, idempotency_key=idempotency_key)
        except PreconditionFailedError as error:
            failure = read_failure(412, b"", server="genesis", preconditions=preconditions)
            raise failure from error


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


class Wallet(Aggregate, subject="/wallets/{id}", unknown_events="ignore"):
    """
    Knows coins, and nothing of what else is told about it.
    """

    coins: int = 0

    def put(self) -> None:
        """
        Put a coin in.
        """
        self.emit(CoinPut())

    @handles
    def _put(self, _: CoinPut) -> None:
        self.coins += 1


async def test_aggregate_that_passes_over_events_is_not_guarded_by_them(store: ObservedStore) -> None:
    """
    What it has no handler for may come between, before and after a commit of its own; what it handles may not.
    """
    remark = NewEvent.of(SeatPriced(cents=1), subject="/wallets/1")
    await store.commit([remark, NewEvent.of(CoinPut(), subject="/wallets/1"), remark])
    wallets = Repository(Wallet, store)
    store.rivals = [lambda: store.inner.commit([remark])] * 2
    wallet = await wallets.load("1")

    for _ in range(2):
        wallet.put()
        await wallets.save(wallet)
    [rival, _] = await store.inner.commit([NewEvent.of(CoinPut(), subject="/wallets/1"), remark])
    wallet.put()
    with pytest.raises(ConflictError) as excinfo:
        await wallets.save(wallet)

    assert [event.type for event in excinfo.value.events][-1] == CoinPut.event_type
    assert rival.id in {event.id for event in excinfo.value.events}
    assert {event.type for event in excinfo.value.events} == {CoinPut.event_type}
    assert (await wallets.load("1")).coins == 4


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

    assert await transact(store, sell) == "A2"
    assert (await Repository(Account, store).load("1")).cents == 7


async def test_rule_that_is_broken_is_not_decided_again(store: ObservedStore) -> None:
    """
    A rule of the decision's own is told by its name, at the first attempt.
    """

    def sell(work: UnitOfWork) -> None:
        work.emit(SeatTaken(seat="A1"), at="/shows/7/seats/A1")
        work.require((select_events(SeatTaken).under("/shows/7").count() < 1).named("one seat"))

    await transact(store, sell)
    with pytest.raises(RuleBrokenError) as excinfo:
        await transact(store, sell)

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

    assert await transact(store, look) == 10
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


async def test_only_what_is_new_is_read_again(store: ObservedStore) -> None:
    """
    After a conflict aggregates and states go on where they were, as if nothing had been decided in between.
    """
    await open_accounts(store, 10)
    seat = NewEvent.of(SeatTaken(seat="A1"), subject="/shows/7/seats/A1")
    rival = NewEvent.of(SeatTaken(seat="A2"), subject="/shows/7/seats/A2")
    await store.commit([seat])
    store.rivals = [lambda: store.inner.commit([rival])]
    seen: list[tuple[int, set[str]]] = []

    async def sell(work: UnitOfWork) -> None:
        account = await work.load(Account, "1")
        taken = await work.read(SeatsTaken.of("7"))
        seen.append((account.cents, set(taken.seats)))
        # Whatever a decision does to its copies is gone with them.
        taken.seats.add("B1")
        account.withdraw(1)

    await transact(store, sell)

    assert seen == [(10, {"A1"}), (10, {"A1", "A2"})]
    assert len(store.read) == 2 + 1 + 1


@pytest.mark.parametrize(
    "select", [select_events(SeatTaken), select_events(SeatTaken).at("/a", "/b"), select_events(SeatTaken).under("/")]
)
async def test_selection_may_be_anywhere(store: ObservedStore, select: EventSelection[SeatTaken]) -> None:
    """
    Also what lies at several subjects, or at all, is read again from where it was.
    """
    await store.commit([NewEvent.of(SeatTaken(seat=name), subject=f"/{name}") for name in "ab"])
    store.rivals = [lambda: store.inner.commit([NewEvent.of(SeatTaken(seat="b2"), subject="/b")])]
    seen: list[set[str]] = []

    async def sell(work: UnitOfWork) -> None:
        seen.append(set((await work.read(SeatsTaken(select))).seats))
        work.emit(SeatTaken(seat="c"), at="/c")

    await transact(store, sell)

    assert seen == [{"a", "b"}, {"a", "b", "b2"}]


async def test_state_of_few_among_many_events_is_the_same(store: ObservedStore) -> None:
    """
    Where nearly all events of a subject are of other types, they are asked for; what is found is the same.
    """
    many = [NewEvent.of(SeatPriced(cents=1), subject="/shows/7") for _ in range(1_200)]
    for number in range(3):
        await store.commit([*many, NewEvent.of(SeatTaken(seat=f"{number}"), subject="/shows/7")])
    store.read.clear()

    taken = await UnitOfWork(store).read(SeatsTaken.of("7"))

    assert taken.seats == {"0", "1", "2"}
    assert taken.events_folded == 3
    assert len(store.read) < 2_000


async def test_store_that_does_not_say_what_failed_is_asked(store: ObservedStore) -> None:
    """
    A Genesis DB may answer 412 and no more: then a conflict is told from a rule by looking.
    """
    anonymous = AnonymousStore(store)

    async def sell(work: UnitOfWork) -> None:
        await work.read(SeatsTaken.of("7"))
        work.emit(SeatTaken(seat="A1"), at="/shows/7")
        work.require((select_events(SeatTaken).under("/shows/7").count() < 2).named("two seats"))

    store.rivals = [lambda: store.inner.commit([NewEvent.of(SeatTaken(seat="A2"), subject="/shows/7")])]
    await transact(anonymous, sell)
    with pytest.raises(RuleBrokenError) as excinfo:
        await transact(anonymous, sell)

    assert excinfo.value.name == "two seats"
    assert store.commits == 3


async def test_subject_takes_part_once(store: ObservedStore) -> None:
    """
    Neither two objects nor two classes can stand for it: each would know nothing of the other's events.
    """

    class Ledger(Account, subject="/accounts/{id}"):
        pass

    await open_accounts(store, 10)
    work = UnitOfWork(store)
    await work.load(Account, "1")

    with pytest.raises(ValueError, match="twice"):
        work.create(Account, "1")
    with pytest.raises(ValueError, match="as Account and not as Ledger"):
        await work.load(Ledger, "1")


async def test_metadata_is_what_is_given_or_in_force(store: ObservedStore) -> None:
    """
    Every event of the decision carries it.
    """
    with with_metadata(Metadata(actor="in force")):
        for metadata in (None, Metadata(actor="given")):
            work = UnitOfWork(store, metadata=metadata)
            work.emit(CardIssued(number="1"), at="/accounts/1/cards/1")
            await work.commit()

    assert [event.metadata.actor for event in [event async for event in store.stream()]] == ["in force", "given"]


async def test_rule_is_broken_only_for_who_knows_all(store: ObservedStore) -> None:
    """
    Both the rule and what was read fail: it is decided again, and then the rule is told.
    """
    one_seat = (select_events(SeatTaken).under("/shows/7").count() < 1).named("one seat")
    seen: list[int] = []
    store.rivals = [lambda: store.inner.commit([NewEvent.of(SeatTaken(seat="A2"), subject="/shows/7")])]

    async def sell(work: UnitOfWork) -> None:
        seen.append((await work.read(SeatsTaken.of("7"))).events_folded)
        work.emit(SeatTaken(seat="A1"), at="/shows/7", rules=[one_seat])

    with pytest.raises(RuleBrokenError, match="one seat"):
        await transact(store, sell)

    assert seen == [0, 1]


async def test_conflict_in_the_last_attempt_tells_what_came_between(store: ObservedStore) -> None:
    """
    Those before it are not told, so nobody reads for them.
    """
    rival = NewEvent.of(SeatTaken(seat="A2"), subject="/shows/7")
    store.rivals = [lambda: store.inner.commit([rival])] * 2

    async def sell(work: UnitOfWork) -> None:
        await work.read(SeatsTaken.of("7"))
        work.emit(SeatTaken(seat="A1"), at="/shows/7")

    with pytest.raises(ConflictError) as excinfo:
        await transact(store, sell, retry=RetryPolicy(attempts=2, first_pause_s=0))

    assert len(excinfo.value.events) == 1
    assert len(store.read) == 2


async def test_application_s_own_refusal_commits_nothing(store: ObservedStore) -> None:
    """
    It comes as it is, at once.
    """
    await open_accounts(store, 10)

    async def withdraw(work: UnitOfWork) -> None:
        work.emit(SeatTaken(seat="A1"), at="/shows/7")
        (await work.load(Account, "1")).withdraw(11)

    with pytest.raises(InsufficientFundsError):
        await transact(store, withdraw)

    assert store.commits == 0
