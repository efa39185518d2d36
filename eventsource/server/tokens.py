"""
Three roles, each with its token and rights.
"""

from __future__ import annotations

import enum
import hmac
import ipaddress
from typing import Any

import attrs

from eventsource.log import get_logger
from eventsource.wire.request_errors import UnsafeTokenError

_log = get_logger(__name__)


class Role(enum.IntEnum):
    """
    The rights of a token. Each role also has the rights of those before it.
    """

    # Everything that changes nothing.
    READ = 1
    # Beside it, commit.
    WRITE = 2
    # Beside it, erase, register schemas, declare indexes, make and restore backups.
    ADMINISTRATOR = 3


# The visible characters of ASCII.
_FIRST, _LAST = 0x21, 0x7E


def _to_bytes(token: str) -> bytes:
    return token.encode()


# Fewer are tried out in minutes.
_SHORTEST = 5
_FEWEST_DIFFERENT = 4
# Of 12 random letters and digits there are 10^18 and more; of fewer, too few for a network that others use.
_SHORT = 12


def _check_token(_: object, attribute: attrs.Attribute[Any], token: Any) -> None:
    if token is None:
        return
    # A header carries no white space at its ends and no control characters; and nothing must not open the door.
    if not token or not token.isascii() or not all(_FIRST <= byte <= _LAST for byte in token):
        raise UnsafeTokenError(attribute.name, "is empty, or has characters other than visible ASCII ones")
    if len(token) < _SHORTEST or len(set(token)) < _FEWEST_DIFFERENT:
        reason = f"is guessed too easily: it takes {_SHORTEST} characters, {_FEWEST_DIFFERENT} of them different"
        raise UnsafeTokenError(attribute.name, reason)


@attrs.frozen
class Tokens:
    """
    The tokens a server knows. They never show: not in a repr, a log or an error.

    Attributes:
        administrator: Allows everything.

        write: Allows to commit and to read; None if there is none.

        read: Allows to read; None if there is none.

    Raises:
        UnsafeTokenError: A token is empty or has characters other than visible ASCII ones, has fewer than 5
            characters or fewer than 4 different ones, or is that of another role.
    """

    administrator: bytes = attrs.field(repr=False, converter=_to_bytes, validator=_check_token)
    write: bytes | None = attrs.field(
        default=None, repr=False, converter=attrs.converters.optional(_to_bytes), validator=_check_token
    )
    read: bytes | None = attrs.field(
        default=None, repr=False, converter=attrs.converters.optional(_to_bytes), validator=_check_token
    )

    def __attrs_post_init__(self) -> None:
        """
        Refuse one token for two roles: it would have the larger, and its holder not know.
        """
        for name, token, others in (
            ("write", self.write, (self.administrator,)),
            ("read", self.read, (self.administrator, self.write)),
        ):
            if token is not None and token in others:
                raise UnsafeTokenError(name, "is also that of another role: each role has a token of its own")

    def role_of(self, authorization: bytes | None) -> Role | None:
        """
        The role that the value of an ``Authorization`` header proves; None if it proves none.
        """
        if authorization is None or authorization[:7].lower() != b"bearer ":
            return None
        presented = authorization[7:].strip()
        role = None
        # Always all of them, and each in constant time: how long it takes tells nothing.
        for token, allowed in (
            (self.read, Role.READ),
            (self.write, Role.WRITE),
            (self.administrator, Role.ADMINISTRATOR),
        ):
            if token is not None and hmac.compare_digest(presented, token):
                role = allowed
        return role


def warn_of_short_tokens(tokens: Tokens) -> None:
    """
    Log a warning for each token of fewer than 12 characters, by its role.
    """
    for role in ("administrator", "write", "read"):
        token: bytes | None = getattr(tokens, role)
        if token is not None and len(token) < _SHORT:
            advice = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            _log.warning("server.short_token", role=role, advice=advice)


def warn_if_in_the_clear(host: str, *, is_secure: bool) -> None:
    """
    Log a warning if tokens would cross a network that others can listen to: neither TLS nor this machine alone.

    Args:
        host: The address that is listened at, as numbers.

        is_secure: True if TLS is spoken there.
    """
    if not is_secure and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        _log.warning(
            "server.tokens_in_the_clear",
            host=host,
            advice="give --cert and --key, or listen on 127.0.0.1 behind a proxy that speaks TLS",
        )
