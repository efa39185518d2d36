"""
Following a stream for as long as somebody listens, whatever happens to connections and servers.

Over HTTP an observed stream without a lower bound has only what is committed after it was opened.
Whatever falls between two connections would be lost, so there is always a bound: the last event
that came. As long as there is none, because the stream is empty, the live stream is opened first
and then history is read; what has come to be there gives the bound.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import httpx

from eventsource.errors import DamagedLineError, StoreUnavailableError
from eventsource.gdbql import to_instant
from eventsource.genesisdb.backoff import Backoff
from eventsource.genesisdb.exchange import Lines, describe, parts, stream_body
from eventsource.genesisdb.read_back import is_event
from eventsource.log import get_logger
from eventsource.wire.ndjson import LineSplitter, read_value

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from eventsource.genesisdb.exchange import Exchange

log = get_logger(__name__)

# How long the first sign of life of a live stream is waited for, in seconds: servers send one at once, and
# one that does not has answered at least.
_FIRST_SIGN_S = 1.0

NEWEST = b'{"query":"STREAM e FROM events ORDER BY e.time DESC LIMIT 1"}'


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


async def newest_event(exchange: Exchange) -> dict[str, Any] | None:
    """
    The last event of the whole store; None in an empty one.
    """
    async with aclosing(exchange.lines("/q", NEWEST)) as found:
        async for lines in found:
            for number, line in lines:
                event: dict[str, Any] = read_value(number, line)
                return event
    return None


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
        self._subject = subject
        self._options = dict(options or {})
        self._from_now = from_now and not self._options.get("lowerBound")
        # An answer that ends in good order is the end only where an end was asked for.
        self._has_end = bool(self._options.get("upperBound"))
        # Their order is not known, so the last of them need not be the newest.
        self._is_unordered = bool(self._options.get("latestByEventType"))
        self._newest_ns = 0
        self._backoff = Backoff()
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
        if self._from_now:
            newest = await newest_event(self._exchange)
            if newest is not None:
                self._options["lowerBound"] = newest["id"]
        else:
            async with aclosing(self._history()) as history:
                async for lines in history:
                    yield Batch(lines, is_caught_up=False)
        yield Batch([], is_caught_up=True)
        while True:
            try:
                async with aclosing(self._live()) as live:
                    async for lines in live:
                        self._backoff.reset()
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
                        self._note(lines)
                        yield lines
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

    async def _split(self, arriving: AsyncIterator[bytes], begun: bytes = b"") -> AsyncGenerator[Lines]:
        splitter = LineSplitter(skips_heartbeats=True, max_line_bytes=self._exchange.limits.line_bytes)
        if begun and (found := splitter.feed(begun)):
            self._note(found)
            yield found
        async for part in arriving:
            if found := splitter.feed(part):
                self._note(found)
                yield found
        # What is left of a line is left: it comes again, whole, behind the last event.

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with self._exchange.opened("POST", "/observe", self._body(), is_long_lived=True) as response:
            if not response.is_success:
                reply = await self._exchange.reply(response)
                if reply.status != _TOO_MANY_REQUESTS and reply.status < _FIRST_SERVER_ERROR:
                    raise self._exchange.failure(reply)
                raise _BusyError(reply.status, reply.retry_after_s)
            self._tries_left = None
            yield parts(response)

    def _body(self) -> bytes:
        return stream_body(self._subject, self._options)

    def _note(self, lines: Lines) -> None:
        """
        Resume behind these from now on.
        """
        for number, line in lines if self._is_unordered else lines[-1:]:
            event = read_value(number, line)
            if not is_event(event):
                reason = "it is no event"
                raise DamagedLineError(number, reason)
            instant = to_instant(event["time"]) if self._is_unordered else None
            if instant is not None:
                if instant.ns < self._newest_ns:
                    continue
                self._newest_ns = instant.ns
            self._options["lowerBound"] = event["id"]
            self._options.pop("includeLowerBoundEvent", None)

    async def _pause(self, reason: str, error: Exception | None = None, *, retry_after_s: float | None = None) -> None:
        self._exchange.check_open()
        if self._tries_left is not None:
            self._tries_left -= 1
            if self._tries_left <= 0:
                raise StoreUnavailableError(self._exchange.settings.url, reason) from error
        pause_s = self._backoff.pause_s(retry_after_s)
        log.warning("observe.reconnecting", subject=self._subject, reason=reason, pause_s=round(pause_s, 3))
        await self._exchange.pause(pause_s)


def _reason(error: httpx.TransportError | StoreUnavailableError) -> str:
    return error.reason if isinstance(error, StoreUnavailableError) else describe(error)


class _BusyError(Exception):
    def __init__(self, status: int, retry_after_s: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.retry_after_s = retry_after_s


_TOO_MANY_REQUESTS = 429
_FIRST_SERVER_ERROR = 500
