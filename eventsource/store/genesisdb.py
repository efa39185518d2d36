"""
The event store over HTTP: a Genesis DB, or a server of this package.
"""

from __future__ import annotations

import re
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, cast

from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.errors import MalformedEventError
from eventsource.events.event import check_event_type, checked_new_events
from eventsource.events.hash_chain import GENESIS_HASH
from eventsource.events.subject import Subject, prefix_below
from eventsource.gdbql import Aggregate, Comparison, Constant, OrderKey, Path, Query, Under, print_query
from eventsource.gdbql.errors import QueryBudgetError
from eventsource.gdbql.prepared import read_query
from eventsource.genesisdb.attempt import CommitAttempt
from eventsource.genesisdb.client import Client
from eventsource.genesisdb.exchange import DEFAULT_LIMITS as DEFAULT_HTTP_LIMITS
from eventsource.genesisdb.exchange import stream_body
from eventsource.genesisdb.observing import Following
from eventsource.genesisdb.options import print_event, print_preconditions
from eventsource.guards.rules import checked_rules
from eventsource.store.commit import check_events
from eventsource.store.idempotency import IdempotencyKey
from eventsource.store.interface import (
    DEFAULT_LIMITS,
    AuditProblem,
    AuditReport,
    EventStream,
    Page,
    StoreStatus,
)
from eventsource.store.query import (
    DataIndex,
    ExplainedPart,
    Explanation,
    IndexState,
    QueryLimits,
    QueryRows,
    print_data_path,
    read_data_path,
)
from eventsource.store.schema import to_schema_text
from eventsource.wire.bodies import print_commit
from eventsource.wire.cloud_event import from_line, from_members
from eventsource.wire.errors import DamagedLineError, StoreReadOnlyError
from eventsource.wire.ndjson import read_value

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
    from types import TracebackType

    import httpx

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.gdbql import Expression
    from eventsource.genesisdb.exchange import Limits, Lines
    from eventsource.guards.preconditions import Precondition
    from eventsource.wire.errors import CommitOutcomeUnknownError


class GenesisDBEventStore:
    """
    An `EventStore` whose events a server keeps.

    Positions do not cross HTTP. Here the position of an event is its time in nanoseconds, made
    strictly increasing within one stream: a place that grows, with gaps.

    Args:
        url: URL of the server, such as ``http://localhost:8080``.

        token: By default what ``GENESISDB_AUTH_TOKEN`` says.

        source: The CloudEvents source of events that name none.

        read_only: Refuse to commit, even if the token allows it.

        limits, http, tls, mark_commits: As of `eventsource.genesisdb.Client`.

    Raises:
        InvalidStoreUrlError, ClientSettingError: No URL or token, or one that cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        source: str = "eventsource",
        read_only: bool = False,
        limits: Limits = DEFAULT_HTTP_LIMITS,
        http: httpx.AsyncClient | None = None,
        tls: ssl.SSLContext | None = None,
        mark_commits: bool = False,
    ) -> None:
        self._source = source
        self._read_only = read_only
        self.client = Client(
            api_url=url, auth_token=token, limits=limits, http=http, tls=tls, mark_commits=mark_commits
        )
        self._exchange = self.client.exchange

    def __repr__(self) -> str:
        return f"<GenesisDBEventStore {self.client.url}>"

    async def __aenter__(self) -> Self:
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
        self._check_writable()
        events = checked_new_events(events)
        check_events(events, source=self._source)
        preconditions = checked_rules(preconditions)
        if idempotency_key is not None:
            # It becomes a header, so it is checked before it is sent.
            IdempotencyKey.of(idempotency_key, events, preconditions)
        attempt = self._attempt(events, preconditions, idempotency_key)
        return _recorded(await self.client.committer.commit(attempt))

    async def resolve(self, error: CommitOutcomeUnknownError) -> tuple[RecordedEvent, ...] | None:
        """
        Find out what became of a commit; see `eventsource.genesisdb.Client.resolve`.

        Returns:
            Its events if it is stored; None if it is not, and never will be.

        Raises:
            CommitOutcomeUnknownError: The outcome cannot be decided, or not now.
        """
        found = await self.client.resolve(error)
        return None if found is None else _recorded([dict(event) for event in found])

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
        scope = Subject(subject)
        options: dict[str, Any] = {}
        if lower_bound is not None:
            options |= {"lowerBound": lower_bound, "includeLowerBoundEvent": include_lower_bound}
        if upper_bound is not None:
            options |= {"upperBound": upper_bound, "includeUpperBoundEvent": include_upper_bound}
        if latest_by_type is not None:
            options["latestByEventType"] = latest_by_type

        async def pages() -> AsyncGenerator[Page]:
            reader = _Reader(scope, is_recursive=recursive)
            async with aclosing(self._exchange.lines("/stream", stream_body(scope, options))) as found:
                async for lines in found:
                    if page := reader.page(lines):
                        yield page
            # Only its end tells that there was nothing further.
            yield Page((), reader.position, caught_up=True)

        return EventStream(pages())

    def observe(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        from_now: bool = False,
    ) -> EventStream:
        scope = Subject(subject)
        if from_now and lower_bound is not None:
            msg = "observe either from a lower bound or from now, not both"
            raise ValueError(msg)
        options: dict[str, Any] = {}
        if lower_bound is not None:
            options = {"lowerBound": lower_bound, "includeLowerBoundEvent": include_lower_bound}

        async def pages() -> AsyncGenerator[Page]:
            reader = _Reader(scope, is_recursive=recursive)
            following = Following(self._exchange, scope, options, from_now=from_now)
            async with aclosing(following.batches()) as batches:
                async for batch in batches:
                    page = reader.page(batch.lines, is_caught_up=batch.is_caught_up)
                    if page or batch.is_caught_up:
                        yield page or Page((), reader.position, caught_up=True)

        return EventStream(pages())

    async def count(self, subject: str = "/", *, recursive: bool = True, lower_bound: str | None = None) -> int:
        scope = Subject(subject)
        if lower_bound is None:
            query = Query(where=_scope(scope, is_recursive=recursive), projection=Aggregate("COUNT"))
            async for count in self.client.query_events(print_query(query)):
                return int(count)
            return 0
        # Queries know no places in the log, and two events may have the same time.
        counted = 0
        body = stream_body(scope, {"lowerBound": lower_bound})
        async with aclosing(self._exchange.lines("/stream", body)) as found:
            async for lines in found:
                counted += len(lines) if recursive else sum(_read_line(*line).subject == scope for line in lines)
        return counted

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        query = Query(
            where=_scope(Subject(subject), is_recursive=recursive),
            order_by=(OrderKey(Path(("time",)), descending=True),),
            limit=1,
        )
        async for row in self.client.query_events(print_query(query)):
            return _recorded([row])[0]
        return None

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        scope = Subject(under)
        found = await self.client.subjects(scope)
        return tuple(sorted(subject for subject in found if _covers(scope, subject)))

    async def event_types(self) -> tuple[str, ...]:
        return tuple(sorted(await self.client.types()))

    async def status(self) -> StoreStatus:
        events = cast("dict[str, int]", (await self.client.status()).get("events") or {})
        return StoreStatus(
            events=events.get("count", 0),
            subjects=events.get("subjects", 0),
            types=events.get("types", 0),
            storage_bytes=events.get("storageSize", 0),
        )

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        self._check_writable()
        # Checked here too: what is no JSON cannot be sent.
        check_event_type(event_type)
        to_schema_text(event_type, schema)
        await self.client.register_schema(event_type, schema)

    async def schemas(self) -> dict[str, dict[str, Any]]:
        return dict(sorted((await self.client.schemas()).items()))

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        self._check_writable()
        return await self.client.erase(Subject(subject), including=including) or 0

    async def backup(self) -> AsyncGenerator[dict[str, Any]]:
        async with aclosing(self.client.backup()) as events:
            async for event in events:
                yield dict(event)

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        self._check_writable()
        restored = await self.client.restore(events)
        return await self.count() if restored is None else restored

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        text = print_query(read_query(query))

        async def pages() -> AsyncGenerator[Sequence[Any]]:
            rows = size = 0
            async with aclosing(self._exchange.lines("/q", to_canonical_json({"query": text}).encode())) as found:
                async for lines in found:
                    rows += len(lines)
                    size += sum(len(line) for _, line in lines)
                    if rows > limits.rows:
                        budget = "rows"
                        raise QueryBudgetError(budget, limit=limits.rows)
                    if size > limits.bytes:
                        budget = "bytes"
                        raise QueryBudgetError(budget, limit=limits.bytes)
                    yield [read_value(number, line) for number, line in lines]

        return QueryRows(pages())

    async def explain(self, query: str | Query) -> Explanation:
        told = await self.client.explain(print_query(read_query(query)))
        parts = cast("list[dict[str, Any]]", told.get("parts") or [])
        return Explanation(
            tuple(
                ExplainedPart(str(part.get("clause")), str(part.get("text")), str(part.get("how")), part.get("index"))
                for part in parts
            ),
            tuple(told.get("sqlite") or ()),
        )

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        self._check_writable()
        index = _index(await self.client.create_index(event_type, print_data_path(read_data_path(path))))
        if progress:
            progress(index.progress)
        return index

    async def drop_index(self, event_type: str, path: str) -> bool:
        self._check_writable()
        return await self.client.drop_index(event_type, print_data_path(read_data_path(path)))

    async def indexes(self) -> tuple[DataIndex, ...]:
        return tuple(map(_index, await self.client.indexes()))

    async def audit(self) -> AuditReport:
        return _read_audit(await self.client.audit())

    async def ping(self) -> None:
        await self.client.ping()

    async def aclose(self) -> None:
        await self.client.aclose()

    def _check_writable(self) -> None:
        self._exchange.check_open()
        if self._read_only:
            raise StoreReadOnlyError(self.client.url)

    def _attempt(
        self, events: Sequence[NewEvent], preconditions: tuple[Precondition, ...], key: str | None
    ) -> CommitAttempt:
        if self.client.marks_commits or any(map(_is_by_reference, events)):
            return CommitAttempt.of(
                [print_event(event, source=self._source) for event in events],
                print_preconditions(preconditions),
                key=key,
                is_marked=self.client.marks_commits,
                typed=preconditions,
                known_id=self.client.committer.known_id,
            )
        # The events as they are: their data is printed already.
        body = print_commit(events, preconditions, source=self._source)
        known_id = self.client.committer.known_id
        return CommitAttempt(key or str(uuid.uuid4()), body, preconditions, known_id=known_id, count=len(events))


class _Reader:
    """
    Makes pages of lines, and keeps to a scope that the server does not know.
    """

    def __init__(self, scope: Subject, *, is_recursive: bool) -> None:
        self._scope = scope
        # What a stream holds beside the subject lies below it.
        self._is_recursive = is_recursive
        self.position = 0

    def page(self, lines: Lines, *, is_caught_up: bool = False) -> Page | None:
        """
        The events of *lines*; None if there are none.
        """
        events: list[RecordedEvent] = []
        for number, line in lines:
            event = _read_line(number, line)
            self.position = max(event.time_ns, self.position + 1)
            if self._is_recursive or event.subject == self._scope:
                events.append(event._replace(position=self.position))
        return Page(events, self.position, caught_up=is_caught_up) if events else None


def _read_line(number: int, line: bytes) -> RecordedEvent:
    try:
        return from_line(line, position=0)
    except MalformedEventError as error:
        raise DamagedLineError(number, error.reason) from None


def _recorded(events: Sequence[Mapping[str, Any]]) -> tuple[RecordedEvent, ...]:
    position = 0
    recorded: list[RecordedEvent] = []
    for members in events:
        event = from_members(members, position=0)
        position = max(event.time_ns, position + 1)
        recorded.append(event._replace(position=position))
    return tuple(recorded)


def _scope(subject: Subject, *, is_recursive: bool) -> Expression | None:
    """
    The condition that an event belongs to *subject*.
    """
    path = Path(("subject",))
    if is_recursive:
        return None if subject.is_root else Under(path, Constant(str(subject)))
    return Comparison("==", path, Constant(str(subject)))


def _covers(scope: Subject, subject: str) -> bool:
    return subject == scope or subject.startswith(prefix_below(scope))


def _is_by_reference(event: NewEvent) -> bool:
    return bool(getattr(event, "store_data_as_reference", False))


def _index(told: Mapping[str, Any]) -> DataIndex:
    return DataIndex(
        str(told["type"]), str(told["path"]), IndexState(told.get("state", "ready")), float(told.get("progress", 1.0))
    )


_AUDITED = re.compile(r"(\d+) events?, head ([0-9a-f]{64})(?:, (\d+) imported)?")
_PROBLEM = re.compile(r"(?:store|position (?P<position>\d+))(?:, event '(?P<event_id>[^']*)')?: (?P<what>.*)")


def _read_audit(text: str) -> AuditReport:
    """
    What the server says of its audit. A Genesis DB says it in words of its own; then only success is understood.
    """
    lines = text.strip().splitlines()
    first = lines[0] if lines else ""
    found = _AUDITED.search(first)
    events, head, imported = (int(found[1]), found[2], int(found[3] or 0)) if found else (0, GENESIS_HASH, 0)
    if "success" in first.lower():
        return AuditReport(events, head, imported=imported)
    problems = [_read_problem(line) for line in lines[1:]] or [AuditProblem(None, None, first or "no answer")]
    return AuditReport(events, head, tuple(problems), imported)


def _read_problem(line: str) -> AuditProblem:
    found = _PROBLEM.fullmatch(line)
    if found is None:
        return AuditProblem(None, None, line)
    position = found["position"]
    return AuditProblem(int(position) if position else None, found["event_id"], found["what"])
