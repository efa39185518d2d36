"""
How the test server refuses: with the statuses and texts of an immudb.
"""

from __future__ import annotations

from enum import Enum

import grpc

_UNKNOWN = grpc.StatusCode.UNKNOWN


class RefusedError(Exception):
    """
    A call is answered with a failure.

    Attributes:
        text: What the server says.

        status: The gRPC status.
    """

    def __init__(self, text: str, status: grpc.StatusCode) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Refusal(Enum):
    """
    Why an immudb refuses.
    """

    BAD_CREDENTIALS = "invalid user name or password", _UNKNOWN
    BAD_OLD_PASSWORD = "old password is incorrect", grpc.StatusCode.INVALID_ARGUMENT
    DATABASE_EXISTS = "database already exists", _UNKNOWN
    DUPLICATE_KEYS = "duplicate keys are not supported", grpc.StatusCode.INVALID_ARGUMENT
    ILLEGAL_STATE = "illegal state", _UNKNOWN
    INACTIVE_USER = "user is not active", _UNKNOWN
    KEY_EXISTS = "tx: KeyMustNotExist precondition failed", grpc.StatusCode.FAILED_PRECONDITION
    KEY_LENGTH = "illegal arguments: a key is empty or too long", _UNKNOWN
    KEY_NOT_FOUND = "tbtree: key not found", _UNKNOWN
    NOT_LOGGED_IN = "not logged in", _UNKNOWN
    NO_DATABASE = "database does not exist", grpc.StatusCode.NOT_FOUND
    NO_ENTRIES = "no entries provided", _UNKNOWN
    NO_PERMISSION = "you do not have permission for this operation", grpc.StatusCode.PERMISSION_DENIED
    NO_SESSION = "session not found", grpc.StatusCode.PERMISSION_DENIED
    NO_TRANSACTION = "tx not found", _UNKNOWN
    NO_USER = "user not found", grpc.StatusCode.NOT_FOUND
    TOO_MANY_ENTRIES = "max number of entries per tx exceeded", _UNKNOWN
    TOO_MANY_WRITES = "max concurrency limit exceeded", _UNKNOWN
    USER_EXISTS = "user already exists", _UNKNOWN

    def error(self) -> RefusedError:
        """
        What to raise.
        """
        return RefusedError(*self.value)
