"""
Running a server: in this process, as long as a block of code lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

import uvicorn

from eventsource.errors import AddressUnavailableError
from eventsource.log import get_logger
from eventsource.server.app import Application, make_app
from eventsource.server.connections import guarded_protocol
from eventsource.server.tokens import warn_if_in_the_clear

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from os import PathLike

    from eventsource.server.settings import ServerSettings
    from eventsource.store.interface import EventStore

_log = get_logger(__name__)

# How many connections may wait to be accepted.
_BACKLOG = 1024

_LAST_PORT = 65_535


@contextlib.asynccontextmanager
async def serve(
    store: EventStore,
    settings: ServerSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    listening: socket.socket | None = None,
    certificate: str | PathLike[str] | None = None,
    key: str | PathLike[str] | None = None,
    grace_s: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[str]:
    """
    Serve *store*, which is open and stays open as long, until the block ends.

    Then observed streams end at once, commits under way are finished, and other answers have
    *grace_s* seconds.

    Args:
        host: The address to listen at; by default programs of this machine only reach it.

        port: The port; 0 takes a free one.

        listening: From `listen`, in place of *host* and *port*: for those who want the address before
            they open the store. It is closed at the end.

        certificate: A file with a TLS certificate and those that vouch for it, PEM; with *key*.

        key: The file with its private key, PEM.

        clock: Seconds that only grow, by which clients have their time: ``header_s``, ``body_s`` and ``stall_s`` of
            the limits.

    Yields:
        The base address, such as ``http://127.0.0.1:8080``.

    Raises:
        AddressUnavailableError: Another program listens there, or the address is none of this machine.
        OSError: The certificate or the key cannot be read or does not fit.
    """
    app = make_app(store, settings)
    listening = listening or listen(host, port)
    with contextlib.closing(listening):
        server = _Server(
            uvicorn.Config(
                app,
                # Both are given by the caller: what is listening, and who handles signals.
                http=guarded_protocol(settings.limits, clock),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                # Nothing here depends on who the client is.
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=settings.limits.idle_s,  # type: ignore[arg-type]  # any number will do
                ssl_certfile=certificate,
                ssl_keyfile=key,
            ),
            app,
            grace_s,
        )
        # Before anything runs: a bad certificate is the caller's to mend.
        server.config.load()
        warn_if_in_the_clear(listening.getsockname()[0], is_secure=certificate is not None)
        url = _url(listening, is_secure=certificate is not None)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.001)
                if running.done():
                    await running
            _log.info("server.started", address=url)
            yield url
        finally:
            server.stop()
            await running
            _log.info("server.stopped", address=url)


class _Server(uvicorn.Server):
    """
    A server of uvicorn's that handles no signals, and whose application ends its streams.
    """

    def __init__(self, config: uvicorn.Config, app: Application, grace_s: float) -> None:
        super().__init__(config)
        self._app = app
        self._grace_s = grace_s
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """
        End it, now.
        """
        self.should_exit = True
        self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # The process belongs to whoever serves in it.
        yield

    async def main_loop(self) -> None:
        """
        Keep the date that answers carry, until the server is to stop.
        """
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """
        Accept nobody any more, and let what is under way come to its end; uvicorn's own takes part of a second.
        """
        loop = asyncio.get_running_loop()
        for listening in sockets or ():
            with contextlib.suppress(RuntimeError, NotImplementedError):
                loop.remove_reader(listening)
        # A connection that asyncio accepts while its server is closed is never made, and never closed: those that were
        # accepted by now come first.
        for _ in range(3):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        self._app.close(grace_s=self._grace_s)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # The application cuts what is left after the grace; a client may not even take the end of its answer.
        deadline = loop.time() + self._grace_s + 1
        while (self.server_state.connections or self.server_state.tasks) and loop.time() < deadline:  # noqa: ASYNC110  uvicorn tells nobody when they are gone
            await asyncio.sleep(0.01)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def listen(host: str, port: int) -> socket.socket:
    """
    Take an address; clients that connect wait until somebody serves.

    Args:
        host, port: As for `serve`.

    Raises:
        AddressUnavailableError: Another program listens there, or the address is none of this machine.
    """
    if not 0 <= port <= _LAST_PORT:
        # The system would take the rest of a division.
        raise AddressUnavailableError(host, port, f"a port is 0 to {_LAST_PORT}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            # Else a server could not be started again right after it was stopped.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
            listening.setblocking(False)  # noqa: FBT003  its only parameter
        except BaseException:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise AddressUnavailableError(host, port, reason) from error
    return listening


def _url(listening: socket.socket, *, is_secure: bool) -> str:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if is_secure else 'http'}://{shown}:{port}"
