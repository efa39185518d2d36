"""
Users, sessions and tokens of the test server. Passwords are kept as they are: it is no server to be relied on.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.immudb.messages import new
from eventsource.immudb.results import Permission, PermissionAction
from eventsource.testing.immudb.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_ADMINISTRATOR: Final = "immudb"
_SYSTEM_DATABASE: Final = "systemdb"
_MAX_SESSIONS: Final = 100
_KNOWN_PERMISSIONS: Final = {Permission.READ, Permission.READ_WRITE, Permission.ADMIN, Permission.SYS_ADMIN}


@attrs.define
class Account:
    """
    A user.
    """

    name: str
    password: str = attrs.field(repr=False)
    permissions: dict[str, int]
    created_by: str
    is_active: bool = True

    def may(self, permission: int, database: str) -> bool:
        """
        True if the user has that permission, or a greater one.
        """
        return self.is_system_admin or self.permissions.get(database, Permission.NONE) >= permission

    @property
    def is_system_admin(self) -> bool:
        """
        True if the user may do all.
        """
        return Permission.SYS_ADMIN in self.permissions.values()

    @property
    def is_any_admin(self) -> bool:
        """
        True if the user manages one database at least.
        """
        return self.is_system_admin or Permission.ADMIN in self.permissions.values()


@attrs.define
class Visit:
    """
    A session or token: who came, and to which database. A token has none at first.
    """

    account: Account
    database: str
    is_session: bool


class Accounts:
    """
    Who may come, and who is here.

    Args:
        password: Of the user ``immudb``, who may do all.
    """

    def __init__(self, password: str) -> None:
        administrator = Account(_ADMINISTRATOR, password, {"*": Permission.SYS_ADMIN}, created_by="")
        self._accounts = {administrator.name: administrator}
        self._sessions: dict[str, Visit] = {}
        self._tokens: dict[str, Visit] = {}

    def log_in(self, user: bytes, password: bytes) -> Account:
        """
        Who has this name and password.
        """
        account = self._accounts.get(user.decode(errors="replace"))
        if account is None or not secrets.compare_digest(account.password.encode(), password):
            raise Refusal.BAD_CREDENTIALS.error()
        if not account.is_active:
            raise Refusal.INACTIVE_USER.error()
        return account

    def open_session(self, account: Account, database: str) -> str:
        """
        A new session.
        """
        if len(self._sessions) >= _MAX_SESSIONS:
            raise Refusal.TOO_MANY_SESSIONS.error()
        return _note(self._sessions, Visit(account, database, is_session=True))

    def give_token(self, account: Account, database: str) -> str:
        """
        A new token.
        """
        return _note(self._tokens, Visit(account, database, is_session=False))

    def visit(self, metadata: Mapping[str, str]) -> Visit:
        """
        Whose call this is.
        """
        if "sessionid" in metadata:
            visit = self._sessions.get(metadata["sessionid"])
            if visit is None:
                raise Refusal.NO_SESSION.error()
            return visit
        visit = self._tokens.get(metadata.get("authorization", "").removeprefix("Bearer "))
        if visit is None:
            raise Refusal.NOT_LOGGED_IN.error()
        return visit

    def leave(self, metadata: Mapping[str, str]) -> None:
        """
        End the session or token of a call.
        """
        self._sessions.pop(metadata.get("sessionid", ""), None)
        self._tokens.pop(metadata.get("authorization", "").removeprefix("Bearer "), None)

    def named(self, name: str) -> Account | None:
        """
        The user of that name; None if there is none.
        """
        return self._accounts.get(name)

    def expire(self, user: str | None = None) -> None:
        """
        End all sessions and tokens, or those of one user.
        """
        for visits in (self._sessions, self._tokens):
            for name, visit in list(visits.items()):
                if user is None or visit.account.name == user:
                    del visits[name]

    @property
    def number_of_sessions(self) -> int:
        """
        How many are open.
        """
        return len(self._sessions)

    # What remote calls ask for.

    def create(self, visit: Visit, request: Any, databases: Container[str]) -> None:
        """
        Make the user that a ``CreateUserRequest`` asks for.
        """
        name = request.user.decode(errors="replace")
        if not name:
            raise Refusal.EMPTY_USER.error()
        if not request.database:
            raise Refusal.EMPTY_DATABASE_OF_USER.error()
        if request.database not in databases:
            raise Refusal.NO_DATABASE_OF_USER.error(request.database)
        if request.permission not in _KNOWN_PERMISSIONS:
            raise Refusal.UNKNOWN_PERMISSION.error()
        if not visit.account.may(Permission.ADMIN, request.database):
            raise Refusal.NOT_ADMIN.error()
        if request.permission == Permission.SYS_ADMIN:
            raise Refusal.SECOND_SYSTEM_ADMIN.error()
        if name in self._accounts:
            raise Refusal.USER_EXISTS.error()
        if not re.fullmatch("[a-zA-Z0-9_]+", name):
            raise Refusal.USER_NAME.error()
        _check_password(request.password)
        self._accounts[name] = Account(
            name, request.password.decode(), {request.database: request.permission}, created_by=visit.account.name
        )

    def change_password(self, visit: Visit, request: Any) -> None:
        """
        Do what a ``ChangePasswordRequest`` asks for. Sessions of the user end.

        Only administrators change passwords: that of the administrator with the old one, those of users they made
        without. Nobody else changes their own.
        """
        name = request.user.decode(errors="replace")
        caller = visit.account
        if name == _ADMINISTRATOR and caller.password.encode() != request.oldPassword:
            raise Refusal.BAD_OLD_PASSWORD.error()
        if not caller.is_any_admin:
            raise Refusal.NOT_ANY_ADMIN.error()
        if not name:
            raise Refusal.EMPTY_USER.error()
        account = self._accounts.get(name)
        if account is None or not (caller.is_system_admin or account.created_by == caller.name):
            raise Refusal.NO_USER_OF_PASSWORD.error(name)
        _check_password(request.newPassword)
        account.password = request.newPassword.decode()
        account.created_by = caller.name
        self.expire(account.name)

    def change_permission(self, visit: Visit, request: Any, databases: Container[str]) -> None:
        """
        Do what a ``ChangePermissionRequest`` asks for. Sessions of the user end.
        """
        _check_change(request, databases)
        caller = visit.account
        if request.username == caller.name:
            raise Refusal.OWN_PERMISSION.error()
        if request.username == _ADMINISTRATOR:
            raise Refusal.SYSTEM_ADMIN_PERMISSION.error()
        account = self._accounts.get(request.username)
        if account is None:
            raise Refusal.NO_USER_OF_PERMISSION.error(request.username)
        if not account.is_active:
            raise Refusal.INACTIVE_USER_OF_PERMISSION.error(request.username)
        if not caller.may(Permission.ADMIN, request.database):
            raise Refusal.NOT_ADMIN_OF_PERMISSION.error()
        if request.action == PermissionAction.GRANT:
            account.permissions[request.database] = request.permission
        else:
            account.permissions.pop(request.database, None)
        account.created_by = caller.name
        self.expire(account.name)

    def set_active(self, visit: Visit, request: Any) -> None:
        """
        Do what a ``SetActiveUserRequest`` asks for. Sessions of the user end.
        """
        caller = visit.account
        if not request.username:
            raise Refusal.EMPTY_USER.error()
        if not caller.is_any_admin:
            raise Refusal.NOT_ANY_ADMIN.error()
        if request.username == caller.name:
            raise Refusal.OWN_STATUS.error()
        account = self._accounts.get(request.username)
        if account is None:
            raise Refusal.NO_USER.error(request.username)
        if not caller.is_system_admin and account.created_by != caller.name:
            raise Refusal.FOREIGN_USER.error(request.username)
        account.is_active = request.active
        account.created_by = caller.name
        self.expire(request.username)

    def listed(self, visit: Visit) -> Any:
        """
        The ``UserList`` that a user may see.
        """
        caller = visit.account
        if caller.is_system_admin:
            shown = list(self._accounts.values())
        elif caller.permissions.get(visit.database) == Permission.ADMIN:
            shown = [account for account in self._accounts.values() if visit.database in account.permissions]
        else:
            shown = [caller]
        return new(
            "UserList",
            users=[
                new(
                    "User",
                    user=account.name.encode(),
                    permissions=[
                        new("Permission", database=database, permission=permission)
                        for database, permission in account.permissions.items()
                    ],
                    createdby=account.created_by,
                    createdat="2026-01-01 00:00:00",
                    active=account.is_active,
                )
                for account in sorted(shown, key=lambda account: account.name)
            ],
        )


def _check_change(request: Any, databases: Container[str]) -> None:
    if not request.username:
        raise Refusal.EMPTY_USER_OF_PERMISSION.error()
    if not request.database:
        raise Refusal.EMPTY_DATABASE_OF_PERMISSION.error()
    if request.database != _SYSTEM_DATABASE and request.database not in databases:
        raise Refusal.NO_DATABASE_OF_PERMISSION.error()
    if request.action not in list(PermissionAction):
        raise Refusal.UNKNOWN_ACTION.error()
    if request.permission not in _KNOWN_PERMISSIONS:
        raise Refusal.UNKNOWN_PERMISSION_CHANGE.error()
    if request.database == _SYSTEM_DATABASE and request.permission == Permission.READ_WRITE:
        raise Refusal.NO_PERMISSION.error()


def _check_password(password: bytes) -> None:
    # Only that there is one: what a good one is the tools of an immudb check, not its server.
    if not password:
        raise Refusal.EMPTY_PASSWORD.error()


def _note(visits: dict[str, Visit], visit: Visit) -> str:
    name = secrets.token_hex(16)
    visits[name] = visit
    return name
