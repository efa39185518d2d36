"""
Requests and answers: prepared, sent, and their failures given names.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import httpx

from eventsource.events.canonical_json import to_canonical_json
from eventsource.genesisdb.backoff import Backoff, read_retry_after
from eventsource.genesisdb.body import SMALL_BYTES, check_media_type, parts, read_body
from eventsource.genesisdb.errors import AnswerTooLargeError
from eventsource.genesisdb.loops import PerLoop
from eventsource.genesisdb.own_client import OwnClient
from eventsource.genesisdb.transport import LONG_LIVED, Transport
from eventsource.wire.errors import DamagedLineError, StoreClosedError, StoreUnavailableError
from eventsource.wire.failures import read_failure
from eventsource.wire.ndjson import LineSplitter
from eventsource.wire.request_errors import RequestRefusedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from eventsource.genesisdb.settings import Settings
    from eventsource.guards.preconditions import Precondition
    from eventsource.root_error import EventSourceError

JSON = "application/json"
NDJSON = "application/x-ndjson"
IDEMPOTENCY_KEY = "Idempotency-Key"

Lines = list[tuple[int, bytes]]

_OK = range(200, 300)
# Tried again, where that is harmless: the server is busy or starting, or one before it lost it.
_PASSING = frozenset({429, 502, 503, 504})


@attrs.frozen
class Limits:
    """
    Time limits and size limits of requests.

    Attributes:
        connect_s: For a connection, in seconds.

        read_s: For an answer, and for each next part of it.

        write_s: For room to send.

        pool_s: For one of the connections, when all are in use.

        liveness_s: Longest silence of an observed stream, without even a sign of life.

        answer_bytes: The largest answer that is held in memory.

        line_bytes: The longest line of a stream.

        tries: Number of attempts at a read before it fails.

        commit_tries: Number of attempts at a commit, where a repeat is harmless.
    """

    connect_s: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))
    read_s: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    write_s: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    pool_s: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    liveness_s: float = attrs.field(default=20.0, validator=attrs.validators.gt(0))
    answer_bytes: int = attrs.field(default=64 * 1024 * 1024, validator=attrs.validators.gt(0))
    line_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=attrs.validators.gt(0))
    tries: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    commit_tries: int = attrs.field(default=6, validator=attrs.validators.ge(1))


DEFAULT_LIMITS = Limits()


@attrs.frozen
class Reply:
    """
    An answer that was read to its end.

    Attributes:
        is_cut: It was not: the body is what came of it.
    """

    status: int
    headers: httpx.Headers
    body: bytes
    is_cut: bool = False

    @property
    def is_ok(self) -> bool:
        """
        True if the server did what was asked.
        """
        return self.status in _OK

    @property
    def retry_after_s(self) -> float | None:
        """
        The wait the server asks for, in seconds.
        """
        return read_retry_after(self.headers.get("retry-after"))


@attrs.define(eq=False)
class _Work:
    """
    The work of one event loop's tasks with an exchange.

    Attributes:
        under_way: Number of requests sent and not yet answered, except those without an end.

        pausing: Those who wait for the next try.

        draining: Those who wait for the end of all requests.
    """

    under_way: int = 0
    pausing: set[asyncio.Future[None]] = attrs.field(factory=set["asyncio.Future[None]"])
    draining: set[asyncio.Future[None]] = attrs.field(factory=set["asyncio.Future[None]"])

    def wake(self) -> None:
        _wake(self.pausing)


# How often a client that is being closed looks at the requests of other loops, in seconds.
_LOOK_S = 0.02


class Exchange:
    """
    Sends requests to one server.

    Args:
        http: A client to send by, kept open; None is a transport of its own.

        tls: How that transport verifies servers.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        limits: Limits = DEFAULT_LIMITS,
        http: httpx.AsyncClient | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int | None = None,
    ) -> None:
        if http is not None and (tls is not None or max_connections is not None):
            msg = "give either an httpx.AsyncClient or the settings of the client's own connections, not both"
            raise ValueError(msg)
        self.settings = settings
        self.limits = limits
        self._http = None if http is None else OwnClient(http, settings.url, settings.hide_token)
        self._transport = Transport(
            tls=tls, **({} if max_connections is None else {"max_connections": max_connections})
        )
        self._prepared: dict[tuple[str, str | None, bool], tuple[httpx.URL, httpx.Headers]] = {}
        self._timeout = {
            "connect": limits.connect_s,
            "read": limits.read_s,
            "write": limits.write_s,
            "pool": limits.pool_s,
        }
        self._work: PerLoop[_Work] = PerLoop(_Work)
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """
        True if it was closed.
        """
        return self._is_closed

    async def aclose(self) -> None:
        """
        Let the requests under way that have an end come to it, and close all connections.

        Those of other event loops are waited for as long as their loops run.
        """
        self._is_closed = True
        try:
            self._work.each(_Work.wake)
            own = self._work.here()
            while own.under_way:
                drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                own.draining.add(drained)
                await drained
            # Another loop may stop for good without a word, so it is looked at.
            while self._is_busy_elsewhere():  # noqa: ASYNC110  no event of this loop tells that another one stops
                await asyncio.sleep(_LOOK_S)
        finally:
            await self._transport.aclose()

    def _is_busy_elsewhere(self) -> bool:
        return any(work.under_way and loop.is_running() for loop, work in self._work.living())

    async def pause(self, seconds: float) -> None:
        """
        Wait, but not for a client that is closed.

        Raises:
            StoreClosedError: It is.
        """
        self.check_open()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        pausing = self._work.here().pausing
        pausing.add(waiter)
        alarm = loop.call_later(seconds, _wake, {waiter})
        try:
            await waiter
        finally:
            alarm.cancel()
            pausing.discard(waiter)
        self.check_open()

    def check_open(self) -> None:
        """
        Raise if it was closed.

        Raises:
            StoreClosedError: It was.
        """
        if self._is_closed:
            raise StoreClosedError(self.settings.url)

    # Answers as a whole.

    async def get(
        self, path: str, *, accept: str = JSON, tries: int | None = None, limit_bytes: int | None = None
    ) -> Reply:
        """
        Ask for something; tried again where that may help.

        Args:
            limit_bytes: The largest answer that is believed, if that is less than `Limits.answer_bytes`.

        Raises:
            DamagedLineError: The answer is of another kind, such as a page.
            EventSourceError: As `failure` makes it, or no answer came.
        """
        return await self._ask("GET", path, None, accept, tries=tries, limit_bytes=limit_bytes)

    async def ask(self, path: str, body: bytes, *, accept: str = JSON) -> Reply:
        """
        Post a question, which changes nothing; otherwise as `get`.
        """
        return await self._ask("POST", path, body, accept)

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        accept: str,
        *,
        tries: int | None = None,
        limit_bytes: int | None = None,
    ) -> Reply:
        backoff = Backoff()
        left = tries or self.limits.tries
        while True:
            left -= 1
            try:
                reply = await self.send(method, path, body, accept=accept, limit_bytes=limit_bytes)
            except httpx.TransportError as error:
                if left <= 0 or self._is_closed:
                    raise self.unavailable(error) from error
                await self.pause(backoff.pause_s())
                continue
            if reply.is_ok:
                check_media_type(reply.headers)
                return reply
            if left <= 0 or reply.status not in _PASSING:
                raise self.failure(reply)
            await self.pause(backoff.pause_s(reply.retry_after_s))

    async def post(self, path: str, body: bytes | AsyncIterator[bytes]) -> Reply:
        """
        Post what changes something; sent once.

        Raises:
            EventSourceError: As `failure` makes it, or no answer came: then it may have been done.
        """
        try:
            reply = await self.send("POST", path, body, limit_bytes=SMALL_BYTES)
        except httpx.TransportError as error:
            raise self.unavailable(error) from error
        if not reply.is_ok:
            raise self.failure(reply)
        check_media_type(reply.headers)
        return reply

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes] | None = None,
        *,
        accept: str = JSON,
        idempotency_key: str | None = None,
        may_be_cut: bool = False,
        limit_bytes: int | None = None,
    ) -> Reply:
        """
        Send once, and read the answer whatever its status.

        Args:
            may_be_cut: The status alone is worth something.

            limit_bytes: The largest answer that is held, if that is less than `Limits.answer_bytes`.

        Raises:
            httpx.TransportError: No answer, or not all of it.
            AnswerTooLargeError: More of it than is held in memory.
            DamagedLineError: It is packed.
        """
        self.check_open()
        work = self._work.here()
        work.under_way += 1
        try:
            response = await self._open(method, path, body, accept=accept, idempotency_key=idempotency_key)
            try:
                return await self.reply(response, limit_bytes=limit_bytes)
            except (httpx.TransportError, AnswerTooLargeError, DamagedLineError):
                if may_be_cut:
                    return Reply(response.status_code, response.headers, b"", is_cut=True)
                raise
            finally:
                await response.aclose()
        finally:
            work.under_way -= 1
            if work.under_way == 0:
                _wake(work.draining)

    # Answers line by line.

    async def lines(self, path: str, body: bytes | None = None, *, accept: str = NDJSON) -> AsyncGenerator[Lines]:
        """
        Ask, and give the lines of the answer with their numbers, as they come, many at a time.

        It is tried again until the first line has come.

        Raises:
            DamagedLineError: The last line was cut, or one is too long.
            StoreUnavailableError: The connection went.
            EventSourceError: As `failure` makes it.
        """
        backoff = Backoff()
        left = self.limits.tries
        has_begun = False
        while True:
            left -= 1
            retry_after_s = None
            try:
                async with self.opened("GET" if body is None else "POST", path, body, accept=accept) as response:
                    if response.status_code in _OK:
                        check_media_type(response.headers)
                        splitter = LineSplitter(max_line_bytes=self.limits.line_bytes)
                        async for part in parts(response):
                            if found := splitter.feed(part):
                                has_begun = True
                                yield found
                                self.check_open()
                        splitter.finish()
                        return
                    reply = await self.reply(response)
                    if left <= 0 or reply.status not in _PASSING:
                        raise self.failure(reply)
                    retry_after_s = reply.retry_after_s
            except httpx.TransportError as error:
                self.check_open()
                if has_begun or left <= 0:
                    raise self.unavailable(error) from error
            await self.pause(backoff.pause_s(retry_after_s))

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        accept: str = NDJSON,
        is_long_lived: bool = False,
    ) -> AsyncGenerator[httpx.Response]:
        """
        An answer whose head is here, whatever its status. It is closed on leaving.

        Args:
            is_long_lived: The answer does not end; if it is silent for too long it is given up.

        Raises:
            httpx.TransportError: No answer.
        """
        self.check_open()
        response = await self._open(method, path, body, accept=accept, is_long_lived=is_long_lived)
        try:
            yield response
        finally:
            await response.aclose()

    async def reply(self, response: httpx.Response, *, limit_bytes: int | None = None) -> Reply:
        """
        Read an answer to its end, one that was opened.
        """
        limit = self.limits.answer_bytes if limit_bytes is None else min(limit_bytes, self.limits.answer_bytes)
        return Reply(response.status_code, response.headers, await read_body(response, limit))

    # Failures.

    def failure(self, reply: Reply, preconditions: Sequence[Precondition | str] = ()) -> EventSourceError:
        """
        The error that an unsuccessful answer means.
        """
        if 300 <= reply.status < 400:  # noqa: PLR2004  the redirects
            # A POST that is sent elsewhere carries the token with it, and may become a GET.
            text = "the server sends us elsewhere, and redirects are not followed: give its own URL"
            return RequestRefusedError(text, status=reply.status)
        return read_failure(
            reply.status,
            reply.body,
            server=self.settings.url,
            preconditions=preconditions,
            hide=self.settings.hide_token,
        )

    def unavailable(self, error: httpx.TransportError) -> EventSourceError:
        """
        The error that a missing answer means.
        """
        if self._is_closed:
            return StoreClosedError(self.settings.url)
        return StoreUnavailableError(self.settings.url, self.settings.hide_token(describe(error)))

    # Sending.

    async def _open(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes] | None,
        *,
        accept: str,
        idempotency_key: str | None = None,
        is_long_lived: bool = False,
    ) -> httpx.Response:
        url, headers = self._prepare(path, accept, has_body=body is not None)
        if idempotency_key is not None:
            # A list of pairs: setting a header of httpx's looks through all of them several times.
            headers = httpx.Headers([*headers.raw, (b"Idempotency-Key", idempotency_key.encode("ascii"))])
        extensions: dict[str, Any] = {"timeout": self._timeout}
        if is_long_lived:
            extensions = {"timeout": {**self._timeout, "read": self.limits.liveness_s}, LONG_LIVED: True}
        if self._http is None:
            # httpx's own client would cost more than all the rest of a commit.
            request = httpx.Request(method, url, headers=headers, content=body, extensions=extensions)
            return await self._transport.handle_async_request(request)
        return await self._http.send(method, url, headers, body, extensions)

    def _prepare(self, path: str, accept: str, *, has_body: bool) -> tuple[httpx.URL, httpx.Headers]:
        key = (path, accept, has_body)
        if key not in self._prepared:
            url = httpx.URL(self.settings.base + path)
            headers = httpx.Headers(
                {
                    "Host": url.netloc.decode("ascii"),
                    "Accept": accept,
                    # Lines that are packed together would arrive late.
                    "Accept-Encoding": "identity",
                    "User-Agent": "eventsource-genesisdb",
                }
            )
            if has_body:
                headers["Content-Type"] = JSON
            # A ping shows whether the server is there, not who asks.
            if self.settings.token and path != "/status/ping":
                headers["Authorization"] = f"Bearer {self.settings.token}"
            self._prepared[key] = (url, headers)
        return self._prepared[key]


def _wake(waiters: set[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


def stream_body(subject: str, options: Mapping[str, Any]) -> bytes:
    """
    The body of ``POST /stream`` and ``POST /observe``.

    Raises:
        UnstorableDataError: Something in it has no JSON form.
    """
    body: dict[str, Any] = {"subject": str(subject)}
    if options:
        body["options"] = dict(options)
    return to_canonical_json(body).encode()


def describe(error: Exception) -> str:
    """
    A failure of the transport in words.
    """
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
