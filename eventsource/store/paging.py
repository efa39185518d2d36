"""
Reading a log page by page, shared by the stores that number their events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from eventsource.events.subject import Subject, prefix_below
from eventsource.store.interface import EventStream, Page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

# What is read at a time: large enough that a page costs more than the hand-over between threads, small enough that
# a page of events of common size stays below a megabyte.
PAGE_EVENTS = 1000
# Events of any size: as much data is read at a time, since a slow reader keeps its page.
PAGE_BYTES = 1024 * 1024


@attrs.frozen
class Selection:
    """
    A selection of events of a log.

    Attributes:
        subject: The subject to read.

        recursive: Also read the subjects below it.

        after: Position to start behind.

        until: Last position to read; None reads to the end of the log, as it is at the first page.

        follows: Go on into what is committed later; then *until* is None.

        latest_by_type: Yield only the last event of this type of each subject.
    """

    subject: Subject
    recursive: bool
    after: int = 0
    until: int | None = None
    follows: bool = False
    latest_by_type: str | None = None

    def covers(self, subject: str) -> bool:
        """
        True if events of *subject* belong to it.
        """
        return subject == self.subject or (self.recursive and subject.startswith(prefix_below(self.subject)))

    @property
    def covers_all(self) -> bool:
        """
        True if events of every subject belong to it.
        """
        return self.recursive and self.subject.is_root


class PageSource(Protocol):
    """
    A place in a log from which pages are read one after the other.
    """

    async def next_page(self) -> Page:
        """
        The next events; an empty page that is caught up when there is nothing (yet).
        """
        ...


class PagedLog(Protocol):
    """
    The methods that `stream_log` and `observe_log` need of a store.
    """

    async def head(self) -> int:
        """
        The position of the last event; 0 for an empty log.
        """
        ...

    async def position_of(self, event_id: str, *, first: bool = False) -> int:
        """
        The position of an event.

        Args:
            first: Take the first of several events with that id, not the last.

        Raises:
            EventNotFoundError: The event is not here.
        """
        ...

    def open(self, selection: Selection) -> PageSource:
        """
        Start reading.
        """
        ...

    async def wait_beyond(self, position: int) -> None:
        """
        Return when the log is longer than *position*.
        """
        ...


def stream_log(
    log: PagedLog,
    subject: str,
    *,
    recursive: bool,
    lower_bound: str | None,
    include_lower_bound: bool,
    upper_bound: str | None,
    include_upper_bound: bool,
    latest_by_type: str | None,
) -> EventStream:
    """
    `EventStore.stream` over a log with positions.
    """
    scope = Subject(subject)

    async def pages() -> AsyncGenerator[Page]:
        after = await _lower(log, lower_bound, include_lower_bound)
        until = None
        if upper_bound is not None:
            bound = await log.position_of(upper_bound)
            until = bound if include_upper_bound else bound - 1
        source = log.open(Selection(scope, recursive, after, until, latest_by_type=latest_by_type))
        while True:
            page = await source.next_page()
            if page.events:
                yield page
            if page.caught_up:
                return

    return EventStream(pages())


def observe_log(
    log: PagedLog,
    subject: str,
    *,
    recursive: bool,
    lower_bound: str | None,
    include_lower_bound: bool,
    from_now: bool,
) -> EventStream:
    """
    `EventStore.observe` over a log with positions.
    """
    scope = Subject(subject)
    if from_now and lower_bound is not None:
        msg = "observe either from a lower bound or from now, not both"
        raise ValueError(msg)

    async def pages() -> AsyncGenerator[Page]:
        # Of several events with that id behind the first: who goes on from an event may have been at any of them.
        after = await log.head() if from_now else await _lower(log, lower_bound, include_lower_bound, first=True)
        # One source reads history and what follows, by position: so there is no seam to lose an event at.
        source = log.open(Selection(scope, recursive, after, follows=True))
        while True:
            page = await source.next_page()
            yield page
            if page.caught_up:
                await log.wait_beyond(page.position)

    return EventStream(pages())


async def _lower(log: PagedLog, lower_bound: str | None, include: bool, *, first: bool = False) -> int:  # noqa: FBT001  private
    if lower_bound is None:
        return 0
    position = await log.position_of(lower_bound, first=first)
    return position - 1 if include else position
