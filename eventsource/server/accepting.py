"""
From a listening socket to connections: the limits apply before the server reads anything, a TLS handshake included.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from eventsource.log import get_logger
from eventsource.server.admission import Admission, counted_address
from eventsource.server.connections import Connection, Server, plain_answer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from os import PathLike

    from eventsource.server.settings import ServerLimits

_log = get_logger(__name__)

_TOO_MANY = plain_answer("503 Service Unavailable", "too many connections", "retry-after: 1\r\n")

# So many are accepted before what is open already gets its turn.
_ACCEPTED_AT_ONCE = 64

# What the system says when it has no room for one more.
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class HttpServer:
    """
    Serves an ASGI application over HTTP/1.1 in the running event loop.

    Args:
        tls: From `tls_context`; None speaks without TLS.

        clock: Seconds that only grow.
    """

    def __init__(
        self, app: Any, limits: ServerLimits, clock: Callable[[], float], tls: ssl.SSLContext | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._admission = Admission(limits, clock, self._loop)
        self._shared = Server(app, self._admission, self._loop)
        self._tls = tls
        self._listening: socket.socket | None = None
        self._handshakes: set[_Handshake] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None

    def start(self, listening: socket.socket) -> None:
        """
        Accepts connections from now on.
        """
        self._listening = listening
        self._keep_date()
        self._loop.add_reader(listening, self._accept)

    async def stop(self, grace_s: float) -> None:
        """
        Stop: accept no connection, and finish the answers under way; what is not finished in *grace_s* seconds is cut.
        """
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()
        for handshake in list(self._handshakes):
            handshake.give_way()
        for connection in self._admission.connections(Connection):
            connection.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._until_empty()
        for connection in self._admission.connections(Connection):
            connection.abort()
        # An aborted connection is lost in the next turn of the loop; its task then learns that the client has left.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._until_empty()
        self._admission.close()

    async def _until_empty(self) -> None:
        while len(self._admission) or self._shared.tasks or self._handshakes:  # noqa: ASYNC110  it takes milliseconds
            await asyncio.sleep(0.01)

    def _keep_date(self) -> None:
        self._shared.headers[:] = [(b"date", formatdate(usegmt=True).encode())]
        self._timer = self._loop.call_later(1, self._keep_date)

    def _accept(self) -> None:
        listening = self._listening
        for _ in range(_ACCEPTED_AT_ONCE):
            if listening is None:
                return
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                # The client has left the queue.
                continue
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._make_room(listening)
                return
            self._let_in(accepted, str(address[0]))

    def _let_in(self, accepted: socket.socket, host: str) -> None:
        accepted.setblocking(False)  # noqa: FBT003  its only parameter
        handshake = _Handshake(self._shared, accepted, counted_address(host), self._tls, self._handshakes)
        if not self._admission.admit(handshake):
            if self._tls is None:
                with contextlib.suppress(OSError):
                    accepted.send(_TOO_MANY)
            accepted.close()
            return
        handshake.start()

    def _make_room(self, listening: socket.socket) -> None:
        """
        The process has no file left: the next connection takes the one of a connection that waits, or waits itself.
        """
        if self._admission.free_one():
            return
        _log.warning("server.no_file_left", connections=len(self._admission))
        self._loop.remove_reader(listening)
        self._again = self._loop.call_later(1, self._loop.add_reader, listening, self._accept)


class _Handshake:
    """
    A connection that was accepted, until it speaks HTTP: TLS comes first, and takes no longer than a head may.
    """

    def __init__(
        self,
        server: Server,
        accepted: socket.socket,
        address: str,
        tls: ssl.SSLContext | None,
        all_of_them: set[_Handshake],
    ) -> None:
        self.address = address
        self._server = server
        self._accepted = accepted
        self._tls = tls
        self._all = all_of_them
        self._since = server.admission.clock()
        self._task: asyncio.Task[None] | None = None
        self._is_handed_on = False

    def start(self) -> None:
        """
        Begin.
        """
        self._all.add(self)
        self._task = self._server.loop.create_task(self._shake())
        self._task.add_done_callback(self._end)

    def look(self, now: float) -> None:
        """
        End it if its client has taken too long.
        """
        if now - self._since > self._server.admission.limits.header_s:
            self.give_way()

    def give_way(self) -> None:
        """
        End it at once.
        """
        if self._task is not None:
            self._task.cancel()

    async def _shake(self) -> None:
        # From here on the socket is the event loop's to close.
        self._is_handed_on = True
        # The client left, speaks no TLS, or took too long: it gets no answer, and the log gets no line.
        with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
            await self._server.loop.connect_accepted_socket(
                lambda: Connection(self._server, self), self._accepted, ssl=self._tls
            )

    def _end(self, task: asyncio.Task[None]) -> None:
        self._all.discard(self)
        # Where it became a connection, that holds the place now, and this does nothing.
        self._server.admission.leave(self)
        if not self._is_handed_on:
            self._accepted.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("server.connection_failed", error=type(error).__name__)


def tls_context(certificate: str | PathLike[str], key: str | PathLike[str] | None) -> ssl.SSLContext:
    """
    Returns the TLS settings of a server, with its certificate.

    Raises:
        OSError: The certificate or the key cannot be read or does not fit.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context
