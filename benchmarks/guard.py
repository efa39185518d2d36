"""
What the version guard costs, in a short log and in a long one.

One writer commits one event after the other, each to another account, with the guard "still the
version I read" and without it, by turns. The standard is the same store without the guard: so the
difference is the guard and nothing else. It must not grow with the log; the second line puts
the long log beside the short one, too, which tells what longer indices cost everybody.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from benchmarks.bank import Account, MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.setting import EVENTS_PER_ACCOUNT
from eventsource import NewEvent, SubjectIsAtVersion
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_COMMITS = 60


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    A line for each log.
    """
    short, long = setting.sizes.small, setting.sizes.large
    async with (
        EmbeddedEventStore(await setting.log(short)) as short_store,
        EmbeddedEventStore(await setting.log(long)) as long_store,
    ):
        short_log, long_log = _Log(setting, short_store, short), _Log(setting, long_store, long)
        yield await compare(
            "guard",
            f"guarded commit, {short:,} events stored",
            Unit.MICROSECONDS,
            rounds=setting.sizes.rounds,
            ours=short_log.commits(guarded=True),
            floors={"without the guard": short_log.commits(guarded=False)},
            aim=Aim(ratio=0.9),
        )
        yield await compare(
            "guard",
            f"guarded commit, {long:,} events stored",
            Unit.MICROSECONDS,
            rounds=setting.sizes.rounds,
            ours=long_log.commits(guarded=True),
            floors={
                "without the guard": long_log.commits(guarded=False),
                f"guarded, {short:,} events stored": short_log.commits(guarded=True),
            },
            aim=Aim(ratio=0.9),
        )


class _Log:
    def __init__(self, setting: Setting, store: EmbeddedEventStore, events: int) -> None:
        accounts = setting.accounts(events)
        # In the long log no account comes up twice, so no cache of the store knows its version.
        self._accounts = itertools.cycle(setting.random.sample(range(accounts), min(accounts, 20_000)))
        self._versions: defaultdict[int, int] = defaultdict(lambda: EVENTS_PER_ACCOUNT)
        self._store = store

    def commits(self, *, guarded: bool) -> Turn:
        async def turn() -> float:
            return statistics.median([await self._commit(guarded=guarded) for _ in range(_COMMITS)])

        return turn

    async def _commit(self, *, guarded: bool) -> float:
        account = next(self._accounts)
        subject = Account.subject_of(str(account))
        event = NewEvent.of(MoneyDeposited(cents=1, reference="a payment"), subject=subject)
        start = time.perf_counter()
        await self._store.commit([event], [SubjectIsAtVersion(subject, self._versions[account])] if guarded else [])
        elapsed = time.perf_counter() - start
        self._versions[account] += 1
        return elapsed * 1e6
