"""
A snapshot of an aggregate's state, and the policies that say when one is taken.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

import attrs

from eventsource.events.event_types import stored_types_of
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventsource.events.event import Event


@final
@attrs.frozen(kw_only=True)
class Snapshot:
    """
    A saved state. It is a cache: whatever is wrong with one, the events are still there.

    Attributes:
        subject: Where the aggregate's events are.

        aggregate: The name of its class.

        fingerprint: The fingerprint of the fold that made the state: other code never meets it.

        version: How many events are in the state.

        passed_over: How many of these the class has no handler for.

        last_event_id: The last of them.

        last_event_hash: That event's hash, by which a store is known to have the same events still: each
            hash is over the one before.

        state: The state as JSON text.

        checksum: A digest of all the others, 64 hex digits; given only when one is read back.
    """

    subject: str
    aggregate: str
    fingerprint: str
    version: int
    passed_over: int
    last_event_id: str
    last_event_hash: str
    state: str
    checksum: str = attrs.field(default=attrs.Factory(lambda made: _checksum_of(made), takes_self=True))  # noqa: PLW0108  it comes later

    @property
    def is_intact(self) -> bool:
        """
        Whether nothing of it was changed since it was made.
        """
        return self.checksum == _checksum_of(self)


def _checksum_of(snapshot: Snapshot) -> str:
    return digest(
        snapshot.subject,
        snapshot.aggregate,
        snapshot.fingerprint,
        str(snapshot.version),
        str(snapshot.passed_over),
        snapshot.last_event_id,
        snapshot.last_event_hash,
        snapshot.state,
    )


def digest(*parts: str) -> str:
    """
    One short text for several, in their order.
    """
    summary = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "backslashreplace")
        summary.update(b"%d:" % len(data))
        summary.update(data)
    return summary.hexdigest()


@final
@attrs.frozen(kw_only=True)
class SinceSnapshot:
    """
    What has happened to an aggregate since its last snapshot, or since its beginning.

    Attributes:
        events: How many events there are that the snapshot does not have.

        event_types: Their type names, as stored.

        load_s: How long it took to read and fold them, in seconds; 0 where they were not loaded.
    """

    events: int
    event_types: Collection[str] = ()
    load_s: float = 0.0


class SnapshotPolicy(ABC):
    """
    Says when to take a snapshot of an aggregate. Combine policies with ``|`` and ``&``.

    It is asked after each load and after each commit.
    """

    @abstractmethod
    def is_due(self, since: SinceSnapshot) -> bool:
        """
        Whether to take one now. It is not asked where no event came since the last.
        """

    def __or__(self, other: SnapshotPolicy) -> SnapshotPolicy:
        """
        Whenever one of the two says so.
        """
        return _AnyOf((self, other))

    def __and__(self, other: SnapshotPolicy) -> SnapshotPolicy:
        """
        Only when both say so.
        """
        return _AllOf((self, other))


@final
@attrs.frozen
class EveryEvents(SnapshotPolicy):
    """
    Every so many events.

    Attributes:
        count: How many events may be folded on top of a snapshot before there is a new one.
    """

    count: int = attrs.field(validator=attrs.validators.ge(1))

    def is_due(self, since: SinceSnapshot) -> bool:
        """
        See `SnapshotPolicy`.
        """
        return since.events >= self.count


@final
@attrs.frozen
class SlowerThan(SnapshotPolicy):
    """
    When loading took too long, by the clock: it finds the aggregates that need one.

    Attributes:
        load_s: How long the events beyond the last snapshot may take to be read and folded, in seconds.

        least_events: With fewer events than these a slow load is not their fault, and a snapshot no help.
    """

    load_s: float = attrs.field(validator=attrs.validators.gt(0))
    least_events: int = attrs.field(default=20, validator=attrs.validators.ge(1), kw_only=True)

    def is_due(self, since: SinceSnapshot) -> bool:
        """
        See `SnapshotPolicy`.
        """
        return since.load_s > self.load_s and since.events >= self.least_events


@final
@attrs.frozen(init=False)
class AfterEvent(SnapshotPolicy):
    """
    When an event of certain classes happened: ``AfterEvent(BooksClosed)``.

    Args:
        event_classes: One at least.

    Raises:
        DeclarationError: There is none, or one has no type name.
    """

    event_classes: tuple[type[Event], ...]

    def __init__(self, *event_classes: type[Event]) -> None:
        if not event_classes or not all(event_class.event_type for event_class in event_classes):
            msg = "At(...) wants event classes with a type name, at least one"
            raise DeclarationError(msg)
        self.__attrs_init__(event_classes)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]  made by attrs

    def is_due(self, since: SinceSnapshot) -> bool:
        """
        See `SnapshotPolicy`.
        """
        return any(
            name in since.event_types for event_class in self.event_classes for name in stored_types_of(event_class)
        )


@final
@attrs.frozen
class _AnyOf(SnapshotPolicy):
    policies: tuple[SnapshotPolicy, ...]

    def is_due(self, since: SinceSnapshot) -> bool:
        return any(policy.is_due(since) for policy in self.policies)


@final
@attrs.frozen
class _AllOf(SnapshotPolicy):
    policies: tuple[SnapshotPolicy, ...]

    def is_due(self, since: SinceSnapshot) -> bool:
        return all(policy.is_due(since) for policy in self.policies)
