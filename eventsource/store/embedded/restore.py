"""
Restoring a backup into a store file: one transaction, fed batch by batch from the event loop.
"""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any, Final

import apsw

from eventsource.store.callers import call_in
from eventsource.store.embedded import commit_keys
from eventsource.store.embedded.entries import write_imported_times, write_references
from eventsource.store.embedded.schema_rows import insert_schema, read_schema_texts
from eventsource.store.restoring import BackupReader, each
from eventsource.store.schema import SchemaRegistry
from eventsource.wire.errors import StoreNotEmptyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence

    from eventsource.store.restoring import RestoredEvent

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
        self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]], taker: asyncio.Future[Any]
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
    connection: apsw.Connection,
    name: str,
    feed: Feed,
    write_rows: Callable[[Sequence[tuple[Any, ...]]], None],
    declare: Callable[[str, str, int], None],
) -> BackupReader:
    """
    Write a backup with all that belongs to it, inside a transaction.

    Args:
        write_rows: Writes rows of events with their versions, and whatever is derived from them.

        declare: Declares the index on a type and a path over the log up to a position.

    Raises:
        StoreNotEmptyError: There are events.
        BackupInvalidError: An item does not fit.
        SchemaExistsError: A schema of the backup is for a type that has another one here.
    """
    events: int = connection.execute("SELECT count(*) FROM events").get
    if events:
        raise StoreNotEmptyError(name, events=events)
    reader = BackupReader()
    versions = _Versions(connection)
    for batch in feed:
        restored = [event for event in map(reader.read, batch) if event is not None]
        if restored:
            _write_events(connection, restored, versions, write_rows)
            _write_keys(connection, reader, restored)
        versions.forget_some()
    reader.complete()
    if not _has_unique_ids(connection):
        reader.repeated_ids = connection.execute("SELECT count(*) - count(DISTINCT id) FROM events").get
    for event_type, schema in SchemaRegistry(read_schema_texts(connection)).lacking(reader.schemas).items():
        insert_schema(connection, event_type, schema)
    for event_type, path in reader.indexes:
        declare(event_type, path, reader.events)
    return reader


def _write_events(
    connection: apsw.Connection,
    restored: Sequence[RestoredEvent],
    versions: _Versions,
    write_rows: Callable[[Sequence[tuple[Any, ...]]], None],
) -> None:
    entries = [event.entry for event in restored]
    rows = [(*entry.event, versions.next(entry.event.subject)) for entry in entries]
    try:
        write_rows(rows)
    except apsw.ConstraintError:
        # Another kind of store may give an id twice. Then this file finds by an id more than one event.
        connection.execute("DELETE FROM events WHERE position >= ?", (entries[0].event.position,))
        connection.execute("DROP INDEX events_id")
        connection.execute("CREATE INDEX events_id ON events (id)")
        write_rows(rows)
    write_references(
        connection, ((entry.event.position, entry.reference) for entry in entries if entry.reference is not None)
    )
    write_imported_times(
        connection,
        ((entry.event.position, entry.imported_time) for entry in entries if entry.imported_time is not None),
    )


def _write_keys(connection: apsw.Connection, reader: BackupReader, restored: Sequence[RestoredEvent]) -> None:
    keyed = [(event.item, event.entry.event.position, event.key) for event in restored if event.key is not None]
    rows = [(key.text, key.digest, first, first + key.events - 1) for _, first, key in keyed]
    try:
        connection.executemany(commit_keys.INSERT, rows)
    except apsw.ConstraintError:
        for index, first, key in keyed:
            stored = commit_keys.find_key(connection, key.text)
            if stored is not None and stored.first != first:
                raise reader.repeated_key(index=index) from None
        raise
    for event in restored:
        if event.is_emptied:
            commit_keys.forget_request(connection, event.entry.event.position)


def _has_unique_ids(connection: apsw.Connection) -> bool:
    indexes = connection.execute("""SELECT "unique" FROM pragma_index_list('events') WHERE name = 'events_id'""")
    return bool(indexes.get)


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
