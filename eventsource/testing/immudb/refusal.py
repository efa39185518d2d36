"""
How the test server refuses: with the statuses and texts of an immudb.

Source:
    ``tests/immudb/refusals.toml`` says which of them were measured against immudb 1.11.1.
"""

from __future__ import annotations

from enum import Enum

import grpc

_DENIED = grpc.StatusCode.PERMISSION_DENIED
_INTERNAL = grpc.StatusCode.INTERNAL
_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_NOT_FOUND = grpc.StatusCode.NOT_FOUND
_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
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
    Why an immudb refuses. ``{}`` stands for what the call named.
    """

    # Who calls.
    BAD_CREDENTIALS = "invalid user name or password", _UNKNOWN
    INACTIVE_USER = "user is not active", _UNKNOWN
    NOT_LOGGED_IN = "not logged in", _UNKNOWN
    NO_SESSION = "session not found", _DENIED
    NO_PERMISSION = "permission denied", _INTERNAL
    NO_PERMISSION_TO_ENTER = "Logged in user does not have permission on this database", _DENIED
    TOO_MANY_SESSIONS = "can not create new session: max sessions number reached", _UNKNOWN

    # Databases.
    DATABASE_EXISTS = "database already exists", _UNKNOWN
    DATABASE_NAME_CHARACTER = "unrecognized character in database name", _UNKNOWN
    DATABASE_NAME_LENGTH = "database name length outside of limits", _UNKNOWN
    DATABASE_NAME_SYMBOL = "punctuation marks and symbols are not allowed in database name", _UNKNOWN
    DATABASE_RESERVED = "database is reserved", _INTERNAL
    NOT_SYSTEM_ADMIN = "loggedin user does not have permissions for this operation", _UNKNOWN
    NO_DATABASE = "database does not exist", _UNKNOWN
    NO_DATABASE_TO_USE = "'{}' does not exist", _NOT_FOUND

    # Users.
    BAD_OLD_PASSWORD = "old password is incorrect", _DENIED
    EMPTY_DATABASE_OF_USER = "database name can not be empty when there are multiple databases", _UNKNOWN
    EMPTY_DATABASE_OF_PERMISSION = "database can not be empty", _INVALID
    EMPTY_PASSWORD = "password is empty", _UNKNOWN
    EMPTY_USER = "username can not be empty", _UNKNOWN
    EMPTY_USER_OF_PERMISSION = "username can not be empty", _INVALID
    FOREIGN_USER = "{} was not created by you", _UNKNOWN
    INACTIVE_USER_OF_PERMISSION = "user {} is not active", _PRECONDITION
    NOT_ANY_ADMIN = "user is not system admin nor admin in any of the databases", _UNKNOWN
    NOT_ADMIN = "you do not have permission on this database", _UNKNOWN
    NOT_ADMIN_OF_PERMISSION = "you do not have permission on this database", _DENIED
    NO_DATABASE_OF_PERMISSION = "database does not exist", _INVALID
    NO_DATABASE_OF_USER = "database {} does not exist", _UNKNOWN
    NO_USER = "user {} not found", _UNKNOWN
    NO_USER_OF_PASSWORD = "user {} was not found or it was not created by you", _UNKNOWN
    NO_USER_OF_PERMISSION = "user {} not found", _NOT_FOUND
    OWN_PERMISSION = "changing your own permissions is not allowed", _INVALID
    OWN_STATUS = "changing your own status is not allowed", _UNKNOWN
    SECOND_SYSTEM_ADMIN = "can not create another system admin", _UNKNOWN
    SYSTEM_ADMIN_PERMISSION = "changing sysadmin permissions is not allowed", _INVALID
    UNKNOWN_ACTION = "action not recognized", _INVALID
    UNKNOWN_PERMISSION = "unrecognized permission", _UNKNOWN
    UNKNOWN_PERMISSION_CHANGE = "unrecognized permission", _INVALID
    USER_EXISTS = "user already exists", _UNKNOWN
    USER_NAME = "username can only contain letters, digits and underscores", _INVALID

    # Entries.
    DUPLICATE_KEYS = "duplicated keys are not supported in single batch transaction", _INVALID
    EMPTY_PRECONDITION = "invalid precondition: nil precondition", _UNKNOWN
    EMPTY_KEY = "illegal arguments: empty key", _UNKNOWN
    EXPIRED = "tbtree: key not found: expired entry", _UNKNOWN
    ILLEGAL_ARGUMENTS = "illegal arguments", _INVALID
    INVALID_REVISION = "invalid key revision number", _UNKNOWN
    KEY_LENGTH = "max key length exceeded", _UNKNOWN
    KEY_NOT_FOUND = "tbtree: key not found", _UNKNOWN
    LATER_TRANSACTION = "illegal arguments: SinceTx must not be greater than the current transaction ID", _UNKNOWN
    NOT_TO_A_REFERENCE = "final key cannot be converted into a reference", _UNKNOWN
    NO_ENTRIES = "no entries provided", _UNKNOWN
    PRECONDITION_KEY_LENGTH = "invalid precondition: max key length exceeded", _UNKNOWN
    PRECONDITION_WITHOUT_KEY = "invalid precondition: null key", _UNKNOWN
    PRECONDITION_WITHOUT_TRANSACTION = "invalid precondition: invalid transaction ID", _UNKNOWN
    PRECONDITION_FAILED = "precondition failed: {}", _PRECONDITION
    REFERENCE_TO_REFERENCE = "referenced key cannot be a reference", _UNKNOWN
    REVISION_AND_TRANSACTION = "illegal arguments: AtRevision should not be specified when AtTx is used", _UNKNOWN
    SINCE_AND_TRANSACTION = "illegal arguments: SinceTx should not be specified when AtTx is used", _UNKNOWN
    TOO_DEEP = "key resolution limit reached. It may be due to cyclic references", _UNKNOWN
    TOO_MANY_ENTRIES = "max number of entries per tx exceeded", _UNKNOWN
    TOO_MANY_RESULTS = (
        "result size limit exceeded: the specified limit ({}) is larger than the maximum allowed one (2500)",
        _UNKNOWN,
    )
    TOO_MANY_WRITES = "max concurrency limit exceeded", _UNKNOWN

    # Transactions.
    BEHIND = "illegal state: latest txID={} is lower than specified as initial tx={}", _UNKNOWN
    ILLEGAL_STATE = "illegal state", _UNKNOWN
    NO_TRANSACTION = "tx not found", _UNKNOWN

    # What this server does not do.
    NOT_DONE = "the test server does not do {}", grpc.StatusCode.UNIMPLEMENTED

    def error(self, *named: object) -> RefusedError:
        """
        What to raise.

        Args:
            named: What the text names, in order.
        """
        text, status = self.value
        return RefusedError(text.format(*named), status)
