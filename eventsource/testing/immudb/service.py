"""
What the remote calls of the test server do.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from eventsource.immudb.connection import DEFAULT_DATABASE
from eventsource.immudb.messages import new
from eventsource.immudb.results import Permission
from eventsource.testing.immudb.accounts import Accounts
from eventsource.testing.immudb.database import Database
from eventsource.testing.immudb.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventsource.testing.immudb.accounts import Visit
    from eventsource.testing.immudb.signing import StateSigner

WRITES: Final = {"Set", "VerifiableSet"}
SESSION_CALLS: Final = {"CloseSession", "KeepAlive", "Login", "Logout", "OpenSession", "UseDatabase"}
# About no database, or about another one than the caller's; they look at permissions themselves.
_OF_THE_SERVER: Final = SESSION_CALLS | {
    "ChangePassword",
    "ChangePermission",
    "CreateDatabase",
    "CreateDatabaseV2",
    "CreateUser",
    "DatabaseList",
    "DatabaseListV2",
    "Health",
    "ListUsers",
    "SetActiveUser",
}
# Reading several keys takes the permission to write: so an immudb does it.
_NEEDED: Final = {"GetAll": Permission.READ_WRITE, "Set": Permission.READ_WRITE, "VerifiableSet": Permission.READ_WRITE}


class Service:
    """
    Answers calls.

    Args:
        password: Of the user ``immudb``.

    Attributes:
        databases: By name.

        accounts: Who may come.

        uuid: What it says of who it is.

        shows_stale_values: Whether a key is answered with the value it had first; a true answer, and an old one.

        max_concurrency: More writes at once are refused.

        most_writes: How many writes there were at once, at the most.
    """

    def __init__(self, *, password: str, uuid: str, signer: StateSigner | None, logs_requests: bool) -> None:
        self.databases = {DEFAULT_DATABASE: Database(DEFAULT_DATABASE)}
        self.accounts = Accounts(password)
        self.uuid = uuid
        self.shows_stale_values = False
        self.max_concurrency = 30
        self.most_writes = 0
        self._writes = 0
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._signer = signer
        self._logs_requests = logs_requests

    def hold_writes(self) -> None:
        """
        Let writes wait, each taking its place among those at once.
        """
        self._may_write.clear()

    def release_writes(self) -> None:
        """
        Let them go on.
        """
        self._may_write.set()

    async def answer(self, name: str, request: Any, metadata: Mapping[str, str]) -> tuple[Any, Database]:
        """
        The answer to a call, and the database it is about.

        Raises:
            RefusedError: It is refused.
        """
        nowhere = self.databases[DEFAULT_DATABASE]
        if name == "OpenSession":
            account = self.accounts.log_in(request.username, request.password)
            self._check_database(account.may(Permission.READ, request.databaseName), request.databaseName)
            session = self.accounts.open_session(account, request.databaseName)
            return new("OpenSessionResponse", sessionID=session, serverUUID=self.uuid), nowhere
        if name == "Login":
            account = self.accounts.log_in(request.user, request.password)
            return new("LoginResponse", token=self.accounts.give_token(account, DEFAULT_DATABASE)), nowhere
        visit = self.accounts.visit(metadata)
        if name in ("CloseSession", "Logout"):
            self.accounts.leave(metadata)
            return new("Empty"), nowhere
        if name not in _OF_THE_SERVER and not visit.account.may(_NEEDED.get(name, Permission.READ), visit.database):
            raise Refusal.NO_PERMISSION.error()
        database = self.databases[visit.database]
        if name in WRITES:
            return await self._write(name, request, visit), database
        return getattr(self, f"_{_snake(name)}")(request, visit, database), database

    async def _write(self, name: str, request: Any, visit: Visit) -> Any:
        if self._writes >= self.max_concurrency:
            raise Refusal.TOO_MANY_WRITES.error()
        self._writes += 1
        self.most_writes = max(self.most_writes, self._writes)
        try:
            await self._may_write.wait()
            database = self.databases[visit.database]
            extra = f"user={visit.account.name}".encode() if self._logs_requests else b""
            if name == "VerifiableSet" and request.proveSinceTx > len(database.transactions):
                raise Refusal.ILLEGAL_STATE.error()
            sets = request.setRequest if name == "VerifiableSet" else request
            made = database.set(sets, time_s=now(), extra=extra).header.id
            if name == "Set":
                return database.header(made)
            return self._signed(database.verifiable_tx(made, since=request.proveSinceTx), database)
        finally:
            self._writes -= 1

    def _get(self, request: Any, _visit: Visit, database: Database) -> Any:
        return database.entry(request.key, at_tx=request.atTx, at_revision=request.atRevision)

    def _get_all(self, request: Any, _visit: Visit, database: Database) -> Any:
        # As an immudb does it: what is not there is left out.
        return new("Entries", entries=[database.entry(key) for key in request.keys if database.has(key)])

    def _history(self, request: Any, _visit: Visit, database: Database) -> Any:
        return new("Entries", entries=database.history(request))

    def _scan(self, request: Any, _visit: Visit, database: Database) -> Any:
        return new("Entries", entries=database.scan(request))

    def _verifiable_get(self, request: Any, _visit: Visit, database: Database) -> Any:
        if self.shows_stale_values:
            request.keyRequest.atTx, request.keyRequest.atRevision = 0, 1
        answer = database.verifiable_entry(request)
        self._signed(answer.verifiableTx, database)
        return answer

    def _verifiable_tx_by_id(self, request: Any, _visit: Visit, database: Database) -> Any:
        kinds = request.entriesSpec if request.HasField("entriesSpec") else None
        return self._signed(database.verifiable_tx(request.tx, since=request.proveSinceTx, kinds=kinds), database)

    def _current_state(self, _request: Any, _visit: Visit, database: Database) -> Any:
        tx = len(database.transactions)
        state = new("ImmutableState", db=database.name, txId=tx, txHash=database.alh(tx))
        if self._signer is not None and tx:
            state.signature.signature = self._signer.sign(database.name, tx, state.txHash)
        return state

    def _signed(self, verifiable: Any, database: Database) -> Any:
        if self._signer is not None:
            target = verifiable.dualProof.targetTxHeader.id
            verifiable.signature.signature = self._signer.sign(database.name, target, database.alh(target))
        return verifiable

    def _create_database(self, request: Any, visit: Visit, _database: Database) -> Any:
        self._make_database(visit, request.databaseName)
        return new("Empty")

    def _create_database_v2(self, request: Any, visit: Visit, _database: Database) -> Any:
        exists = request.name in self.databases and request.ifNotExists
        if not exists:
            self._make_database(visit, request.name)
        return new("CreateDatabaseResponse", name=request.name, alreadyExisted=exists)

    def _make_database(self, visit: Visit, name: str) -> None:
        if not visit.account.may(Permission.SYS_ADMIN, ""):
            raise Refusal.NO_PERMISSION.error()
        if name in self.databases:
            raise Refusal.DATABASE_EXISTS.error()
        self.databases[name] = Database(name)

    def _database_list(self, _request: Any, visit: Visit, _database: Database) -> Any:
        return new(
            "DatabaseListResponse", databases=[new("Database", databaseName=name) for name in self._visible(visit)]
        )

    def _database_list_v2(self, _request: Any, visit: Visit, _database: Database) -> Any:
        infos = [
            new("DatabaseInfo", name=name, loaded=True, numTransactions=len(self.databases[name].transactions))
            for name in self._visible(visit)
        ]
        return new("DatabaseListResponseV2", databases=infos)

    def _visible(self, visit: Visit) -> list[str]:
        return [name for name in self.databases if visit.account.may(Permission.READ, name)]

    def _use_database(self, request: Any, visit: Visit, _database: Database) -> Any:
        self._check_database(visit.account.may(Permission.READ, request.databaseName), request.databaseName)
        return new("UseDatabaseReply", token=self.accounts.give_token(visit.account, request.databaseName))

    def _check_database(self, may_read: bool, name: str) -> None:  # noqa: FBT001  computed at once
        if name not in self.databases:
            raise Refusal.NO_DATABASE.error()
        if not may_read:
            raise Refusal.NO_PERMISSION.error()

    def _create_user(self, request: Any, visit: Visit, _database: Database) -> Any:
        if request.database not in self.databases:
            raise Refusal.NO_DATABASE.error()
        self.accounts.create(visit, request)
        return new("Empty")

    def _list_users(self, _request: Any, visit: Visit, _database: Database) -> Any:
        return self.accounts.listed(visit)

    def _change_password(self, request: Any, visit: Visit, _database: Database) -> Any:
        self.accounts.change_password(visit, request)
        return new("Empty")

    def _change_permission(self, request: Any, visit: Visit, _database: Database) -> Any:
        self.accounts.change_permission(visit, request)
        return new("Empty")

    def _set_active_user(self, request: Any, visit: Visit, _database: Database) -> Any:
        self.accounts.set_active(visit, request)
        return new("Empty")

    def _keep_alive(self, _request: Any, _visit: Visit, _database: Database) -> Any:
        return new("Empty")

    def _health(self, _request: Any, _visit: Visit, _database: Database) -> Any:
        return new("HealthResponse", status=True, version="test server, not for production")


def now() -> int:
    """
    The time of a transaction that is made now.
    """
    return int(time.time())


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
