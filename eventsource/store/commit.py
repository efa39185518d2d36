"""
What every store checks of a commit, in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import attrs

from eventsource.domain.event import RecordedEvent
from eventsource.domain.hash_chain import MAX_LINE_BYTES, event_hash, line_bytes
from eventsource.domain.precondition import QueryIsTrue, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import EventTooLargeError, NotSupportedError, PreconditionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventsource.domain.event import NewEvent
    from eventsource.domain.precondition import Precondition


@attrs.frozen
class CommitRequest:
    """
    A commit that is well formed; whether its preconditions hold is decided at its place in the log.

    Attributes:
        events: At least one.

        preconditions: All must hold.

        source: For the events that name none.
    """

    events: tuple[NewEvent, ...]
    preconditions: tuple[Precondition, ...]
    source: str

    @classmethod
    def checked(
        cls, events: Sequence[NewEvent], preconditions: Sequence[Precondition], *, source: str
    ) -> CommitRequest:
        """
        Check what needs no store.

        Raises:
            ValueError: There are no events.
            EventTooLargeError: One is larger than a Genesis DB takes.
            NotSupportedError: A precondition is a query; this version has no query language yet.
        """
        if not events:
            msg = "a commit needs at least one event"
            raise ValueError(msg)
        for event in events:
            _check_size(event, source)
        for precondition in preconditions:
            if isinstance(precondition, QueryIsTrue):
                msg = "this store evaluates no GDBQL text; use SubjectIsNew, SubjectExists or SubjectIsAtVersion"
                raise NotSupportedError(msg)
        return cls(tuple(events), tuple(preconditions), source)


def _check_size(event: NewEvent, source: str) -> None:
    source = event.source or source
    # A character takes six bytes at the most, so far below the limit there is no need to count.
    if 6 * (len(source) + len(event.subject) + len(event.type) + len(event.data_json)) < MAX_LINE_BYTES // 2:
        return
    size = line_bytes(source=source, subject=event.subject, type=event.type, data_json=event.data_json)
    if size > MAX_LINE_BYTES:
        raise EventTooLargeError(
            event_type=event.type, subject=event.subject, size_bytes=size, limit_bytes=MAX_LINE_BYTES + 1
        )


def check_preconditions(preconditions: Sequence[Precondition], version_of: Callable[[str], int]) -> None:
    """
    Check preconditions against the log as it is now.

    Args:
        version_of: How many events a subject has.

    Raises:
        PreconditionFailedError: The first one that does not hold.
    """
    for precondition in preconditions:
        match precondition:
            case SubjectIsNew(subject):
                holds, expected = version_of(subject) == 0, "no events"
            case SubjectExists(subject):
                holds, expected = version_of(subject) > 0, "at least one event"
            case SubjectIsAtVersion(subject, version):
                holds, expected = version_of(subject) == version, _events(version)
            case QueryIsTrue():
                msg = "GDBQL text"
                raise NotSupportedError(msg)
            case _:
                assert_never(precondition)
        if not holds:
            raise PreconditionFailedError(
                subject=subject,
                precondition=type(precondition).__name__,
                expected=expected,
                found=_events(version_of(subject)),
            )


@attrs.frozen
class LogEnd:
    """
    The last event of a log, as far as the next one depends on it.
    """

    position: int
    time_ns: int
    hash: str

    def append(self, event: NewEvent, *, id: str, time_ns: int, source: str) -> RecordedEvent:
        """
        Record *event* behind it: next position, a later time, linked by hash.
        """
        # Strictly increasing whatever the clock does, so that ordering by time is the order of the log.
        time_ns = max(time_ns, self.time_ns + 1)
        own_source = event.source or source
        digest = event_hash(
            id=id,
            time_ns=time_ns,
            source=own_source,
            subject=event.subject,
            type=event.type,
            data_json=event.data_json,
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


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events" if count else "no events"
