"""
The one writer of an embedded store: decides and commits, many commits to one fsync.

Requests wait in a queue; their order there is their order in the log. A thread takes all that
wait, decides each against everything before it, writes what was accepted in one transaction, and
answers after the fsync. So a commit costs one fsync when it is alone and a share of one in a crowd.

A request that is alone may be decided in the caller's thread instead (`Writer.decide_alone`): two
hand-overs between threads cost 80 to 110 microseconds, an fsync here 200. It is refused where
fsyncs are slow, since the caller is an event loop, which waits meanwhile.
"""

from __future__ import annotations

import asyncio
import enum
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import apsw
import attrs

from eventsource.events.data_reference import DataReference
from eventsource.events.hash_chain import GENESIS_HASH
from eventsource.gdbql.errors import QueryError
from eventsource.guards.preconditions import QueryHolds
from eventsource.log import get_logger
from eventsource.root_error import StoreError
from eventsource.store.callers import call_in
from eventsource.store.clock import ClockWatch
from eventsource.store.commit import LogEnd, check_preconditions
from eventsource.store.embedded import commit_keys, erasure
from eventsource.store.embedded.commit_keys import find_key
from eventsource.store.embedded.entries import write_references
from eventsource.store.embedded.failures import DamagedDataError, translate, translate_damage
from eventsource.store.embedded.file import BUSY_TIMEOUT_MS, EVENT_COLUMNS, check_end, to_recorded
from eventsource.store.embedded.query.data_index import IndexKeeper
from eventsource.store.embedded.query.guards import Guards
from eventsource.store.embedded.rescue import save_copy
from eventsource.store.embedded.restore import Feed, restore_all
from eventsource.store.errors import StoreFileLostError
from eventsource.store.query import IndexState
from eventsource.wire.errors import (
    CommitOutcomeUnknownError,
    IdempotencyKeyReusedError,
    StoreClosedError,
    StoreFullError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.gdbql import Query
    from eventsource.store.commit import CommitRequest
    from eventsource.store.embedded.files import StoreFiles
    from eventsource.store.idempotency import IdempotencyKey
    from eventsource.store.query import DataIndex
    from eventsource.store.restoring import BackupReader

log = get_logger(__name__)

Result = TypeVar("Result")
Row = tuple[int | str, ...]

# Commits in one transaction: bounds how long the first of them waits and what one crash can leave unanswered.
MAX_GROUP = 512

# 1,000 pages of 4 KiB is SQLite's own default.
_CHECKPOINT_PAGES = 1000
# 64 MiB: past this a reader has kept the log from being reused; cut the file when it lets go.
_TRUNCATE_PAGES = 16_384

# Longest average transaction, in seconds, for which the event loop may be kept waiting.
_QUICK_S = 0.001
# The share of the newest measurement in that average.
_NEWEST = 0.2

# Subjects whose version is kept in memory; one entry is about 200 bytes.
_MAX_CACHED_VERSIONS = 100_000

# Pause before the next attempt to clean the files, in seconds.
_CLEANING_PAUSE_S = 1.0
# How long cleaning waits for readers, while commits wait for it. Our own reads take less, so a steady stream of them
# cannot block it.
_CLEANING_PATIENCE_MS = 100

_INSERT = """
INSERT INTO events (position, id, time_ns, source, subject, type, data, predecessor_hash, hash, version, subjects)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SUBJECTS = "SELECT subjects FROM events ORDER BY position DESC LIMIT 1"
_BETWEEN = f"SELECT {EVENT_COLUMNS} FROM events WHERE position BETWEEN ? AND ? ORDER BY position"  # noqa: S608  a constant


@attrs.define(eq=False)
class Waiting:
    """
    A request in the queue, and in the end its answer.

    Attributes:
        request: The request.

        answer: The future the caller awaits, of its own event loop.

        events, error: The outcome, once there is one.
    """

    request: CommitRequest
    answer: asyncio.Future[tuple[RecordedEvent, ...]]
    events: tuple[RecordedEvent, ...] = ()
    error: Exception | None = None


@attrs.define(eq=False)
class _Work:
    """
    Other work for the writer, and the caller waiting for it.

    Attributes:
        do: The work.

        then: Called once the work is committed.

        in_transaction: True if the work runs in a transaction of its own.
    """

    do: Callable[[IndexKeeper], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    then: Callable[[], None] | None = None
    in_transaction: bool = True

    def reply(self, result: Any = None, error: Exception | None = None) -> None:
        """
        Tell the one who waits. Called in the writer's thread.
        """
        call_in(self.loop, self._reply, result, error)

    def _reply(self, result: Any, error: Exception | None) -> None:
        if self.answer.done():
            return
        if error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(result)


class _Group:
    """
    The content of a transaction before it is written.

    Attributes:
        end: The end of the log with it.

        versions: The versions of the subjects it writes to.

        rows: Accepted rows that are not in the transaction yet.

        answers: For each of its idempotency keys, the digest of the request and the events.

        key_rows: Rows of those keys that are not in the transaction yet.

        references: The references that tie events to data stored by reference, by position.

        is_changed: True if anything is changed.
    """

    def __init__(self, end: LogEnd) -> None:
        self.end = end
        self.versions: dict[str, int] = {}
        self.rows: list[Row] = []
        self.answers: dict[str, tuple[bytes, tuple[RecordedEvent, ...]]] = {}
        self.key_rows: list[tuple[str, bytes, int, int]] = []
        self.references: list[tuple[int, DataReference]] = []
        self.is_changed = False


class _Sign(enum.Enum):
    CHECKPOINT = "see whether a checkpoint is due"
    BUILD = "build on an index whose building was interrupted"
    CLOSE = "no more requests"


class Writer:
    """
    Owns the only connection that commits and checkpoints.

    Args:
        connection: From `open_for_writing`; closed by `close`.

        files: Its files.

        clock, new_id, new_salt: As for the store.

        answer: Called from the writer's thread with each group once it is durable or refused.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        files: StoreFiles,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        new_salt: Callable[[], str],
        answer: Callable[[list[Waiting]], None],
    ) -> None:
        self._connection = connection
        self._files = files
        self._path = files.path
        self._clock = clock
        self._new_id = new_id
        self._new_salt = new_salt
        self._answer = answer
        self._queue: queue.SimpleQueue[Waiting | _Work | _Sign] = queue.SimpleQueue()
        self._indexes = IndexKeeper(connection)
        self._guards = Guards(connection, self._indexes)
        # Held by the thread that uses the connection.
        self._turn = threading.Lock()
        # Held to queue something, and to end: nothing is queued that would stay unanswered.
        self._entrance = threading.Lock()
        self._is_closed = False
        # Slow until shown otherwise.
        self._average_s = 5 * _QUICK_S
        self._versions: dict[str, int] = {}
        # Up to which position subjects were counted last, and how many there were.
        self._counted = 0, 0
        self._end = _read_end(connection)
        self._clock_watch = ClockWatch.of(str(self._path), clock)
        if self._end.position:
            self._clock_watch.look(self._end.time_ns, clock())
        self._wal_pages = 0
        # True if bytes of erased data are left in the files; and when to try again to remove them.
        self._has_leftovers = erasure.is_unfinished(connection)
        self._clean_at = 0.0
        # The reason to refuse commits: after an I/O error the content of the file is unknown until it is reopened.
        self._stopped: StoreError | None = None
        # The fate of the files, in words, when they are no longer those at the path.
        self._lost: str | None = None
        connection.set_wal_hook(self._note_wal_pages)
        self._clean_when_due()
        self._thread = threading.Thread(target=self._run, name=f"eventsource-writer {self._path.name}", daemon=True)
        self._thread.start()
        if self._indexes.unfinished:
            self._queue.put(_Sign.BUILD)

    @property
    def head(self) -> int:
        """
        The position of the last durable event.
        """
        return self._end.position

    def submit(self, waiting: Waiting) -> None:
        """
        Queue a request. Returns at once.
        """
        with self._entrance:
            if not self._is_closed:
                self._queue.put(waiting)
                return
        waiting.error = StoreClosedError(str(self._path))
        self._answer([waiting])

    def decide_alone(self, waiting: Waiting) -> bool:
        """
        Decide one request at once, in the caller's thread, if the queue is empty and fsyncs are quick.

        Returns:
            False when it has to be submitted.
        """
        if self._average_s > _QUICK_S or not self._queue.empty() or not self._turn.acquire(blocking=False):
            return False
        try:
            if self._is_closed or not self._is_quick(waiting.request) or not self._begins_at_once():
                return False
            self._decide_group([waiting])
            if self._lost:
                # The writer's thread saves the content and tells the caller.
                return False
        finally:
            self._turn.release()
        if self._wal_pages >= _CHECKPOINT_PAGES:
            self._queue.put(_Sign.CHECKPOINT)
        return True

    def _begins_at_once(self) -> bool:
        """
        Begin the transaction, unless that takes the patience which an event loop does not have.
        """
        if self._stopped or self._lost:
            return False
        self._connection.set_busy_timeout(0)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error:
            return False
        finally:
            self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        return True

    async def work(self, do: Callable[[IndexKeeper], Result]) -> Result:
        """
        Do something with the declared indexes, in a transaction of its own between two groups of commits.

        Raises:
            StoreError: Nothing was written.
        """
        return await self._ask(do)

    async def erase(self, subject: str, including: Collection[str]) -> int:
        """
        Empty the events of a subject; then `clean` what is left of them.

        Raises:
            StoreError: Nothing was erased.
        """

        def do(indexes: IndexKeeper) -> int:
            erased = erasure.erase_data(self._connection, indexes, subject, including)
            # They were computed from what is gone.
            self._guards.forget()
            return erased

        def then() -> None:
            self._has_leftovers = erasure.is_unfinished(self._connection)

        return await self._ask(do, then)

    async def clean(self) -> str | None:
        """
        Remove what is left of erased data from the files.

        Returns:
            The obstacle; None when nothing is left.

        Raises:
            StoreError: It failed.
        """
        return await self._ask(lambda _: self._clean(), in_transaction=False)

    async def restore(self, feed: Feed) -> BackupReader:
        """
        Write a backup into the empty log, in one transaction.

        Returns:
            The reader, which knows what came.

        Raises:
            StoreError: Nothing was written.
        """

        def do(indexes: IndexKeeper) -> BackupReader:
            self._guards.forget()
            return restore_all(self._connection, str(self._path), feed, self._write_rows, indexes.declare)

        def then() -> None:
            self._versions.clear()
            self._end = _read_end(self._connection)

        reader = await self._ask(do, then)
        reader.finish()
        return reader

    async def _ask(
        self,
        do: Callable[[IndexKeeper], Result],
        then: Callable[[], None] | None = None,
        *,
        in_transaction: bool = True,
    ) -> Result:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        with self._entrance:
            if self._is_closed:
                raise StoreClosedError(str(self._path))
            self._queue.put(_Work(do, loop, answer, then, in_transaction))
        return await answer

    async def write(self, do: Callable[[apsw.Connection], Result]) -> Result:
        """
        Write something other than an event, in a transaction of its own between two groups of commits.

        Raises:
            StoreError: Nothing was written.
        """
        return await self.work(lambda _: do(self._connection))

    def close(self) -> None:
        """
        Answer what is queued, checkpoint, close the connection. Blocks.
        """
        self._queue.put(_Sign.CLOSE)
        self._thread.join()

    def _run(self) -> None:
        sign: _Work | _Sign | None = None
        while sign is not _Sign.CLOSE:
            group, sign = self._take_group()
            with self._turn:
                if group:
                    self._decide_group(group)
            if group:
                self._answer(group)
            with self._turn:
                if isinstance(sign, _Work):
                    self._do(sign)
                elif sign is _Sign.BUILD:
                    self._build_on()
                self._checkpoint_when_due()
                self._clean_when_due()
        with self._turn:
            self._close_connection()

    def _take_group(self) -> tuple[list[Waiting], _Work | _Sign | None]:
        """
        Wait for something to do: requests, and the sign that ended them.
        """
        group: list[Waiting] = []
        item = self._queue.get()
        while isinstance(item, Waiting):
            group.append(item)
            if len(group) == MAX_GROUP or self._queue.empty():
                return group, None
            item = self._queue.get()
        return group, item

    def _decide_group(self, group: list[Waiting]) -> None:
        start = time.perf_counter()
        self._decide_all(group)
        self._average_s += _NEWEST * (time.perf_counter() - start - self._average_s)

    def _decide_all(self, group: list[Waiting]) -> None:
        if self._lost and threading.current_thread() is self._thread:
            self._save_and_stop(group)
        if self._stopped:
            _refuse(group, self._stopped)
            return
        if self._lost:
            return
        try:
            self._commit_group(group)
            if self._lost:
                self._decide_all(group)
        except StoreFullError as error:
            if len(group) == 1:
                _refuse(group, error)
                return
            # A small commit may fit where the group did not.
            for waiting in group:
                waiting.events, waiting.error = (), None
                self._decide_all([waiting])
        except StoreError as error:
            self._stop(error)
            _refuse(group, error)
        except Exception as error:  # noqa: BLE001  or those who wait would wait for ever
            # A defect of ours: the callers are told, and nothing is written on top of it.
            self._roll_back()
            self._stop(error)
            _refuse(group, StoreUnavailableError(str(self._path), f"the writer failed: {error!r}"))

    def _commit_group(self, group: list[Waiting]) -> None:
        """
        Decide each request in order, write what was accepted in one transaction.

        Raises:
            StoreError: The transaction failed; no request of the group is decided.
        """
        staged = _Group(self._end)
        if not self._begin(group):
            return
        try:
            for waiting in group:
                self._decide(waiting, staged)
            self._flush(staged)
            if not staged.is_changed:
                self._connection.execute("ROLLBACK")
                return
        except apsw.Error as error:
            self._roll_back()
            raise translate(error, self._path) from error
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            self._roll_back()
            if isinstance(error, apsw.FullError):
                raise StoreFullError(str(self._path)) from error
            # The commit record may have reached the disk although its fsync failed.
            raise CommitOutcomeUnknownError(str(self._path), f"{type(error).__name__}: {error}") from error
        self._end = staged.end
        if len(self._versions) > _MAX_CACHED_VERSIONS:
            self._versions.clear()
        self._versions.update(staged.versions)
        self._lost = self._files.broken()

    def _begin(self, group: list[Waiting]) -> bool:
        """
        Begin the transaction, unless it is begun.

        Returns:
            False if it cannot be: the group is refused, or its files are lost.

        Raises:
            StoreError: SQLite failed.
        """
        self._lost = self._files.cut_log()
        if self._lost:
            self._roll_back()
            return False
        try:
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            _refuse(group, StoreUnavailableError(str(self._path), "another program holds the lock of the database"))
            return False
        except apsw.Error as error:
            raise translate(error, self._path) from error
        return True

    def _save_and_stop(self, group: list[Waiting]) -> None:
        """
        The files at the path no longer belong to the store: save its content, and take no further commit.

        Args:
            group: The requests under way; those that have events were committed to the files that were lost.
        """
        if self._stopped or self._lost is None:
            return
        self._roll_back()
        saved, obstacle = save_copy(self._connection, self._files, check_end)
        self._stopped = StoreFileLostError(self._files.named, self._lost, saved=saved, obstacle=obstacle)
        log.error("store.file_lost", path=str(self._files.named), what=self._lost, saved=saved and str(saved))
        for waiting in group:
            if waiting.events and waiting.error is None:
                waiting.error = CommitOutcomeUnknownError(str(self._path), self._stopped.reason)
                waiting.error.__cause__ = self._stopped
                waiting.events = ()

    def _decide(self, waiting: Waiting, staged: _Group) -> None:
        versions = staged.versions

        def version_of(subject: str) -> int:
            known = versions.get(subject)
            return self._stored_version(subject) if known is None else known

        def is_true(query: Query) -> bool:
            # Writes of earlier commits of the group must be visible.
            return self._guards.holds(query, staged.end.position, lambda: self._flush(staged))

        request = waiting.request
        if request.key is not None and self._answer_again(waiting, request.key, staged):
            return
        if request.violation is not None:
            waiting.error = request.violation
            return
        try:
            check_preconditions(request.preconditions, version_of, is_true)
        except (StoreError, QueryError) as error:
            waiting.error = error
            return
        recorded: list[RecordedEvent] = []
        end = staged.end
        now_ns = 0
        for new in request.events:
            reference = None
            if new.store_data_as_reference:
                reference = DataReference.to_data(new.data_json, salt=self._new_salt())
                staged.references.append((end.position + 1, reference))
            now_ns = self._clock()
            event = end.append(new, id=self._new_id(), time_ns=now_ns, source=request.source, reference=reference)
            end = LogEnd.at(event)
            versions[event.subject] = version = version_of(event.subject) + 1
            row = (*event, version)
            staged.rows.append(row)
            self._guards.note(row)
            recorded.append(event)
        self._clock_watch.look(end.time_ns, now_ns)
        staged.end = end
        waiting.events = tuple(recorded)
        if request.key is not None:
            key, digest = request.key.text, request.key.digest
            staged.answers[key] = digest, waiting.events
            staged.key_rows.append((key, digest, recorded[0].position, end.position))

    def _answer_again(self, waiting: Waiting, key: IdempotencyKey, staged: _Group) -> bool:
        """
        Answer a request whose key was used before, by what was written then.
        """
        digest: bytes | None
        if key.text in staged.answers:
            digest, events = staged.answers[key.text]
        else:
            stored = find_key(self._connection, key.text)
            if stored is None:
                return False
            digest = stored.request
            events = self._read(stored.first, stored.last) if digest and key.names(digest) else ()
        if digest and key.names(digest):
            waiting.events = events
        else:
            waiting.error = IdempotencyKeyReusedError(key.text)
        return True

    def _read(self, first: int, last: int) -> tuple[RecordedEvent, ...]:
        return tuple(to_recorded(self._connection.execute(_BETWEEN, (first, last))))

    def _flush(self, staged: _Group) -> None:
        """
        Write what is staged into the transaction under way.
        """
        if staged.rows:
            self._write_rows(staged.rows)
            staged.is_changed = True
            staged.rows.clear()
        if staged.key_rows:
            self._connection.executemany(commit_keys.INSERT, staged.key_rows)
            staged.key_rows.clear()
        if staged.references:
            write_references(self._connection, staged.references)
            staged.references.clear()

    def _write_rows(self, rows: Sequence[Row]) -> None:
        """
        Write events, and what is derived from them, into the transaction under way.
        """
        end, subjects = self._counted
        if int(rows[0][0]) != end + 1:
            # The last count was rolled back.
            subjects = self._connection.execute(_SUBJECTS).get or 0
        counted: list[Row] = []
        for row in rows:
            # The first event of a subject has version 1.
            subjects += row[-1] == 1
            counted.append((*row, subjects))
        self._connection.executemany(_INSERT, counted)
        self._counted = int(rows[-1][0]), subjects
        self._indexes.enter(rows)

    def _is_quick(self, request: CommitRequest) -> bool:
        """
        True if every precondition can be decided without reading the log.
        """
        return all(
            not isinstance(each, QueryHolds) or self._guards.is_quick(each.tree) for each in request.preconditions
        )

    def _do(self, work: _Work) -> None:
        self._save_and_stop([])
        if self._stopped:
            work.reply(error=self._stopped)
            return
        result: Any = None
        error: Exception | None = None
        is_committing = False
        try:
            if work.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            result = work.do(self._indexes)
            if work.in_transaction:
                is_committing = True
                self._connection.execute("COMMIT")
                is_committing = False
                self._check_files()
                self._indexes.reload()
            if work.then is not None:
                work.then()
        except apsw.Error as failure:
            self._roll_back()
            error = translate(failure, self._path)
            if (work.then or not work.in_transaction) and not isinstance(failure, (apsw.BusyError, apsw.FullError)):
                self._stop(error)
                if is_committing:
                    # The commit record may have reached the disk although its fsync failed.
                    error = CommitOutcomeUnknownError(str(self._path), f"{type(failure).__name__}: {failure}")
        except (DamagedDataError, UnicodeDecodeError) as failure:
            self._roll_back()
            error = translate_damage(failure, self._path)
        except Exception as failure:  # noqa: BLE001  or who waits would wait for ever
            self._roll_back()
            error = failure
        work.reply(result, error)

    def _check_files(self) -> None:
        """
        See whether what was just committed is in the files at the path.

        Raises:
            CommitOutcomeUnknownError: It is not; the store's content is saved as far as possible.
        """
        self._lost = self._files.broken()
        if self._lost:
            self._save_and_stop([])
            reason = self._stopped.reason if isinstance(self._stopped, StoreFileLostError) else self._lost
            raise CommitOutcomeUnknownError(str(self._path), reason)

    def _build_on(self) -> None:
        """
        Build on an index whose building was interrupted, a batch between two groups of commits.

        Failures are logged: no caller waits for it, and queries are answered without the index.
        """
        if self._stopped or not self._indexes.unfinished:
            return
        event_type, path = self._indexes.unfinished[0]
        index: DataIndex | None = None
        try:
            with self._connection:
                index = self._indexes.build_on(event_type, path)
            self._indexes.reload()
        except (apsw.Error, DamagedDataError, UnicodeDecodeError) as error:
            log.warning("index.unfinished", event_type=event_type, path=path, error=str(error))
            return
        if index is not None and index.state is IndexState.READY:
            log.info("index.finished", event_type=event_type, path=path)
        if self._indexes.unfinished:
            self._queue.put(_Sign.BUILD)

    def _stored_version(self, subject: str) -> int:
        version = self._versions.get(subject)
        if version is None:
            version = self._connection.execute(
                "SELECT version FROM events WHERE subject = ? ORDER BY position DESC LIMIT 1", (subject,)
            ).get
            self._versions[subject] = version = version or 0
        return version

    def _stop(self, error: Exception) -> None:
        self._stopped = StoreUnavailableError(str(self._path), f"stopped by an error until it is reopened ({error})")

    def _roll_back(self) -> None:
        self._guards.forget()
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error as error:
                self._stop(error)

    def _note_wal_pages(self, connection: apsw.Connection, name: str, pages: int) -> int:  # noqa: ARG002  SQLite's hook
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _clean(self) -> str | None:
        if not self._has_leftovers:
            return None
        self._connection.set_busy_timeout(_CLEANING_PATIENCE_MS)
        try:
            obstacle = erasure.clean(self._connection)
        finally:
            self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            self._note_files()
        self._clean_at = time.monotonic() + _CLEANING_PAUSE_S
        if obstacle is None:
            self._has_leftovers = False
        return obstacle

    def _clean_when_due(self) -> None:
        if not self._has_leftovers or self._stopped or time.monotonic() < self._clean_at:
            return
        try:
            self._clean()
        except apsw.FullError:
            return
        except apsw.Error as error:
            self._stop(error)

    def _checkpoint_when_due(self) -> None:
        if self._wal_pages < _CHECKPOINT_PAGES or self._stopped:
            return
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if self._wal_pages >= _TRUNCATE_PAGES:
                self._truncate_log()
        except (apsw.BusyError, apsw.FullError):
            # A reader is in the way or the disk is full; commits go on in the log, the next group tries again.
            return
        except apsw.Error as error:
            self._stop(error)
        finally:
            self._note_files()

    def _note_files(self) -> None:
        """
        Remember the database file after something has written to it, though it may have failed in the midst of it.
        """
        try:
            self._files.note()
        except OSError as error:
            self._stop(error)

    def _truncate_log(self) -> None:
        # Without patience: commits wait while this waits for readers.
        self._connection.set_busy_timeout(0)
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)

    def _close_connection(self) -> None:
        if not self._stopped:
            with suppress(OSError):
                self._lost = self._lost or self._files.broken()
            self._save_and_stop([])
        # Everything acknowledged is in the log already; if need be, the next writer checkpoints it.
        with suppress(apsw.Error):
            if not self._stopped:
                self._clean()
        with suppress(apsw.Error):
            if not self._stopped:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        with suppress(apsw.Error):
            if self._lost:
                # SQLite would remove the log at the path, which is another store's.
                self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                self._connection.close()
            else:
                with self._files.closing(self._connection):
                    self._connection.close()
        with self._entrance:
            self._is_closed = True
        while True:
            try:
                late = self._queue.get_nowait()
            except queue.Empty:
                return
            if isinstance(late, Waiting):
                late.error = StoreClosedError(str(self._path))
                self._answer([late])
            elif isinstance(late, _Work):
                late.reply(error=StoreClosedError(str(self._path)))


def _read_end(connection: apsw.Connection) -> LogEnd:
    last = to_recorded(connection.execute(f"SELECT {EVENT_COLUMNS} FROM events ORDER BY position DESC LIMIT 1"))  # noqa: S608  a constant
    return LogEnd.at(last[0]) if last else LogEnd(0, 0, GENESIS_HASH)


def _refuse(group: list[Waiting], error: StoreError) -> None:
    for waiting in group:
        # A failed precondition stays failed, even if the group fails.
        if waiting.error is None:
            waiting.events, waiting.error = (), error
