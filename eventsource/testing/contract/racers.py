"""
Racers: many who decide at the same time by the same events. Whoever loses decides again, and no rule is ever broken.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from eventsource import (
    Aggregate,
    DecisionState,
    Event,
    RetryPolicy,
    handles,
    select_events,
    transact,
)
from eventsource.testing.contract.chance import IS_LONG
from eventsource.testing.contract.samples import read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource import EventStore, UnitOfWork
    from eventsource.testing.contract.kinds import OpenStore, StoreKind

RACERS: Final = 16
COINS: Final = 5
SHORT: Final = 20
LONG: Final = 1_000
# A store in memory looks at its whole log for each guard.
ROUNDS_A_STORE: Final = 50

# As many attempts as it takes: in each round of attempts one racer at least succeeds.
PATIENT: Final = RetryPolicy(attempts=200, first_pause_s=0.0005, longest_pause_s=0.01)


class CoinsPassed(Event, type="io.example.contract.coins-passed"):
    """
    Coins came into a hand, or with a negative number went out of it.
    """

    coins: int


class NothingLeftError(Exception):
    """
    Whoever came too late.
    """


class Hand(Aggregate, subject="/hands/{id}"):
    """
    Coins that are passed on, and never more than there are.
    """

    coins: int = 0

    def take_up(self, coins: int) -> None:
        """
        Begin with so many.
        """
        self.emit(CoinsPassed(coins=coins))

    def give(self) -> None:
        """
        Let one go.
        """
        if self.coins == 0:
            raise NothingLeftError
        self.emit(CoinsPassed(coins=-1))

    def receive(self) -> None:
        """
        Take one.
        """
        self.emit(CoinsPassed(coins=1))

    @handles
    def _passed(self, event: CoinsPassed) -> None:
        self.coins += event.coins


class ChairTaken(Event, type="io.example.contract.chair-taken"):
    """
    Somebody sat down.
    """

    chair: int


class ChairsTaken(DecisionState):
    """
    The chairs of a room that are taken.
    """

    chairs: set[int] = set()  # noqa: RUF012  copied for each instance

    @classmethod
    def of(cls, room: str) -> Self:
        """
        Those of one room.
        """
        return cls(select_events(ChairTaken).under(f"/rooms/{room}"))

    @handles
    def _taken(self, event: ChairTaken) -> None:
        self.chairs.add(event.chair)


class LampLit(Event, type="io.example.contract.lamp-lit"):
    """
    A lamp of a room was lit.
    """

    lamp: int


class Lamps(Aggregate, subject="/rooms/{id}", unknown_events="ignore"):
    """
    The lamps of a room, whoever sits in it.
    """

    lit: int = 0

    @handles
    def _lit(self, _: LampLit) -> None:
        self.lit += 1


async def repeat(
    open_store: OpenStore, store_kind: StoreKind, one_round: Callable[[EventStore, str], Awaitable[None]]
) -> None:
    """
    Let them race again and again, each time over something new; 1,000 times in the long form, whatever the kind.
    """
    rounds = LONG if IS_LONG else store_kind.rounds(SHORT)
    for first in range(0, rounds, ROUNDS_A_STORE):
        async with open_store() as store:
            for number in range(first, min(rounds, first + ROUNDS_A_STORE)):
                await one_round(store, f"{number}")


async def race(*racers: Callable[[], Awaitable[object]]) -> int:
    """
    Let all run at the same time.

    Returns:
        How many were not too late.
    """
    outcomes = await asyncio.gather(*(racer() for racer in racers), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, NothingLeftError):
            raise outcome
    return sum(not isinstance(outcome, NothingLeftError) for outcome in outcomes)


async def fill(store: EventStore, hand: str, coins: int) -> None:
    """
    Put coins into a new hand.
    """
    await transact(store, lambda work: work.create(Hand, hand).take_up(coins))


async def coins_of(store: EventStore, hand: str) -> list[int]:
    """
    Returns the number of coins in a hand after each of its events.
    """
    coins = 0
    found: list[int] = []
    for event in await read(store.stream(f"/hands/{hand}", recursive=False)):
        coins += event.data["coins"]
        found.append(coins)
    return found


def attempt(store: EventStore, function: Callable[[UnitOfWork], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """
    A racer.
    """
    return lambda: transact(store, function, retry=PATIENT)


def giving(hand: str) -> Callable[[UnitOfWork], Awaitable[None]]:
    """
    Let a coin go.
    """

    async def give(work: UnitOfWork) -> None:
        it = await work.load(Hand, hand)
        # All have read before the first commits.
        await asyncio.sleep(0)
        it.give()

    return give


async def race_for_one(store: EventStore, hand: str) -> None:
    """
    One round of it.
    """
    await fill(store, hand, COINS)

    assert await race(*[attempt(store, giving(hand))] * RACERS) == COINS
    assert await coins_of(store, hand) == [5, 4, 3, 2, 1, 0]


async def test_racers_for_one_aggregate(open_store: OpenStore, store_kind: StoreKind) -> None:
    """
    Of 16 who let a coin go, as many succeed as there are coins.
    """
    await repeat(open_store, store_kind, race_for_one)


def passing(source: str, target: str) -> Callable[[UnitOfWork], Awaitable[None]]:
    """
    Let a coin go from one hand into another.
    """

    async def pass_on(work: UnitOfWork) -> None:
        one, other = await work.load_all(Hand, [source, target])
        await asyncio.sleep(0)
        one.give()
        other.receive()

    return pass_on


async def race_for_two(store: EventStore, number: str) -> None:
    """
    One round of it.
    """
    left, right = f"left-{number}", f"right-{number}"
    await fill(store, left, 2)
    await fill(store, right, 1)

    to_right, to_left = attempt(store, passing(left, right)), attempt(store, passing(right, left))
    # More of them to the right: where nothing is guarded it would show.
    passed = await race(*[to_right, to_right, to_right, to_left] * (RACERS // 4))
    in_left, in_right = await coins_of(store, left), await coins_of(store, right)

    assert min(*in_left, *in_right) >= 0
    assert in_left[-1] + in_right[-1] == 3
    assert len(in_left) == len(in_right) == passed + 1


async def test_racers_for_two_aggregates(open_store: OpenStore, store_kind: StoreKind) -> None:
    """
    Of 16 who pass a coin on, in both directions, nobody passes one that is not there, and none is lost.
    """
    await repeat(open_store, store_kind, race_for_two)


def sitting(room: str) -> Callable[[UnitOfWork], Awaitable[None]]:
    """
    Take a free chair, if there is one.
    """

    async def sit(work: UnitOfWork) -> None:
        taken = await work.read(ChairsTaken.of(room))
        await asyncio.sleep(0)
        chair = next((chair for chair in range(COINS) if chair not in taken.chairs), None)
        if chair is None:
            raise NothingLeftError
        work.emit(ChairTaken(chair=chair), at=f"/rooms/{room}/chairs/{chair}")

    return sit


async def race_for_chairs(store: EventStore, room: str) -> None:
    """
    One round of it.
    """
    assert await race(*[attempt(store, sitting(room))] * RACERS) == COINS
    chairs = [event.data["chair"] for event in await read(store.stream(f"/rooms/{room}"))]
    assert sorted(chairs) == list(range(COINS))


async def test_racers_for_a_decision_state(open_store: OpenStore, store_kind: StoreKind) -> None:
    """
    Of 16 who look for a free chair among 5, each at a subject of its own, nobody sits on another's knees.
    """
    await repeat(open_store, store_kind, race_for_chairs)


async def race_past_one_another(store: EventStore, number: str) -> None:
    """
    One round of it.
    """
    rooms = [f"{number}-{room}" for room in range(RACERS // 2)]
    racers = [first_attempt(store, function) for room in rooms for function in (counting(room), lighting(room))]

    for _ in range(2):
        assert await race(*racers) == RACERS
    for room in rooms:
        found = [(event.type, event.data) for event in await read(store.stream(f"/rooms/{room}"))]
        assert [data for kind, data in found if kind == ChairTaken.event_type] == [{"chair": 0}, {"chair": 1}]
        assert [data for kind, data in found if kind == LampLit.event_type] == [{"lamp": 0}, {"lamp": 1}]


async def test_racers_for_different_types_do_not_conflict(open_store: OpenStore, store_kind: StoreKind) -> None:
    """
    16 in 8 rooms, two in each: one decides by the chairs, the other one by the lamps, each at its first attempt.
    """
    await repeat(open_store, store_kind, race_past_one_another)


def first_attempt(
    store: EventStore, function: Callable[[UnitOfWork], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """
    A racer who gives up at the first conflict.
    """
    return lambda: transact(store, function, retry=RetryPolicy(attempts=1))


def counting(room: str) -> Callable[[UnitOfWork], Awaitable[None]]:
    """
    Put up one more chair, at the room itself.
    """

    async def count(work: UnitOfWork) -> None:
        taken = await work.read(ChairsTaken.of(room))
        await asyncio.sleep(0)
        work.emit(ChairTaken(chair=len(taken.chairs)), at=f"/rooms/{room}")

    return count


def lighting(room: str) -> Callable[[UnitOfWork], Awaitable[None]]:
    """
    Light one more lamp.
    """

    async def light(work: UnitOfWork) -> None:
        lamps = await work.load_or_new(Lamps, room)
        await asyncio.sleep(0)
        lamps.emit(LampLit(lamp=lamps.lit))

    return light
