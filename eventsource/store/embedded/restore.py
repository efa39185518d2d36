"""
Restoring a backup into a store file: one transaction, fed batch by batch from the event loop.
"""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any, Final

import apsw

from eventsource.errors import StoreNotEmptyError
from eventsource.store.callers import call_in
from eventsource.store.embedded.entries import write_imported_times, write_references
from eventsource.store.restoring import BackupReader, each

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence

    from eventsource.store.log_entry import LogEntry

Batch = list[Any]

_BATCH_EVENTS: Final = 500
# Batches on their way: one is written while the next ones are read.
_BATCHES_AHEAD: Final = 2
_MAX_COUNTED_SUBJECTS: Final = 100_000


class Feed:
    """
    Brings the events of a backup from the event loop to the writer's thread, a few batches ahead.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_BATCHES_AHEAD)
        self._batches: queue.SimpleQueue[Batch | Exception | None] = queue.SimpleQueue()

    async def fill(
        self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]], taker: asyncio.Future[int]
    ) -> None:
        """
        Hand over all *events*, unless *taker* ends before.
        """
        # It may end while this waits for it to take something.
        taker.add_done_callback(lambda _: self._room.release())
        batch: Batch = []
        async for members in each(events):
            batch.append(members)
            if len(batch) == _BATCH_EVENTS:
                await self._room.acquire()
                if taker.done():
                    return
                self._batches.put(batch)
                batch = []
        self._batches.put(batch)
        self._batches.put(None)

    def abort(self, error: Exception) -> None:
        """
        Have the taker end with *error*.
        """
        self._batches.put(error)

    def __iter__(self) -> Iterator[Batch]:
        """
        The batches, in the writer's thread.
        """
        while (batch := self._batches.get()) is not None:
            if isinstance(batch, Exception):
                raise batch
            yield batch
            call_in(self._loop, self._room.release)


class RestoreAbortedError(Exception):
    """
    The events of the backup cannot be had; whoever waits for it knows why.
    """


def restore_all(
    connection: apsw.Connection, name: str, feed: Feed, write_rows: Callable[[Sequence[tuple[Any, ...]]], None]
) -> BackupReader:
    """
    Write all events of a backup, inside a transaction.

    Args:
        write_rows: Writes rows of events with their versions, and whatever is derived from them.

    Raises:
        StoreNotEmptyError: There are events.
        BackupInvalidError: An event does not fit.
    """
    events: int = connection.execute("SELECT count(*) FROM events").get
    if events:
        raise StoreNotEmptyError(name, events=events)
    reader = BackupReader()
    versions = _Versions(connection)
    for batch in feed:
        entries = [reader.read(members) for members in batch]
        rows = [(*entry.event, versions.next(entry.event.subject)) for entry in entries]
        try:
            write_rows(rows)
        except apsw.ConstraintError:
            index, first = _find_repeated(connection, entries)
            raise reader.repeated_id(index=index, first=first) from None
        write_references(
            connection, ((entry.event.position, entry.reference) for entry in entries if entry.reference is not None)
        )
        write_imported_times(
            connection,
            ((entry.event.position, entry.imported_time) for entry in entries if entry.imported_time is not None),
        )
        versions.forget_some()
    return reader


class _Versions:
    """
    Counts the events of each subject, of which there may be more than fit into memory.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}

    def next(self, subject: str) -> int:
        version = self._known.get(subject)
        if version is None:
            version = self._connection.execute(
                "SELECT version FROM events WHERE subject = ? ORDER BY position DESC LIMIT 1", (subject,)
            ).get
        self._known[subject] = version = (version or 0) + 1
        return version

    def forget_some(self) -> None:
        """
        Keep memory small; everything counted so far is written.
        """
        if len(self._known) > _MAX_COUNTED_SUBJECTS:
            self._known.clear()


def _find_repeated(connection: apsw.Connection, entries: Sequence[LogEntry]) -> tuple[int, int]:
    """
    The first event whose id came before, and the one that had it, both counted from 0.
    """
    before = entries[0].event.position
    seen: dict[str, int] = {}
    for event, *_ in entries:
        position = seen.get(event.id)
        if position is None:
            position = connection.execute(
                "SELECT position FROM events WHERE id = ? AND position < ?", (event.id, before)
            ).get
        if position is not None:
            return event.position - 1, position - 1
        seen[event.id] = event.position
    msg = "no id is repeated"
    raise AssertionError(msg)
