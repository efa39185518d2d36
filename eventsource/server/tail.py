"""
The newest events, read once and printed once for all who observe.

Nothing is sent to observers: each reads by its position, at its own pace. So no queue can
overflow, and a slow observer delays no other; one that falls too far behind reads from the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from eventsource.events.subject import Subject, prefix_below
from eventsource.log import get_logger
from eventsource.wire.cloud_event import to_lines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.store.interface import EventStore

_log = get_logger(__name__)

# Kept for observers who are a moment late; later ones read from the store.
_MAX_KEPT_BYTES = 8 * 2**20
# Number of stretches whose printed lines are kept too, and of different interests for each.
_KEPT_PRINTED = 64
_KEPT_INTERESTS = 16


@attrs.frozen
class Interest:
    """
    The events an observer wants.

    Attributes:
        subject: Wants events of this subject and of all below it.

        type: Wants events of this type only; None for all.
    """

    subject: Subject
    type: str | None = None

    def lines(self, events: Iterable[RecordedEvent]) -> bytes:
        """
        Those of *events* that it wants, as NDJSON.
        """
        below = prefix_below(self.subject)
        return to_lines(
            event
            for event in events
            if (self.type is None or event.type == self.type)
            and (event.subject == self.subject or event.subject.startswith(below))
        )


class Stretch:
    """
    A part of the log, with what was printed of it.

    Attributes:
        after: The position it begins behind.

        until: Its last position.

        last_id: The id of its last event.
    """

    def __init__(self, after: int, until: int, events: Sequence[RecordedEvent]) -> None:
        self.after = after
        self.until = until
        self.last_id = events[-1].id
        self.size = sum(len(event.data_json) + len(event.subject) for event in events) + 512 * len(events)
        self._events = events
        self._printed: dict[Interest, bytes] = {}

    def lines(self, interest: Interest, *, after: int) -> bytes:
        """
        The lines of its events behind position *after*, as NDJSON.
        """
        if after > self.after:
            return interest.lines(event for event in self._events if event.position > after)
        lines = self._printed.get(interest)
        if lines is None:
            lines = interest.lines(self._events)
            if lines and len(self._printed) < _KEPT_INTERESTS:
                self._printed[interest] = lines
        return lines

    def forget_lines(self) -> None:
        """
        Drop the printed lines: late observers print them again.
        """
        self._printed.clear()


class Tail:
    """
    The events committed since it began, and a bell for each observer.

    Attributes:
        beats: Number of heartbeats so far.

        is_over: True if nothing more will come: the server stops, or the store cannot be read.

        forgotten: Number of times it has forgotten its events. Stretches read before must not be sent after.
    """

    def __init__(self) -> None:
        self.beats = 0
        self.is_over = False
        self.forgotten = 0
        self.bells: set[asyncio.Event] = set()
        self._stretches: deque[Stretch] = deque()
        self._size = 0
        self._after = 0
        self._until = 0
        self._begun = asyncio.Event()

    async def wait_until_begun(self) -> None:
        """
        Return when all that is committed from now on will be in it.
        """
        await self._begun.wait()

    def read(self, position: int) -> list[Stretch] | None:
        """
        The stretches that have something behind *position*; None if it does not reach back so far.
        """
        if position < self._after:
            return None
        if position >= self._until:
            return []
        found: list[Stretch] = []
        for stretch in reversed(self._stretches):
            if stretch.until <= position:
                break
            found.append(stretch)
        found.reverse()
        return found

    def begin(self, position: int) -> None:
        """
        Begin at *position*: the events up to it are not in the tail.
        """
        self._after = self._until = position
        self._begun.set()

    def add(self, until: int, events: Sequence[RecordedEvent]) -> None:
        """
        Go on to position *until*.
        """
        stretch = Stretch(self._until, until, events)
        self._stretches.append(stretch)
        self._until = until
        self._size += stretch.size
        if len(self._stretches) > _KEPT_PRINTED:
            self._stretches[-_KEPT_PRINTED - 1].forget_lines()
        while self._size > _MAX_KEPT_BYTES and len(self._stretches) > 1:
            dropped = self._stretches.popleft()
            self._size -= dropped.size
            self._after = dropped.until
        self.ring()

    def pass_over(self, until: int) -> None:
        """
        Go on to position *until* without the events before: observers read them from the store.
        """
        self._stretches.clear()
        self._size = 0
        self._after = self._until = until
        self.ring()

    def forget(self) -> None:
        """
        Drop all kept events: late observers read them from the store.
        """
        self.forgotten += 1
        self.pass_over(self._until)

    def beat(self) -> None:
        """
        Signal a heartbeat.
        """
        self.beats += 1
        self.ring()

    def end(self) -> None:
        """
        Signal the end.
        """
        self.is_over = True
        self._begun.set()
        self.ring()

    def ring(self) -> None:
        """
        Wake every observer.
        """
        for bell in self.bells:
            bell.set()


class Tails:
    """
    The tail of a store, kept up to date while there are observers.
    """

    def __init__(self, store: EventStore, *, heartbeat_s: float) -> None:
        self._store = store
        self._heartbeat_s = heartbeat_s
        self._tail: Tail | None = None
        self._running: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def observers(self) -> int:
        """
        Number of observers now.
        """
        return len(self._tail.bells) if self._tail else 0

    @asynccontextmanager
    async def observed(self, bell: asyncio.Event) -> AsyncGenerator[Tail]:
        """
        Take part, with a bell that rings whenever there may be something to do.
        """
        tail = self._tail
        if tail is None or tail.is_over:
            tail = self._tail = Tail()
            self._running = asyncio.ensure_future(self._run(tail))
        tail.bells.add(bell)
        if self._is_closed:
            tail.end()
        try:
            await tail.wait_until_begun()
            yield tail
        finally:
            tail.bells.discard(bell)
            if not tail.bells and tail is self._tail:
                self._tail = None
                if self._running is not None:
                    self._running.cancel()

    def forget(self) -> None:
        """
        Data was erased: it must not come from here.
        """
        if self._tail is not None:
            self._tail.forget()

    def close(self) -> None:
        """
        End every observer.
        """
        self._is_closed = True
        if self._tail is not None:
            self._tail.end()

    async def _run(self, tail: Tail) -> None:
        beating = asyncio.ensure_future(self._beat(tail))
        stream = self._store.observe("/", from_now=True)
        try:
            pages = stream.pages()
            tail.begin((await anext(pages)).position)
            while True:
                forgotten = tail.forgotten
                page = await anext(pages)
                if tail.forgotten != forgotten:
                    # It may have been read before data was erased.
                    tail.pass_over(page.position)
                elif page.events:
                    tail.add(page.position, page.events)
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001  whatever it is, the observers must not wait for it
            # Its text may name files.
            _log.warning("server.observing_failed", error=type(error).__name__)
        finally:
            tail.end()
            beating.cancel()
            await stream.aclose()

    async def _beat(self, tail: Tail) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            tail.beat()
