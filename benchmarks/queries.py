"""
Queries asked ad hoc, at the long log.

Each asks another thing of a store: to count along an index, to find the newest of a type, to sum by
groups below a subject. The floor is the statement one would write by hand for the same rows, on the same
file through apsw in a thread, since no store may stop the event loop while the disk is read. The second does
without the thread. Neither parses a query, limits what it uses, nor lets commits go on in between.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import apsw
import attrs
import orjson

from benchmarks.bank import AccountOpened, MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from eventsource import NewEvent
from eventsource.store import EmbeddedEventStore, QueryLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_AIM: Final = Aim(ratio=1 / 1.5)
# From a cold disk, on a busy machine, a query may take longer than the two seconds it is usually given.
_PATIENT: Final = QueryLimits(time_s=60)
_SUBTREE: Final = "/branches/north"
_SUBTREE_EVENTS: Final = 10_000
_SUBTREE_ACCOUNTS: Final = 100


@attrs.frozen
class _Question:
    """
    One query and the same by hand.

    Attributes:
        make: From a row to what the query gives.

        calls: In a turn.
    """

    what: str
    query: str
    statement: str
    make: Callable[[tuple[Any, ...]], object]
    calls: int = 1
    unit: Unit = Unit.MILLISECONDS


_QUESTIONS: Final = (
    _Question(
        "count by type",
        "STREAM e FROM events GROUP BY e.type MAP {type: e.type, events: COUNT()}",
        "SELECT type, count(*) FROM events GROUP BY type",
        lambda row: {"type": row[0], "events": row[1]},
    ),
    _Question(
        "last 20 of a type",
        f"STREAM e FROM events WHERE e.type == '{MoneyDeposited.event_type}' ORDER BY e.time DESC LIMIT 20 "
        "MAP {subject: e.subject, data: e.data}",
        f"SELECT subject, data FROM events WHERE type = '{MoneyDeposited.event_type}' ORDER BY position DESC LIMIT 20",  # noqa: S608
        lambda row: {"subject": row[0], "data": orjson.loads(row[1])},
        calls=50,
        unit=Unit.MICROSECONDS,
    ),
    _Question(
        f"sum by group, subtree of {_SUBTREE_EVENTS:,} events",
        f"STREAM e FROM events WHERE e.subject UNDER '{_SUBTREE}' AND e.type == '{MoneyDeposited.event_type}' "
        "GROUP BY e.subject MAP {account: e.subject, cents: SUM(e.data.cents)}",
        # The plus keeps SQLite from the index on types, which has most of the log.
        "SELECT subject, sum(data ->> '$.cents') FROM events "  # noqa: S608
        f"WHERE (subject = '{_SUBTREE}' OR (subject > '{_SUBTREE}/' AND subject < '{_SUBTREE}0')) "
        f"AND +type = '{MoneyDeposited.event_type}' GROUP BY subject",
        lambda row: {"account": row[0], "cents": row[1]},
        calls=2,
    ),
)


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line for each query.
    """
    length = setting.sizes.large
    path = await setting.log(length)
    async with EmbeddedEventStore(path) as store:
        await _plant(store)
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as bare:
            for question in _QUESTIONS:
                await _check(store, bare, question)
                yield await compare(
                    "queries",
                    f"{question.what}, {length:,} events",
                    question.unit,
                    rounds=setting.sizes.rounds,
                    ours=_each(question, _ours(store, question)),
                    floors={
                        "by hand, in a thread": _each(question, _in_thread(bare, question)),
                        "by hand, no thread": _each(question, _at_once(bare, question)),
                    },
                    aim=_AIM,
                )


async def _plant(store: EmbeddedEventStore) -> None:
    """
    A subtree that is a small part of the log.
    """
    subjects = [f"{_SUBTREE}/{number}" for number in range(_SUBTREE_ACCOUNTS)]
    if await store.count(_SUBTREE):
        return
    await store.commit([NewEvent.of(AccountOpened(owner=subject), subject=subject) for subject in subjects])
    moves = (
        (MoneyDeposited(cents=number % 5_000, reference=f"north {number}"), subjects[number % _SUBTREE_ACCOUNTS])
        for number in range(_SUBTREE_EVENTS - _SUBTREE_ACCOUNTS)
    )
    await store.commit([NewEvent.of(move, subject=subject) for move, subject in moves])


async def _check(store: EmbeddedEventStore, bare: apsw.Connection, question: _Question) -> None:
    ours = [row async for row in store.query(question.query, limits=_PATIENT)]
    by_hand = _by_hand(bare, question)
    if sorted(map(repr, ours)) != sorted(map(repr, by_hand)):
        msg = f"{question.what}: {ours[:3]} is not {by_hand[:3]}"
        raise AssertionError(msg)


def _ours(store: EmbeddedEventStore, question: _Question) -> Callable[[], Awaitable[object]]:
    async def ask() -> object:
        return [row async for row in store.query(question.query, limits=_PATIENT)]

    return ask


def _in_thread(bare: apsw.Connection, question: _Question) -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.to_thread(_by_hand, bare, question)


def _at_once(bare: apsw.Connection, question: _Question) -> Callable[[], Awaitable[object]]:
    async def ask() -> object:
        return _by_hand(bare, question)

    return ask


def _by_hand(bare: apsw.Connection, question: _Question) -> list[object]:
    return [question.make(row) for row in bare.execute(question.statement)]


def _each(question: _Question, ask: Callable[[], Awaitable[object]]) -> Turn:
    async def turn() -> float:
        taken: list[float] = []
        for _ in range(question.calls):
            start = time.perf_counter()
            await ask()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken) * (1e6 if question.unit is Unit.MICROSECONDS else 1e3)

    return turn
