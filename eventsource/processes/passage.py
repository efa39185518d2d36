"""
How far a reader has come whose events are worked on side by side.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from eventsource.subscriptions.checkpoint import START, Checkpoint

if TYPE_CHECKING:
    from eventsource.domain.event import RecordedEvent


@attrs.define(eq=False)
class Entry:
    """
    One event that is being worked on.
    """

    checkpoint: Checkpoint
    left: int = 0

    @property
    def is_finished(self) -> bool:
        """
        Whether nothing of it is left to be done.
        """
        return self.left == 0


class Passage:
    """
    Tells up to where every event is finished, while later ones may be finished already.

    Args:
        start: Where the reader begins.
    """

    def __init__(self, start: Checkpoint = START) -> None:
        self.finished = start
        self._read = start
        self._open: deque[Entry] = deque()

    @property
    def read(self) -> Checkpoint:
        """
        Up to where events were read.
        """
        return self._read

    def enter(self, recorded: RecordedEvent, *, times: int = 1) -> Entry:
        """
        An event was read. `finish` what this gives, so many times, when it is done.
        """
        self._advance(recorded)
        entry = Entry(self._read, times)
        self._open.append(entry)
        return entry

    def pass_by(self, recorded: RecordedEvent) -> None:
        """
        An event was read with which nothing is to be done.
        """
        self._advance(recorded)
        if not self._open:
            self.finished = self._read
        elif self._open[-1].is_finished:
            self._open[-1].checkpoint = self._read
        else:
            self._open.append(Entry(self._read))

    def finish(self, entry: Entry) -> None:
        """
        What was to be done about an event is done.
        """
        entry.left -= 1
        while self._open and self._open[0].is_finished:
            self.finished = self._open.popleft().checkpoint

    def _advance(self, recorded: RecordedEvent) -> None:
        self._read = Checkpoint(
            event_id=recorded.id, event_hash=recorded.hash, position=recorded.position, events=self._read.events + 1
        )
