"""
Errors of aggregates: not found, existing, in conflict, closed periods, state that cannot be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventsource.guards.errors import PreconditionFailedError
from eventsource.root_error import EventSourceError

if TYPE_CHECKING:
    from eventsource.events.event import RecordedEvent


_STATES: Final = {
    "committing": "this unit of work is being committed: wait for that, and make a new one for the next decision",
    "committed": "this unit of work is committed: make a new one for the next decision",
    "unknown": (
        "it is not known whether this unit of work was committed: read what is there and decide again in a new one; "
        "only a commit that had an idempotency key may be repeated, with the same key"
    ),
    "lent": ("this unit of work is committed for you when the function returns: leave out the call of commit()"),
}


class AggregateReadOnlyError(EventSourceError):
    """
    An aggregate that was loaded as of a past moment was to emit an event or to be saved.

    Attributes:
        subject: Where its events are.

        aggregate: The name of the aggregate class.

        version: The number of events it had at that moment.
    """

    code = "aggregate-read-only"

    def __init__(self, *, subject: str, aggregate: str, version: int) -> None:
        super().__init__(
            f"{aggregate} {subject} is as it was at version {version}, and the past is read only: "
            "load it without `at` to change it"
        )
        self.subject = subject
        self.aggregate = aggregate
        self.version = version


class AggregateInCommitError(EventSourceError, RuntimeError):
    """
    An aggregate was to emit an event or to be saved while a commit of its events is not settled.

    Attributes:
        subject: Where its events are.

        aggregate: The name of the aggregate class.

        is_unknown: True if that commit is over, and it is not known if it was written. Then load the aggregate again;
            else wait until the commit ends.
    """

    code = "aggregate-in-commit"

    def __init__(self, *, subject: str, aggregate: str, is_unknown: bool) -> None:
        super().__init__(
            f"it is not known whether the events of {aggregate} {subject} were committed: "
            "load it again, and decide by what is there"
            if is_unknown
            else f"the events of {aggregate} {subject} are being committed: wait for that, or load it again"
        )
        self.subject = subject
        self.aggregate = aggregate
        self.is_unknown = is_unknown


class UnitOfWorkClosedError(EventSourceError, RuntimeError):
    """
    A unit of work was used after its commit began. It is good for one commit.

    Attributes:
        state: "committing", "committed", or "unknown": whether the commit was written is not known.
            "lent" says that the commit is not the caller's: `decide` or a dispatcher commits.
    """

    code = "unit-of-work-closed"

    def __init__(self, state: str) -> None:
        super().__init__(_STATES[state])
        self.state = state


class PeriodClosedError(EventSourceError):
    """
    An event was to be emitted in a period whose books are closed.

    Attributes:
        subject: The period.
    """

    code = "period-closed"

    def __init__(self, *, subject: str) -> None:
        super().__init__(f"the books of {subject} are closed: load it again to go on in the period that follows")
        self.subject = subject


class UnstorableStateError(EventSourceError, TypeError):
    """
    The state of an aggregate would not come out of a snapshot as it went in, so none is taken.

    Attributes:
        aggregate: The name of the aggregate class.

        attribute: Which attribute is to blame; None for the class as a whole.

        reason: The fault.
    """

    code = "unstorable-state"

    def __init__(self, *, aggregate: str, attribute: str | None, reason: str) -> None:
        place = f"{aggregate}.{attribute}" if attribute else aggregate
        super().__init__(f"no snapshots of {aggregate}: {place}: {reason}")
        self.aggregate = aggregate
        self.attribute = attribute
        self.reason = reason


class AggregateExistsError(PreconditionFailedError):
    """
    An aggregate was to be created where there is one already.
    """

    code = "aggregate-exists"


class RuleBrokenError(PreconditionFailedError):
    """
    A rule of the application did not hold when the commit came to its place in the log: `name` says which.

    The store has decided, so trying the same again is of no use, unless the rule compares with something that was
    read: `RetryPolicy.retried_rules` names such rules.
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
