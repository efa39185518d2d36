"""
A cache of live aggregates, which are brought up to date each time they are asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource.aggregates.aggregate import Aggregate
    from eventsource.store.interface import EventStore

    # Takes what is kept, or None; gives it back if nothing is new, else another one. It never changes what it took.
    Refresh = Callable[[Aggregate | None], Awaitable[Aggregate]]


class AggregateCache:
    """
    Keeps the aggregates that were loaded last, so that the next load reads only what is new.

    It is never stale: each load asks the store for the events behind the last one that is known. Loads of
    one aggregate that come in while another is being read share the next read, which begins after they
    came. Everybody gets a copy, so a command that fails leaves nothing behind.

    One cache may serve several repositories and stores of a program::

        cache = AggregateCache(10_000)
        accounts = Repository(Account, store, cache=cache)

    Args:
        max_aggregates: How many it keeps; the one that was not asked for the longest goes first.

        max_age_s: After how many seconds an aggregate is read from its first event again, in whatever state it
            is; None for never. What is erased by another process is gone from here by then.

        clock: Tells the time in seconds, from whenever on.
    """

    def __init__(
        self,
        max_aggregates: int = 1000,
        *,
        max_age_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_aggregates < 1:
            msg = "a cache keeps at least one aggregate"
            raise ValueError(msg)
        self._max_aggregates = max_aggregates
        self._max_age_s = max_age_s
        self._clock = clock
        self._entries: OrderedDict[tuple[EventStore, type[Aggregate], str], _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def load(
        self, store: EventStore, aggregate_class: type[Aggregate], subject: str, *, refresh: Refresh
    ) -> Aggregate:
        """
        An aggregate as it is now; for all who asked, so not to be changed.

        Args:
            store: The whole store.

            aggregate_class: Its class.

            subject: What the whole store calls it; of one with periods, what they all lie below.

            refresh: Brings it up to date. Whatever it raises, the aggregate is not kept.
        """
        key = (store, aggregate_class, subject)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
            while len(self._entries) > self._max_aggregates:
                self._entries.popitem(last=False)
        else:
            self._entries.move_to_end(key)
        if entry.next is None:
            entry.next = asyncio.create_task(self._refresh(key, entry, refresh))
            # Where everybody who waits is cancelled, nobody asks for an error.
            entry.next.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Whoever is cancelled does not cancel it for the others.
        return await asyncio.shield(entry.next)

    def purge(self, subject: str) -> int:
        """
        Forget the aggregates of a subject; of one with periods, all of it by any of them.

        Args:
            subject: What the whole store calls it.

        Returns:
            How many there were.
        """
        found = [key for key in self._entries if subject == key[2] or subject.startswith(f"{key[2]}/")]
        for key in found:
            del self._entries[key]
        return len(found)

    def clear(self) -> None:
        """
        Forget all of them.
        """
        self._entries.clear()

    async def _refresh(
        self, key: tuple[EventStore, type[Aggregate], str], entry: _Entry, refresh: Refresh
    ) -> Aggregate:
        async with entry.reading:
            # Who comes from now on may know of events that this read does not see.
            entry.next = None
            if self._max_age_s is not None and self._clock() - entry.since >= self._max_age_s:
                entry.aggregate = None
            is_new = entry.aggregate is None
            if is_new:
                entry.since = self._clock()
            try:
                entry.aggregate = await refresh(entry.aggregate)
            except BaseException:
                entry.aggregate = None
                if self._entries.get(key) is entry:
                    del self._entries[key]
                raise
            return entry.aggregate


@attrs.define(eq=False)
class _Entry:
    aggregate: Aggregate | None = None
    # When it was read from its first event, or from a snapshot.
    since: float = 0.0
    reading: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    # The read that has not begun yet: whoever comes now can share it.
    next: asyncio.Task[Aggregate] | None = None
