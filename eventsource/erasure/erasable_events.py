"""
What the log tells about the data of a subject: what is held, what is gone, and of what it is recorded that it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from eventsource.events.decoding import decode
from eventsource.events.errors import EventError
from eventsource.events.event_types import event_types, stored_types_of
from eventsource.events.personal_data import Erased, is_empty, is_gone, is_held
from eventsource.events.process_note import as_noted, note_type, noted_type
from eventsource.events.subject_erased import erasures_of, read_erasure
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventsource.events.event import Event, RecordedEvent
    from eventsource.store.interface import EventStore


@attrs.frozen
class ErasableEvents:
    """
    The events of one subject, as far as erasing is concerned.

    Attributes:
        count: The number of events the subject has.

        held: Those whose data can be erased and is not; where the log cannot tell, those that may be.

        gone: The ids of those whose data was erased.

        personal: Those that read as personal here and hold their data. Once a subject was erased, they are what is
            left.

        unknown: The stored types of other events that hold data and that no class here is declared for: whether
            they are personal cannot be told.

        recorded: The ids of those that a `SubjectErased` names.

        records: The number of events there are where erasures are recorded: the version to guard the next record by.

        unfit: The number of these that are no records of the library.
    """

    count: int
    held: tuple[RecordedEvent, ...]
    gone: tuple[str, ...]
    personal: tuple[RecordedEvent, ...]
    unknown: frozenset[str]
    recorded: frozenset[str]
    records: int
    unfit: int

    @property
    def unrecorded(self) -> tuple[str, ...]:
        """
        The ids of events that were erased, and nobody has said so.
        """
        return tuple(event_id for event_id in self.gone if event_id not in self.recorded)


async def read_erasable_events(
    store: EventStore, subject: str, *, before: ErasableEvents | None = None
) -> ErasableEvents:
    """
    Read a subject and what is recorded below it.

    Args:
        before: What there was before the subject was erased. A record of then counts only for events that were gone
            then: one that names others cannot have been written by an erasure.
    """
    records = [event async for event in store.stream(erasures_of(subject), recursive=False)]
    named: set[str] = set()
    unfit = 0
    for index, record in enumerate(records):
        found = read_erasure(record)
        unfit += found is None
        ids = set(found.event_ids if found else ())
        named |= ids & set(before.gone) if before is not None and index < before.records else ids
    held: list[RecordedEvent] = []
    gone: list[str] = []
    personal: list[RecordedEvent] = []
    unknown: set[str] = set()
    count = 0
    async for event in store.stream(subject, recursive=False):
        count += 1
        if is_gone(event):
            gone.append(event.id)
        elif is_held(event):
            held.append(event)
        elif not is_known(event):
            unknown.add(event.type)
        if is_personal(event):
            personal.append(event)
    return ErasableEvents(
        count, tuple(held), tuple(gone), tuple(personal), frozenset(unknown), frozenset(named), len(records), unfit
    )


def stored_types(including: Collection[str | type[Event]]) -> frozenset[str]:
    """
    The stored types that are meant: of a class all that its events may be stored with, as notes of a process, too.
    """
    names: set[str] = set()
    for each in (including,) if isinstance(including, (str, type)) else including:
        if isinstance(each, str):
            names.add(each)
        else:
            own = stored_types_of(each)
            names |= {*own, *map(note_type, own)}
    return frozenset(names)


def is_known(event: RecordedEvent) -> bool:
    """
    True if it can be told here if an event is personal: it has no data, or a class is declared for it.
    """
    try:
        reading = event_types.reading(noted_type(event.type))
    except DeclarationError:
        reading = None
    return reading is not None or is_empty(event)


def is_personal(event: RecordedEvent) -> bool:
    """
    True if an event reads as one of a personal class, and its data is there.
    """
    event = as_noted(event)
    try:
        reading = event_types.reading(event.type)
    except DeclarationError:
        return False
    if reading is None or not reading.is_personal:
        return False
    try:
        return any(not isinstance(each, Erased) and each.event_is_personal for each in decode(event))
    except EventError:
        # It does not fit, so it may be anything.
        return True
