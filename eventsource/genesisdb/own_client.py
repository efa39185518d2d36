"""
Requests that are sent by a user's own `httpx.AsyncClient`, whatever is below it: a proxy, HTTP/2, a mock.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import httpx

from eventsource.genesisdb.errors import WrongEventLoopError
from eventsource.wire.failures import to_one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

# Nothing was sent when one of these is raised.
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class OwnClient:
    """
    A client of httpx that belongs to a user, and to the event loop of the process that uses it first.

    Args:
        http: The client. It is not closed here.

        server: The name of the server in errors.

        hide: Takes secrets out of a text.
    """

    def __init__(self, http: httpx.AsyncClient, server: str, hide: Callable[[str], str]) -> None:
        self._http = http
        self._server = server
        self._hide = hide
        self._place: tuple[int, asyncio.AbstractEventLoop] | None = None

    async def send(
        self,
        method: str,
        url: httpx.URL,
        headers: httpx.Headers,
        body: bytes | AsyncIterator[bytes] | None,
        extensions: dict[str, Any],
    ) -> httpx.Response:
        """
        Send a request, and return when the head of its answer is here.

        Raises:
            httpx.TransportError: No answer. One of `NOT_SENT` is certain: the body was not asked for.
            WrongEventLoopError: Another event loop or process has used the client.
        """
        self._check_place()
        request = self._http.build_request(method, url, headers=headers, content=body, extensions=extensions)
        watched: _WatchedBody | None = None
        if isinstance(body, bytes):
            request.stream = watched = _WatchedBody(body)
        try:
            return await self._http.send(request, stream=True, follow_redirects=False)
        except httpx.TransportError as error:
            is_doubtful = isinstance(error, NOT_SENT) and watched is not None and watched.was_taken
            # Its cause would show the words of the server as they came.
            raise restated(error, self._hide, kind=httpx.WriteError if is_doubtful else None) from None

    def _check_place(self) -> None:
        place = (os.getpid(), asyncio.get_running_loop())
        if self._place is None:
            self._place = place
        elif self._place != place:
            kind = "event loop" if self._place[0] == place[0] else "process"
            raise WrongEventLoopError(self._server, kind)


class _WatchedBody(httpx.ByteStream):
    """
    A body that knows whether it was asked for: until then nothing of it can have been sent.

    Transports differ in what they call an error while connecting. Some say so of a connection that the
    server closed after it had the request.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.was_taken = False

    def __iter__(self) -> Iterator[bytes]:
        self.was_taken = True
        return super().__iter__()

    def __aiter__(self) -> AsyncIterator[bytes]:
        self.was_taken = True
        return super().__aiter__()


_KINDS: tuple[type[httpx.TransportError], ...] = (
    httpx.ConnectTimeout,
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.PoolTimeout,
    httpx.ConnectError,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.RemoteProtocolError,
)


def restated(
    error: httpx.TransportError,
    hide: Callable[[str], str] = str,
    *,
    kind: type[httpx.TransportError] | None = None,
) -> httpx.TransportError:
    """
    The same error with words that are fit to be shown: parsers quote what a server sent.

    Args:
        hide: Takes secrets out of a text.

        kind: What it is instead.
    """
    kind = kind or next((each for each in _KINDS if isinstance(error, each)), httpx.TransportError)
    return kind(to_one_line(hide(str(error))))
