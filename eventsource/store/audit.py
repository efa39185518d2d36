"""
Auditing: recompute the hash chain, event by event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.events.hash_chain import GENESIS_HASH, event_hash, referenced_event_hash
from eventsource.store.interface import MAX_AUDIT_PROBLEMS, AuditProblem, AuditReport

if TYPE_CHECKING:
    from eventsource.events.data_reference import DataReference
    from eventsource.events.event import RecordedEvent
    from eventsource.store.log_entry import LogEntry


# Of the members of a `RecordedEvent`. In a damaged file they may be anything.
_KINDS = (int, str, int, str, str, str, str, str, str)


class ChainAudit:
    """
    Takes the events of a whole log in order and notes what does not fit.

    Args:
        after: The event that the first one checked must follow; None for the start of the log.
    """

    def __init__(self, *, after: RecordedEvent | None = None) -> None:
        self._position, self._hash, self._time_ns = 0, GENESIS_HASH, 0
        self._events = self._imported = 0
        self._problems: list[AuditProblem] = []
        if after and self._has_its_types(after):
            self._position, self._hash, self._time_ns = after.position, after.hash, after.time_ns

    @property
    def position(self) -> int:
        """
        Position of the last event checked.
        """
        return self._position

    def check(self, entry: LogEntry) -> None:
        """
        Check the next event.
        """
        event, reference, imported_time = entry
        self._events += 1
        self._imported += imported_time is not None
        if not self._has_its_types(event):
            self._position = event.position
            return
        if event.position != self._position + 1:
            self._note(event, f"follows position {self._position}: events in between are missing")
        if event.predecessor_hash != self._hash:
            self._note(event, "its predecessor hash is not the hash of the event before it")
        # Another server may give all events of a commit one time.
        if event.time_ns < self._time_ns + (imported_time is None):
            self._note(event, "its time is not later than that of the event before it")
        if imported_time is None and event.hash != own_hash(event, reference):
            self._note(event, "its hash does not fit its content: it was changed after it was committed")
        if reference is not None and not _fits(reference, event.data_json):
            self._note(event, "its data is not what its digest stands for: it was changed after it was committed")
        self._position, self._hash, self._time_ns = event.position, event.hash, event.time_ns

    def note(self, problem: AuditProblem) -> None:
        """
        Note a problem that was found elsewhere.
        """
        if len(self._problems) < MAX_AUDIT_PROBLEMS:
            self._problems.append(problem)

    def report(self) -> AuditReport:
        """
        What was found.
        """
        problems = sorted(self._problems, key=lambda problem: problem.position or 0)
        return AuditReport(events=self._events, head=self._hash, imported=self._imported, problems=tuple(problems))

    def _has_its_types(self, event: RecordedEvent) -> bool:
        has_its_types = all(map(isinstance, event, _KINDS))
        if not has_its_types:
            self._note(event, "a column is not of the type that was written")
        return has_its_types

    def _note(self, event: RecordedEvent, what: str) -> None:
        self.note(AuditProblem(position=event.position, event_id=event.id, what=what))


def own_hash(event: RecordedEvent, reference: DataReference | None) -> str:
    """
    The hash that a store of ours gives *event*.
    """
    if reference is None:
        return event_hash(
            id=event.id,
            time_ns=event.time_ns,
            source=event.source,
            subject=event.subject,
            type=event.type,
            data_json=event.data_json,
            predecessor_hash=event.predecessor_hash,
        )
    return referenced_event_hash(
        id=event.id,
        time_ns=event.time_ns,
        source=event.source,
        subject=event.subject,
        type=event.type,
        data_digest=reference.digest,
        predecessor_hash=event.predecessor_hash,
    )


def _fits(reference: DataReference, data_json: str) -> bool:
    try:
        return reference.fits(data_json)
    except ValueError:
        # A damaged text may be no JSON.
        return False
