"""
Policies: when a snapshot is worth its price.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

import attrs

from eventsource.domain.event_type import stored_types_of
from eventsource.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventsource.domain.event import Event


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
class At(SnapshotPolicy):
    """
    When an event of certain classes happened: ``At(BooksClosed)``.

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
