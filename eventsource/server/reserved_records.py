"""
Which records of the library a request may commit: its token says so, since nothing else tells programs apart.

A server cannot see whether the library or a user wrote a request. So the administrator's token admits every reserved
name: with it one erases anyway. The write token admits the notes of process managers, which a worker commits, and only
as a worker commits them. It admits no other record: with one a writer could have read models emptied and seals
destroyed.

A note that has the right form may still say anything. It concerns one process, whose events the write token may write
as well as those of any aggregate; `eventsource.processes` lets it stop no other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from eventsource.events.errors import EventDecodingError
from eventsource.events.event import RecordedEvent
from eventsource.events.process_note import is_note
from eventsource.events.reserved import (
    is_reserved_subject,
    is_reserved_type,
    reserved_name_error,
    written_by_library,
)
from eventsource.events.validation import validate
from eventsource.gdbql import version_guard
from eventsource.guards.preconditions import QueryHolds, SubjectIsAtVersion, SubjectIsNew
from eventsource.processes.process_events import PROCESS_EVENTS
from eventsource.server.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.events.event import NewEvent
    from eventsource.guards.preconditions import Precondition

# In the whole store, or in a part of it that a scope begins at.
_PROCESS = re.compile(r".*/process/[a-z0-9][a-z0-9._-]{0,39}/[^/]+")


def admitted(
    events: Sequence[NewEvent], preconditions: Sequence[Precondition], role: Role | None
) -> Sequence[NewEvent]:
    """
    The events of a request, those marked as records of the library that its token may commit.

    The store refuses the reserved names that are left.

    Raises:
        ReservedNameError: One has a reserved type that the token does not admit, or another form than the library
            commits it in.
    """
    if not any(is_reserved_type(event.type) or is_reserved_subject(event.subject) for event in events):
        return events
    guarded: frozenset[str] | None = None
    found: list[NewEvent] = []
    for event in events:
        admits = role is Role.ADMINISTRATOR
        if not admits and is_reserved_type(event.type):
            if guarded is None:
                guarded = _guarded(preconditions)
            admits = event.subject in guarded and _is_note_of_worker(event)
        if not admits and (is_reserved_type(event.type) or is_reserved_subject(event.subject)):
            raise reserved_name_error(event)
        found.append(written_by_library(event) if admits else event)
    return found


def _guarded(preconditions: Sequence[Precondition]) -> frozenset[str]:
    """
    The subjects whose exact version the commit depends on.
    """
    subjects: set[str] = set()
    for precondition in preconditions:
        match precondition:
            case SubjectIsAtVersion(subject, _) | SubjectIsNew(subject):
                subjects.add(subject)
            case QueryHolds(tree):
                if (guard := version_guard(tree)) is not None:
                    subjects.add(guard.subject)
            case _:
                pass
    return frozenset(subjects)


def _is_note_of_worker(event: NewEvent) -> bool:
    if not _PROCESS.fullmatch(event.subject):
        return False
    if is_note(event.type):
        return True
    event_class = PROCESS_EVENTS.get(event.type)
    if event_class is None or event.store_data_as_reference:
        return False
    recorded = RecordedEvent(0, "", 0, "", event.subject, event.type, event.data_json, "", "")
    try:
        validate(recorded, event_class, event.data_json)
    except EventDecodingError:
        return False
    return True
