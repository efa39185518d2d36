"""
Who may do what: three roles, a token each.
"""

from __future__ import annotations

import enum
import hmac
from typing import Any

import attrs


class Role(enum.IntEnum):
    """
    What a token allows. Each role may also do what those before it may.
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


def _check_token(_: object, attribute: attrs.Attribute[Any], token: Any) -> None:
    # A header carries no white space at its ends and no control characters; and nothing must not open the door.
    if token is not None and (not token or not token.isascii() or not all(_FIRST <= byte <= _LAST for byte in token)):
        msg = f"the {attribute.name} token is empty, or has characters other than visible ASCII ones"
        raise ValueError(msg)


@attrs.frozen
class Tokens:
    """
    The tokens a server knows. They never show: not in a repr, a log or an error.

    Attributes:
        administrator: Allows everything.

        write: Allows to commit and to read; None if there is none.

        read: Allows to read; None if there is none.

    Raises:
        ValueError: A token is empty or has characters other than visible ASCII ones.
    """

    administrator: bytes = attrs.field(repr=False, converter=_to_bytes, validator=_check_token)
    write: bytes | None = attrs.field(
        default=None, repr=False, converter=attrs.converters.optional(_to_bytes), validator=_check_token
    )
    read: bytes | None = attrs.field(
        default=None, repr=False, converter=attrs.converters.optional(_to_bytes), validator=_check_token
    )

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
