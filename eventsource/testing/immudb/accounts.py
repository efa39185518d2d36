"""
Users, sessions and tokens of the test server. Passwords are kept as they are: it is no server to be relied on.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import attrs

from eventsource.immudb.messages import new
from eventsource.immudb.results import Permission, PermissionAction
from eventsource.testing.immudb.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        Whether the user has that permission, or a greater one.
        """
        everywhere = Permission.SYS_ADMIN in self.permissions.values()
        return everywhere or self.permissions.get(database, Permission.NONE) >= permission


@attrs.define
class Visit:
    """
    A session or token: who came, and to which database. A token has none at first.
    """

    account: Account
    database: str


class Accounts:
    """
    Who may come, and who is here.

    Args:
        password: Of the user ``immudb``, who may do all.
    """

    def __init__(self, password: str) -> None:
        administrator = Account("immudb", password, {"*": Permission.SYS_ADMIN}, created_by="")
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
        return _note(self._sessions, Visit(account, database))

    def give_token(self, account: Account, database: str) -> str:
        """
        A new token.
        """
        return _note(self._tokens, Visit(account, database))

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

    def create(self, visit: Visit, request: Any) -> None:
        """
        Make the user that a ``CreateUserRequest`` asks for.
        """
        name = request.user.decode()
        if not visit.account.may(Permission.ADMIN, request.database):
            raise Refusal.NO_PERMISSION.error()
        if name in self._accounts:
            raise Refusal.USER_EXISTS.error()
        self._accounts[name] = Account(
            name, request.password.decode(), {request.database: request.permission}, created_by=visit.account.name
        )

    def change_password(self, visit: Visit, request: Any) -> None:
        """
        Do what a ``ChangePasswordRequest`` asks for. Sessions of the user end.
        """
        account = self._named(request.user.decode())
        if visit.account is account:
            if account.password.encode() != request.oldPassword:
                raise Refusal.BAD_OLD_PASSWORD.error()
        elif not visit.account.may(Permission.SYS_ADMIN, ""):
            raise Refusal.NO_PERMISSION.error()
        account.password = request.newPassword.decode()
        self.expire(account.name)

    def change_permission(self, visit: Visit, request: Any) -> None:
        """
        Do what a ``ChangePermissionRequest`` asks for. Sessions of the user end.
        """
        if not visit.account.may(Permission.ADMIN, request.database):
            raise Refusal.NO_PERMISSION.error()
        account = self._named(request.username)
        if request.action == PermissionAction.GRANT:
            account.permissions[request.database] = request.permission
        else:
            account.permissions.pop(request.database, None)
        self.expire(account.name)

    def set_active(self, visit: Visit, request: Any) -> None:
        """
        Do what a ``SetActiveUserRequest`` asks for.
        """
        if not visit.account.may(Permission.SYS_ADMIN, ""):
            raise Refusal.NO_PERMISSION.error()
        self._named(request.username).is_active = request.active
        self.expire(request.username)

    def listed(self, visit: Visit) -> Any:
        """
        The ``UserList`` that a user may see.
        """
        sees_all = visit.account.may(Permission.ADMIN, visit.database)
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
                for account in self._accounts.values()
                if sees_all or account is visit.account
            ],
        )

    def _named(self, name: str) -> Account:
        if name not in self._accounts:
            raise Refusal.NO_USER.error()
        return self._accounts[name]


def _note(visits: dict[str, Visit], visit: Visit) -> str:
    name = secrets.token_hex(16)
    visits[name] = visit
    return name
