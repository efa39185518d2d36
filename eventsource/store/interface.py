"""
The port: an `EventStore` is anything that stores events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

import attrs

from eventsource.store.query import QueryLimits

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Collection,
        Iterable,
        Mapping,
        Sequence,
    )
    from types import TracebackType
    from typing import Any

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.gdbql import Query
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.query import DataIndex, Explanation, QueryRows

DEFAULT_LIMITS = QueryLimits()


@attrs.frozen
class Page:
    """
    The result of one read of a stream.

    Attributes:
        events: The events in order; empty when there was nothing new.

        position: Every event of the stream up to this position of the store has been delivered.

        caught_up: True if the store held nothing further when the page was read.
    """

    events: Sequence[RecordedEvent]
    position: int
    caught_up: bool


class EventStream:
    """
    Events in the order they were committed: one by one with ``async for``, or in `pages`.

    It is read once. Leaving the loop early is fine; `aclose` then frees what is held at once.
    """

    def __init__(self, pages: AsyncGenerator[Page]) -> None:
        self._pages = pages

    async def __aiter__(self) -> AsyncIterator[RecordedEvent]:
        async for page in self._pages:
            for event in page.events:
                yield event

    def pages(self) -> AsyncGenerator[Page]:
        """
        The same events as they are read, for those who handle many at a time.
        """
        return self._pages

    async def aclose(self) -> None:
        """
        Stop reading.
        """
        await self._pages.aclose()


@attrs.frozen
class AuditProblem:
    """
    One thing that cannot be true of an intact store.

    Attributes:
        position: Position of the event; None when the problem concerns the whole store.

        event_id: Id of the event, if there is one at that position.

        what: Description of the problem, in words.
    """

    position: int | None
    event_id: str | None
    what: str


@attrs.frozen
class AuditReport:
    """
    The outcome of recomputing the whole hash chain.

    Attributes:
        events: Number of events checked.

        head: The hash of the last one, 64 hex digits; 64 zeros for an empty store.

        problems: The problems found, those of the whole store first, then by position; at most 100.

        imported: Number of events of which only the links were checked: they were restored from a backup of
            another kind of store, whose formula for hashes is not ours; or their data was erased though it was
            not stored by reference.
    """

    events: int
    head: str
    problems: tuple[AuditProblem, ...] = ()
    imported: int = 0

    @property
    def is_intact(self) -> bool:
        """
        True if no problem was found.
        """
        return not self.problems


# More say nothing new: after one broken link the file needs a person.
MAX_AUDIT_PROBLEMS = 100


@attrs.frozen
class StoreStatus:
    """
    The amount of data in a store.

    Attributes:
        events: Number of events.

        subjects: Number of subjects that have events.

        types: Number of event types that have events.

        storage_bytes: Size on disk, in bytes; 0 for a store in memory.

        time_ahead_s: By how many seconds the time of the last event is ahead of this machine's clock; 0
            unless it is more than a minute, and for a store behind a server. A clock that was far ahead has
            then stamped an event, and later ones get times just after it until the clock has caught up.
    """

    events: int
    subjects: int
    types: int
    storage_bytes: int
    time_ahead_s: float = 0.0


class EventStore(Protocol):
    """
    Commits events under preconditions, and reads them in one order that never changes.

    Every kind gives the same answers to the same calls; the suite `eventsource.testing.contract`
    runs against each of them.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        Write all *events* or none, if all *preconditions* hold at that place in the log.

        Preconditions see everything committed before, and nothing of this commit.

        With *idempotency_key* a commit may be sent again: the first that is accepted writes, and
        every later one with the same key, events and preconditions gets the events it recorded,
        whether its preconditions still hold or not. So a caller who does not know whether a commit came
        through sends it once more. The key is stored with the events, for as long as they are; a refused
        commit leaves no key.

        Args:
            events: At least one.

            preconditions: All must hold.

            idempotency_key: Names this commit for ever: 1 to 255 visible ASCII characters, such as
                a UUID. It is stored as it is, so let it not be personal.

        Returns:
            The events as recorded, in the order given.

        Raises:
            ValueError: *events* is empty, or *idempotency_key* is not valid.
            PreconditionFailedError: A precondition did not hold; nothing was written.
            IdempotencyKeyReusedError: Another commit was made with that key; nothing was written.
            SchemaViolationError: An event breaks the schema of its type; nothing was written.
            EventTooLargeError: An event is larger than 64 KiB as stored; nothing was written.
            QueryBudgetError: Deciding a precondition took longer than 250 ms; nothing was written.
            QueryLimitError: A precondition computed a value that is too large; nothing was written.
            StoreFullError: No space left; nothing was written.
            CommitOutcomeUnknownError: The commit may or may not have been written.
            asyncio.CancelledError, TimeoutError: The caller was cancelled, or its time limit was up:
                    the commit may or may not be written. `CommitOutcomeUnknownError.behind` finds the unknown
                    outcome in the error.
            StoreForkedError: This process was forked from the one that opened the store.
            StoreReadOnlyError: The store was opened for reading.
            StoreClosedError: The store is closed or not open yet.
            StoreUnavailableError: The store does not answer, or must be reopened after an I/O error.
        """
        ...

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
        """
        Read the events there are now, oldest first, then end.

        Args:
            subject: The subject to read; ``/`` is everywhere.

            recursive: Also read the subjects below *subject*, as Genesis DB always does; False reads the
                subject alone.

            lower_bound: Id of an event anywhere in the store; reading starts behind it. (Of several events with
                one id, which other kinds of stores may give, a bound means the last; in `observe` the first.)

            include_lower_bound: Start at the lower bound itself, if it belongs to the stream.

            upper_bound: Id of an event anywhere in the store; reading ends before it.

            include_upper_bound: End with the upper bound itself.

            latest_by_type: Yield only the last event of this type of each subject, within the bounds.

        Raises:
            EventNotFoundError: At the first step: a bound is not in the store.
            InvalidSubjectError: *subject* is not valid.
        """
        ...

    def observe(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        from_now: bool = False,
    ) -> EventStream:
        """
        Read the events there are, then each new one as it is committed. It does not end.

        Each event comes once and in order, also those committed while history is being read.
        Without *lower_bound* it starts at the first event of the store, or with *from_now* at the
        next one to be committed after this call's first step. (Over HTTP Genesis DB itself starts
        at the next one whenever there is no bound.)

        Raises:
            EventNotFoundError: At the first step: *lower_bound* is not in the store.
            ValueError: Both *lower_bound* and *from_now*.
        """
        ...

    async def count(self, subject: str = "/", *, recursive: bool = True, lower_bound: str | None = None) -> int:
        """
        Count the events `stream` would yield.
        """
        ...

    async def last_event(self, subject: str = "/", *, recursive: bool = True) -> RecordedEvent | None:
        """
        The last event that `stream` would yield; None if there is none.

        It is found without reading the stream.

        Raises:
            InvalidSubjectError: *subject* is not valid.
        """
        ...

    async def subjects(self, under: str = "/") -> tuple[str, ...]:
        """
        The subjects that have events: *under* itself and all below it, in the order of their characters.

        Raises:
            InvalidSubjectError: *under* is not valid.
        """
        ...

    async def event_types(self) -> tuple[str, ...]:
        """
        The types of all events, in the order of their characters.
        """
        ...

    async def status(self) -> StoreStatus:
        """
        Return the amount of data in the store.
        """
        ...

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        """
        Refuse every later commit whose data of *event_type* does not follow *schema*.

        Events that are there already are not checked. A schema is never changed or removed. Needs
        the extra ``schemas``. Both forms of schema are described in ``docs/schemas.md``.

        Args:
            event_type: The type it is for.

            schema: In Genesis DB's form, or a JSON Schema; at most 64 KiB as JSON.

        Raises:
            ValueError: *event_type* is not valid.
            InvalidSchemaError: *schema* is not valid, is too large, or refers to something outside
                itself; or the store has 1,000 schemas.
            SchemaExistsError: The type has a schema already, maybe this very one.
            MissingExtraError: The extra that checks schemas is not installed.
        """
        ...

    async def schemas(self) -> dict[str, dict[str, Any]]:
        """
        All schemas as they were registered, by event type in the order of its characters.
        """
        ...

    def query(self, query: str | Query, *, limits: QueryLimits = DEFAULT_LIMITS) -> QueryRows:
        """
        Ask a question in GDBQL of the events there are at the first step.

        Rows are computed as they are taken. ``docs/gdbql.md`` defines the meaning of queries.

        Returns:
            The rows, each a JSON value; times as text, integers exact.

        Raises:
            QuerySyntaxError, QueryLimitError: The text is not a query.
            QueryBudgetError: After the rows computed so far: the query used up one of *limits*.
            QueryLimitError: After the rows computed so far: a computed value becomes too large.
        """
        ...

    async def explain(self, query: str | Query) -> Explanation:
        """
        Explain how `query` would be answered: which parts by an index, which row by row.

        Raises:
            QuerySyntaxError, QueryLimitError: The text is not a query.
        """
        ...

    async def create_index(
        self, event_type: str, path: str, *, progress: Callable[[float], None] | None = None
    ) -> DataIndex:
        """
        Declare an index: conditions on *path* of events of that type become searches.

        Commits go on while it is built. One that is there already is left as it is; one whose
        building was interrupted is finished.

        Args:
            event_type: The type of the events.

            path: Such as ``data.email``.

            progress: Is told the share of the log that is indexed, 0 to 1, now and then.

        Raises:
            QuerySyntaxError: *path* is not a path below the data.
        """
        ...

    async def drop_index(self, event_type: str, path: str) -> bool:
        """
        Remove a declared index.

        Returns:
            True if there was one.
        """
        ...

    async def indexes(self) -> tuple[DataIndex, ...]:
        """
        The declared indexes, in the order they were declared.
        """
        ...

    async def audit(self) -> AuditReport:
        """
        Recompute the hash chain over all events and check that no position is missing.
        """
        ...

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        """
        Erase the data of those events of *subject* that were committed with ``store_data_as_reference``.

        From events of the types in *including* it also erases data that was not stored by reference, with its
        metadata. The hashes of such events cover the data itself, so from then on an audit can check their links
        only, as it does for imported events.

        The events stay, with their ids, times and hashes; of their data only the shape is left: texts
        are ``""``, numbers 0, booleans false. An erasure is not an event: observers and projectors are not told,
        so the owner of a read model that copied the data must clean it. Data of other subjects,
        also of those below, and data that was not stored by reference stays.

        It returns when the data can no longer be read and no byte of it is left in the files of the
        store. A reader in another process may keep the files from being cleaned; the store then
        tries again for half a minute.

        Args:
            subject: Exactly this one.

            including: Stored types whose data is erased however it was stored.

        Returns:
            Number of events emptied by this call; 0 if all were empty before.

        Raises:
            SubjectNotFoundError: The subject itself has no events.
            ErasureUnfinishedError: The data is erased for every reader, but bytes of it are left in the
                    files: a reader is in the way, or the disk failed. Erase again to finish.
                CommitOutcomeUnknownError: The data may or may not be erased. Erase again after reopening the store.
                InvalidSubjectError: *subject* is not valid.
                NotSupportedError: *including* has types, and the server erases by reference only, as
                    Genesis DB does. Data stored by reference is erased all the same.
                StoreFullError: The disk is full.
                StoreReadOnlyError: The store was opened for reading.
                StoreClosedError: The store is closed or not open yet.
                StoreUnavailableError: The store does not answer, or must be reopened after an I/O error.
        """
        ...

    def backup(self) -> AsyncGenerator[dict[str, Any]]:
        """
        All events there are at the first step, in order, as `restore` takes them. Commits go on meanwhile.

        Idempotency keys, schemas and declared indexes come along, as further members of the events: see
        ``docs/personal-data.md``. If they need more events than there are, records that are not events follow.

        Each has the ten members of `RecordedEvent.to_cloud_event`. Where data is stored by reference it
        also has ``datadigest`` and, until the data is erased, ``datasalt``: so a backup can be erased from
        after it was restored, and holds personal data until then.

        An erase meanwhile empties the events that were not read yet; those already given out were
        given out with their data.
        """
        ...

    async def restore(self, events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> int:
        """
        Fill an empty store with a backup, all of it or nothing; commits wait meanwhile.

        Idempotency keys, schemas and declared indexes of the backup hold from then on, beside what is declared here
        already.

        Ids, times and hashes stay as they are. Links from event to event must hold. An event whose
        hash does not follow our formula counts as one from another kind of store: its hash is kept
        and never computed.

        Args:
            events: The events from the first one on, as `backup` gives them.

        Returns:
            Number of events restored.

        Raises:
            StoreNotEmptyError: The store already has events.
            BackupInvalidError: The input is not a whole log; the error names the item and the problem.
            SchemaExistsError: A type has another schema here.
            MissingExtraError: The backup has a schema, and the extra that checks schemas is not installed.
            CommitOutcomeUnknownError: Either all of it is stored, or nothing.
            StoreFullError: The disk is full.
            StoreReadOnlyError: The store was opened for reading.
            StoreClosedError: The store is closed or not open yet.
            StoreUnavailableError: The store does not answer, or must be reopened after an I/O error.
        """
        ...

    async def ping(self) -> None:
        """
        Return if the store can be read.

        Raises:
            StoreClosedError, StoreUnavailableError: It cannot.
        """
        ...

    async def aclose(self) -> None:
        """
        Finish what is under way and let go of files and connections. Closing twice is fine.
        """
        ...
