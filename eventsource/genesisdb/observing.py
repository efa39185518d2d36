"""
Following a stream for as long as somebody listens, whatever happens to connections and servers.

Over HTTP an observed stream without a lower bound has only what is committed after it was opened.
Whatever falls between two connections would be lost, so there is a bound as soon as there can be one:
the last event that came. It is always an event of the observed subject, since a server may know no
others there.

Until an event has come, two cases differ:

- Who wants history, too, reads it first. As long as it is empty the live stream is opened without a
  bound and then history is read again; what has come to be there gives the bound.
- Who wants only what follows opens the live stream first. Beside it the last event that is there is
  asked for, for the case that the connection goes before an event has come. Where there is none yet,
  all of history is new from then on.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import httpx

from eventsource.events.canonical_json import to_canonical_json
from eventsource.gdbql import Constant, OrderKey, Path, Query, Under, print_query, to_instant
from eventsource.genesisdb.backoff import Backoff
from eventsource.genesisdb.body import check_media_type, parts
from eventsource.genesisdb.exchange import Lines, describe, stream_body
from eventsource.genesisdb.read_back import read_event
from eventsource.log import get_logger
from eventsource.root_error import EventSourceError
from eventsource.wire.errors import DamagedLineError, StoreUnavailableError
from eventsource.wire.ndjson import LineSplitter, is_heartbeat, read_value

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from eventsource.genesisdb.exchange import Exchange

log = get_logger(__name__)

# How long the first sign of life of a live stream is waited for, in seconds: servers send one at once, and
# one that does not has answered at least.
_FIRST_SIGN_S = 1.0


@attrs.frozen
class Batch:
    """
    What came together.

    Attributes:
        lines: Events, each with the number of its line; may be none.

        is_caught_up: Whether there was nothing further when they were read.
    """

    lines: Lines
    is_caught_up: bool


class Following:
    """
    One observed stream.

    Args:
        options: As the wire has them; ``lowerBound`` is where to start.

        from_now: Without a lower bound, leave history out.
    """

    def __init__(
        self, exchange: Exchange, subject: str, options: Mapping[str, Any] | None = None, *, from_now: bool = False
    ) -> None:
        self._exchange = exchange
        self._subject = str(subject)
        self._options = dict(options or {})
        self._from_now = from_now and not self._options.get("lowerBound")
        # An answer that ends in good order is the end only where an end was asked for.
        self._has_end = bool(self._options.get("upperBound"))
        # Their order is not known, so the last of them need not be the newest.
        self._is_unordered = bool(self._options.get("latestByEventType"))
        self._newest_ns = 0
        self._backoff = Backoff()
        self._is_away = False
        # How many connections in a row ended within their first line.
        self._ended_within_line = 0
        # At the start a server that is not there is an error; later it is waited for.
        self._tries_left: int | None = exchange.limits.tries

    async def batches(self) -> AsyncGenerator[Batch]:
        """
        Events as they come. The first batch that is caught up tells that history is through.

        Raises:
            DamagedLineError: A line cannot be read.
            EventNotFoundError: The server does not have the bound.
            StoreUnavailableError: It could not be reached, at the start.
            StoreClosedError: The client was closed.
        """
        if not self._from_now:
            async with aclosing(self._history()) as history:
                async for lines in history:
                    yield Batch(lines, is_caught_up=False)
            yield Batch([], is_caught_up=True)
        is_told = not self._from_now
        while True:
            if not is_told and not self._from_now:
                # The first connection went before it could tell. The place is known, so from here on nothing is lost.
                is_told = True
                yield Batch([], is_caught_up=True)
            try:
                async with aclosing(self._first() if self._from_now else self._live()) as live:
                    async for lines in live:
                        self._backoff.reset()
                        is_told = True
                        yield Batch(lines, is_caught_up=True)
                        self._exchange.check_open()
            except (httpx.TransportError, StoreUnavailableError) as error:
                # The latter where history was read again, of a stream that was empty so far.
                await self._pause(_reason(error), error)
            except _BusyError as busy:
                await self._pause(str(busy), retry_after_s=busy.retry_after_s)
            else:
                if self._has_end:
                    return
                # The server stops, or something between us thinks that it took long enough.
                await self._pause("the answer ended")

    async def _history(self) -> AsyncGenerator[Lines]:
        """
        What is there now, behind the bound if there is one.
        """
        while True:
            try:
                async with aclosing(self._exchange.lines("/stream", self._body())) as found:
                    async for lines in found:
                        self._is_back()
                        self._note(lines)
                        yield lines
                self._is_back()
            except StoreUnavailableError as error:
                if self._options.get("lowerBound") is None or self._is_unordered:
                    raise
                # It goes on behind what has come.
                await self._pause(error.reason, error)
            else:
                return

    async def _live(self) -> AsyncGenerator[Lines]:
        """
        What follows, as long as one connection lasts.
        """
        async with self._opened() as arriving:
            if self._options.get("lowerBound"):
                async with aclosing(self._split(arriving)) as lines:
                    async for found in lines:
                        yield found
                return
            first = asyncio.ensure_future(anext(arriving, b""))
            try:
                await asyncio.wait({first}, timeout=_FIRST_SIGN_S)
                async with aclosing(self._history()) as history:
                    async for found in history:
                        yield found
                if self._options.get("lowerBound"):
                    # Now there is a bound, and behind it the server reads without a gap.
                    return
                begun = await first
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
            async with aclosing(self._split(arriving, begun)) as lines:
                async for found in lines:
                    yield found

    async def _first(self) -> AsyncGenerator[Lines]:
        """
        What follows, without a bound, as long as the first connection lasts; no lines when the place is known.
        """
        async with self._opened() as arriving, aclosing(self._split(arriving)) as splitting:
            place = asyncio.ensure_future(self._find_place())
            upcoming = asyncio.ensure_future(anext(splitting, None))
            waited_for: set[asyncio.Future[Any]] = {place, upcoming}
            try:
                while True:
                    done, _ = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                    if upcoming not in done:
                        # The connection is there still, so from here on nothing is lost.
                        waited_for = {upcoming}
                        self._take_place(place)
                        yield []
                        continue
                    if place in done:
                        self._take_place(place)
                    if (lines := upcoming.result()) is None:
                        return
                    self._from_now = False
                    yield lines
                    upcoming = asyncio.ensure_future(anext(splitting, None))
                    waited_for = {upcoming}
            finally:
                place.cancel()
                upcoming.cancel()
                await asyncio.gather(place, upcoming, return_exceptions=True)

    def _take_place(self, place: asyncio.Future[dict[str, Any] | None]) -> None:
        """
        Go on behind the event that was the last one, or from the first one on where there was none.
        """
        try:
            newest = place.result()
        except (EventSourceError, httpx.TransportError) as error:
            # The live stream goes on without. Should it end before an event has come, the next one is the first.
            log.warning("observe.place_unknown", subject=self._subject, reason=str(error))
            return
        if not self._from_now:
            return
        self._from_now = False
        if newest is not None and not self._options.get("lowerBound"):
            self._options["lowerBound"] = newest["id"]

    async def _find_place(self) -> dict[str, Any] | None:
        """
        The last event there is at the subject and below it; None if there is none.
        """
        scope = self._subject.rstrip("/")
        try:
            newest = await self._ask_for_newest(scope)
        except EventSourceError:
            # Not every server takes every query.
            newest = None
        if newest is not None:
            return newest
        last: tuple[int, bytes] | None = None
        async with aclosing(self._exchange.lines("/stream", stream_body(self._subject, {}))) as found:
            async for lines in found:
                last = lines[-1]
        return None if last is None else read_event(*last)

    async def _ask_for_newest(self, scope: str) -> dict[str, Any] | None:
        where = Under(Path(("subject",)), Constant(scope)) if scope else None
        query = Query(where=where, order_by=(OrderKey(Path(("time",)), descending=True),), limit=1)
        async with aclosing(
            self._exchange.lines("/q", to_canonical_json({"query": print_query(query)}).encode())
        ) as found:
            async for lines in found:
                event = read_event(*lines[0])
                # A server that understands less of the query answers with an event of another subject.
                is_there = event["subject"] == scope or event["subject"].startswith(f"{scope}/")
                return event if is_there and len(lines) == 1 else None
        return None

    async def _split(self, arriving: AsyncIterator[bytes], begun: bytes = b"") -> AsyncGenerator[Lines]:
        splitter = LineSplitter(skips_heartbeats=True, max_line_bytes=self._exchange.limits.line_bytes)
        if begun and (found := splitter.feed(begun)):
            self._note(found)
            yield found
        async for part in arriving:
            if found := splitter.feed(part):
                self._note(found)
                yield found
        self._check_end(splitter)

    def _check_end(self, splitter: LineSplitter) -> None:
        """
        Judge a line that an answer ended within, though it ended in good order.

        It may come again, whole, behind the last event. It does not if it is whole and no event, if the
        answer was to end, or if it is there each time.

        Raises:
            DamagedLineError: It will not.
        """
        if splitter.line_count:
            self._ended_within_line = 0
        try:
            splitter.finish()
        except DamagedLineError:
            self._ended_within_line += 1
            if self._has_end or self._ended_within_line > _MAX_ENDS_WITHIN_LINE:
                raise
            number, rest = splitter.rest()
            may_come_again = (
                b"data:".startswith(rest) or is_heartbeat(rest) or (rest.startswith(b"{") and not _is_whole(rest))
            )
            if not may_come_again:
                read_event(number, rest)

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with self._exchange.opened("POST", "/observe", self._body(), is_long_lived=True) as response:
            if not response.is_success:
                reply = await self._exchange.reply(response)
                refusal = self._exchange.failure(reply)
                if reply.status != _TOO_MANY_REQUESTS and reply.status < _FIRST_SERVER_ERROR:
                    raise refusal
                raise _BusyError(refusal, reply.retry_after_s)
            check_media_type(response.headers)
            self._tries_left = None
            self._is_back()
            yield parts(response)

    def _body(self) -> bytes:
        return stream_body(self._subject, self._options)

    def _note(self, lines: Lines) -> None:
        """
        Resume behind these from now on.
        """
        for number, line in lines if self._is_unordered else lines[-1:]:
            event = read_event(number, line)
            instant = to_instant(event["time"]) if self._is_unordered else None
            if instant is not None:
                if instant.ns < self._newest_ns:
                    continue
                self._newest_ns = instant.ns
            self._options["lowerBound"] = event["id"]
            self._options.pop("includeLowerBoundEvent", None)

    def _is_back(self) -> None:
        if self._is_away:
            self._is_away = False
            log.info("observe.reconnected", subject=self._subject)

    async def _pause(self, reason: str, error: Exception | None = None, *, retry_after_s: float | None = None) -> None:
        self._exchange.check_open()
        if self._tries_left is not None:
            self._tries_left -= 1
            if self._tries_left <= 0:
                raise StoreUnavailableError(self._exchange.settings.url, reason) from error
        pause_s = self._backoff.pause_s(retry_after_s)
        self._is_away = True
        log.warning("observe.reconnecting", subject=self._subject, reason=reason, pause_s=round(pause_s, 3))
        await self._exchange.pause(pause_s)


def _reason(error: httpx.TransportError | StoreUnavailableError) -> str:
    return error.reason if isinstance(error, StoreUnavailableError) else describe(error)


class _BusyError(Exception):
    def __init__(self, refusal: EventSourceError, retry_after_s: float | None) -> None:
        super().__init__(str(refusal))
        self.retry_after_s = retry_after_s


def _is_whole(line: bytes) -> bool:
    try:
        read_value(1, line)
    except DamagedLineError:
        return False
    return True


# So many connections in a row may end within their first line; the next one that does is what the server sends.
_MAX_ENDS_WITHIN_LINE = 3
_TOO_MANY_REQUESTS = 429
_FIRST_SERVER_ERROR = 500
