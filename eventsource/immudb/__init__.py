"""
An asynchronous client of an immudb, usable alone: what it reads and writes with verification is proved.

It needs the extra ``immudb``.
"""

from eventsource.errors import MissingExtraError

try:
    from eventsource.immudb.channel import Tls
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"google", "grpc"}:
        raise
    _EXTRA = "immudb"
    raise MissingExtraError(_EXTRA, purpose="the client of immudb") from None

from eventsource.immudb.check import Check
from eventsource.immudb.client import ImmudbClient
from eventsource.immudb.permission import (
    PERMISSION_ADMIN,
    PERMISSION_GRANT,
    PERMISSION_NONE,
    PERMISSION_R,
    PERMISSION_REVOKE,
    PERMISSION_RW,
    PERMISSION_SYS_ADMIN,
    Permission,
    PermissionAction,
)
from eventsource.immudb.results import (
    Entry,
    Head,
    Health,
    Proved,
    ProvedTransaction,
    Receipt,
    ServerState,
    User,
)
from eventsource.immudb.session import LoginForm
from eventsource.immudb.trust import MemoryTrustStore, Origin, TrustedHead, TrustStore
from eventsource.immudb.trust_file import FileTrustStore

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
