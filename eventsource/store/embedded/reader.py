"""
Reading an embedded store: short reads on connections that never write.

No read transaction stays open between two pages, so a slow reader never keeps the write-ahead log
from being reused.
"""

from __future__ import annotations

import asyncio
import queue
from array import array
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import attrs

from eventsource.events.event import RecordedEvent
from eventsource.events.subject import prefix_below
from eventsource.store.embedded.failures import translated
from eventsource.store.embedded.file import (
    EVENT_COLUMNS,
    ReadingNeedsLogError,
    open_at_rest,
    open_for_reading,
)
from eventsource.store.errors import StoreFileLostError
from eventsource.store.interface import Page
from eventsource.store.paging import PAGE_BYTES, PAGE_EVENTS
from eventsource.wire.errors import EventNotFoundError, StoreClosedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

    from eventsource.store.embedded.files import StoreFiles
    from eventsource.store.paging import Selection

Result = TypeVar("Result")

_THREADS = 4

# Up to here the positions of a subtree's events are gathered from the index (8 bytes each) and the events then
# fetched one by one. A larger subtree is found by walking the log, which costs less than so many single fetches.
_MAX_GATHERED = 100_000

_NO_BOUND = 2**63 - 1

_SCAN = f"SELECT {EVENT_COLUMNS} FROM events WHERE position > ? AND position <= ?"  # noqa: S608  constants
# Two searches of the index, each of which alone has all that is asked for; an OR would look up every event.
_POSITIONS_BELOW = """
SELECT position FROM events WHERE subject = ? AND position > ? AND position <= ?
UNION ALL
SELECT position FROM events WHERE subject >= ? AND subject < ? AND position > ? AND position <= ?
"""
# Both halves go along the index on subjects; a half may have no event of that type.
_LATEST_BELOW = """
SELECT latest FROM (
    SELECT max(position) AS latest FROM events WHERE subject = ? AND +type = ? AND position > ? AND position <= ?
    UNION ALL
    SELECT max(position) FROM events
    WHERE subject >= ? AND subject < ? AND +type = ? AND position > ? AND position <= ? GROUP BY subject
) WHERE latest IS NOT NULL ORDER BY latest
"""
_BY_POSITION = f"SELECT {EVENT_COLUMNS} FROM events WHERE position = ?"  # noqa: S608  constants


class Reader:
    """
    A small pool of threads and read-only connections.
    """

    def __init__(self, files: StoreFiles) -> None:
        self._files = files
        self._path = files.path
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"eventsource-reader {self._path.name}")
        self._idle: queue.SimpleQueue[_Opened] = queue.SimpleQueue()
        self._idle.put(self._open())

    async def run(self, read: Callable[[apsw.Connection], Result]) -> Result:
        """
        Run *read* with a connection in one of the threads.

        Raises:
            StoreClosedError, StoreCorruptedError, StoreUnavailableError: As they say.
        """
        try:
            result = asyncio.get_running_loop().run_in_executor(self._threads, self._run, read)
        except RuntimeError:
            # The pool was shut down.
            raise StoreClosedError(str(self._path)) from None
        return await result

    def close(self) -> None:
        """
        Wait for reads under way and close the connections. Blocks.
        """
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().connection.close()

    def _run(self, read: Callable[[apsw.Connection], Result]) -> Result:
        try:
            opened = self._idle.get_nowait()
        except queue.Empty:
            opened = None
        if opened is not None and opened.state is not None and opened.state != self._files.unchanged_since():
            # Somebody has opened it for writing meanwhile.
            opened.connection.close()
            opened = None
        if what := self._files.misplaced():
            if opened is not None:
                self._idle.put(opened)
            raise StoreFileLostError(self._files.named, what)
        if opened is None:
            opened = self._open()
        try:
            with translated(self._path):
                result = read(opened.connection)
            if not self._files.is_held:
                # A writer may have started the log meanwhile.
                self._files.opened(opened.connection, has_log=opened.state is None)
            if opened.state is not None and opened.state != self._files.unchanged_since():
                raise StoreUnavailableError(str(self._path), "another program wrote to it while it was read: try again")
            return result
        finally:
            self._idle.put(opened)

    def _open(self) -> _Opened:
        try:
            return _Opened(open_for_reading(self._files))
        except ReadingNeedsLogError as error:
            state = self._files.unchanged_since()
            if state is None:
                reason = (
                    f"its newest events are in {self._files.log_path.name}, and to read that takes the right to write "
                    f"beside it ({error.reason}): have the store opened once by a program that may write, or give "
                    "this one the right"
                )
                raise StoreUnavailableError(str(self._path), reason) from error
            return _Opened(open_at_rest(self._files), state)


@attrs.frozen
class _Opened:
    """
    A connection.

    Attributes:
        connection: To read by.

        state: Of a file at rest, size and time of its last change, for the connection does not notice another one.
    """

    connection: apsw.Connection
    state: tuple[int, int] | None = None


def read_head(connection: apsw.Connection) -> int:
    """
    The position of the last event; 0 for an empty store.
    """
    head: int | None = connection.execute("SELECT max(position) FROM events").get
    return head or 0


def read_position(connection: apsw.Connection, event_id: str, *, first: bool = False) -> int:
    """
    Where an event stands; of several with that id the last, or the *first*.

    Raises:
        EventNotFoundError: It is not in the store.
    """
    order = "" if first else "DESC"
    position: int | None = connection.execute(
        f"SELECT position FROM events WHERE id = ? ORDER BY position {order} LIMIT 1",  # noqa: S608  a constant
        (event_id,),
    ).get
    if position is None:
        raise EventNotFoundError(event_id)
    return position


def count_events(connection: apsw.Connection, selection: Selection) -> int:
    """
    Number of events *selection* has now.
    """
    if selection.covers_all:
        # Positions have no gaps.
        return max(0, read_head(connection) - selection.after)
    if selection.recursive:
        sql, values = f"SELECT count(*) FROM ({_POSITIONS_BELOW})", _subtree_values(selection, _NO_BOUND)  # noqa: S608
    else:
        sql = "SELECT count(*) FROM events WHERE subject = ? AND position > ?"
        values = (str(selection.subject), selection.after)
    count: int = connection.execute(sql, values).get
    return count


class LogPages:
    """
    The pages of a selection.
    """

    def __init__(self, reader: Reader, selection: Selection) -> None:
        self._reader = reader
        self._selection = selection
        self._position = selection.after
        self._until = selection.until
        self._gathered: array[int] | None = None
        self._gathered_until = 0
        self._is_planned = False

    async def next_page(self) -> Page:
        return await self._reader.run(self._next_page)

    def _next_page(self, connection: apsw.Connection) -> Page:
        if self._until is None or self._selection.follows:
            self._until = read_head(connection)
        until = self._until
        if not self._is_planned:
            self._plan(connection, until)
        if self._gathered is not None:
            return self._fetch_gathered(connection, until)
        return self._scan(connection, until)

    def _plan(self, connection: apsw.Connection, until: int) -> None:
        self._is_planned = True
        selection = self._selection
        if selection.latest_by_type is not None:
            self._gathered = _gather_latest(connection, selection, selection.latest_by_type, until)
        elif selection.recursive and not selection.covers_all:
            self._gathered = _gather_subtree(connection, selection, until)
        self._gathered_until = until

    def _fetch_gathered(self, connection: apsw.Connection, until: int) -> Page:
        gathered = self._gathered or array("q")
        wanted = gathered[:PAGE_EVENTS]
        events, _ = _take_page(connection.executemany(_BY_POSITION, [(position,) for position in wanted]))
        wanted, rest = gathered[: len(events)], gathered[len(events) :]
        if rest:
            self._gathered, self._position = rest, wanted[-1]
        else:
            # What came after the gathering is a short tail: walk it.
            self._gathered, self._position = None, self._gathered_until
        return Page(events, self._position, caught_up=not rest and self._position >= until)

    def _scan(self, connection: apsw.Connection, until: int) -> Page:
        if self._position >= until:
            return Page((), self._position, caught_up=True)
        subject = str(self._selection.subject)
        scope: tuple[str, ...] = ()
        sql = _SCAN
        if not self._selection.recursive:
            sql, scope = f"{_SCAN} AND subject = ?", (subject,)
        elif not self._selection.covers_all:
            # The unary plus keeps SQLite from the index on subjects: here the log is to be walked in its order.
            sql, scope = (
                f"{_SCAN} AND (+subject = ? OR (+subject >= ? AND +subject < ?))",
                (subject, *range_below(subject)),
            )
        rows = connection.execute(f"{sql} ORDER BY position LIMIT ?", (self._position, until, *scope, PAGE_EVENTS))
        events, is_full = _take_page(rows)
        self._position = events[-1].position if is_full else until
        return Page(events, self._position, caught_up=self._position >= until)


def _take_page(rows: apsw.Cursor) -> tuple[list[RecordedEvent], bool]:
    """
    Rows of `EVENT_COLUMNS` as events, up to `PAGE_BYTES` of data, and whether there may be more.
    """
    events: list[RecordedEvent] = []
    size = 0
    for row in rows:
        event = RecordedEvent._make(row)
        events.append(event)
        size += len(event.data_json)
        if size >= PAGE_BYTES:
            rows.close(True)  # noqa: FBT003  its only parameter: what is left is not read
            return events, True
    return events, len(events) == PAGE_EVENTS


def range_below(subject: str) -> tuple[str, str]:
    """
    The range that every subject strictly below *subject* lies in: from the first to before the second.
    """
    # A range, not LIKE, which would take '_' and '%' in a subject as wildcards. '0' is the character after '/'.
    below = prefix_below(subject)
    return below, below[:-1] + "0"


def _subtree_values(selection: Selection, until: int) -> tuple[str | int, ...]:
    subject = str(selection.subject)
    bounds = (selection.after, until)
    return (subject, *bounds, *range_below(subject), *bounds)


def _gather_subtree(connection: apsw.Connection, selection: Selection, until: int) -> array[int] | None:
    rows = connection.execute(f"{_POSITIONS_BELOW} LIMIT ?", (*_subtree_values(selection, until), _MAX_GATHERED + 1))
    positions = sorted(row[0] for row in rows)
    return array("q", positions) if len(positions) <= _MAX_GATHERED else None


def _gather_latest(connection: apsw.Connection, selection: Selection, event_type: str, until: int) -> array[int]:
    """
    The positions of the last events of a type, one for each subject.

    The index on subjects finds them where it holds few events, else that on types. The unary plus
    keeps SQLite from the other one.
    """
    subject = str(selection.subject)
    scope: tuple[str, ...] = ()
    where = "type = ?"
    if not selection.recursive:
        where, scope = "+type = ? AND subject = ?", (subject,)
    elif not selection.covers_all and _is_small(connection, selection, until):
        return _gather_latest_below(connection, selection, event_type, until)
    elif not selection.covers_all:
        where, scope = (
            "type = ? AND (+subject = ? OR (+subject >= ? AND +subject < ?))",
            (subject, *range_below(subject)),
        )
    found = connection.execute(
        f"SELECT max(position) FROM events WHERE {where} AND position > ? AND position <= ? "  # noqa: S608  constants
        "GROUP BY subject ORDER BY 1",
        (event_type, *scope, selection.after, until),
    )
    return array("q", (row[0] for row in found))


def _is_small(connection: apsw.Connection, selection: Selection, until: int) -> bool:
    counted: int = connection.execute(
        f"SELECT count(*) FROM ({_POSITIONS_BELOW} LIMIT ?)",  # noqa: S608  constants
        (*_subtree_values(selection, until), _MAX_GATHERED + 1),
    ).get
    return counted <= _MAX_GATHERED


def _gather_latest_below(connection: apsw.Connection, selection: Selection, event_type: str, until: int) -> array[int]:
    subject = str(selection.subject)
    bounds = (event_type, selection.after, until)
    found = connection.execute(_LATEST_BELOW, (subject, *bounds, *range_below(subject), *bounds))
    return array("q", (row[0] for row in found))
