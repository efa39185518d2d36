"""
What benchmarks run in: sizes, a folder, ready-made logs, and the peers.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import attrs

from benchmarks.bank import Account, AccountOpened, MoneyDeposited
from eventsource import NewEvent
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from benchmarks.measurement import Turn
    from benchmarks.peer import Peer
    from eventsource import Event, EventStore

EVENTS_PER_ACCOUNT = 10
_EVENTS_PER_COMMIT = 5000


@attrs.frozen(kw_only=True)
class Sizes:
    """
    How much to measure.

    Attributes:
        rounds: Turns of each contender.

        long_rounds: The same where a turn takes a second.

        aggregates: Events of the aggregates that are rebuilt.

        small, medium, large: Events of the ready-made logs.

        observers, observed_s: How many observe, and for how many seconds.

        turn: How long a turn is; 1 lasts long enough to be compared.
    """

    rounds: int
    long_rounds: int
    aggregates: tuple[int, ...] = (1_000, 10_000)
    small: int = 1_000
    medium: int
    large: int
    observers: int
    observed_s: float
    turn: float = 1.0


FULL = Sizes(rounds=21, long_rounds=5, medium=100_000, large=1_000_000, observers=1_000, observed_s=60)
QUICK = Sizes(rounds=7, long_rounds=3, medium=10_000, large=100_000, observers=100, observed_s=4)


@attrs.frozen
class Setting:
    """
    What every benchmark is given.

    Args:
        folder: For files, on the disk to be measured; whoever made it removes it.

        say: Tells a person what is under way.
    """

    sizes: Sizes
    folder: Path
    peers: tuple[Peer, ...] = ()
    say: Callable[[str], None] = lambda _: None
    # So that every run takes the same accounts.
    random: random.Random = attrs.field(factory=lambda: random.Random(7))
    _logs: dict[int, Path] = attrs.field(factory=dict, init=False)

    async def log(self, events: int) -> Path:
        """
        The file of an embedded store with about that many events, made once.

        Account n, at ``/accounts/n``, has `EVENTS_PER_ACCOUNT` of them, spread evenly.
        """
        path = self.folder / f"log-{events}.db"
        if events not in self._logs:
            self.say(f"writing a log of {events:,} events")
            self._logs[events] = path
            async with EmbeddedEventStore(path) as store:
                await self.fill(store, events)
        return self._logs[events]

    async def fill(self, store: EventStore, events: int) -> None:
        """
        Commit what a `log` of that size holds.
        """
        for batch in _batches(events):
            await store.commit(batch)

    def accounts(self, events: int) -> int:
        """
        How many accounts the log of that size has.
        """
        return max(1, events // EVENTS_PER_ACCOUNT)

    def peers_at(self, benchmark: str, **arguments: int) -> dict[str, Turn]:
        """
        The turns of those peers that can do the same work.
        """
        return {peer.name: peer.turn(benchmark, self.folder, **arguments) for peer in self.peers if peer.can(benchmark)}


def rate(count: int, work: Callable[[], object]) -> Turn:
    """
    A turn that does *work*, which is *count* things, and returns things a second.
    """

    async def turn() -> float:
        start = time.perf_counter()
        work()
        return count / (time.perf_counter() - start)

    return turn


def rate_of(count: int, work: Callable[[], Awaitable[object]]) -> Turn:
    """
    `rate` for work that is awaited.
    """

    async def turn() -> float:
        start = time.perf_counter()
        await work()
        return count / (time.perf_counter() - start)

    return turn


def _batches(events: int) -> Iterator[list[NewEvent]]:
    accounts = max(1, events // EVENTS_PER_ACCOUNT)
    batch: list[NewEvent] = []
    for number in range(events):
        happened: Event = (
            AccountOpened(owner=f"owner {number}")
            if number < accounts
            else MoneyDeposited(cents=number % 5_000, reference=f"payment {number}")
        )
        batch.append(NewEvent.of(happened, subject=Account.subject_of(str(number % accounts))))
        if len(batch) == _EVENTS_PER_COMMIT:
            yield batch
            batch = []
    if batch:
        yield batch
