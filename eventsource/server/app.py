"""
The application: from a request to its endpoint, and from an error to its answer.
"""

from __future__ import annotations

import asyncio
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from eventsource.log import get_logger
from eventsource.server.exchange import ClientLeftError, Exchange
from eventsource.server.openapi import document
from eventsource.server.routes import Route, all_routes
from eventsource.server.service import Service
from eventsource.wire.failures import to_failure
from eventsource.wire.request_errors import ForbiddenError, RequestRefusedError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.server.exchange import Receive, Scope, Send
    from eventsource.server.settings import ServerSettings
    from eventsource.store.interface import EventStore

_log = get_logger(__name__)

# How long an answer that is under way may take once the server stops, in seconds, if nothing stops it earlier.
_GRACE_S = 5.0


class Application:
    """
    An ASGI application that serves a store; `make_app` makes one.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._routes: dict[str, dict[str, Route]] = {}
        routes = all_routes(service.settings)
        for route in [*routes, _openapi(routes)]:
            self._routes.setdefault(route.full_path, {})[route.method] = route
        self._answering: set[asyncio.Task[Any]] = set()
        self._cors = _cors_headers(service.settings.cors_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request.
        """
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            # uvicorn is told to speak HTTP only; under another server this ends a WebSocket.
            await send({"type": "websocket.close", "code": 1000})
            return
        exchange = Exchange(scope, receive, send, self._service.readers)
        task = asyncio.current_task()
        if task is not None:
            self._answering.add(task)
        try:
            await self._answer(exchange)
        except asyncio.CancelledError:
            # What was cut because the server stops, or because its client took nothing, has no answer to be completed.
            if not (self._service.is_closing or exchange.is_dropped):
                raise
        finally:
            exchange.close()
            if task is not None:
                self._answering.discard(task)

    def close(self, *, grace_s: float = _GRACE_S) -> None:
        """
        The server stops: observed streams end now, other answers within *grace_s* seconds, or they are cut.
        """
        self._service.is_closing = True
        self._service.tails.close()
        # A client that takes nothing holds up its own answer only.
        asyncio.get_running_loop().call_later(grace_s, self._cut)

    def _cut(self) -> None:
        for task in self._answering:
            task.cancel()

    async def _answer(self, exchange: Exchange) -> None:
        began = time.perf_counter() if self._service.metrics else 0.0
        if self._cors and b"origin" in exchange.headers:
            exchange.answer_headers += self._cors
        route: Route | None = None
        try:
            method: str = exchange.scope["method"]
            if method == "OPTIONS":
                await _answer_preflight(exchange)
                return
            route = self._find(exchange.scope, "GET" if method == "HEAD" else method)
            if route.role is not None:
                self._check_role(route, exchange)
            await route.endpoint(self._service, exchange)
        except ClientLeftError:
            pass
        except Exception as error:  # noqa: BLE001  no error leaves the server as a traceback
            await self._answer_error(exchange, error)
        if self._service.metrics:
            self._service.metrics.answered(route.path if route else "none", exchange.status, began)

    def _find(self, scope: Scope, method: str) -> Route:
        methods = self._methods_at(scope)
        if methods is None:
            text = "there is nothing at this address; the version of the API is v1"
            raise RequestRefusedError(text, status=404, refusal="not-found")
        route = methods.get(method)
        if route is None:
            text = f"this address takes {' and '.join(methods)}"
            raise RequestRefusedError(text, status=405, refusal="method-not-allowed")
        return route

    def _methods_at(self, scope: Scope) -> dict[str, Route] | None:
        """
        The routes at the address of a request, by method; None if there are none.
        """
        path: str = scope["path"]
        methods = self._routes.get(path)
        if methods is not None and not scope.get("root_path"):
            return methods
        for candidate in _paths_below_root(path, scope.get("root_path", "")):
            # Most SDKs put their path behind a base address that may end in a slash.
            found = self._routes.get(re.sub("/{2,}", "/", candidate).rstrip("/"))
            if found is not None:
                return found
        return None

    def _check_role(self, route: Route, exchange: Exchange) -> None:
        if sum(name.lower() == b"authorization" for name, _ in exchange.scope["headers"]) > 1:
            # Which of them counts, a proxy and the server could see differently.
            text = "a request has one Authorization header"
            raise RequestRefusedError(text, status=400, refusal="invalid-request")
        role = self._service.settings.tokens.role_of(exchange.headers.get(b"authorization"))
        if role is None:
            raise UnauthenticatedError
        if route.role is not None and role < route.role:
            raise ForbiddenError(route.role.name.lower())
        exchange.role = role

    async def _answer_error(self, exchange: Exchange, error: Exception) -> None:
        failure = to_failure(error)
        is_cut = exchange.status != 0
        if is_cut or failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # The text of an unexpected error may hold anything.
            _log.error("server.request_failed", error=type(error).__name__, path=_shown_path(exchange), cut=is_cut)
        if is_cut:
            # Its beginning is sent already; left without an end, the client sees that it was cut.
            return
        headers = _ERROR_HEADERS.get(failure.status, ())
        if failure.status == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(self._methods_at(exchange.scope) or ())
            headers = ((b"allow", allowed.encode()),)
        await exchange.answer_json(failure.body, status=failure.status, headers=headers)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})


_ERROR_HEADERS: dict[int, tuple[tuple[bytes, bytes], ...]] = {
    401: ((b"www-authenticate", b"Bearer"),),
    # What is left of the body is not read.
    413: ((b"connection", b"close"),),
    415: ((b"connection", b"close"),),
    503: ((b"retry-after", b"1"),),
}


def make_app(store: EventStore, settings: ServerSettings) -> Application:
    """
    An ASGI application that serves *store*, which is open and stays open as long.

    `serve` runs it with deadlines for slow clients, which the application alone does not have.
    """
    return Application(Service(store, settings))


def _paths_below_root(path: str, root_path: str) -> Iterator[str]:
    """
    What the path of a request may be below the place where the application is mounted.

    Source:
        ASGI says that ``path`` has the ``root_path`` in it, and servers and frameworks of today do so; older ones
        cut it off.
    """
    root = root_path.rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        yield path[len(root) :]
    yield path


def _openapi(routes: list[Route]) -> Route:
    described = document(routes)

    async def answer(_: Service, exchange: Exchange) -> None:
        root: str = exchange.scope.get("root_path", "").rstrip("/")
        # Relative to the address of the document, without the name of a host that a proxy may have changed.
        await exchange.answer_json({**described, "servers": [{"url": quote(root)}]} if root else described)

    return Route("GET", "/openapi.json", None, answer, versioned=False)


def _cors_headers(origin: str | None) -> list[tuple[bytes, bytes]]:
    if origin is None:
        return []
    headers = [
        (b"access-control-allow-origin", origin.encode("ascii")),
        (b"access-control-expose-headers", b"Idempotency-Key, Retry-After"),
    ]
    return headers if origin == "*" else [*headers, (b"vary", b"Origin")]


async def _answer_preflight(exchange: Exchange) -> None:
    """
    Tell a browser what a page may send. It asks before it sends a token.
    """
    # Without an origin that is allowed the other headers mean nothing.
    await exchange.answer(
        b"",
        b"text/plain",
        headers=(
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", b"Authorization, Content-Type, Accept, Idempotency-Key"),
            (b"access-control-max-age", b"600"),
        ),
    )


def _shown_path(exchange: Exchange) -> str:
    path: str = exchange.scope["path"]
    return path[:200]
