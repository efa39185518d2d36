"""
The event store in memory: the readable reference, and a fast one for tests.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, cast

from eventsource.domain.data_reference import DataReference, emptied
from eventsource.domain.guards.command_guard import command_id_asked
from eventsource.domain.guards.query_text import read_query
from eventsource.domain.hash_chain import GENESIS_HASH
from eventsource.domain.metadata import COMMAND_ID_MEMBER
from eventsource.domain.subject import Subject
from eventsource.errors import (
    EventNotFoundError,
    IdempotencyKeyReusedError,
    QueryError,
    StoreClosedError,
    StoreNotEmptyError,
    SubjectNotFoundError,
)
from eventsource.gdbql import PreparedQuery, conjuncts, print_expression
from eventsource.store.audit import ChainAudit
from eventsource.store.callers import Growth, OwnProcess
from eventsource.store.clock import ClockWatch, seconds_ahead
from eventsource.store.commit import PRECONDITION_TIME_S, ByTree, CommitRequest, LogEnd, check_preconditions
from eventsource.store.interface import DEFAULT_LIMITS, AuditReport, EventStream, Page, StoreStatus
from eventsource.store.log_entry import LogEntry
from eventsource.store.paging import PAGE_EVENTS, Selection, observe_log, stream_log
from eventsource.store.query import (
    ROWS_AT_A_TIME,
    DataIndex,
    ExplainedPart,
    Explanation,
    IndexState,
    QueryLimits,
    QueryRows,
    Spending,
    print_data_path,
    read_data_path,
    stored_instant,
    work_clock,
)
from eventsource.store.restoring import BackupReader, each
from eventsource.store.schema import SchemaBook

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from eventsource.domain.event import NewEvent, RecordedEvent
    from eventsource.domain.precondition import Precondition
    from eventsource.gdbql import Query


class InMemoryEventStore:
    """
    An `EventStore` whose events are gone when it is.

    Args:
        source: The CloudEvents source of events that name none.

        clock: Nanoseconds since 1970 UTC.

        new_id: Makes the ids of events.

        new_salt: Makes the salts of data stored by reference: 64 hex digits, never to be guessed.
    """

    def __init__(
        self,
        *,
        source: str = "eventsource",
        clock: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        new_salt: Callable[[], str] = lambda: secrets.token_hex(32),
    ) -> None:
        self._source = source
        self._clock = clock
        self._new_id = new_id
        self._new_salt = new_salt
        self._events: list[RecordedEvent] = []
        # By position, where there is something to tell.
        self._references: dict[int, DataReference] = {}
        self._imported_times: dict[int, str] = {}
        # The events as queries see them, as far as one has asked.
        self._rows: list[dict[str, Any]] = []
        self._prepared = ByTree(PreparedQuery)
        self._indexes: dict[tuple[str, str], DataIndex] = {}
        self._positions: dict[str, int] = {}
        self._versions: Counter[str] = Counter()
        self._schemas = SchemaBook()
        # By command id the positions of the events that were committed with it, as a number of a list.
        self._of_command: dict[str, list[int]] = {}
        # By idempotency key: the digest of the request, and where in the list its events begin and end.
        self._answers: dict[str, tuple[bytes, int, int]] = {}
        self._end = LogEnd(0, 0, GENESIS_HASH)
        self._clock_watch = ClockWatch.of(_NAME, clock)
        self._process = OwnProcess()
        # Callers may live in several threads, each with an event loop of its own: one at a time changes the log, or
        # reads what a change would disturb. Nothing is awaited while it is held.
        self._turn = threading.RLock()
        self._growth = Growth(lambda: len(self._events))
        # Whether a backup is being restored, and who waits for the end of it: a number that counts up with each.
        self._is_restoring = False
        self._restored = Growth()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        self._process.check(_NAME)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        self._check_open()
        request = CommitRequest.checked(
            events, preconditions, source=self._source, key=idempotency_key, schemas=self._schemas
        )
        while True:
            with self._turn:
                self._check_open()
                if not self._is_restoring:
                    return self._commit(request)
                restored = self._restored.head
            await self._restored.beyond(restored, self._check_open)

    def _commit(self, request: CommitRequest) -> tuple[RecordedEvent, ...]:
        if request.key is not None and request.key.text in self._answers:
            digest, begin, end_of_answer = self._answers[request.key.text]
            if digest != request.key.digest:
                raise IdempotencyKeyReusedError(request.key.text)
            return tuple(self._events[begin:end_of_answer])
        if request.violation is not None:
            raise request.violation
        check_preconditions(request.preconditions, self._versions.__getitem__, self._holds)

        end = self._end
        recorded: list[RecordedEvent] = []
        references: dict[int, DataReference] = {}
        for event in request.events:
            reference = None
            if event.store_data_as_reference:
                reference = references[end.position + 1] = DataReference.to_data(event.data_json, salt=self._new_salt())
            now_ns = self._clock()
            recorded.append(
                end.append(event, id=self._new_id(), time_ns=now_ns, source=request.source, reference=reference)
            )
            self._clock_watch.look(recorded[-1].time_ns, now_ns)
            end = LogEnd.at(recorded[-1])

        # Nothing above changed the store and nothing below can fail: all or none.
        self._references.update(references)
        self._add(recorded)
        if request.key is not None:
            self._answers[request.key.text] = request.key.digest, len(self._events) - len(recorded), len(self._events)
        return tuple(recorded)

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
        self._check_open()
        after = 0 if lower_bound is None else await self.position_of(lower_bound)
        selection = Selection(Subject(subject), recursive, after)
        return sum(selection.covers(event.subject) for event in self._events[after:])

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        self._check_open()
        selection = Selection(Subject(subject), recursive)
        return next((event for event in reversed(self._events) if selection.covers(event.subject)), None)

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        self._check_open()
        selection = Selection(Subject(under), recursive=True)
        with self._turn:
            return tuple(sorted(str(subject) for subject in self._versions if selection.covers(subject)))

    async def event_types(self) -> tuple[str, ...]:
        self._check_open()
        return tuple(sorted({event.type for event in list(self._events)}))

    async def status(self) -> StoreStatus:
        return StoreStatus(
            events=len(self._events),
            subjects=len(await self.subjects()),
            types=len(await self.event_types()),
            storage_bytes=0,
            time_ahead_s=seconds_ahead(self._events[-1].time_ns, self._clock()) if self._events else 0.0,
        )

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        self._check_open()
        self._schemas.add(event_type, schema)

    async def schemas(self) -> dict[str, dict[str, Any]]:
        self._check_open()
        return self._schemas.registered()

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        tree = read_query(query)
        spending = Spending(limits)

        async def pages() -> AsyncGenerator[Sequence[Any]]:
            self._check_open()
            found = spending.counted(PreparedQuery(tree).rows(self._rows_for(tree, spending)))
            while True:
                page: list[Any] = []
                try:
                    with self._turn, spending:
                        page.extend(map(_copied, islice(found, ROWS_AT_A_TIME)))
                except QueryError:
                    # What came before it is as right as if it had been asked for alone.
                    if page:
                        yield page
                    raise
                if not page:
                    return
                yield page

        return QueryRows(pages())

    async def explain(self, query: str | Query) -> Explanation:
        self._check_open()
        tree = read_query(query)
        parts = [
            ExplainedPart("WHERE", print_expression(part), "row by row")
            if command_id_asked(part) is None
            else ExplainedPart("WHERE", print_expression(part), "index", "command ids")
            for part in conjuncts(tree.where)
        ]
        parts += [ExplainedPart("GROUP BY", print_expression(key), "row by row") for key in tree.group_by]
        parts += [ExplainedPart("ORDER BY", print_expression(key.expression), "sort") for key in tree.order_by]
        if tree.projection is not None:
            parts.append(ExplainedPart("MAP", print_expression(tree.projection), "row by row"))
        return Explanation(tuple(parts))

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        self._check_open()
        index = DataIndex(event_type, print_data_path(read_data_path(path)), IndexState.READY)
        if progress:
            progress(1.0)
        return self._indexes.setdefault((index.event_type, index.path), index)

    async def drop_index(self, event_type: str, path: str) -> bool:
        self._check_open()
        return self._indexes.pop((event_type, print_data_path(read_data_path(path))), None) is not None

    async def indexes(self) -> tuple[DataIndex, ...]:
        self._check_open()
        return tuple(self._indexes.values())

    async def audit(self) -> AuditReport:
        self._check_open()
        audit = ChainAudit()
        for position in range(1, len(self._events) + 1):
            audit.check(self._entry(position))
        return audit.report()

    async def erase(self, subject: str) -> int:
        self._check_open()
        subject = Subject(subject)
        with self._turn:
            return self._erase(subject)

    def _erase(self, subject: Subject) -> int:
        if not self._versions[subject]:
            raise SubjectNotFoundError(subject)
        found = [
            position
            for position, reference in self._references.items()
            if not reference.is_erased and self._events[position - 1].subject == subject
        ]
        for position in found:
            event = self._events[position - 1]
            event = self._events[position - 1] = event._replace(data_json=emptied(event.data_json))
            self._references[position] = self._references[position].erased()
            if position <= len(self._rows):
                self._rows[position - 1] = _row(event)
        for key, (_, begin, end) in self._answers.items():
            if any(begin < position <= end for position in found):
                # Whoever guesses the data could try the guess on the digest of the request.
                self._answers[key] = b"", begin, end
        return len(found)

    async def backup(self) -> AsyncGenerator[dict[str, Any]]:
        self._check_open()
        for position in range(1, len(self._events) + 1):
            self._check_open()
            yield self._entry(position).to_backup()

    async def read_entries(self, *, after: int) -> list[LogEntry]:
        """
        See `eventsource.store.log_entry.KeepsEntries`.
        """
        self._check_open()
        until = min(after + PAGE_EVENTS, len(self._events))
        return [self._entry(position) for position in range(after + 1, until + 1)]

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        self._check_open()
        while True:
            with self._turn:
                self._check_open()
                if not self._is_restoring:
                    self._check_empty()
                    self._is_restoring = True
                    break
                restored = self._restored.head
            await self._restored.beyond(restored, self._check_open)
        try:
            return await self._restore(events)
        finally:
            with self._turn:
                self._is_restoring = False
            self._restored.reach(self._restored.head + 1)

    async def _restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        reader = BackupReader()
        entries: list[LogEntry] = []
        places: dict[str, int] = {}
        async for members in each(events):
            entry = reader.read(members)
            index = len(entries)
            if places.setdefault(entry.event.id, index) != index:
                raise reader.repeated_id(index=index, first=places[entry.event.id])
            entries.append(entry)
        with self._turn:
            self._check_open()
            for position, (_, reference, imported_time) in enumerate(entries, start=1):
                if reference is not None:
                    self._references[position] = reference
                if imported_time is not None:
                    self._imported_times[position] = imported_time
            if entries:
                self._add([entry.event for entry in entries])
        reader.finish()
        return len(entries)

    def _check_empty(self) -> None:
        if self._events:
            raise StoreNotEmptyError(_NAME, events=len(self._events))

    async def ping(self) -> None:
        self._check_open()

    async def aclose(self) -> None:
        self._process.check(_NAME)
        self._is_closed = True
        self._growth.wake()
        self._restored.wake()

    # What `eventsource.store.paging` reads by.

    async def head(self) -> int:
        self._check_open()
        return len(self._events)

    async def position_of(self, event_id: str) -> int:
        self._check_open()
        if event_id not in self._positions:
            raise EventNotFoundError(event_id)
        return self._positions[event_id]

    def open(self, selection: Selection) -> _MemoryPages:
        return _MemoryPages(self._events, selection, self._check_open)

    async def wait_beyond(self, position: int) -> None:
        await self._growth.beyond(position, self._check_open)

    def _add(self, events: Sequence[RecordedEvent]) -> None:
        self._end = LogEnd.at(events[-1])
        for number, event in enumerate(events, start=len(self._events)):
            # Canonical JSON writes the name like this. Most events are not read a second time for it.
            if _COMMAND_ID in event.data_json and (command_id := event.metadata.command_id) is not None:
                self._of_command.setdefault(command_id, []).append(number)
        self._events.extend(events)
        self._positions.update((event.id, event.position) for event in events)
        self._versions.update(event.subject for event in events)
        self._growth.reach(len(self._events))

    def _entry(self, position: int) -> LogEntry:
        return LogEntry(self._events[position - 1], self._references.get(position), self._imported_times.get(position))

    def _holds(self, query: Query) -> bool:
        spending = Spending(QueryLimits(time_s=PRECONDITION_TIME_S), during="precondition", clock=work_clock())
        with spending:
            return self._prepared.find(query).is_true(self._rows_for(query, spending))

    def _rows_for(self, query: Query, spending: Spending) -> Iterator[dict[str, Any]]:
        """
        The events there are now; of a query about one command its events alone, or a few more.
        """
        command_id = command_id_asked(query.where)
        if command_id is None:
            return self._rows_until(len(self._events), spending)
        return iter([_row(self._events[number]) for number in self._of_command.get(command_id, ())])

    def _rows_until(self, end: int, spending: Spending) -> Iterator[dict[str, Any]]:
        rows = self._rows
        for position in range(end):
            if position % _ROWS_PER_LOOK_AT_THE_CLOCK == 0:
                spending.check_time()
            if position == len(rows):
                rows.append(_row(self._events[position]))
            yield rows[position]

    def _check_open(self) -> None:
        self._process.check(_NAME)
        if self._is_closed:
            raise StoreClosedError(_NAME)


_NAME = "the store in memory"
_ROWS_PER_LOOK_AT_THE_CLOCK = 16
_COMMAND_ID = f'"{COMMAND_ID_MEMBER}":'


def _row(event: RecordedEvent) -> dict[str, Any]:
    row = event.to_cloud_event()
    # Read once, not by each query.
    row["time"] = stored_instant(event.time_ns)
    return row


def _copied(value: Any) -> Any:
    """
    A value whose change by the caller changes no event; times become plain text.
    """
    if isinstance(value, dict):
        return {name: _copied(member) for name, member in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]  # mypy knows it
        return [_copied(item) for item in items]
    return str(value) if isinstance(value, str) else value


class _MemoryPages:
    def __init__(self, events: list[RecordedEvent], selection: Selection, check_open: Callable[[], None]) -> None:
        self._events = events
        self._selection = selection
        self._check_open = check_open
        self._position = selection.after
        self._until = selection.until

    async def next_page(self) -> Page:
        self._check_open()
        selection = self._selection
        if self._until is None or selection.follows:
            self._until = len(self._events)
        until = self._until
        if selection.latest_by_type is not None:
            return Page(self._latest(selection.latest_by_type, until), until, caught_up=True)
        found: list[RecordedEvent] = []
        while self._position < until and len(found) < PAGE_EVENTS:
            event = self._events[self._position]
            self._position += 1
            if selection.covers(event.subject):
                found.append(event)
        return Page(found, self._position, caught_up=self._position >= until)

    def _latest(self, event_type: str, until: int) -> list[RecordedEvent]:
        latest = {
            event.subject: event
            for event in self._events[self._position : until]
            if event.type == event_type and self._selection.covers(event.subject)
        }
        return sorted(latest.values(), key=lambda event: event.position)
