"""
Process notes: what a process manager records for itself, under stored types that no reader takes for facts.

A process may emit an event of any class to remember something. The store keeps it under the type of the class
behind a reserved prefix, so a projector, a rule, a query or another process manager that asks for the type of the
class never gets it. The process itself reads it as the event it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from eventsource.events.event import RecordedEvent

NOTE_TYPE: Final = "io.eventsource.process-noted"
NOTE_PREFIX: Final = f"{NOTE_TYPE}."

# Source: the longest event type, see `eventsource.events.event`.
LONGEST_NOTED_TYPE: Final = 256 - len(NOTE_PREFIX)


def is_note(stored_type: str) -> bool:
    """
    Whether events of this stored type are notes of processes.
    """
    return stored_type.startswith(NOTE_PREFIX)


def note_type(event_type: str) -> str:
    """
    The type that a note of an event of *event_type* is stored with.

    >>> note_type("com.example.halves-noted")
    'io.eventsource.process-noted.com.example.halves-noted'
    """
    return NOTE_PREFIX + event_type


def noted_type(stored_type: str) -> str:
    """
    The type of the event that is noted under *stored_type*; the same where it is no note.
    """
    return stored_type.removeprefix(NOTE_PREFIX)


def as_noted(recorded: RecordedEvent) -> RecordedEvent:
    """
    A note as the event that its process emitted; any other event as it is.
    """
    return recorded._replace(type=noted_type(recorded.type)) if is_note(recorded.type) else recorded
