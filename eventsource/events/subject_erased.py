"""
What the framework itself writes once a subject was erased: who, when, which events; nothing of what they said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs

from eventsource.events.errors import EventDecodingError
from eventsource.events.event import Event
from eventsource.events.reserved import ERASURES_SEGMENT
from eventsource.events.subject import Subject
from eventsource.events.validation import validate

if TYPE_CHECKING:
    from eventsource.events.event import RecordedEvent


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


@attrs.frozen
class ErasureRecord:
    """
    What a recorded `SubjectErased` says. Whether it is true only the store can tell.

    Attributes:
        subject: The subject that was erased.

        event_ids: The events it names.
    """

    subject: Subject
    event_ids: tuple[str, ...]


def is_erasure(recorded: RecordedEvent) -> bool:
    """
    Whether an event has the type of `SubjectErased`; it may say anything.
    """
    return recorded.type == SubjectErased.event_type


def read_erasure(recorded: RecordedEvent) -> ErasureRecord | None:
    """
    What a recorded `SubjectErased` says; None if it is no record that the library writes.

    A record stands at ``_erasures`` directly below a subject and holds a list of ids. The version in its metadata
    decides nothing: a record that fits tells the truth, whatever wrote it.
    """
    subject = recorded.subject.removesuffix(f"/{ERASURES_SEGMENT}")
    if not is_erasure(recorded) or subject in {"", recorded.subject}:
        return None
    try:
        event = cast("SubjectErased", validate(recorded, SubjectErased, recorded.data_json))
    except EventDecodingError:
        return None
    return ErasureRecord(Subject(subject), event.event_ids)


def erasures_of(subject: str) -> Subject:
    """
    Where the erasures of *subject* are recorded: directly below it.

    A reader of the subject and all below it, such as a projector, is told; a reader of the subject itself, such as an
    aggregate or a version guard, is not disturbed.

    >>> erasures_of("/customers/7")
    '/customers/7/_erasures'

    Raises:
        InvalidSubjectError: *subject* is none, or too long by that segment.
    """
    return Subject(subject).child(ERASURES_SEGMENT)
