"""
Loading a long aggregate from its first event, from a snapshot, and out of the cache.

The floor of all three reads what has to be read whatever is kept: the raw stream of the store, all of it for the load
from the first event, else the events that nobody has folded yet. There are as many behind the snapshot as come in
half of its period on average; the cache is asked for an aggregate to which one event was added.

The last line takes a snapshot of a state that is no small one: a table of as many rows as there are events. It is
taken once in a while, in the event loop, so it is to be short.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.bank import Account, AccountOpened, MoneyDeposited, MoneyWithdrawn, history
from benchmarks.measurement import Aim, Unit, compare
from eventsource import Aggregate, NewEvent, ReadModelDatabase, Repository, Snapshots, handles
from eventsource.aggregates import AggregateCache, EveryEvents, InMemorySnapshotStore, SqlSnapshotStore
from eventsource.aggregates.state_codec import StateCodec
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting
    from eventsource import EventStore
    from eventsource.aggregates import SnapshotStore

_ID = "long"
_SUBJECT = Account.subject_of(_ID)
_EVENTS_PER_COMMIT = 1000
# A snapshot every hundred events has fifty behind it on average.
_EVERY = 100
_BEHIND = _EVERY // 2


class Statement(Aggregate, subject="/statements/{id}"):
    """
    An account that keeps each of its lines.
    """

    lines: list[tuple[str, int]] = []  # noqa: RUF012  copied for each instance
    by_reference: dict[str, int] = {}  # noqa: RUF012

    @handles
    def _opened(self, event: AccountOpened) -> None:
        self.lines.append((event.owner, 0))

    @handles
    def _moved(self, event: MoneyDeposited | MoneyWithdrawn) -> None:
        self.lines.append((event.reference, event.cents))
        self.by_reference[event.reference] = event.cents


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    A line for each way, and one for taking a snapshot.
    """
    length = max(setting.sizes.aggregates)
    async with (
        EmbeddedEventStore(setting.folder / "snapshots.db") as store,
        ReadModelDatabase(f"sqlite:///{setting.folder / 'snapshots-kept.db'}") as database,
    ):
        await _write(store, length)
        yield await _first_event(setting, store, length)
        for what, kept in (("in memory", InMemorySnapshotStore()), ("in SQLite", SqlSnapshotStore(database))):
            yield await _snapshot(setting, store, kept, f"aggregate of {length:,} events, snapshot {what}")
        yield await _cache(setting, store, f"aggregate of {length:,} events, cached, 1 event is new")
    yield await _taking(setting, length)


async def _first_event(setting: Setting, store: EventStore, length: int) -> Line:
    accounts = Repository(Account, store)

    async def load() -> None:
        await accounts.load(_ID)

    async def read() -> None:
        await _read(store, None)

    return await compare(
        "snapshots",
        f"aggregate of {length:,} events, no snapshot",
        Unit.MICROSECONDS,
        rounds=setting.sizes.rounds,
        ours=_each(load, 3),
        floors={"the raw stream": _each(read, 3)},
    )


async def _snapshot(setting: Setting, store: EventStore, kept: SnapshotStore, what: str) -> Line:
    snapshots = Snapshots(kept, {Account: EveryEvents(_EVERY)})
    accounts = Repository(Account, store, snapshots=snapshots)
    begun = await accounts.load(_ID)
    await snapshots.settle()
    await _add(store, _BEHIND)

    async def load() -> None:
        await accounts.load(_ID)

    async def read() -> None:
        await _read(store, begun.last_event_id)

    line = await compare(
        "snapshots",
        what,
        Unit.MICROSECONDS,
        rounds=setting.sizes.rounds,
        ours=_each(load, 30),
        floors={"the raw stream behind it": _each(read, 30)},
        aim=Aim(over=1_500),
    )
    await _add(store, _EVERY)
    return line


async def _cache(setting: Setting, store: EventStore, what: str) -> Line:
    cached = Repository(Account, store, cache=AggregateCache())

    async def load(repository: Repository[Account] | None) -> float:
        before = (await cached.load(_ID)).last_event_id
        await _add(store, 1)
        start = time.perf_counter()
        if repository is None:
            await _read(store, before)
        else:
            await repository.load(_ID)
        return time.perf_counter() - start

    def each(repository: Repository[Account] | None) -> Turn:
        async def turn() -> float:
            return statistics.median([await load(repository) for _ in range(20)]) * 1e6

        return turn

    return await compare(
        "snapshots",
        what,
        Unit.MICROSECONDS,
        rounds=setting.sizes.rounds,
        ours=each(cached),
        floors={"the raw stream behind it": each(None)},
        aim=Aim(over=150),
    )


async def _taking(setting: Setting, length: int) -> Line:
    statement = Statement("1")
    for event in history(length):
        statement.emit(event)
    codec = StateCodec(Statement)

    async def take() -> None:
        codec.encode(statement)

    async def fold() -> None:
        again = Statement("1")
        for event in statement.pending_events:
            again.emit(event)

    return await compare(
        "snapshots",
        f"taking one of {length:,} lines",
        Unit.MICROSECONDS,
        rounds=setting.sizes.rounds,
        ours=_each(take, 1),
        floors={"folding as many events": _each(fold, 1)},
    )


def _each(way: Callable[[], Awaitable[None]], times: int) -> Turn:
    async def turn() -> float:
        taken: list[float] = []
        for _ in range(times):
            start = time.perf_counter()
            await way()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken) * 1e6

    return turn


async def _read(store: EventStore, lower_bound: str | None) -> None:
    async for _ in store.stream(_SUBJECT, recursive=False, lower_bound=lower_bound).pages():
        pass


async def _write(store: EventStore, length: int) -> None:
    events = [NewEvent.of(event, subject=_SUBJECT) for event in history(length)]
    for start in range(0, length, _EVENTS_PER_COMMIT):
        await store.commit(events[start : start + _EVENTS_PER_COMMIT])


async def _add(store: EventStore, count: int) -> None:
    await store.commit([NewEvent.of(MoneyDeposited(cents=1, reference="new"), subject=_SUBJECT) for _ in range(count)])
