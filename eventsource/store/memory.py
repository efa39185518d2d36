"""
The event store in memory: the readable reference, and a fast one for tests.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from bisect import bisect_left, bisect_right
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, cast

from eventsource.events.data_reference import DataReference, emptied
from eventsource.events.event import checked_new_events
from eventsource.events.event_types import listed_types
from eventsource.events.hash_chain import GENESIS_HASH
from eventsource.events.metadata import COMMAND_ID_MEMBER
from eventsource.events.subject import Subject
from eventsource.events.timestamp import format_timestamp
from eventsource.gdbql import PreparedQuery, conjuncts, print_expression
from eventsource.gdbql.errors import QueryError
from eventsource.gdbql.prepared import read_query
from eventsource.guards.command_guard import command_id_asked
from eventsource.store.audit import ChainAudit
from eventsource.store.callers import Growth, OwnProcess
from eventsource.store.clock import ClockWatch, seconds_ahead
from eventsource.store.commit import PRECONDITION_TIME_S, ByTree, CommitRequest, LogEnd, check_preconditions
from eventsource.store.interface import DEFAULT_LIMITS, AuditReport, EventStream, Page, StoreStatus
from eventsource.store.log_entry import LogEntry, backup_items
from eventsource.store.memory_index import LogIndex
from eventsource.store.paging import PAGE_EVENTS, Selection, observe_log, stream_log
from eventsource.store.query import (
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
from eventsource.store.schema import SchemaRegistry
from eventsource.wire.backup import CommitKey, Declarations
from eventsource.wire.errors import (
    EventNotFoundError,
    IdempotencyKeyReusedError,
    StoreClosedError,
    StoreNotEmptyError,
    SubjectNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Callable,
        Collection,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from types import TracebackType

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.gdbql import Expression, Query
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.restoring import RestoredEvent


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
        self._rows: list[dict[str, Any] | None] = []
        self._prepared = ByTree(PreparedQuery)
        self._indexes: dict[tuple[str, str], DataIndex] = {}
        self._positions: dict[str, int] = {}
        # Of the ids that several events have, restored from another kind of store: where the first stands.
        self._first_positions: dict[str, int] = {}
        self._index = LogIndex()
        self._schemas = SchemaRegistry()
        # By command id the positions of the events that were committed with it, as a number of a list.
        self._of_command: dict[str, list[int]] = {}
        # By idempotency key: the digest of the request, and where in the list its events begin and end. The second
        # list has where those begin, in ascending order, with the key.
        self._answers: dict[str, tuple[bytes, int, int]] = {}
        self._keys: list[tuple[int, str]] = []
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
        before = None
        if self._schemas.texts:
            events = checked_new_events(events)
            before = await self._schemas.check_large(events)
        while True:
            with self._turn:
                self._check_open()
                # First, since what is restored decides about what comes.
                if not self._is_restoring:
                    return self._commit(
                        CommitRequest.checked(
                            events,
                            preconditions,
                            source=self._source,
                            key=idempotency_key,
                            schemas=self._schemas,
                            before=before,
                        )
                    )
                restored = self._restored.head
            await self._restored.beyond(restored, self._check_open)

    def _commit(self, request: CommitRequest) -> tuple[RecordedEvent, ...]:
        if request.key is not None and request.key.text in self._answers:
            digest, begin, end_of_answer = self._answers[request.key.text]
            if not request.key.names(digest):
                raise IdempotencyKeyReusedError(request.key.text)
            return tuple(self._events[begin:end_of_answer])
        if request.violation is not None:
            raise request.violation
        check_preconditions(request.preconditions, self._index.version_of, self._holds)

        end = self._end
        recorded: list[RecordedEvent] = []
        references: dict[int, DataReference] = {}
        now_ns = 0
        for event in request.events:
            reference = None
            if event.store_data_as_reference:
                reference = references[end.position + 1] = DataReference.to_data(event.data_json, salt=self._new_salt())
            now_ns = self._clock()
            recorded.append(
                end.append(event, id=self._new_id(), time_ns=now_ns, source=request.source, reference=reference)
            )
            end = LogEnd.at(recorded[-1])

        self._clock_watch.look(end.time_ns, now_ns)

        # Nothing above changed the store and nothing below can fail: all or none.
        self._references.update(references)
        self._add(recorded)
        if request.key is not None:
            begin = len(self._events) - len(recorded)
            self._answers[request.key.text] = request.key.digest, begin, len(self._events)
            self._keys.append((begin, request.key.text))
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
        return (
            len(self._events) - after if selection.covers_all else len(self._found(selection)) - self._first(selection)
        )

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        self._check_open()
        found = self._found(Selection(Subject(subject), recursive))
        return self._events[found[-1] - 1] if found else None

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        self._check_open()
        with self._turn:
            return self._index.subjects(Subject(under))

    async def event_types(self) -> tuple[str, ...]:
        self._check_open()
        with self._turn:
            return tuple(sorted(self._index.types))

    async def status(self) -> StoreStatus:
        self._check_open()
        return StoreStatus(
            events=len(self._events),
            subjects=self._index.subject_count,
            types=len(self._index.types),
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
            found = map(_copied, spending.counted(PreparedQuery(tree).rows(self._rows_for(tree, spending))))
            while True:
                page: list[Any] = []
                try:
                    with self._turn, spending:
                        spending.fill(page, found)
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
        with self._turn:
            parts = [self._explained(part, tree.where) for part in conjuncts(tree.where)]
        parts += [ExplainedPart("GROUP BY", print_expression(key), "row by row") for key in tree.group_by]
        parts += [ExplainedPart("ORDER BY", print_expression(key.expression), "sort") for key in tree.order_by]
        if tree.projection is not None:
            parts.append(ExplainedPart("MAP", print_expression(tree.projection), "row by row"))
        return Explanation(tuple(parts))

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        self._check_open()
        with self._turn:
            index = self._declare(event_type, path)
        if progress:
            progress(1.0)
        return index

    async def drop_index(self, event_type: str, path: str) -> bool:
        self._check_open()
        tree = read_data_path(path)
        with self._turn:
            self._index.drop(event_type, tree)
            return self._indexes.pop((event_type, print_data_path(tree)), None) is not None

    async def indexes(self) -> tuple[DataIndex, ...]:
        self._check_open()
        return tuple(self._indexes.values())

    async def audit(self) -> AuditReport:
        self._check_open()
        audit = ChainAudit()
        for position in range(1, len(self._events) + 1):
            audit.check(self._entry(position))
        return audit.report()

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        self._check_open()
        subject = Subject(subject)
        with self._turn:
            return self._erase(subject, including)

    def _erase(self, subject: Subject, including: Collection[str]) -> int:
        own = self._found(Selection(subject, recursive=False))
        if not own:
            raise SubjectNotFoundError(subject)
        types = listed_types(including)
        found = [
            position for position in own if position in self._references and not self._references[position].is_erased
        ]
        found += [
            event.position
            for event in (self._events[position - 1] for position in own)
            if event.type in types
            and event.position not in self._references
            and emptied(event.data_json) != event.data_json
        ]
        for position in found:
            before = self._events[position - 1]
            event = self._events[position - 1] = before._replace(data_json=emptied(before.data_json))
            self._index.replace(before, event)
            if position in self._references:
                self._references[position] = self._references[position].erased()
            else:
                # Its hash covers the data, so it can be computed no more.
                self._imported_times.setdefault(position, format_timestamp(event.time_ns))
            self._rows[position - 1] = None
            self._forget_request(position)
        return len(found)

    async def backup(self) -> AsyncGenerator[dict[str, Any]]:
        self._check_open()
        declarations = Declarations(
            dict(self._schemas.texts), [(index.event_type, index.path) for index in self._indexes.values()]
        )
        async with aclosing(backup_items(self._keyed_entries(len(self._events)), declarations)) as items:
            async for item in items:
                yield item

    async def _keyed_entries(self, until: int) -> AsyncGenerator[tuple[LogEntry, CommitKey | None]]:
        keys = {begin: (key, end) for key, (_, begin, end) in self._answers.items()}
        for position in range(1, until + 1):
            self._check_open()
            key = None
            if position - 1 in keys:
                text, end = keys[position - 1]
                # As it is now: it is forgotten when data is erased.
                key = CommitKey(text, self._answers[text][0] or None, end - position + 1)
            yield self._entry(position), key

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
        restored, answers = await _read_backup(reader, events)
        with self._turn:
            self._check_open()
            schemas = self._schemas.lacking(reader.schemas)
            # Nothing below can fail: all or nothing.
            self._schemas.take(schemas)
            for event_type, path in reader.indexes:
                self._declare(event_type, path)
            self._answers.update(answers)
            self._keys.extend((begin, key) for key, (_, begin, _) in answers.items())
            for position, event in enumerate(restored, start=1):
                if event.is_emptied:
                    self._forget_request(position)
            self._fill(reader, restored)
        reader.finish()
        return len(restored)

    def _check_empty(self) -> None:
        if self._events:
            raise StoreNotEmptyError(_NAME, events=len(self._events))

    def _fill(self, reader: BackupReader, restored: Sequence[RestoredEvent]) -> None:
        """
        Take the events of a backup with what belongs to each.
        """
        places: dict[str, int] = {}
        for position, (_, entry, _, _) in enumerate(restored, start=1):
            event, reference, imported_time = entry
            if reference is not None:
                self._references[position] = reference
            if imported_time is not None:
                self._imported_times[position] = imported_time
            first_position = places.setdefault(event.id, position)
            if first_position != position:
                self._first_positions[event.id] = first_position
                reader.repeated_ids += 1
        if restored:
            self._add([event.entry.event for event in restored])

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

    async def position_of(self, event_id: str, *, first: bool = False) -> int:
        self._check_open()
        if event_id not in self._positions:
            raise EventNotFoundError(event_id)
        position = self._positions[event_id]
        return self._first_positions.get(event_id, position) if first else position

    def open(self, selection: Selection) -> _MemoryPages:
        return _MemoryPages(self._events, self._found, selection, self._check_open)

    async def wait_beyond(self, position: int) -> None:
        await self._growth.beyond(position, self._check_open)

    def _add(self, events: Sequence[RecordedEvent]) -> None:
        self._end = LogEnd.at(events[-1])
        # The events first: callers in other threads may read by an index at any moment.
        self._rows.extend([None] * len(events))
        self._events.extend(events)
        for event in events:
            # Canonical JSON writes the name like this. Most events are not read a second time for it.
            if _COMMAND_ID in event.data_json and (command_id := event.metadata.command_id) is not None:
                self._of_command.setdefault(command_id, []).append(event.position - 1)
            self._index.add(event)
        self._positions.update((event.id, event.position) for event in events)
        self._growth.reach(len(self._events))

    def _declare(self, event_type: str, path: str) -> DataIndex:
        tree = read_data_path(path)
        index = DataIndex(event_type, print_data_path(tree), IndexState.READY)
        if (index.event_type, index.path) not in self._indexes:
            self._index.declare(event_type, tree, self._events)
        return self._indexes.setdefault((index.event_type, index.path), index)

    def _entry(self, position: int) -> LogEntry:
        return LogEntry(self._events[position - 1], self._references.get(position), self._imported_times.get(position))

    def _holds(self, query: Query) -> bool:
        spending = Spending(QueryLimits(time_s=PRECONDITION_TIME_S), during="precondition", clock=work_clock())
        with spending:
            return self._prepared.find(query).is_true(self._rows_for(query, spending))

    def _rows_for(self, query: Query, spending: Spending) -> Iterator[dict[str, Any]]:
        """
        The events that can fulfil the query, and maybe more, as the log is now.
        """
        command_id = command_id_asked(query.where)
        if command_id is not None:
            # These alone are read as they are now: a copy that is kept would outlive a change of the data.
            return iter([_row(self._events[number]) for number in self._of_command.get(command_id, ())])
        found = self._index.candidates(query.where)
        if found is None:
            return self._rows_at(range(1, len(self._events) + 1), len(self._events), spending)
        positions = found[1]
        return self._rows_at(positions, len(positions), spending)

    def _rows_at(self, positions: Sequence[int], end: int, spending: Spending) -> Iterator[dict[str, Any]]:
        rows = self._rows
        # The list may grow meanwhile: what is committed later is not in the answer.
        for number in range(end):
            if number % _ROWS_PER_LOOK_AT_THE_CLOCK == 0:
                spending.check_time()
            position = positions[number]
            row = rows[position - 1]
            if row is None:
                row = rows[position - 1] = _row(self._events[position - 1])
            yield row

    def _explained(self, part: Expression, where: Expression | None) -> ExplainedPart:
        if command_id_asked(part) is not None:
            return ExplainedPart("WHERE", print_expression(part), "index", "command ids")
        used = self._index.candidates(where) if command_id_asked(where) is None else None
        if used is not None and self._index.serves(part, used[0]):
            return ExplainedPart("WHERE", print_expression(part), "index", used[0])
        return ExplainedPart("WHERE", print_expression(part), "row by row")

    def _found(self, selection: Selection) -> Sequence[int]:
        if selection.covers_all:
            return range(1, len(self._events) + 1)
        return self._index.positions(selection)

    def _first(self, selection: Selection) -> int:
        return bisect_right(self._found(selection), selection.after)

    def _forget_request(self, position: int) -> None:
        """
        Forget the digest of the request that an erased event came with: a guess of the data could be tried on it.
        """
        number = bisect_left(self._keys, (position, "")) - 1
        if number < 0:
            return
        key = self._keys[number][1]
        _, begin, end = self._answers[key]
        if begin < position <= end:
            self._answers[key] = b"", begin, end

    def _check_open(self) -> None:
        self._process.check(_NAME)
        if self._is_closed:
            raise StoreClosedError(_NAME)


_NAME = "the store in memory"


async def _read_backup(
    reader: BackupReader, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]
) -> tuple[list[RestoredEvent], dict[str, tuple[bytes, int, int]]]:
    """
    All events of a backup, and by idempotency key what is kept of its commit.
    """
    restored: list[RestoredEvent] = []
    answers: dict[str, tuple[bytes, int, int]] = {}
    async for members in each(events):
        event = reader.read(members)
        if event is None:
            continue
        if event.key is not None:
            key, first = event.key, len(restored)
            if key.text in answers:
                raise reader.repeated_key(index=event.item)
            answers[key.text] = key.digest or b"", first, first + key.events
        restored.append(event)
    reader.complete()
    return restored, answers


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
    def __init__(
        self,
        events: list[RecordedEvent],
        find: Callable[[Selection], Sequence[int]],
        selection: Selection,
        check_open: Callable[[], None],
    ) -> None:
        self._events = events
        self._find = find
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
        found = self._positions(until, PAGE_EVENTS)
        self._position = found[-1] if len(found) == PAGE_EVENTS else max(self._position, until)
        return Page(
            [self._events[position - 1] for position in found], self._position, caught_up=self._position >= until
        )

    def _positions(self, until: int, most: int | None = None) -> Sequence[int]:
        """
        The positions behind the last page, at most a page of them.
        """
        found = self._find(self._selection)
        first = bisect_right(found, self._position)
        end = bisect_right(found, until)
        return found[first : end if most is None else min(end, first + most)]

    def _latest(self, event_type: str, until: int) -> list[RecordedEvent]:
        events = (self._events[position - 1] for position in self._positions(until))
        latest = {event.subject: event for event in events if event.type == event_type}
        return sorted(latest.values(), key=lambda event: event.position)
