"""
One HTTP/1.1 connection: a request at a time, its answer read as fast as somebody takes it.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, cast

import httpx

from eventsource.genesisdb.answer import FEED_BYTES, Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from eventsource.genesisdb.answer import Waits


class Connection(asyncio.Protocol):
    """
    A connection to one server.

    Args:
        on_idle: Is told when an answer is complete, so that the next request may use the connection.

        on_gone: Is told once, when the connection is gone.
    """

    def __init__(self, on_idle: Callable[[Connection], None], on_gone: Callable[[Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_idle = on_idle
        self._on_gone = on_gone
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_sending = False
        self._process = os.getpid()
        self.is_gone = False
        self.idle_since = 0.0

    def check_process(self) -> None:
        """
        Refuse to read in a process that was forked: what arrives is its parent's.

        Raises:
            httpx.ReadError: It was.
        """
        if self._process != os.getpid():
            message = "this answer belongs to another process, which was forked while it was being read"
            raise httpx.ReadError(message)

    async def send(self, method: str, head: bytes, body: bytes | AsyncIterator[bytes], waits: Waits) -> Answer:
        """
        Send a request, and wait for the head of its answer.

        Raises:
            httpx.ConnectError: It was closed before anything was sent.
            httpx.WriteTimeout, httpx.ReadTimeout: Nothing moved for as long as *waits* allows.
            httpx.RemoteProtocolError, httpx.ReadError: The connection went, or what came is no HTTP.
        """
        transport = self._transport
        if transport is None or self.is_gone or transport.is_closing():
            self.abort()
            message = "the connection was closed before it was used"
            raise httpx.ConnectError(message)
        answer = self._answer = Answer(self, method, waits)
        try:
            if isinstance(body, bytes):
                transport.write(head + body)
                await self._drain(answer)
            else:
                self._is_sending = True
                transport.write(head)
                async for part in body:
                    await self._drain(answer)
                    if self._answer is not answer or answer.has_head:
                        break
                    transport.write(part)
                else:
                    self._is_sending = False
            await answer.wait_for_head()
        except BaseException:
            # Half a request, or an answer that nobody waits for: no other request can follow. When the answer is
            # complete the connection is somebody else's already.
            if self._answer is answer:
                self.abort()
            raise
        return answer

    async def _drain(self, answer: Answer) -> None:
        if self._may_write.is_set():
            return
        # An answer that comes before the request is written is a refusal: nobody reads the rest.
        waiting = self._loop.create_task(self._may_write.wait())
        head = self._loop.create_task(answer.wait_for_head(has_deadline=False))
        try:
            done, _ = await asyncio.wait(
                {waiting, head}, timeout=answer.waits.write_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                message = "the request could not be written in time"
                raise httpx.WriteTimeout(message)
        finally:
            waiting.cancel()
            head.cancel()
            await asyncio.gather(waiting, head, return_exceptions=True)

    def abort(self) -> None:
        """
        Drop the connection at once.
        """
        self._lose(None)
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """
        Leave what comes in the socket.
        """
        if (transport := self._readable()) is not None:
            transport.pause_reading()

    def resume(self) -> None:
        """
        Read on.
        """
        if (transport := self._readable()) is not None:
            transport.resume_reading()

    def _readable(self) -> asyncio.Transport | None:
        # A transport that is closing refuses in some loops, and does nothing in others.
        transport = self._transport
        return None if transport is None or self.is_gone or transport.is_closing() else transport

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        It is open.
        """
        # Loops have transport classes of their own: uvloop's derive from none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """
        Some of the answer is here.
        """
        answer = self._answer
        if answer is None:
            # No request is under way: a server that is closing says why, one that is out of step is not to be believed.
            self.abort()
            return
        if len(data) <= FEED_BYTES:
            answer.feed(data)
        else:
            whole = memoryview(data)
            for start in range(0, len(data), FEED_BYTES):
                if answer.is_over:
                    answer.keeps_alive = False
                    break
                answer.feed(whole[start : start + FEED_BYTES])
        if answer.is_complete and answer.keeps_alive and not self._is_sending:
            self._answer = None
            self.idle_since = self._loop.time()
            self._on_idle(self)
        elif answer.is_over:
            if answer.is_complete:
                self._answer = None
            self.abort()

    def pause_writing(self) -> None:
        """
        The socket is full.
        """
        self._may_write.clear()

    def resume_writing(self) -> None:
        """
        There is room again.
        """
        self._may_write.set()

    def eof_received(self) -> bool:
        """
        Nothing more will come; closing follows.
        """
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """
        It is closed.
        """
        self._lose(exc)

    def _lose(self, error: Exception | None) -> None:
        if self.is_gone:
            return
        self.is_gone = True
        self._may_write.set()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.end(error)
        self._on_gone(self)
