"""
Rules over what was read: those that a policy names are decided again, with what is true by then.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from eventsource import (
    Command,
    DeclarationError,
    Dispatcher,
    Event,
    Guard,
    NewEvent,
    PeriodAggregate,
    RetryPolicy,
    RuleBrokenError,
    UnitOfWork,
    handles,
    rule,
    select_events,
    transact,
)
from eventsource.errors import ConflictError, PeriodClosedError
from eventsource.guards.guard import NumericValue
from tests.aggregates.observed_store import ObservedStore

ADDS_UP: Final = "the sum is right"
ENOUGH: Final = "enough"
POLICY: Final = RetryPolicy(attempts=5, first_pause_s=0, retried_rules=[ADDS_UP])


class CoinsPaid(Event, type="io.example.test.retried.coins-paid"):
    """
    Coins went into the pot.
    """

    coins: int


class SumNoted(Event, type="io.example.test.retried.sum-noted"):
    """
    What was in the pot when it was counted.
    """

    coins: int


class PotCounted(Event, type="io.example.test.retried.pot-counted"):
    """
    A period of the pot is over.
    """

    coins: int


class PotOpened(Event, type="io.example.test.retried.pot-opened"):
    """
    A period of the pot begins.
    """

    coins: int


class Pot(PeriodAggregate, subject="/pots/{id}/{period}", closed_by=PotCounted):
    """
    Counts its coins when a period is over.
    """

    coins: int = 0

    def count(self, coins: int) -> PotOpened:
        """
        Close the period.
        """
        self.emit(PotCounted(coins=coins))
        return PotOpened(coins=coins)

    def look(self) -> PotOpened:
        """
        Forget to close it.
        """
        return PotOpened(coins=self.coins)

    @rule(ADDS_UP)
    def adds_up(self, event: PotCounted) -> Guard:
        """
        What is noted is what was paid.
        """
        return all_coins() == event.coins

    @handles
    def _opened(self, event: PotOpened) -> None:
        self.coins = event.coins


class CountCoins(Command, subject="/sums/1"):
    """
    Note what was paid.
    """


def all_coins() -> NumericValue:
    """
    The sum of what was paid, to be compared.
    """
    return select_events(CoinsPaid).under("/payments").sum(lambda event: event.coins)


def paying(store: ObservedStore, coins: int = 1) -> Callable[[], Awaitable[object]]:
    """
    A rival who pays before the next commit.
    """
    return lambda: store.inner.commit([NewEvent.of(CoinsPaid(coins=coins), subject="/payments/1")])


async def sum_in(store: ObservedStore) -> int:
    """
    What was paid until now.
    """
    events = [event async for event in store.inner.stream("/payments")]
    return sum(event.data["coins"] for event in events)


def noting(store: ObservedStore, *rules: Guard) -> Callable[[UnitOfWork], Awaitable[int]]:
    """
    Notes the sum, if it is still right at its place in the log.
    """

    async def note(work: UnitOfWork) -> int:
        coins = await sum_in(store)
        work.emit(SumNoted(coins=coins), at="/sums/1", rules=[*rules, (all_coins() == coins).named(ADDS_UP)])
        return coins

    return note


async def test_rule_over_what_was_read_is_decided_again(store: ObservedStore) -> None:
    """
    A rule that a policy names breaks when others are first; the function reads and decides anew, and is committed.
    """
    await paying(store, 10)()
    store.rivals = [paying(store), paying(store)]

    coins = await transact(store, noting(store), retry=POLICY)

    assert coins == 12
    assert [event.data async for event in store.stream("/sums")] == [{"coins": 12}]
    assert store.commits == 3


async def test_each_retry_waits_for_its_pause(store: ObservedStore) -> None:
    """
    The pauses between the attempts are those of the policy, growing with each failure.
    """
    ceilings: list[float] = []

    def draw(_: float, ceiling: float) -> float:
        ceilings.append(ceiling)
        return 0.0

    store.rivals = [paying(store) for _ in range(3)]

    policy = RetryPolicy(first_pause_s=1, longest_pause_s=9, uniform=draw, retried_rules=[ADDS_UP])

    await transact(store, noting(store), retry=policy)

    assert ceilings == [1, 2, 4]


async def test_broken_rule_is_final_unless_named(store: ObservedStore) -> None:
    """
    By default the first refusal is raised, and nothing is run again.
    """
    store.rivals = [paying(store)]

    with pytest.raises(RuleBrokenError) as failure:
        await transact(store, noting(store), retry=RetryPolicy(attempts=5, first_pause_s=0))

    assert (failure.value.name, store.commits) == (ADDS_UP, 1)


async def test_another_rule_is_final(store: ObservedStore) -> None:
    """
    A refusal of the application stays one beside a rule that is retried.
    """
    enough = (all_coins() >= 100).named(ENOUGH)

    with pytest.raises(RuleBrokenError) as failure:
        await transact(store, noting(store, enough), retry=POLICY)

    assert (failure.value.name, store.commits) == (ENOUGH, 1)


async def test_rule_without_a_name_is_final(store: ObservedStore) -> None:
    """
    A policy cannot name it, so it is a refusal.
    """

    def note(work: UnitOfWork) -> None:
        work.emit(SumNoted(coins=5), at="/sums/1", rules=[all_coins() == 5])

    with pytest.raises(RuleBrokenError):
        await transact(store, note, retry=POLICY)

    assert store.commits == 1


async def test_last_attempt_tells_the_rule(store: ObservedStore) -> None:
    """
    If others are first in every attempt, the broken rule is raised, and nothing is written.
    """
    store.rivals = [paying(store) for _ in range(5)]

    with pytest.raises(RuleBrokenError) as failure:
        await transact(store, noting(store), retry=POLICY)

    assert (failure.value.name, store.commits) == (ADDS_UP, 5)
    assert [event async for event in store.stream("/sums")] == []


async def test_dispatcher_decides_such_a_command_again(store: ObservedStore) -> None:
    """
    A dispatcher with the policy carries out a command whose rule broke once.
    """
    note = noting(store)
    dispatcher = Dispatcher(store, retry=POLICY)

    async def count(_: CountCoins, work: UnitOfWork) -> int:
        return await note(work)

    dispatcher.register(CountCoins, count)
    store.rivals = [paying(store)]

    result = await dispatcher.dispatch(CountCoins())

    assert result.value == 1


async def test_period_is_closed_with_the_sum_of_its_place_in_the_log(store: ObservedStore) -> None:
    """
    A function reads a sum and closes the books with it; when others pay meanwhile it adds up again.
    """
    await transact(store, lambda work: work.create(Pot, "1", period="2026-07").emit(PotOpened(coins=0)))
    store.rivals = [paying(store, 7)]

    async def close(work: UnitOfWork) -> Pot:
        current = await work.load(Pot, "1")
        return work.close_period(current, "2026-08", Pot.count, await sum_in(store))

    pot = await transact(store, close, retry=POLICY)

    assert (pot.period, pot.version) == ("2026-08", 1)
    assert [event.data["coins"] async for event in store.stream("/pots/1")] == [0, 7, 7]


async def test_period_can_be_closed_once(store: ObservedStore) -> None:
    """
    A command that closes nothing is refused, so is a period that comes before, and one that is closed already.
    """
    work = UnitOfWork(store)
    pot = work.create(Pot, "1", period="2026-07")
    pot.emit(PotOpened(coins=0))

    with pytest.raises(DeclarationError, match="must emit PotCounted"):
        work.close_period(pot, "2026-08", Pot.look)
    work.close_period(pot, "2026-08", Pot.count, 0)
    with pytest.raises(PeriodClosedError):
        work.close_period(pot, "2026-09", Pot.count, 0)

    await work.commit()

    assert [event.type async for event in store.stream("/pots/1")] == [
        PotOpened.event_type,
        PotCounted.event_type,
        PotOpened.event_type,
    ]


async def test_conflict_of_what_was_read_is_retried_as_before(store: ObservedStore) -> None:
    """
    Naming rules takes nothing away: a conflict is run again, too, and raised in the last attempt.
    """
    await transact(store, lambda work: work.create(Pot, "1", period="2026-07").emit(PotOpened(coins=0)))

    async def rival() -> None:
        subject = Pot.subject_of_period("1", "2026-07")
        await store.inner.commit([NewEvent.of(PotOpened(coins=0), subject=subject)])

    async def close(work: UnitOfWork) -> Pot:
        return work.close_period(await work.load(Pot, "1"), "2026-08", Pot.count, await sum_in(store))

    store.rivals = [rival] * 5

    with pytest.raises(ConflictError):
        await transact(store, close, retry=POLICY)
