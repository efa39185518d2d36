from .check import (
    Check as Check,
)
from .client import (
    ImmudbClient as ImmudbClient,
)
from .connection import (
    Tls as Tls,
)
from .errors import (
    VerificationException as VerificationException,
)
from .results import (
    PERMISSION_ADMIN as PERMISSION_ADMIN,
)
from .results import (
    PERMISSION_GRANT as PERMISSION_GRANT,
)
from .results import (
    PERMISSION_NONE as PERMISSION_NONE,
)
from .results import (
    PERMISSION_R as PERMISSION_R,
)
from .results import (
    PERMISSION_REVOKE as PERMISSION_REVOKE,
)
from .results import (
    PERMISSION_RW as PERMISSION_RW,
)
from .results import (
    PERMISSION_SYS_ADMIN as PERMISSION_SYS_ADMIN,
)
from .results import (
    Entry as Entry,
)
from .results import (
    Head as Head,
)
from .results import (
    Health as Health,
)
from .results import (
    Permission as Permission,
)
from .results import (
    PermissionAction as PermissionAction,
)
from .results import (
    Proved as Proved,
)
from .results import (
    ProvedTransaction as ProvedTransaction,
)
from .results import (
    Receipt as Receipt,
)
from .results import (
    Reference as Reference,
)
from .results import (
    Revision as Revision,
)
from .results import (
    ServerInfo as ServerInfo,
)
from .results import (
    ServerState as ServerState,
)
from .results import (
    Transaction as Transaction,
)
from .results import (
    User as User,
)
from .results import (
    UserList as UserList,
)
from .session import (
    LoginForm as LoginForm,
)
from .trust import (
    FileTrustStore as FileTrustStore,
)
from .trust import (
    MemoryTrustStore as MemoryTrustStore,
)
from .trust import (
    Origin as Origin,
)
from .trust import (
    PersistentRootService as PersistentRootService,
)
from .trust import (
    TrustedHead as TrustedHead,
)
from .trust import (
    TrustStore as TrustStore,
)
from .writing import (
    KeyMustExist as KeyMustExist,
)
from .writing import (
    KeyMustNotExist as KeyMustNotExist,
)
from .writing import (
    KeyNotModifiedAfter as KeyNotModifiedAfter,
)
from .writing import (
    Precondition as Precondition,
)
