"""
Records of erasures, checked against the store before anything is done about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.events.personal_data import is_gone
from eventsource.events.subject_erased import is_erasure, read_erasure
from eventsource.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventsource.events.event import RecordedEvent
    from eventsource.events.subject import Subject
    from eventsource.events.subject_erased import ErasureRecord
    from eventsource.store.interface import EventStore

log = get_logger(__name__)


class ErasureRecords:
    """
    Tells which events were really emptied, for records that were read together.

    A `SubjectErased` that a user wrote, or that came from a foreign store, may name anything. It counts only for
    events of the subject that it stands at whose data is gone by now; the rest of it is ignored with a warning.

    Each subject is read once, however many records name it, so make another one for records that are read later:
    events may have been emptied in between.

    Args:
        store: Where the events are.

        reader: Who reads, for the log.
    """

    def __init__(self, store: EventStore, reader: str) -> None:
        self._store = store
        self._reader = reader
        self._gone: dict[Subject, dict[str, RecordedEvent]] = {}

    async def emptied_by(self, recorded: RecordedEvent) -> list[RecordedEvent]:
        """
        The events that a recorded `SubjectErased` names, as they are now, oldest first; none where it does not fit.
        """
        record = self.read(recorded)
        if record is None:
            return []
        gone = await self.gone_at(record.subject)
        named = set(record.event_ids)
        found = [event for event_id, event in gone.items() if event_id in named]
        if len(found) < len(named):
            what = f"it names {len(named) - len(found)} events that are no emptied events of its subject"
            self._warn(recorded, what)
        return found

    def read(self, recorded: RecordedEvent) -> ErasureRecord | None:
        """
        What a recorded `SubjectErased` says; None if it is no record of the library.
        """
        record = read_erasure(recorded)
        if record is None:
            self._warn(recorded, "it is no record that the library writes")
        return record

    async def read_all(self, events: Iterable[RecordedEvent]) -> dict[str, RecordedEvent]:
        """
        The events that records among *events* name and that are emptied, by id.
        """
        found: dict[str, RecordedEvent] = {}
        for event in events:
            if is_erasure(event):
                found |= {emptied.id: emptied for emptied in await self.emptied_by(event)}
        return found

    async def gone_at(self, subject: Subject) -> dict[str, RecordedEvent]:
        """
        The events of exactly this subject whose data is gone, by id, oldest first.
        """
        if subject not in self._gone:
            stream = self._store.stream(subject, recursive=False)
            self._gone[subject] = {event.id: event async for event in stream if is_gone(event)}
        return self._gone[subject]

    def _warn(self, recorded: RecordedEvent, reason: str) -> None:
        log.warning(
            "erasure.record_ignored", reader=self._reader, record=recorded.id, subject=recorded.subject, reason=reason
        )
