"""
The checks of a commit that every store makes in the same way.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Generic, TypeVar, assert_never

import attrs

from eventsource.events.errors import EventTooLargeError, SchemaViolationError
from eventsource.events.event import RecordedEvent, checked_new_events
from eventsource.events.hash_chain import MAX_LINE_BYTES, event_hash, line_bytes, referenced_event_hash
from eventsource.events.reserved import check_reserved
from eventsource.gdbql import Query, VersionGuard, print_expression, version_guard
from eventsource.gdbql.errors import QueryBudgetError
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.preconditions import QueryHolds, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.guards.rules import checked_rules
from eventsource.store.idempotency import IdempotencyKey
from eventsource.store.query import work_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventsource.events.data_reference import DataReference
    from eventsource.events.event import NewEvent
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.schema import SchemaRegistry
    from eventsource.store.schema.registry import CheckedBefore

Value = TypeVar("Value")


@attrs.frozen
class CommitRequest:
    """
    A commit that is well formed; whether its preconditions hold is decided at its place in the log.

    Attributes:
        events: At least one.

        preconditions: All must hold.

        source: For the events that name none.

        key: Names it, so that it can be sent again.

        violation: Set if an event breaks its schema: then only a repeat of an earlier commit is answered.
    """

    events: tuple[NewEvent, ...]
    preconditions: tuple[Precondition, ...]
    source: str
    key: IdempotencyKey | None = None
    violation: SchemaViolationError | None = None

    @classmethod
    def checked(
        cls,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition],
        *,
        source: str,
        key: str | None,
        schemas: SchemaRegistry,
        before: CheckedBefore | None = None,
    ) -> CommitRequest:
        """
        Check what does not depend on the log.

        Args:
            before: The result of `SchemaRegistry.check_large`.

        Raises:
            ValueError: There are no events, or *key* is not an idempotency key.
            NotAnEventError: An event is not a `NewEvent`.
            GuardError: A precondition is not valid.
            EventTooLargeError: An event is larger than a Genesis DB takes.
            ReservedNameError: An event has a type or subject that is reserved for records of the library.
            SchemaViolationError: An event breaks the schema of its type, and there is no key.
            SchemaBudgetError: The checks could take too long.
            InvalidSchemaError, MissingExtraError: A schema cannot be checked.
        """
        events = checked_new_events(events)
        check_events(events, source=source)
        preconditions = checked_rules(preconditions)
        if key is None:
            schemas.check(events, before)
            return cls(events, preconditions, source)
        own_key = IdempotencyKey.of(key, events, preconditions, source=source)
        violation = None
        try:
            schemas.check(events, before)
        except SchemaViolationError as error:
            # The commit may have been made before there was the schema, and this is the repeat.
            violation = error
        return cls(events, preconditions, source, own_key, violation)


def check_events(events: Sequence[NewEvent], *, source: str) -> None:
    """
    Check what can be told from the events alone.

    Raises:
        ValueError: There are none.
        EventTooLargeError: One is larger than a Genesis DB takes.
        ReservedNameError: One has a type or subject that is reserved for records of the library.
    """
    if not events:
        msg = "a commit needs at least one event"
        raise ValueError(msg)
    check_reserved(events)
    for event in events:
        _check_size(event, source)


def _check_size(event: NewEvent, source: str) -> None:
    source = event.source or source
    # A character takes six bytes at the most, so far below the limit counting is unnecessary.
    if 6 * (len(source) + len(event.subject) + len(event.type) + len(event.data_json)) < MAX_LINE_BYTES // 2:
        return
    size = line_bytes(source=source, subject=event.subject, type=event.type, data_json=event.data_json)
    if size > MAX_LINE_BYTES:
        raise EventTooLargeError(
            event_type=event.type, subject=event.subject, size_bytes=size, limit_bytes=MAX_LINE_BYTES + 1
        )


# Time of the writer's that a query precondition may take, in seconds: all other commits wait meanwhile.
PRECONDITION_TIME_S = 0.25
# The same for all preconditions of a commit together.
PRECONDITIONS_TIME_S = 1.0
_FEW_PRECONDITIONS = 8


def check_preconditions(
    preconditions: Sequence[Precondition], version_of: Callable[[str], int], holds: Callable[[Query], bool]
) -> None:
    """
    Check preconditions against the log as it is now.

    Args:
        version_of: Returns the number of events of a subject.

        holds: Returns True if a query is true.

    Raises:
        PreconditionFailedError: The first one that does not hold.
        QueryError: An error raised by *holds*.
        QueryBudgetError: All of them together take too long.
    """
    # Few need no clock: each has a time of its own.
    worked = work_clock() if len(preconditions) > _FEW_PRECONDITIONS else None
    for precondition in preconditions:
        if worked is not None and worked() > PRECONDITIONS_TIME_S:
            budget = "time"
            raise QueryBudgetError(budget, limit=PRECONDITIONS_TIME_S, during="precondition")
        match precondition:
            case SubjectIsNew(subject):
                is_met, expected = version_of(subject) == 0, "no events"
            case SubjectExists(subject):
                is_met, expected = version_of(subject) > 0, "at least one event"
            case SubjectIsAtVersion(subject, version):
                is_met, expected = version_of(subject) == version, _events(version)
            case QueryHolds():
                _check_query(precondition, version_of, holds)
                continue
            case _:
                assert_never(precondition)
        if not is_met:
            raise PreconditionFailedError(
                subject=subject,
                precondition=type(precondition).__name__,
                expected=expected,
                found=_events(version_of(subject)),
            )


def _check_query(rule: QueryHolds, version_of: Callable[[str], int], holds: Callable[[Query], bool]) -> None:
    guard = _version_guards.find(rule.tree)
    is_met = holds(rule.tree) if guard is None else version_of(guard.subject) == guard.version
    if is_met:
        return
    projection = rule.tree.projection
    raise PreconditionFailedError(
        subject=guard.subject if guard else None,
        precondition=type(rule).__name__,
        expected=f"rule {rule.name!r} to hold" if rule.name else "the query to be true",
        found=_events(version_of(guard.subject)) if guard else "that it is not",
        name=rule.name,
        query=rule.query,
        asked=print_expression(projection, alias=rule.tree.alias) if projection else None,
    )


class ByTree(Generic[Value]):
    """
    Findings about queries, kept for the trees asked last.

    A guard in use is the same tree again and again, so that is looked for first: hashing a tree
    takes longer than deciding some guards.
    """

    def __init__(self, find_out: Callable[[Query], Value]) -> None:
        self._find_out = find_out
        # By identity; the tree is kept too, so its identity is not given to another one.
        self._known: dict[int, tuple[Query, Value]] = {}

    def find(self, query: Query) -> Value:
        """
        Return the finding about *query*, computed now if it is new.
        """
        known = self._known.get(id(query))
        if known is not None:
            return known[1]
        if len(self._known) >= _MAX_TREES:
            self._known.clear()
        value = self._find_out(query)
        self._known[id(query)] = (query, value)
        return value


_MAX_TREES = 1024

_version_guards: ByTree[VersionGuard | None] = ByTree(version_guard)


@attrs.frozen
class LogEnd:
    """
    The last event of a log, as far as the next one depends on it.
    """

    position: int
    time_ns: int
    hash: str

    def append(
        self, event: NewEvent, *, id: str, time_ns: int, source: str, reference: DataReference | None = None
    ) -> RecordedEvent:
        """
        Record *event* behind it: next position, a later time, linked by hash.

        Args:
            reference: Ties the event to its data, if that is stored by reference.
        """
        # Strictly increasing even if the clock is not, so that ordering by time is the order of the log.
        time_ns = max(time_ns, self.time_ns + 1)
        own_source = event.source or source
        if reference is None:
            digest = event_hash(
                id=id,
                time_ns=time_ns,
                source=own_source,
                subject=event.subject,
                type=event.type,
                data_json=event.data_json,
                predecessor_hash=self.hash,
            )
        else:
            digest = referenced_event_hash(
                id=id,
                time_ns=time_ns,
                source=own_source,
                subject=event.subject,
                type=event.type,
                data_digest=reference.digest,
                predecessor_hash=self.hash,
            )
        return RecordedEvent(
            self.position + 1,
            id,
            time_ns,
            own_source,
            event.subject,
            event.type,
            event.data_json,
            self.hash,
            digest,
        )

    @classmethod
    def at(cls, recorded: RecordedEvent) -> LogEnd:
        """
        The end of a log whose last event is *recorded*.
        """
        return cls(recorded.position, recorded.time_ns, recorded.hash)


def random_event_id() -> str:
    """
    A random UUID, version 4, as text. `uuid.uuid4` takes three times as long, and each event needs one.
    """
    digits = f"{int.from_bytes(os.urandom(16)) & _RANDOM_BITS | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


# The bits that tell variant and version. Source: RFC 9562, section 5.4.
_VERSION_4: Final = (0x4 << 76) | (0x2 << 62)
_RANDOM_BITS: Final = ~((0xF << 76) | (0x3 << 62))


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events" if count else "no events"
