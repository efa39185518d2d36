"""
What a failed call means. immudb answers most failures with the status UNKNOWN and a text, so texts decide.

Source:
    Texts and statuses as measured against immudb 1.11.1.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

import grpc


class Failure(Enum):
    """
    Kinds of failures, by what is to be done about them.
    """

    SESSION_ENDED = auto()
    CREDENTIALS = auto()
    PERMISSION = auto()
    KEY_NOT_FOUND = auto()
    TRANSACTION_NOT_FOUND = auto()
    DATABASE_NOT_FOUND = auto()
    USER_NOT_FOUND = auto()
    DATABASE_EXISTS = auto()
    USER_EXISTS = auto()
    PRECONDITION = auto()
    BEHIND = auto()
    DAMAGED = auto()
    TOO_LARGE = auto()
    BUSY = auto()
    """The server may do it a moment later; of a write nobody knows whether it is done."""

    REFUSED = auto()
    """Nothing was done, and it would be so again."""

    UNCLEAR = auto()
    """Of a write nobody knows whether it is done."""


class CallFailedError(Exception):
    """
    A remote call gave no answer, or a failure in its place.

    Attributes:
        status: The gRPC status.

        text: What the server or gRPC said.
    """

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        super().__init__(f"{status.name}: {text}")
        self.status = status
        self.text = text

    @property
    def kind(self) -> Failure:
        """
        What it means.
        """
        text = self.text.lower()
        for part, kind in _BY_TEXT:
            if part in text:
                return kind
        return _BY_STATUS.get(self.status, Failure.UNCLEAR)


# The first that is found counts.
_BY_TEXT: Final = (
    ("invalid user name or password", Failure.CREDENTIALS),
    ("user is not active", Failure.CREDENTIALS),
    ("session not found", Failure.SESSION_ENDED),
    ("no session found", Failure.SESSION_ENDED),
    ("not logged in", Failure.SESSION_ENDED),
    ("invalid token", Failure.SESSION_ENDED),
    ("token has expired", Failure.SESSION_ENDED),
    ("permission", Failure.PERMISSION),
    ("key not found", Failure.KEY_NOT_FOUND),
    ("tx not found", Failure.TRANSACTION_NOT_FOUND),
    ("database does not exist", Failure.DATABASE_NOT_FOUND),
    ("database already exists", Failure.DATABASE_EXISTS),
    ("user already exists", Failure.USER_EXISTS),
    ("user not found", Failure.USER_NOT_FOUND),
    ("user does not exist", Failure.USER_NOT_FOUND),
    ("illegal state", Failure.BEHIND),
    ("data is corrupted", Failure.DAMAGED),
    ("max concurrency limit exceeded", Failure.BUSY),
    ("larger than max", Failure.TOO_LARGE),
    ("illegal arguments", Failure.REFUSED),
    ("no entries provided", Failure.REFUSED),
    ("max number of entries per tx exceeded", Failure.REFUSED),
    ("max key length exceeded", Failure.REFUSED),
    ("max value length exceeded", Failure.REFUSED),
    ("read-only", Failure.REFUSED),
)

_BY_STATUS: Final = {
    grpc.StatusCode.ABORTED: Failure.BUSY,
    grpc.StatusCode.ALREADY_EXISTS: Failure.REFUSED,
    grpc.StatusCode.DEADLINE_EXCEEDED: Failure.BUSY,
    grpc.StatusCode.FAILED_PRECONDITION: Failure.PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT: Failure.REFUSED,
    grpc.StatusCode.NOT_FOUND: Failure.REFUSED,
    grpc.StatusCode.OUT_OF_RANGE: Failure.REFUSED,
    grpc.StatusCode.PERMISSION_DENIED: Failure.PERMISSION,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Failure.BUSY,
    grpc.StatusCode.UNAUTHENTICATED: Failure.SESSION_ENDED,
    grpc.StatusCode.UNAVAILABLE: Failure.BUSY,
    grpc.StatusCode.UNIMPLEMENTED: Failure.REFUSED,
}
