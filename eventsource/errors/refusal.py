"""
Commits that are refused by what they are guarded with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.errors.root import EventSourceError
from eventsource.errors.store import StoreError

if TYPE_CHECKING:
    from eventsource.domain.event import RecordedEvent


class PreconditionFailedError(StoreError):
    """
    A precondition did not hold when the commit came to its place in the log. Nothing was written.

    Attributes:
        subject: The subject the precondition speaks of; None for a rule over several.

        precondition: The precondition as text.

        expected: What it demands, in words.

        found: What was there, in words.

        name: What the rule is called, if it has a name.

        query: The GDBQL text of the rule, if it is a query; may hold values that were given to it.

        asked: The part of the query that did not hold, such as ``SUM(e.data.delta) >= 500``.

        index: Over HTTP, which of the commit's preconditions it was, counted from 0; None where the
            server did not say.

        type: Over HTTP, its type on the wire, such as "isSubjectNew"; None where it is not known.

        text: Over HTTP, what the server said in words of its own; empty if it said nothing.
    """

    code = "precondition-failed"

    def __init__(
        self,
        *,
        subject: str | None,
        precondition: str,
        expected: str,
        found: str,
        name: str | None = None,
        query: str | None = None,
        asked: str | None = None,
        index: int | None = None,
        type: str | None = None,
        text: str = "",
    ) -> None:
        where = f"{subject}: " if subject else ""
        which = "" if index is None else f" (precondition {index}, counted from 0{f', {type}' if type else ''})"
        said = f"; the server says: {text}" if text else ""
        super().__init__(f"precondition failed: {where}expected {expected}, found {found}{which}{said}")
        self.subject = subject
        self.precondition = precondition
        self.expected = expected
        self.found = found
        self.name = name
        self.query = query
        self.asked = asked
        self.index = index
        self.type = type
        self.text = text


class AggregateExistsError(PreconditionFailedError):
    """
    An aggregate was to be created where there is one already.
    """

    code = "aggregate-exists"


class RuleBrokenError(PreconditionFailedError):
    """
    A rule of the application did not hold when the commit came to its place in the log: `name` says which.

    The store has decided, so trying the same again is of no use.
    """

    code = "rule-broken"


class ConflictError(PreconditionFailedError):
    """
    Others committed to what was read. Read it again and decide again.

    Attributes:
        events: What came between: the recorded events of what was read that were not read, oldest
            first. They are read when the error is made, so they may be more than what was in the way;
            empty if that could not be done.
    """

    code = "conflict"

    def __init__(
        self,
        *,
        subject: str | None,
        precondition: str,
        expected: str,
        found: str,
        name: str | None = None,
        query: str | None = None,
        asked: str | None = None,
        events: tuple[RecordedEvent, ...] = (),
    ) -> None:
        super().__init__(
            subject=subject,
            precondition=precondition,
            expected=expected,
            found=found,
            name=name,
            query=query,
            asked=asked,
        )
        self.events = events


class AggregateNotFoundError(EventSourceError, LookupError):
    """
    A subject has no events.

    Attributes:
        subject: The subject.

        aggregate: The name of the aggregate class.
    """

    code = "aggregate-not-found"

    def __init__(self, *, subject: str, aggregate: str) -> None:
        super().__init__(f"no {aggregate} at {subject}: it has no events")
        self.subject = subject
        self.aggregate = aggregate
