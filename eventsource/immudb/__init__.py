"""
An asynchronous client of an immudb, usable alone: what it reads and writes with verification is proved.

It needs the extra ``immudb``.
"""

from eventsource.immudb.errors import VerificationError
from eventsource.root_error import MissingExtraError

try:
    from eventsource.immudb.connection import Tls
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"google", "grpc"}:
        raise
    _EXTRA = "immudb"
    raise MissingExtraError(_EXTRA, purpose="the client of immudb") from None

from eventsource.immudb.check import Check
from eventsource.immudb.client import ImmudbClient
from eventsource.immudb.results import (
    PERMISSION_ADMIN,
    PERMISSION_GRANT,
    PERMISSION_NONE,
    PERMISSION_R,
    PERMISSION_REVOKE,
    PERMISSION_RW,
    PERMISSION_SYS_ADMIN,
    Entry,
    Head,
    Health,
    Permission,
    PermissionAction,
    Proved,
    ProvedTransaction,
    Receipt,
    Reference,
    Revision,
    ServerInfo,
    ServerState,
    Transaction,
    User,
    UserList,
)
from eventsource.immudb.session import LoginForm
from eventsource.immudb.trust import (
    FileTrustStore,
    MemoryTrustStore,
    Origin,
    PersistentRootService,
    TrustedHead,
    TrustStore,
)
from eventsource.immudb.writing import KeyMustExist, KeyMustNotExist, KeyNotModifiedAfter, Precondition

VerificationException = VerificationError
"""`VerificationError`, under the official client's name."""

__all__ = [
    "PERMISSION_ADMIN",
    "PERMISSION_GRANT",
    "PERMISSION_NONE",
    "PERMISSION_R",
    "PERMISSION_REVOKE",
    "PERMISSION_RW",
    "PERMISSION_SYS_ADMIN",
    "Check",
    "Entry",
    "FileTrustStore",
    "Head",
    "Health",
    "ImmudbClient",
    "KeyMustExist",
    "KeyMustNotExist",
    "KeyNotModifiedAfter",
    "LoginForm",
    "MemoryTrustStore",
    "Origin",
    "Permission",
    "PermissionAction",
    "PersistentRootService",
    "Precondition",
    "Proved",
    "ProvedTransaction",
    "Receipt",
    "Reference",
    "Revision",
    "ServerInfo",
    "ServerState",
    "Tls",
    "Transaction",
    "TrustStore",
    "TrustedHead",
    "User",
    "UserList",
    "VerificationException",
]
