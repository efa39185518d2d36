"""
What the framework itself writes once a subject was erased: who, when, which events; nothing of what they said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventsource.domain.event import Event
from eventsource.domain.subject import Subject

if TYPE_CHECKING:
    from eventsource.domain.event import RecordedEvent

# The last segment of the subject it is written to, directly below the one that was erased: whoever reads that with all
# below, as projectors do, is told; who reads the subject itself, as aggregates and version guards do, is not disturbed.
_SEGMENT: Final = "_erasures"


class SubjectErased(Event, type="io.eventsource.subject-erased"):
    """
    The data of a subject's events was erased, everywhere the erasing program could reach.

    Its metadata tells the actor. Running projectors see it and let go of what they made of these events.

    Attributes:
        event_ids: The events that were emptied, oldest first; each is in one such event.

        snapshots_purged: How many snapshots were thrown away.
    """

    event_ids: tuple[str, ...]
    snapshots_purged: int = 0


def erasures_of(subject: str) -> Subject:
    """
    Where the erasures of *subject* are recorded.

    >>> erasures_of("/customers/7")
    '/customers/7/_erasures'

    Raises:
        InvalidSubjectError: *subject* is none, or too long by that segment.
    """
    return Subject(subject).child(_SEGMENT)


def erased_subject(recorded: RecordedEvent) -> Subject:
    """
    The subject that a recorded `SubjectErased` is about.
    """
    return Subject(recorded.subject.removesuffix(f"/{_SEGMENT}"))
