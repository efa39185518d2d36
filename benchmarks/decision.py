"""
A decision with one read and with three: what `transact` adds to the calls of the store.

One read is an aggregate of about ten events, with one event emitted. Three are two such aggregates,
each with an event emitted, and a decision state over the deposits of a third account. The floor
makes the same calls by hand: reads the same streams, makes nothing of what they hold but its length,
and commits the same events under the same guards. So the difference is folding, the copies that are
kept for another attempt, making the guards, and the unit of work itself.

Embedded, and over HTTP to a server that is a program of its own.
"""

from __future__ import annotations

import itertools
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.bank import Account, AccountOpened, MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.programs import TOKEN, serving
from eventsource import DecisionState, NewEvent, SubjectIsAtVersion, handles, select_events, transact
from eventsource.store import EmbeddedEventStore
from eventsource.store.genesisdb import GenesisDBEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting
    from eventsource import Event, EventStore, RecordedEvent, UnitOfWork

    _Decision = Callable[[EventStore, list[str]], Awaitable[None]]

_DECISIONS = 60
_ACCOUNTS = 300
_EVENTS = 10
_EMBEDDED = Aim(over=150)
# A tenth more than the floor.
_HTTP = Aim(ratio=1 / 1.1)


class Deposits(DecisionState):
    """
    What was deposited in an account.
    """

    cents: int = 0

    @handles
    def _deposited(self, event: MoneyDeposited) -> None:
        self.cents += event.cents


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    Two lines for each of both stores.
    """
    async with EmbeddedEventStore(setting.folder / "decision.db") as store:
        async for line in _measure(setting, store, "embedded", _EMBEDDED):
            yield line
    with serving(setting.folder / "decision-http.db") as server:
        async with GenesisDBEventStore(server.url, token=TOKEN) as store:
            async for line in _measure(setting, store, "over HTTP", _HTTP):
                yield line


async def _measure(setting: Setting, store: EventStore, where: str, aim: Aim) -> AsyncIterator[Line]:
    for account in range(_ACCOUNTS):
        history: list[Event] = [AccountOpened(owner="Ada")]
        history += [MoneyDeposited(cents=5, reference="a payment")] * (_EVENTS - 1)
        await store.commit([NewEvent.of(event, subject=f"/accounts/{account}") for event in history])
    cases: list[tuple[str, _Decision, _Decision]] = [
        ("1 read", _decide_one, _one_by_hand),
        ("3 reads", _decide_three, _three_by_hand),
    ]
    for what, ours, by_hand in cases:
        yield await compare(
            "decision",
            f"{what}, {where}",
            Unit.MICROSECONDS,
            rounds=setting.sizes.rounds,
            ours=_turn(store, ours, setting),
            floors={"the store's calls by hand": _turn(store, by_hand, setting)},
            aim=aim,
        )


def _turn(store: EventStore, one: _Decision, setting: Setting) -> Turn:
    # Each goes through all accounts, so that their histories grow alike.
    accounts = itertools.cycle(range(_ACCOUNTS))

    async def turn() -> float:
        taken: list[float] = []
        for _ in range(max(1, int(_DECISIONS * setting.sizes.turn))):
            ids = [f"{next(accounts)}" for _ in range(3)]
            start = time.perf_counter()
            await one(store, ids)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken) * 1e6

    return turn


async def _decide_one(store: EventStore, ids: list[str]) -> None:
    async def deposit(work: UnitOfWork) -> None:
        account = await work.load(Account, ids[0])
        account.emit(_deposit(1))

    await transact(store, deposit)


async def _one_by_hand(store: EventStore, ids: list[str]) -> None:
    found = await _read(store, ids[0])
    await store.commit([_new(ids[0], 1)], [SubjectIsAtVersion(f"/accounts/{ids[0]}", len(found))])


async def _decide_three(store: EventStore, ids: list[str]) -> None:
    async def move(work: UnitOfWork) -> None:
        source = await work.load(Account, ids[0])
        target = await work.load(Account, ids[1])
        await work.read(Deposits(select_events(MoneyDeposited).at(f"/accounts/{ids[2]}")))
        source.emit(_deposit(-1))
        target.emit(_deposit(1))

    await transact(store, move)


async def _three_by_hand(store: EventStore, ids: list[str]) -> None:
    source = await _read(store, ids[0])
    target = await _read(store, ids[1])
    deposits = [event for event in await _read(store, ids[2]) if event.type == MoneyDeposited.event_type]
    await store.commit(
        [_new(ids[0], -1), _new(ids[1], 1)],
        [
            SubjectIsAtVersion(f"/accounts/{ids[0]}", len(source)),
            SubjectIsAtVersion(f"/accounts/{ids[1]}", len(target)),
            select_events(MoneyDeposited).at(f"/accounts/{ids[2]}").count() == len(deposits),
        ],
    )


async def _read(store: EventStore, id: str) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    async for page in store.stream(f"/accounts/{id}", recursive=False).pages():
        found += page.events
    return found


def _new(id: str, cents: int) -> NewEvent:
    return NewEvent.of(_deposit(cents), subject=f"/accounts/{id}")


def _deposit(cents: int) -> MoneyDeposited:
    return MoneyDeposited(cents=cents, reference="a payment")
