"""
An asynchronous client of an immudb, usable alone: what it reads and writes with verification is proved.

It needs the extra ``immudb``.
"""

from eventsource.errors import MissingExtraError

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
    ServerState,
    User,
)
from eventsource.immudb.session import LoginForm
from eventsource.immudb.trust import FileTrustStore, MemoryTrustStore, Origin, TrustedHead, TrustStore

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
    "LoginForm",
    "MemoryTrustStore",
    "Origin",
    "Permission",
    "PermissionAction",
    "Proved",
    "ProvedTransaction",
    "Receipt",
    "ServerState",
    "Tls",
    "TrustStore",
    "TrustedHead",
    "User",
]
