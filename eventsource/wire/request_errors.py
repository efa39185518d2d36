"""
Errors of requests: refused, too large, not allowed, not understood.
"""

from __future__ import annotations

from eventsource.root_error import EventSourceError


class RequestError(EventSourceError):
    """
    A request over HTTP is refused as such, whatever is stored.
    """

    code = "request"


class InvalidJsonError(RequestError, ValueError):
    """
    Bytes are not JSON that means the same to every reader.

    Beside malformed text that is a member named twice, NaN or an infinity, half of a surrogate pair,
    bytes that are no UTF-8, and deep nesting.

    Attributes:
        reason: The cause, in words; no values, they may be personal.
    """

    code = "invalid-json"

    def __init__(self, reason: str) -> None:
        super().__init__(f"not JSON: {reason}")
        self.reason = reason


class InvalidRequestError(RequestError, ValueError):
    """
    A request does not have the form that its endpoint takes.

    Attributes:
        place: The place in the body, such as ``events[0].subject``; empty for the whole.

        reason: The fault there, in words; no values, they may be personal.
    """

    code = "invalid-request"

    def __init__(self, reason: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place = place
        self.reason = reason


class RequestTooLargeError(RequestError, ValueError):
    """
    A request has a larger body than the server takes.

    Attributes:
        limit_bytes: The largest it takes; None where the server did not say.

        text: The server's message in words of its own; empty if it said nothing.
    """

    code = "request-too-large"

    def __init__(self, limit_bytes: int | None = None, *, text: str = "") -> None:
        limit = "what the server takes" if limit_bytes is None else f"{limit_bytes} bytes"
        super().__init__(f"the body is larger than {limit}" + _said(text))
        self.limit_bytes = limit_bytes
        self.text = text


class UnauthenticatedError(RequestError):
    """
    A request carries no token, or one that the server does not know.

    Attributes:
        text: The server's message in words of its own; empty if it said nothing.
    """

    code = "unauthenticated"

    def __init__(self, *, text: str = "") -> None:
        super().__init__("no token, or not one that is known here: send 'Authorization: Bearer TOKEN'" + _said(text))
        self.text = text


class ForbiddenError(RequestError):
    """
    The token of a request is known, but it does not allow this.

    Attributes:
        role: What it would take: "read", "write" or "administrator"; None where the server did not say.

        text: The server's message in words of its own; empty if it said nothing.
    """

    code = "forbidden"

    def __init__(self, role: str | None = None, *, text: str = "") -> None:
        needed = f": it takes the {role} token" if role else ""
        super().__init__(f"this token does not allow it{needed}{_said(text)}")
        self.role = role
        self.text = text


class RequestRefusedError(RequestError):
    """
    A server refused for a reason of its own, which no other class here stands for.

    Attributes:
        status: The HTTP status.

        refusal: The server's word for it, such as "not-found"; empty if it sent none.

        text: What it said.
    """

    code = "request-refused"

    def __init__(self, text: str, *, status: int, refusal: str = "") -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status
        self.refusal = refusal
        self.text = text


class UnsafeTokenError(EventSourceError, ValueError):
    """
    A token of a server cannot be used: no header could carry it, it is guessed too easily, or it has two roles.

    Attributes:
        role: Whose token it is: "administrator", "write" or "read".

        reason: The fault, in words that do not quote it.
    """

    code = "unsafe-token"

    def __init__(self, role: str, reason: str) -> None:
        super().__init__(
            f"the {role} token {reason}; make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
        self.role = role
        self.reason = reason


class AddressUnavailableError(EventSourceError):
    """
    A server cannot listen at an address: another program does, or the address is none of this machine.

    Attributes:
        host: The address.

        port: The port.

        reason: What the system said.
    """

    code = "address-unavailable"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen at {host} port {port}: {reason}; choose another port, or 0 for a free one")
        self.host = host
        self.port = port
        self.reason = reason


def _said(text: str) -> str:
    return f"; the server says: {text}" if text else ""
