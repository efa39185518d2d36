"""
Commits a second on one hot account, by 16 writers, under the rule that its money suffices.

Each writer moves some money and commits it guarded by the sum of all that was moved on the account
before, and waits until it is durable. A version would make all but one of them try again; the rule lets
them pass, since it only says what must be true. The floor is the same store without the rule: the
difference is making the rule, its way to the writer, and deciding it there.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from typing import TYPE_CHECKING, Final

from benchmarks.bank import Account
from benchmarks.measurement import Aim, Unit, compare
from eventsource import Event, NewEvent, select_events
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting
    from eventsource import QueryHolds

_AIM: Final = Aim(ratio=0.7)
_WRITERS: Final = 16
_COMMITS: Final = 320
_HISTORY: Final = 1_000
_ACCOUNT: Final = Account.subject_of("hot")
_WARM_UP: Final = 3


class MoneyMoved(Event, type="io.example.benchmarks.money-moved"):
    """
    Money came in, or went out where it is negative.
    """

    delta_cents: int
    reference: str


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    A line for another amount each time, one for the same.
    """
    amounts: dict[str, Iterator[int]] = {
        "another amount each time": itertools.count(1),
        "the same amount": itertools.repeat(100),
    }
    commits = math.ceil(_COMMITS * setting.sizes.turn / _WRITERS) * _WRITERS
    for what, amount in amounts.items():
        async with EmbeddedEventStore(setting.folder / f"hot, {what}.db") as store:
            await store.commit([_move(1_000_000) for _ in range(_HISTORY)])
            yield await compare(
                "hot",
                f"{_WRITERS} writers, {what}",
                Unit.COMMITS_PER_S,
                rounds=setting.sizes.rounds,
                ours=_commits(store, commits, amount),
                floors={"without the rule": _commits(store, commits, None)},
                aim=_AIM,
                warm_up=_WARM_UP,
            )


def _suffices(cents: int) -> QueryHolds:
    return select_events(MoneyMoved).at(_ACCOUNT).sum(lambda e: e.delta_cents) >= cents


def _move(cents: int) -> NewEvent:
    return NewEvent.of(MoneyMoved(delta_cents=cents, reference="a payment"), subject=_ACCOUNT)


def _commits(store: EmbeddedEventStore, commits: int, amounts: Iterator[int] | None) -> Turn:
    async def write() -> None:
        for _ in range(commits // _WRITERS):
            await store.commit([_move(-1)], [] if amounts is None else [_suffices(next(amounts))])

    async def turn() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(write() for _ in range(_WRITERS)))
        return commits / (time.perf_counter() - start)

    return turn
