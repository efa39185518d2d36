"""
Databases and users of a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.immudb.errors import ImmudbExistsError
from eventsource.immudb.limits import check_password
from eventsource.immudb.messages import new
from eventsource.immudb.results import Health, Permission, PermissionAction, ServerInfo, User, UserList

if TYPE_CHECKING:
    from eventsource.immudb.session import Conversation


class Databases:
    """
    The part of a client that makes, lists and chooses databases.
    """

    _conversation: Conversation

    async def create_database(self, name: str | bytes, *, if_not_exists: bool = False) -> bool:
        """
        Make a database. The one in use stays.

        Args:
            name: Letters and digits, 128 at the most. A server makes capitals small.

            if_not_exists: It may be there already.

        Returns:
            True if it was made now.

        Raises:
            ImmudbExistsError: It is there, and that was not allowed for.
            ImmudbRefusedError: The name cannot be one, or is the server's own.
            ImmudbError: It cannot be made.
        """
        request = new("CreateDatabaseRequest", name=as_text(name), ifNotExists=if_not_exists)
        async with self._conversation.sessions.current() as session:
            try:
                answer = await self._conversation.tell(session, "CreateDatabaseV2", request)
            except ImmudbExistsError:
                if not if_not_exists:
                    raise
                return False
        return not answer.read().alreadyExisted

    async def use_database(self, name: str | bytes) -> None:
        """
        Choose the database that all later calls mean. Those under way are finished in the one before.

        Raises:
            ImmudbNotFoundError: There is none of that name; the one in use stays.
            ImmudbError: It cannot be used.
        """
        await self._conversation.sessions.use_database(as_text(name))

    async def list_databases(self) -> list[str]:
        """
        The names of the databases that the user may see.

        Raises:
            ImmudbError: The server gave no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "DatabaseListV2", new("Empty"))
        return [database.name for database in answer.read().databases]

    async def health(self) -> Health:
        """
        How the server is, by its own word.

        Raises:
            ImmudbError: The server gave no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = (await self._conversation.ask(session, "Health", new("Empty"))).read()
        return Health(answer.status, answer.version)

    async def server_info(self) -> ServerInfo:
        """
        What the server says of itself.

        Raises:
            ImmudbError: The server gave no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = (await self._conversation.ask(session, "ServerInfo", new("Empty"))).read()
        return ServerInfo(
            answer.version, answer.startedAt, answer.numTransactions, answer.numDatabases, answer.databasesDiskSize
        )


class Users:
    """
    The part of a client that manages users.
    """

    _conversation: Conversation

    async def create_user(self, user: str, password: str, permission: Permission, database: str) -> None:
        """
        Make a user who may do something in one database.

        Args:
            password: 8 to 32 characters, with an upper-case letter, a digit and a symbol.

        Raises:
            PasswordPolicyError: The password is too weak; nothing was sent.
            ImmudbExistsError: There is a user of that name.
            ImmudbNotFoundError: There is no such database.
            ImmudbError: The user cannot be made.
        """
        check_password(password)
        request = new(
            "CreateUserRequest",
            user=user.encode(),
            password=password.encode(),
            permission=permission,
            database=database,
        )
        await self._tell("CreateUser", request)

    async def list_users(self) -> UserList:
        """
        The users of the server; whoever does not manage them sees themselves alone.

        Raises:
            ImmudbError: The server gave no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "ListUsers", new("Empty"))
        return UserList(_read_user(user) for user in answer.read().users)

    async def change_password(self, user: str, *, old_password: str, new_password: str) -> None:
        """
        Give a user another password. Its sessions end; this client's own is opened again where it is the same user.

        An immudb lets administrators do so, for themselves and for users that they made. Others cannot change their
        own.

        Args:
            old_password: The one it has. A server asks for it where the user ``immudb`` changes its own.

            new_password: As for `create_user`.

        Raises:
            PasswordPolicyError: The new password is too weak; nothing was sent.
            ImmudbNotFoundError: There is no such user, or another administrator made it.
            ImmudbPermissionError: Whoever asks manages no database.
            ImmudbError: It cannot be changed.
        """
        check_password(new_password)
        request = new(
            "ChangePasswordRequest",
            user=user.encode(),
            oldPassword=old_password.encode(),
            newPassword=new_password.encode(),
        )
        await self._tell("ChangePassword", request)
        self._conversation.sessions.password_changed(user, new_password)

    async def change_permission(
        self, action: PermissionAction, user: str, database: str, permission: Permission
    ) -> None:
        """
        Give a user a permission in a database, or take it.

        Raises:
            ImmudbNotFoundError: There is no such user or database.
            ImmudbError: It cannot be changed.
        """
        request = new("ChangePermissionRequest", action=action, username=user, database=database, permission=permission)
        await self._tell("ChangePermission", request)

    async def set_active_user(self, user: str, *, active: bool) -> None:
        """
        Let a user log in, or not.

        Raises:
            ImmudbNotFoundError: There is no such user.
            ImmudbError: It cannot be changed.
        """
        await self._tell("SetActiveUser", new("SetActiveUserRequest", username=user, active=active))

    async def _tell(self, call: str, request: Any) -> None:
        async with self._conversation.sessions.current() as session:
            await self._conversation.tell(session, call, request)


def _read_user(user: Any) -> User:
    return User(
        name=user.user.decode(errors="replace"),
        permissions={given.database: _known(given.permission) for given in user.permissions},
        is_active=user.active,
        created_by=user.createdby,
        created_at=user.createdat,
    )


def _known(permission: int) -> Permission | int:
    # A later server may have others.
    return Permission(permission) if permission in list(Permission) else permission


def as_text(name: str | bytes) -> str:
    """
    The name of a database; the official client has it in bytes.
    """
    return name.decode() if isinstance(name, bytes) else name
