"""
Auditing: recompute the hash chain, event by event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.domain.hash_chain import GENESIS_HASH, event_hash
from eventsource.store.interface import MAX_AUDIT_PROBLEMS, AuditProblem, AuditReport

if TYPE_CHECKING:
    from eventsource.domain.event import RecordedEvent


class ChainAudit:
    """
    Takes the events of a whole log in order and notes what does not fit.

    Args:
        after: The event that the first one checked must follow; None for the start of the log.
    """

    def __init__(self, *, after: RecordedEvent | None = None) -> None:
        self._position = after.position if after else 0
        self._hash = after.hash if after else GENESIS_HASH
        self._time_ns = after.time_ns if after else 0
        self._events = 0
        self._problems: list[AuditProblem] = []

    def check(self, event: RecordedEvent) -> None:
        """
        Check the next event.
        """
        if event.position != self._position + 1:
            self._note(event, f"follows position {self._position}: events in between are missing")
        if event.predecessor_hash != self._hash:
            self._note(event, "its predecessor hash is not the hash of the event before it")
        if event.time_ns <= self._time_ns:
            self._note(event, "its time is not later than that of the event before it")
        if event.hash != event_hash(
            id=event.id,
            time_ns=event.time_ns,
            source=event.source,
            subject=event.subject,
            type=event.type,
            data_json=event.data_json,
            predecessor_hash=event.predecessor_hash,
        ):
            self._note(event, "its hash does not fit its content: it was changed after it was committed")
        self._position, self._hash, self._time_ns = event.position, event.hash, event.time_ns
        self._events += 1

    def note(self, what: str) -> None:
        """
        Note a problem of the store as a whole.
        """
        self._add(AuditProblem(position=None, event_id=None, what=what))

    def report(self) -> AuditReport:
        """
        What was found.
        """
        return AuditReport(events=self._events, head=self._hash, problems=tuple(self._problems))

    def _note(self, event: RecordedEvent, what: str) -> None:
        self._add(AuditProblem(position=event.position, event_id=event.id, what=what))

    def _add(self, problem: AuditProblem) -> None:
        if len(self._problems) < MAX_AUDIT_PROBLEMS:
            self._problems.append(problem)
