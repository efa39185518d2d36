"""
What may reach the page, and what a browser may do with it.

The page asks for no password: whoever reaches its port may book. On a machine with a browser that would be every web
site: one that posts forms or opens a web socket to ``localhost``, one that shows the page in a frame under a harmless
picture, one whose name is pointed at this address as soon as it is loaded (DNS rebinding). So a request must name this
page in ``Host``, must not come from another page, and each answer says that nothing else may embed or run it.
"""

import ipaddress
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# What NiceGUI's own files are below; they hold nothing of the bank.
_ASSETS: Final = "/_nicegui/"
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

_HEADERS: Final = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
# Vue compiles its templates in the browser, which takes 'unsafe-eval'; Quasar sets styles in place. Scripts in the page
# itself run by a nonce, so neither an attribute like onerror nor a script tag that came in with data does.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class PageGuard:
    """
    Lets requests through to *application* that are meant for this page and come from it or from nowhere.

    Args:
        listening: Where the page listens: its address is a name of it.

        names: Further names that the page is known by, those of a proxy in front of it for instance.
    """

    def __init__(self, application: Application, listening: socket.socket, names: Iterable[str] = ()) -> None:
        self._application = application
        self._names = _LOOPBACK | {listening.getsockname()[0], *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request, or refuse it.
        """
        if scope["type"] not in {"http", "websocket"}:
            await self._application(scope, receive, send)
            return
        headers = _Headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._pass_on(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it is accepted: the handshake is answered with 403.
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await _refuse(send, *refusal)

    def _refusal(self, scope: Scope, headers: "_Headers") -> tuple[int, str] | None:
        host = _HOST.fullmatch((headers.only("host") or "").lower())
        if host is None:
            return 400, "A request names one host."
        if not self._is_ours(host["name"].strip("[]"), scope):
            return 421, "This is not the page of that name: start the bank with --name if it is."
        origins = headers.all("origin")
        if any(not _is_same_origin(origin.lower(), host) for origin in origins):
            return 403, "The request comes from another page."
        comes_from_elsewhere = headers.only("sec-fetch-site") in {"cross-site", "same-site"}
        is_visit = (
            scope["type"] == "http"
            and scope["method"] in {"GET", "HEAD"}
            and headers.only("sec-fetch-mode") == "navigate"
            and headers.only("sec-fetch-dest") == "document"
        )
        if comes_from_elsewhere and not is_visit:
            return 403, "The request comes from another page."
        return None

    def _is_ours(self, name: str, scope: Scope) -> bool:
        # Where it listens at all addresses, the one of this connection counts. A name must be given: any name can be
        # pointed here.
        server, *_ = scope.get("server") or ("",)
        return name in self._names or (_is_address(name) and name == server)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._application(scope, receive, send)
            return
        is_asset = str(scope["path"]).startswith(_ASSETS)
        if not is_asset:
            # The nonce is put into the page as it goes by, which must not be compressed then.
            kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": kept}
        answer = _Answer(send, is_asset=is_asset)
        await self._application(scope, receive, answer.send)


class _Headers:
    def __init__(self, scope: Scope) -> None:
        self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]

    def all(self, name: str) -> list[str]:
        return [value for found, value in self._headers if found == name]

    def only(self, name: str) -> str | None:
        """
        The value of a header that is there once; None for any other number.
        """
        found = self.all(name)
        return found[0] if len(found) == 1 else None


class _Answer:
    """
    An answer on its way to the browser, which gets its headers, and if it is a page the nonce of its scripts.
    """

    def __init__(self, send: Send, *, is_asset: bool) -> None:
        self._send = send
        self._nonce = secrets.token_urlsafe(16)
        self._policy = _POLICY.format(nonce=self._nonce).encode()
        self._is_asset = is_asset
        # The beginning of a page, which is sent once its length is known.
        self._start: Message | None = None
        self._page = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (name, value) for name, value in message["headers"] if not name.lower().startswith(b"access-control-")
            ]
            headers += [*_HEADERS, (b"content-security-policy", self._policy)]
            if not self._is_asset:
                # It holds names and balances.
                headers = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
            if not self._is_asset and any(
                name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in headers
            ):
                self._start = message
                return
        if self._start is not None and message["type"] == "http.response.body":
            self._page += message.get("body", b"")
            if message.get("more_body"):
                return
            await self._send_page(self._start)
            return
        await self._send(message)

    async def _send_page(self, start: Message) -> None:
        page = self._page.replace(b"<script", f'<script nonce="{self._nonce}"'.encode())
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(page)).encode()))
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": page})


def _is_same_origin(origin: str, host: re.Match[str]) -> bool:
    """
    Whether a page of this origin was loaded from the host that the request goes to.
    """
    try:
        found = urlsplit(origin)
        default = _DEFAULT_PORTS[found.scheme]
        name, port = found.hostname, str(found.port or default)
    except (KeyError, ValueError):
        # Also "null", which is every page that hides where it comes from.
        return False
    return (name, port) == (host["name"].strip("[]"), host["port"] or default)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(send: Send, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *_HEADERS,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
