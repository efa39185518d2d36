"""
What the processes of one process manager have left to do, followed from their own events.
"""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING

import attrs

from eventsource.events.errors import EventError
from eventsource.log import get_logger
from eventsource.processes.process_events import PROCESS_EVENTS, ProcessReacted, ProcessRetried
from eventsource.processes.process_state import ProcessState, timer_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from eventsource.events.event import RecordedEvent
    from eventsource.store.interface import EventStore

log = get_logger(__name__)


@attrs.define(eq=False)
class PendingWork:
    """
    The books of those processes that have something open: a timer, a command, an event, a reason to be parked.

    It says where to look and decides nothing: whoever acts on it reads the process again.

    Attributes:
        subject: Where the processes are: ``/process/<name>``.

        position: Everything up to this position of the store was read at the start.

        books: By the id of the process.
    """

    subject: str
    position: int = 0
    books: dict[str, ProcessState] = attrs.field(factory=dict[str, ProcessState])
    # By the id of a process that has changed since `take_changes`: the position of its last event.
    _changes: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    _due: list[tuple[datetime, str, str]] = attrs.field(factory=list["tuple[datetime, str, str]"], init=False)
    _changed: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    async def read(self, store: EventStore) -> None:
        """
        Read the events there are now.
        """
        async for page in store.stream(self.subject).pages():
            for recorded in page.events:
                self.enter(recorded)
            self.position = page.position

    def resume(self) -> None:
        """
        Look at every timer again: what was about to be done about one may have been given up.
        """
        self._due = [
            (waiting.due_at, id, timer) for id, book in self.books.items() for timer, waiting in book.timers.items()
        ]
        heapq.heapify(self._due)
        self._changed.set()

    def take_changes(self) -> dict[str, tuple[int, ProcessState | None]]:
        """
        The processes that have changed since the last call: the position of the last event, and the book.

        The book is None where nothing is open any more.
        """
        changes = {id: (position, self.books.get(id)) for id, position in self._changes.items()}
        self._changes.clear()
        return changes

    def give_back(self, changes: Mapping[str, tuple[int, ProcessState | None]]) -> None:
        """
        Have these processes among the next changes, too: they could not be saved.
        """
        for id, (position, _) in changes.items():
            self._changes.setdefault(id, position)

    def enter(self, recorded: RecordedEvent) -> str | None:
        """
        Take one event into account.

        Returns:
            The id of the process if it was let go on with this; else None.
        """
        event_class = PROCESS_EVENTS.get(recorded.type)
        id = recorded.subject.removeprefix(f"{self.subject}/")
        if event_class is None or id == recorded.subject or "/" in id:
            return None
        try:
            event = event_class.from_recorded(recorded)
        except EventError as error:
            # The library does not write such records. They say nothing, and stop no process.
            log.warning(
                "process.record_ignored", record=recorded.id, subject=recorded.subject, error=type(error).__name__
            )
            return None
        book = self.books.setdefault(id, ProcessState())
        self._changes[id] = recorded.position
        book.enter(event)
        # Nobody asks here what was answered, and it grows for ever.
        book.answered.clear()
        if isinstance(event, ProcessReacted):
            for index, timer_set in enumerate(event.timers):
                self._add(timer_set.due_at, id, timer_id(event.cause, index))
        if isinstance(event, ProcessRetried):
            for timer, waiting in book.timers.items():
                self._add(waiting.due_at, id, timer)
        if book.is_idle:
            del self.books[id]
        return id if isinstance(event, ProcessRetried) else None

    def unfinished(self) -> list[str]:
        """
        The processes that have something to do now.
        """
        return [id for id, book in self.books.items() if book.has_work]

    def take_due(self, now: datetime) -> Iterator[tuple[str, str]]:
        """
        The timers that are due, as process and timer, each once, in the order of their times.
        """
        while (at := self.next_due()) is not None and at <= now:
            _, id, timer = heapq.heappop(self._due)
            yield id, timer

    def next_due(self) -> datetime | None:
        """
        When the next timer is due; None if there is none.
        """
        while self._due:
            at, id, timer = self._due[0]
            book = self.books.get(id)
            if book is not None and timer in book.timers:
                return at
            heapq.heappop(self._due)
        return None

    async def changed(self) -> None:
        """
        Return when a timer has been set.
        """
        self._changed.clear()
        await self._changed.wait()

    def _add(self, due_at: datetime, id: str, timer: str) -> None:
        heapq.heappush(self._due, (due_at, id, timer))
        self._changed.set()
