"""
Connections kept open between requests, never more than a limit, handed out in the order asked for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING

import attrs
import httpx

from eventsource.genesisdb.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable


# An idle connection older than this may have been closed without our having looked, in seconds.
_FRESH_S = 0.1

CLOSED = "the client was closed before anything was sent"


@attrs.frozen
class Origin:
    """
    Whom to connect to; *tls* None is plain text.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None


@attrs.define(eq=False)
class Pool:
    """
    The connections to one server.

    The one used last is used next, so those that a quiet hour needs no more grow old and are closed.

    Attributes:
        origin: The server.

        limit: Greatest number of connections at once.

        expiry_s: How long one may be idle and still be used, in seconds. Below what servers wait
            before they close it: a request that meets the closing has an unknown outcome.
    """

    origin: Origin
    limit: int
    expiry_s: float
    _is_closed: bool = attrs.field(default=False, init=False)
    _open: set[Connection] = attrs.field(factory=set["Connection"], init=False)
    # Those in use and those being opened.
    _taken: int = attrs.field(default=0, init=False)
    _idle: deque[Connection] = attrs.field(factory=deque["Connection"], init=False)
    _waiting: deque[asyncio.Future[Connection | None]] = attrs.field(
        factory=deque["asyncio.Future[Connection | None]"], init=False
    )

    async def take(self, *, connect_s: float | None, pool_s: float | None) -> Connection:
        """
        A connection for one request. It comes back by itself when the answer is complete.

        Raises:
            httpx.PoolTimeout: All were in use for too long.
            httpx.ConnectError, httpx.ConnectTimeout: None could be opened, or the pool was closed.
        """
        connection = await self._reuse(pool_s)
        if connection is not None:
            return connection
        try:
            connection = await self._connect(self._put_back, self._forget, connect_s)
        except BaseException:
            self._free_place()
            raise
        return connection

    async def open_apart(self, *, connect_s: float | None) -> Connection:
        """
        A connection that counts for no limit and is used once: for an answer that does not end.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: It could not be opened.
        """
        return await self._connect(Connection.abort, self._open.discard, connect_s)

    async def _connect(
        self, on_idle: Callable[[Connection], None], on_gone: Callable[[Connection], None], connect_s: float | None
    ) -> Connection:
        self._check_open()
        connection = await connect(self.origin, on_idle, on_gone, connect_s)
        self._open.add(connection)
        if self._is_closed:
            # While it was being opened.
            connection.abort()
            raise httpx.ConnectError(CLOSED)
        return connection

    def _check_open(self) -> None:
        if self._is_closed:
            raise httpx.ConnectError(CLOSED)

    def close(self) -> None:
        """
        Close all, whatever they are doing, and refuse those who wait for one: none is opened any more.
        """
        self._is_closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(httpx.ConnectError(CLOSED))
        for connection in list(self._open):
            connection.abort()

    async def _reuse(self, pool_s: float | None) -> Connection | None:
        """
        Take a place. None is leave to open a connection.
        """
        while True:
            self._check_open()
            connection = self._youngest_idle()
            if connection is not None or (self._taken < self.limit and not self._waiting):
                self._taken += 1
            else:
                connection = await self._wait_for_turn(pool_s)
            if connection is None:
                return None
            if not connection.is_gone and connection.idle_since < asyncio.get_running_loop().time() - _FRESH_S:
                # Two rounds of the loop: one to look at the sockets, one to hear that the server has closed.
                try:
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                except BaseException:
                    self._give_back(connection)
                    raise
            if not connection.is_gone:
                return connection

    def _youngest_idle(self) -> Connection | None:
        oldest_good = asyncio.get_running_loop().time() - self.expiry_s
        while self._idle and self._idle[0].idle_since < oldest_good:
            # It leaves the idle ones by `_forget`.
            self._idle[0].abort()
        return self._idle.pop() if self._idle else None

    async def _wait_for_turn(self, pool_s: float | None) -> Connection | None:
        """
        Wait in line for a place.
        """
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(turn)
        alarm = None if pool_s is None else loop.call_later(pool_s, _refuse, turn)
        try:
            return await turn
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn.done() and not turn.cancelled() and turn.exception() is None:
                # It was given a place at the very moment it gave up.
                self._give_back(turn.result())
            raise
        finally:
            if alarm is not None:
                alarm.cancel()

    def _give_back(self, connection: Connection | None) -> None:
        if connection is None:
            self._free_place()
        elif not connection.is_gone:
            self._put_back(connection)

    def _put_back(self, connection: Connection) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        self._taken -= 1
        self._idle.append(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self._free_place()

    def _free_place(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken -= 1


def _refuse(turn: asyncio.Future[Connection | None]) -> None:
    if not turn.done():
        turn.set_exception(httpx.PoolTimeout("all connections were in use for too long"))


async def connect(
    origin: Origin,
    on_idle: Callable[[Connection], None],
    on_gone: Callable[[Connection], None],
    timeout_s: float | None,
) -> Connection:
    """
    Open a connection.

    Raises:
        httpx.ConnectError, httpx.ConnectTimeout: It could not be opened.
    """
    loop = asyncio.get_running_loop()
    opened: list[Connection] = []

    def on_gone_once_opened(connection: Connection) -> None:
        # While it is being opened nobody else knows of it.
        if opened:
            on_gone(connection)

    try:
        async with asyncio.timeout(timeout_s):
            _, connection = await loop.create_connection(
                lambda: Connection(on_idle, on_gone_once_opened),
                origin.host,
                origin.port,
                ssl=origin.tls,
            )
    except TimeoutError:
        message = "no connection in time"
        raise httpx.ConnectTimeout(message) from None
    except (OSError, ssl.SSLError, UnicodeError, OverflowError) as error:
        # A name that no DNS can have is a UnicodeError, a port that no machine can have an OverflowError.
        raise httpx.ConnectError(_describe(error)) from None
    if connection.is_gone:
        message = "the connection was closed as soon as it was open"
        raise httpx.ConnectError(message)
    opened.append(connection)
    return connection


def _describe(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}"
    words = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {words or error}"
