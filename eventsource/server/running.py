"""
Running a server: in this process, as long as a block of code lasts.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from eventsource.log import get_logger
from eventsource.server.accepting import HttpServer, tls_context
from eventsource.server.app import make_app
from eventsource.server.tokens import warn_if_in_the_clear, warn_of_short_tokens
from eventsource.wire.request_errors import AddressUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
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
        # Before anything runs: a bad certificate is the caller's to mend.
        tls = None if certificate is None else tls_context(certificate, key)
        server = HttpServer(app, settings.limits, clock, tls)
        warn_of_short_tokens(settings.tokens)
        warn_if_in_the_clear(listening.getsockname()[0], is_secure=tls is not None)
        url = _url(listening, is_secure=tls is not None)
        server.start(listening)
        try:
            _log.info("server.started", address=url)
            yield url
        finally:
            app.close(grace_s=grace_s)
            # The application cuts what is left after the grace; a client may not even take the end of its answer.
            await server.stop(grace_s + 1)
            _log.info("server.stopped", address=url)


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
