"""
What a user of an immudb may do in a database.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Permission(IntEnum):
    """
    What a user may do in one database. The numbers are immudb's.
    """

    NONE = 0
    """Nothing."""

    READ = 1
    """Read; not with `get_all`, for which a server asks `READ_WRITE`."""

    READ_WRITE = 2
    """Read and write."""

    ADMIN = 254
    """All in this database, and give permissions in it."""

    SYS_ADMIN = 255
    """All in all databases. Only the user ``immudb`` has it."""


class PermissionAction(IntEnum):
    """
    What is done to a permission.
    """

    GRANT = 0
    REVOKE = 1


# The names that the official client gives them.
PERMISSION_NONE: Final = Permission.NONE
PERMISSION_R: Final = Permission.READ
PERMISSION_RW: Final = Permission.READ_WRITE
PERMISSION_ADMIN: Final = Permission.ADMIN
PERMISSION_SYS_ADMIN: Final = Permission.SYS_ADMIN
PERMISSION_GRANT: Final = PermissionAction.GRANT
PERMISSION_REVOKE: Final = PermissionAction.REVOKE
