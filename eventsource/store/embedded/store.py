"""
The embedded event store: one SQLite file, no server.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from concurrent.futures import Future, wait
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import filelock

from eventsource import private_files
from eventsource.events.event import checked_new_events
from eventsource.events.event_types import listed_types
from eventsource.events.subject import Subject
from eventsource.gdbql.errors import QueryError
from eventsource.gdbql.prepared import read_query
from eventsource.root_error import StoreError, UnsafeFileError
from eventsource.store.callers import Growth, OwnProcess, call_in
from eventsource.store.commit import CommitRequest, random_event_id
from eventsource.store.embedded.audit import audit_file
from eventsource.store.embedded.commit_keys import read_keys
from eventsource.store.embedded.entries import read_entries
from eventsource.store.embedded.failures import translated
from eventsource.store.embedded.file import open_for_writing
from eventsource.store.embedded.files import StoreFiles
from eventsource.store.embedded.index_building import build_index
from eventsource.store.embedded.open_files import is_store_file, refuse_inherited
from eventsource.store.embedded.overview import last_event, list_subjects, list_types, read_status
from eventsource.store.embedded.query.data_index import list_indexes, normal_path
from eventsource.store.embedded.query.explain import explain
from eventsource.store.embedded.query.plan import plans
from eventsource.store.embedded.query.run import QueryRun
from eventsource.store.embedded.reader import LogPages, Reader, count_events, read_head, read_position
from eventsource.store.embedded.restore import Feed, RestoreAbortedError
from eventsource.store.embedded.schema_rows import insert_schema, read_schema_texts
from eventsource.store.embedded.writer import Waiting, Writer
from eventsource.store.errors import NotAStoreError, StoreLockedError
from eventsource.store.interface import DEFAULT_LIMITS
from eventsource.store.log_entry import backup_items
from eventsource.store.paging import PAGE_BYTES, PAGE_EVENTS, Selection, observe_log, stream_log
from eventsource.store.query import QueryLimits, QueryRows, Spending
from eventsource.store.schema import SchemaRegistry, read_schemas
from eventsource.wire.backup import Declarations
from eventsource.wire.errors import (
    CommitOutcomeUnknownError,
    ErasureUnfinishedError,
    NotSupportedError,
    StoreClosedError,
    StoreCorruptedError,
    StoreNotEmptyError,
    StoreReadOnlyError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
    from os import PathLike
    from types import TracebackType

    import apsw

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.gdbql import Query
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.interface import AuditReport, EventStream, StoreStatus
    from eventsource.store.log_entry import LogEntry
    from eventsource.store.query import DataIndex, Explanation
    from eventsource.wire.backup import CommitKey

# Interval of looking for another process's commits, in seconds: the longest wait of a reader there.
_POLL_INTERVAL_S = 0.05

_NO_END = 2**63 - 1

# The writing stores of this process that are being closed, by path.
_closings: dict[Path, Future[None]] = {}
if hasattr(os, "register_at_fork"):
    # A forked process does not have the threads that close them.
    os.register_at_fork(after_in_child=_closings.clear)

# How long an erase tries to clean the files when a reader is in the way, and its pauses in between, at first
# and later, in seconds.
_ERASE_PATIENCE_S = 30.0
_FIRST_REST_S, _LONGEST_REST_S = 0.05, 1.0


class EmbeddedEventStore:
    """
    An `EventStore` in one SQLite file.

    A commit that has returned survives the process and the machine (``synchronous=FULL``). One
    store object writes to a file at a time; any number, in any process, read and observe it.

    Beside the file SQLite keeps ``-wal`` and ``-shm``, and the writer a ``-writer.lock``.

    Use it as ``async with EmbeddedEventStore("bank.db") as store``.

    Args:
        path: The file; created when it is not there, unless *read_only*.

        read_only: Do not write, leave the place to another process.

        source: The CloudEvents source of events that name none.

        clock: Nanoseconds since 1970 UTC.

        new_id: Makes the ids of events.

        new_salt: Makes the salts of data stored by reference: 64 hex digits, never to be guessed.

    Raises:
        NotAStoreError: *path* is empty.
        StoreLockedError: On entering: another one writes to the file.
        NotAStoreError, StoreFormatError, StoreCorruptedError, StoreUnavailableError: On entering:
            the file cannot be used, as they say.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        read_only: bool = False,
        source: str = "eventsource",
        clock: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = random_event_id,
        new_salt: Callable[[], str] = lambda: secrets.token_hex(32),
    ) -> None:
        _check_name(path)
        # Absolute, because the process may change its folder; resolved, so that every name of the file means one lock.
        self._named = Path(path).absolute()
        self._path = self._named.resolve()
        self._name = str(self._path)
        self._read_only = read_only
        self._source = source
        self._clock = clock
        self._new_id = new_id
        self._new_salt = new_salt
        self._lock: filelock.BaseFileLock | None = None
        self._files: StoreFiles | None = None
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._process = OwnProcess()
        self._schemas = SchemaRegistry()
        # Commits of this turn of each event loop, not sent to the writer yet.
        self._arrived: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
        self._growth = Growth()
        self._opening: Future[None] | None = None
        self._closing: Future[None] | None = None
        self._closing_lock = threading.Lock()
        self._feeds: set[Feed] = set()
        # The backups that are being restored; each is done when its restore is over.
        self._restores: set[Future[None]] = set()

    async def __aenter__(self) -> Self:
        self._process.claim()
        # It cannot be cancelled: after a cancelled entry `_close` waits for it and leaves no file open.
        self._opening = opening = Future[None]()
        opening.set_running_or_notify_cancel()
        name = f"eventsource-opening {self._path.name}"
        threading.Thread(target=self._open, args=(opening,), name=name).start()
        try:
            await asyncio.wrap_future(opening)
        except OSError as error:
            await self.aclose()
            raise StoreUnavailableError(str(self._path), str(error)) from error
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._process.is_another:
            # A forked process leaves the block by an error or `sys.exit`: that is what it has to say.
            return
        await self.aclose()

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        before = None
        if self._schemas.texts:
            events = checked_new_events(events)
            before = await self._schemas.check_large(events)
        if self._restores:
            await self._wait_for_restore()
        writer = self._open_for_commit()
        request = CommitRequest.checked(
            events, preconditions, source=self._source, key=idempotency_key, schemas=self._schemas, before=before
        )
        loop = asyncio.get_running_loop()
        waiting = Waiting(request, loop.create_future())
        arrived = self._arrived.get(loop)
        if arrived is None:
            self._arrived[loop] = [waiting]
            # After the loop has run all others that are ready to commit, it is clear if this commit is alone.
            loop.call_soon(self._send, writer, loop)
        else:
            arrived.append(waiting)
        try:
            return await waiting.answer
        except asyncio.CancelledError as cancelled:
            # It is decided all the same, and its caller does not learn how.
            cancelled.__cause__ = CommitOutcomeUnknownError(
                str(self._path), "its caller was cancelled, or its time was up, before the answer came"
            )
            raise

    def stream(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        upper_bound: str | None = None,
        include_upper_bound: bool = False,
        latest_by_type: str | None = None,
    ) -> EventStream:
        return stream_log(
            self,
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            upper_bound=upper_bound,
            include_upper_bound=include_upper_bound,
            latest_by_type=latest_by_type,
        )

    def observe(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        from_now: bool = False,
    ) -> EventStream:
        return observe_log(
            self,
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            from_now=from_now,
        )

    async def count(self, subject: str = "/", *, recursive: bool = True, lower_bound: str | None = None) -> int:
        after = 0 if lower_bound is None else await self.position_of(lower_bound)
        selection = Selection(Subject(subject), recursive, after)
        return await self._open_reader().run(lambda connection: count_events(connection, selection))

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        selection = Selection(Subject(subject), recursive)
        return await self._open_reader().run(lambda connection: last_event(connection, selection))

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        selection = Selection(Subject(under), recursive=True)
        return await self._open_reader().run(lambda connection: list_subjects(connection, selection))

    async def event_types(self) -> tuple[str, ...]:
        return await self._open_reader().run(list_types)

    async def status(self) -> StoreStatus:
        return await self._open_reader().run(lambda connection: read_status(connection, self._path, self._clock()))

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        await self._wait_for_restore()
        writer = self._open_for_commit()
        text = self._schemas.add(event_type, schema)
        # A task starts after the sending of commits that arrived before it, so they are before the schema in the log;
        # later commits are checked already. Shielded, so that a caller that gives up leaves a schema that
        # is both checked and stored.
        await asyncio.shield(self._store_schema(writer, event_type, text))

    async def _store_schema(self, writer: Writer, event_type: str, text: str) -> None:
        try:
            await writer.write(lambda connection: insert_schema(connection, event_type, text))
        except BaseException:
            self._schemas.withdraw(event_type)
            raise

    async def schemas(self) -> dict[str, dict[str, Any]]:
        return read_schemas(await self._open_reader().run(read_schema_texts))

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        tree = read_query(query)
        spending = Spending(limits)

        async def pages() -> AsyncGenerator[Sequence[Any]]:
            reader = self._open_reader()
            run = QueryRun(plans.find(tree), spending)
            found = spending.counted(run.rows())

            def fill(page: list[Any], connection: apsw.Connection) -> bool:
                run.connection = connection
                with spending:
                    return spending.fill(page, found)

            may_have_more = True
            try:
                while may_have_more:
                    page: list[Any] = []
                    try:
                        may_have_more = await reader.run(partial(fill, page))
                    except QueryError:
                        # The rows before the error are right.
                        if page:
                            yield page
                        raise
                    if page:
                        yield page
            finally:
                # After a cancellation no thread goes on computing, or closing would wait for it.
                spending.give_up()

        return QueryRows(pages(), held=lambda: spending.held_bytes)

    async def explain(self, query: str | Query) -> Explanation:
        tree = read_query(query)
        return await self._open_reader().run(lambda connection: explain(connection, tree))

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        path = normal_path(path)
        writer = self._open_for_commit()
        await writer.work(lambda keeper: keeper.declare(event_type, path, writer.head))
        index = await build_index(writer, event_type, path, progress)
        if index is None:
            msg = f"the index on {path} of {event_type} was dropped while it was built"
            raise NotSupportedError(msg)
        return index

    async def drop_index(self, event_type: str, path: str) -> bool:
        path = normal_path(path)
        writer = self._open_for_commit()
        was_there = await writer.work(lambda keeper: keeper.drop(event_type, path))
        while await writer.work(lambda keeper: keeper.sweep()):
            pass
        return was_there

    async def indexes(self) -> tuple[DataIndex, ...]:
        return await self._open_reader().run(list_indexes)

    async def audit(self) -> AuditReport:
        return await audit_file(self._open_reader())

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        subject = Subject(subject)
        writer = self._open_for_commit()
        erased = await writer.erase(subject, listed_types(including))
        deadline, rest_s = time.monotonic() + _ERASE_PATIENCE_S, _FIRST_REST_S
        try:
            while (obstacle := await writer.clean()) is not None and time.monotonic() < deadline:
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, _LONGEST_REST_S)
        except StoreError as error:
            raise ErasureUnfinishedError(str(self._path), subject=subject, events=erased, reason=str(error)) from error
        if obstacle is not None:
            raise ErasureUnfinishedError(str(self._path), subject=subject, events=erased, reason=obstacle)
        return erased

    async def backup(self) -> AsyncGenerator[dict[str, Any]]:
        until, declarations = await self._open_reader().run(_read_moment)
        async with aclosing(backup_items(self._keyed_entries(until), declarations)) as items:
            async for item in items:
                yield item

    async def _keyed_entries(self, until: int) -> AsyncGenerator[tuple[LogEntry, CommitKey | None]]:
        after = 0
        while after < until:
            page, keys = await self._open_reader().run(partial(_read_keyed_page, after=after, until=until))
            if not page:
                raise StoreCorruptedError(str(self._path), f"the event at position {after + 1} is missing")
            for entry in page:
                yield entry, keys.get(entry.event.position)
            after = page[-1].event.position

    async def read_entries(self, *, after: int) -> list[LogEntry]:
        """
        See `eventsource.store.log_entry.KeepsEntries`.
        """
        return await self._open_reader().run(partial(_read_page, after=after, until=_NO_END))

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        writer = self._open_for_commit()
        if count := await self.head():
            # Told before anything is asked of the one who sends the events.
            raise StoreNotEmptyError(str(self._path), events=count)
        feed = Feed()
        self._feeds.add(feed)
        finished: Future[None] = Future()
        # So that one of those who wait for it cannot cancel it for the others.
        finished.set_running_or_notify_cancel()
        self._restores.add(finished)
        restoring = asyncio.create_task(writer.restore(feed))
        try:
            await feed.fill(events, restoring)
            reader = await asyncio.shield(restoring)
            self._schemas.take(reader.schemas.texts)
        except BaseException:
            feed.abort(RestoreAbortedError())
            with suppress(Exception):
                await restoring
            raise
        finally:
            self._feeds.discard(feed)
            self._growth.reach(writer.head)
            self._restores.discard(finished)
            finished.set_result(None)
        for event_type, index_path in reader.indexes:
            # The backup is restored in any case: an unfinished index is built on at the next opening.
            with suppress(StoreError):
                await build_index(writer, event_type, index_path)
        return reader.events

    async def _wait_for_restore(self) -> None:
        """
        Return when no backup is being restored: what it brings decides about what comes.
        """
        while self._restores:
            await asyncio.wrap_future(next(iter(self._restores)))

    async def ping(self) -> None:
        await self._open_reader().run(read_head)

    async def aclose(self) -> None:
        self._process.check(self._name)
        if self._writer:
            # Requests made in this loop before the close are still decided and answered.
            self._send(self._writer, asyncio.get_running_loop())
        with self._closing_lock:
            if self._closing is None or self._closing.done():
                self._closing = Future()
                # It cannot be cancelled: a cancelled caller leaves no open file behind.
                self._closing.set_running_or_notify_cancel()
                threading.Thread(
                    target=self._close, args=(self._closing,), name=f"eventsource-closing {self._path.name}"
                ).start()
        # A second close waits for the first, in any event loop.
        await asyncio.shield(asyncio.wrap_future(self._closing))

    def _close(self, closing: Future[None]) -> None:
        if self._opening:
            wait([self._opening])
        if self._writer:
            _closings[self._path] = closing
        try:
            self._close_files()
        except BaseException as error:  # noqa: BLE001  or who waits would wait for ever
            closing.set_exception(error)
        else:
            closing.set_result(None)
        if _closings.get(self._path) is closing:
            _closings.pop(self._path, None)
        self._growth.wake()

    def _close_files(self) -> None:
        writer, reader, self._writer, self._reader = self._writer, self._reader, None, None
        for feed in list(self._feeds):
            feed.abort(StoreClosedError(str(self._path)))
        if reader:
            reader.close()
        if writer:
            # Last, so that the log can be emptied into the file.
            writer.close()
        if self._files:
            self._files.detach()
            self._files = None
        if self._lock:
            self._lock.release()

    # The methods that `eventsource.store.paging` reads by.

    async def head(self) -> int:
        return await self._open_reader().run(read_head)

    async def position_of(self, event_id: str, *, first: bool = False) -> int:
        return await self._open_reader().run(lambda connection: read_position(connection, event_id, first=first))

    def open(self, selection: Selection) -> LogPages:
        return LogPages(self._open_reader(), selection)

    async def wait_beyond(self, position: int) -> None:
        if self._read_only:
            # Commits of another process send no signal here.
            while await self.head() <= position:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_INTERVAL_S)
            return
        await self._growth.beyond(position, self._open_reader)

    def _send(self, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        # Empty where closing has sent it already.
        arrived = self._arrived.pop(loop, [])
        if len(arrived) == 1 and writer.decide_alone(arrived[0]):
            self._deliver(arrived)
            self._tell_growth(arrived)
            return
        for waiting in arrived:
            writer.submit(waiting)

    def _open(self, opening: Future[None]) -> None:
        try:
            self._open_files()
        except BaseException as error:  # noqa: BLE001  or who waits would wait for ever
            opening.set_exception(error)
        else:
            opening.set_result(None)

    def _open_files(self) -> None:
        if not self._path.parent.is_dir():
            raise NotAStoreError(self._path, "its directory does not exist")
        if self._path.is_dir():
            raise NotAStoreError(self._path, "it is a directory")
        refuse_inherited(self._path)
        if closing := _closings.get(self._path):
            # The one who closed it was cancelled and did not wait for it.
            wait([closing])
        if not self._read_only:
            # Made here: a store may be made before a fork and opened after it.
            try:
                private_files.refuse_planted_link(self._named, is_known=is_store_file(self._path))
                self._lock = private_files.lock(Path(f"{self._path}-writer.lock"), thread_local=False)
                self._lock.acquire(timeout=0)
            except UnsafeFileError as error:
                raise StoreUnavailableError(str(error.path), error.reason) from error
            except filelock.Timeout:
                raise StoreLockedError(self._path) from None
        self._files = files = StoreFiles(self._named, self._path, writing=not self._read_only)
        if not self._read_only:
            self._writer = writer = self._open_writer(files)
            self._growth.reach(writer.head)
        self._reader = Reader(files)

    def _open_writer(self, files: StoreFiles) -> Writer:
        connection = open_for_writing(files)
        try:
            with translated(self._path):
                self._schemas = SchemaRegistry(read_schema_texts(connection))
                return Writer(
                    connection,
                    files,
                    clock=self._clock,
                    new_id=self._new_id,
                    new_salt=self._new_salt,
                    answer=self._hand_over,
                )
        except BaseException:
            connection.close()
            raise

    def _hand_over(self, group: list[Waiting]) -> None:
        """
        Called in the writer's thread: one wake-up of each event loop for all that wait in it.
        """
        by_loop: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
        for waiting in group:
            by_loop.setdefault(waiting.answer.get_loop(), []).append(waiting)
        for loop, own in by_loop.items():
            call_in(loop, self._deliver, own)
        self._tell_growth(group)

    def _deliver(self, group: list[Waiting]) -> None:
        for waiting in group:
            # A caller that was cancelled does not wait any more; what it sent is decided all the same.
            if waiting.answer.done():
                continue
            if waiting.error is not None:
                waiting.answer.set_exception(waiting.error)
            else:
                waiting.answer.set_result(waiting.events)

    def _tell_growth(self, group: list[Waiting]) -> None:
        # A group and a commit decided alone may come the other way round.
        self._growth.reach(max((waiting.events[-1].position for waiting in group if waiting.events), default=0))

    def _open_reader(self) -> Reader:
        self._process.check(self._name)
        if self._reader is None:
            raise StoreClosedError(str(self._path))
        return self._reader

    def _open_for_commit(self) -> Writer:
        self._process.check(self._name)
        if self._writer is None:
            self._open_reader()
            raise StoreReadOnlyError(str(self._path))
        return self._writer


def _check_name(path: str | PathLike[str]) -> None:
    """
    Refuse a value that cannot be a path.

    Raises:
        NotAStoreError: It is empty, or no file can have that name.
    """
    text = os.fspath(path)
    if not text or "\0" in text:
        raise NotAStoreError(Path(), "a path is wanted, not an empty text or one with a NUL character")


def _read_page(connection: apsw.Connection, *, after: int, until: int) -> list[LogEntry]:
    page: list[LogEntry] = []
    size = 0
    for entry in read_entries(connection, after=after, until=until, limit=PAGE_EVENTS):
        page.append(entry)
        size += len(entry.event.data_json)
        if size >= PAGE_BYTES:
            break
    return page


def _read_keyed_page(
    connection: apsw.Connection, *, after: int, until: int
) -> tuple[list[LogEntry], dict[int, CommitKey]]:
    page = _read_page(connection, after=after, until=until)
    # Behind the events: what is erased in between is missing from the key, not from the event.
    last = page[-1].event.position if page else after
    return page, read_keys(connection, first=after + 1, last=last)


def _read_moment(connection: apsw.Connection) -> tuple[int, Declarations]:
    """
    The end of the log, and what is declared at that moment.
    """
    # One transaction, so one moment.
    connection.execute("BEGIN")
    try:
        declared = [(index.event_type, index.path) for index in list_indexes(connection)]
        return read_head(connection), Declarations(read_schema_texts(connection), declared)
    finally:
        connection.execute("COMMIT")
