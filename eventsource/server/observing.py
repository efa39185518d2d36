"""
Observing: events that are there, then each new one as it is committed.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import attrs

from eventsource.server.bodies import read_asked
from eventsource.server.exchange import Departure
from eventsource.server.tail import Interest
from eventsource.wire.bodies import ObserveBody, read_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service
    from eventsource.server.tail import Tail
    from eventsource.store.interface import Page
    from eventsource.wire.bodies import ObserveOptions

# Source: every official SDK skips a line with the single member payload, empty.
HEARTBEAT = b'{"payload":""}\n'


async def observe(service: Service, exchange: Exchange) -> None:
    """
    ``POST /observe``.
    """
    body = await read_asked(service, exchange, partial(read_body, ObserveBody))
    interest = Interest(body.to_subject(), body.options.latest_by_event_type or None)
    bell = asyncio.Event()
    async with Departure(exchange, told=bell.set) as departure, service.tails.observed(bell) as tail:
        observer = _Observer(service, exchange, interest, tail=tail, departure=departure, bell=bell)
        start = await observer.find_start(body.options)
        await exchange.begin()
        # At once, since some clients and proxies wait for a first byte.
        await observer.beat()
        if body.options.upper_bound:
            await observer.read_to_upper_bound(start, body.options)
        else:
            await observer.follow(start)
        await exchange.end()


@attrs.frozen
class _Start:
    """
    The start of an observer.

    Attributes:
        after: Id of the event to begin behind; None is the first event of the store.

        include: Begin at it.

        has_history: True if there may be events that were committed before it came.

        position: Up to here nothing is to be sent: another event may have the same id, in a log restored from
            another kind of store.
    """

    after: str | None
    include: bool = False
    has_history: bool = True
    position: int = 0


class _Observer:
    """
    One observed stream.
    """

    def __init__(
        self,
        service: Service,
        exchange: Exchange,
        interest: Interest,
        *,
        tail: Tail,
        departure: Departure,
        bell: asyncio.Event,
    ) -> None:
        self._service = service
        self._store = service.store
        self._exchange = exchange
        self._interest = interest
        self._tail = tail
        self._departure = departure
        self._bell = bell
        self._beats = tail.beats
        self._sent_at = time.monotonic()

    async def find_start(self, options: ObserveOptions) -> _Start:
        """
        Where to begin.

        Raises:
            EventNotFoundError: A bound is not in the store.
        """
        for bound in (options.upper_bound, options.lower_bound):
            if bound:
                await self._check_bound(bound)
        if options.lower_bound:
            return _Start(options.lower_bound, bool(options.include_lower_bound_event))
        if options.from_start:
            return _Start(None)
        last = await self._store.last_event("/")
        if last is None:
            return _Start(None, has_history=False)
        return _Start(last.id, has_history=False, position=last.position)

    async def beat(self) -> None:
        """
        Send a heartbeat.
        """
        self._sent_at = time.monotonic()
        await self._exchange.send_block(HEARTBEAT)

    async def read_to_upper_bound(self, start: _Start, options: ObserveOptions) -> None:
        """
        Send what lies before the upper bound. It has been committed, or it would not be known: so this ends.
        """
        if not start.has_history:
            return
        stream = self._store.stream(
            self._interest.subject,
            lower_bound=start.after,
            include_lower_bound=start.include,
            upper_bound=options.upper_bound,
            include_upper_bound=bool(options.include_upper_bound_event),
            latest_by_type=self._interest.type,
        )
        try:
            await self._send_pages(stream.pages())
        finally:
            await stream.aclose()

    async def follow(self, start: _Start) -> None:
        """
        Send what there is, then what comes, until the client leaves or the server stops.
        """
        if self._interest.type is not None and start.has_history:
            start = await self._send_latest(start)
        while not self._is_over():
            position, start = await self._catch_up(start)
            start = await self._follow_tail(position, start)

    async def _check_bound(self, event_id: str) -> None:
        stream = self._store.stream("/", lower_bound=event_id, upper_bound=event_id)
        try:
            async for _ in stream.pages():
                break
        finally:
            await stream.aclose()

    async def _send_latest(self, start: _Start) -> _Start:
        """
        Of what is there, only the last event of the type in each subject.
        """
        last = await self._store.last_event("/")
        if last is None:
            return start
        stream = self._store.stream(
            self._interest.subject,
            lower_bound=start.after,
            include_lower_bound=start.include,
            upper_bound=last.id,
            include_upper_bound=True,
            latest_by_type=self._interest.type,
        )
        try:
            await self._send_pages(stream.pages())
        finally:
            await stream.aclose()
        return _Start(last.id, position=last.position)

    async def _send_pages(self, pages: AsyncGenerator[Page]) -> None:
        """
        Send all pages of a stream, a turn each.
        """
        while not self._is_over():
            async with self._service.history.turn():
                page = await anext(pages, None)
                lines = b"" if page is None else self._interest.lines(page.events)
            if page is None:
                return
            del page
            await self._send(lines)

    async def _catch_up(self, start: _Start) -> tuple[int, _Start]:
        """
        Send what lies behind *start*, from the store.

        Returns:
            Up to where all is sent, as a position and as an event.
        """
        position = 0
        stream = self._store.observe(self._interest.subject, lower_bound=start.after, include_lower_bound=start.include)
        try:
            pages = stream.pages()
            while True:
                # It waits for no commit: the page that is caught up is the last one that is asked for.
                async with self._service.history.turn():
                    page = await anext(pages)
                    events: Sequence[RecordedEvent] = page.events
                    if events and events[0].position <= start.position:
                        events = [event for event in events if event.position > start.position]
                    lines = self._interest.lines(events)
                position, is_last = page.position, page.caught_up
                last = events[-1] if events else None
                # Others wait for memory while this client takes its time.
                del page, events
                await self._send(lines)
                if last is not None:
                    start = _Start(last.id, position=last.position)
                if is_last or self._is_over():
                    break
        finally:
            await stream.aclose()
        return position, start

    async def _follow_tail(self, position: int, start: _Start) -> _Start:
        """
        Send what comes behind *position*. Ends where the tail does not reach back so far, or with all.
        """
        tail, bell = self._tail, self._bell
        while not self._is_over():
            bell.clear()
            stretches = tail.read(position)
            if stretches is None:
                return start
            forgotten = tail.forgotten
            for stretch in stretches:
                if tail.forgotten != forgotten:
                    # Data was erased while the client took its time: what it has not been sent is read anew.
                    return start
                lines = stretch.lines(self._interest, after=position)
                if lines:
                    await self._send(lines)
                    if self._is_over():
                        return start
                position, start = stretch.until, _Start(stretch.last_id, position=stretch.until)
            if self._beats != tail.beats:
                self._beats = tail.beats
                await self.beat()
            elif not stretches:
                await bell.wait()
        return start

    async def _send(self, lines: bytes) -> None:
        if lines:
            self._sent_at = time.monotonic()
            await self._exchange.send_block(lines)
        elif time.monotonic() - self._sent_at > self._service.settings.heartbeat_s:
            # Long history with little in it for this observer.
            await self.beat()

    def _is_over(self) -> bool:
        return self._tail.is_over or self._departure.has_left
