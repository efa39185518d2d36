# ruff: noqa: N802, N803, N815  the names are not ours
"""
The calls under the names that immudb's official Python client gives them in its README.

They take what that client takes, in its order, so that code written for it needs an ``await`` and little
else. What they return and raise is this client's. In new code the names of Python are the better ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.immudb.databases import Databases
from eventsource.immudb.entries import PlainEntries
from eventsource.immudb.proofs import VerifiedEntries
from eventsource.immudb.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventsource.immudb.limits import Entries
    from eventsource.immudb.permission import Permission, PermissionAction
    from eventsource.immudb.results import Health, Proved, ProvedTransaction, Receipt, ServerState, User


def _name(name: str | bytes) -> str:
    # There, names of databases are bytes.
    return name.decode() if isinstance(name, bytes) else name


class ReadmeNames(PlainEntries, VerifiedEntries, Databases, Users):
    """
    The names of the official client.
    """

    async def createDatabase(self, dbName: bytes | str) -> None:
        """
        `create_database`.
        """
        await self.create_database(_name(dbName))

    async def useDatabase(self, dbName: bytes | str) -> None:
        """
        `use_database`.
        """
        await self.use_database(_name(dbName))

    async def databaseList(self) -> list[str]:
        """
        `list_databases`.
        """
        return await self.list_databases()

    async def verifiedSet(self, key: bytes, value: bytes) -> Receipt:
        """
        `verified_set`.
        """
        return await self.verified_set(key, value)

    async def verifiedGet(self, key: bytes, atRevision: int = 0) -> Proved:
        """
        `verified_get`.
        """
        return await self.verified_get(key, at_revision=atRevision)

    safeSet = verifiedSet
    safeGet = verifiedGet

    async def verifiedGetAt(self, key: bytes, atTx: int) -> Proved:
        """
        `verified_get`, as a transaction wrote it.
        """
        return await self.verified_get(key, at_tx=atTx)

    async def verifiedTxById(self, tx: int) -> ProvedTransaction:
        """
        `verified_tx`.
        """
        return await self.verified_tx(tx)

    async def setAll(self, kv: Entries) -> int:
        """
        `set_all`.
        """
        return await self.set_all(kv)

    async def getAll(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """
        `get_all`: all or none, as that README says.
        """
        return await self.get_all(keys)

    async def createUser(self, user: str, password: str, permission: Permission, database: str) -> None:
        """
        `create_user`.
        """
        await self.create_user(user, password, permission, database)

    async def listUsers(self) -> list[User]:
        """
        `list_users`.
        """
        return await self.list_users()

    async def changePassword(self, user: str, newPassword: str, oldPassword: str) -> None:
        """
        `change_password`; mind the order.
        """
        await self.change_password(user, old_password=oldPassword, new_password=newPassword)

    async def changePermission(
        self, action: PermissionAction, user: str, database: str, permission: Permission
    ) -> None:
        """
        `change_permission`.
        """
        await self.change_permission(action, user, database, permission)

    async def setActiveUser(self, active: bool, username: str) -> None:  # noqa: FBT001  their signature
        """
        `set_active_user`.
        """
        await self.set_active_user(username, active=active)

    async def currentState(self) -> ServerState:
        """
        `current_state`. Unlike there, what the server says changes nothing that is trusted.
        """
        return await self.current_state()

    async def healthCheck(self) -> Health:
        """
        `health`.
        """
        return await self.health()
