"""
What the remote calls of the test server do.
"""

from __future__ import annotations

import asyncio
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from eventsource.immudb.connection import DEFAULT_DATABASE
from eventsource.immudb.messages import new
from eventsource.immudb.results import Permission
from eventsource.testing.immudb.accounts import Accounts
from eventsource.testing.immudb.database import Database
from eventsource.testing.immudb.reading import (
    check_since,
    read_all,
    read_history,
    read_key,
    read_tx,
    scan_keys,
    scan_set,
    scan_txs,
)
from eventsource.testing.immudb.refusal import Refusal
from eventsource.testing.immudb.writing import entries_of_set, entries_to_delete, entries_to_refer, entries_to_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventsource.testing.immudb.accounts import Visit
    from eventsource.testing.immudb.signing import StateSigner
    from eventsource.testing.immudb.stored import StoredEntry

# The field of a verifiable request that holds the plain one; empty for a plain one.
_WRITES: Final[dict[str, tuple[str, Callable[[Database, Any], list[StoredEntry]]]]] = {
    "Delete": ("", entries_to_delete),
    "Set": ("", entries_to_set),
    "SetReference": ("", entries_to_refer),
    "VerifiableSet": ("setRequest", entries_to_set),
    "VerifiableSetReference": ("referenceRequest", entries_to_refer),
    "ZAdd": ("", entries_of_set),
}
WRITES: Final = set(_WRITES)
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
    "ListUsers",
    "SetActiveUser",
}
# For everybody, logged in or not.
OPEN_CALLS: Final = {"Health", "Login", "OpenSession", "ServerInfo"}
# Reading several keys takes the permission to write: so an immudb does it.
_NEEDED: Final = dict.fromkeys((*WRITES, "GetAll"), Permission.READ_WRITE)

_SYSTEM_DATABASE: Final = "systemdb"
_MAX_NAME_BYTES: Final = 128
_VERSION: Final = "test server, not for production"


class Service:
    """
    Answers calls.

    Args:
        password: Of the user ``immudb``.

        clock: Seconds since 1970.

    Attributes:
        databases: By name.

        accounts: Who may come.

        uuid: What it says of who it is.

        shows_stale_values: True if a key is answered with the value it had first; a true answer, and an old one.

        max_concurrency: More writes at once are refused.

        most_writes: The number of writes there were at once, at the most.
    """

    def __init__(
        self,
        *,
        password: str,
        uuid: str,
        signer: StateSigner | None,
        logs_requests: bool,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._started_s = int(clock())
        self.databases = {DEFAULT_DATABASE: Database(DEFAULT_DATABASE, clock)}
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
        if name in OPEN_CALLS:
            return getattr(self, f"_{_snake(name)}")(request), nowhere
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

    def _open_session(self, request: Any) -> Any:
        account = self.accounts.log_in(request.username, request.password)
        name = request.databaseName.lower()
        if name not in self.databases:
            raise Refusal.NO_DATABASE.error()
        if not account.may(Permission.READ, name):
            raise Refusal.NO_PERMISSION_TO_ENTER.error()
        return new("OpenSessionResponse", sessionID=self.accounts.open_session(account, name), serverUUID=self.uuid)

    def _login(self, request: Any) -> Any:
        account = self.accounts.log_in(request.user, request.password)
        return new("LoginResponse", token=self.accounts.give_token(account, DEFAULT_DATABASE))

    async def _write(self, name: str, request: Any, visit: Visit) -> Any:
        if self._writes >= self.max_concurrency:
            raise Refusal.TOO_MANY_WRITES.error()
        self._writes += 1
        self.most_writes = max(self.most_writes, self._writes)
        try:
            await self._may_write.wait()
            database = self.databases[visit.database]
            extra = f"user={visit.account.name}".encode() if self._logs_requests else b""
            field, entries_of = _WRITES[name]
            if field and request.proveSinceTx > database.newest:
                raise Refusal.ILLEGAL_STATE.error()
            entries = entries_of(database, getattr(request, field) if field else request)
            made = database.write(entries, time_s=int(self._clock()), extra=extra).header.id
            if not field:
                return database.header(made)
            return self._signed(database.verifiable_tx(made, since=request.proveSinceTx), database)
        finally:
            self._writes -= 1

    def _get(self, request: Any, _visit: Visit, database: Database) -> Any:
        return read_key(database, request)

    def _get_all(self, request: Any, _visit: Visit, database: Database) -> Any:
        return new("Entries", entries=read_all(database, request))

    def _history(self, request: Any, _visit: Visit, database: Database) -> Any:
        return new("Entries", entries=read_history(database, request))

    def _scan(self, request: Any, _visit: Visit, database: Database) -> Any:
        return new("Entries", entries=scan_keys(database, request))

    def _z_scan(self, request: Any, _visit: Visit, database: Database) -> Any:
        return new("ZEntries", entries=scan_set(database, request))

    def _tx_by_id(self, request: Any, _visit: Visit, database: Database) -> Any:
        if not request.keepReferencesUnresolved:
            check_since(database, request.sinceTx)
        return read_tx(database, request.tx, _kinds(request), keeps_references=request.keepReferencesUnresolved)

    def _tx_scan(self, request: Any, _visit: Visit, database: Database) -> Any:
        return new("TxList", txs=scan_txs(database, request))

    def _verifiable_get(self, request: Any, _visit: Visit, database: Database) -> Any:
        if self.shows_stale_values:
            request.keyRequest.atTx, request.keyRequest.atRevision = 0, 1
        answer = database.verifiable_entry(request)
        self._signed(answer.verifiableTx, database)
        return answer

    def _verifiable_tx_by_id(self, request: Any, _visit: Visit, database: Database) -> Any:
        if request.proveSinceTx > database.newest:
            raise Refusal.BEHIND.error(database.newest, request.proveSinceTx)
        keeps = request.keepReferencesUnresolved
        if not keeps:
            check_since(database, request.sinceTx)
        answer = database.verifiable_tx(
            request.tx, since=request.proveSinceTx, kinds=_kinds(request), keeps_references=keeps
        )
        return self._signed(answer, database)

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
        self._make_database(visit, request.databaseName, if_not_exists=False)
        return new("Empty")

    def _create_database_v2(self, request: Any, visit: Visit, _database: Database) -> Any:
        made = self._make_database(visit, request.name, if_not_exists=request.ifNotExists)
        return new("CreateDatabaseResponse", name=request.name.lower(), alreadyExisted=not made)

    def _make_database(self, visit: Visit, name: str, *, if_not_exists: bool) -> bool:
        if not visit.account.is_system_admin:
            raise Refusal.NOT_SYSTEM_ADMIN.error()
        if name in (DEFAULT_DATABASE, _SYSTEM_DATABASE):
            raise Refusal.DATABASE_RESERVED.error()
        name = name.lower()
        _check_database_name(name)
        if name in self.databases:
            if not if_not_exists:
                raise Refusal.DATABASE_EXISTS.error()
            return False
        self.databases[name] = Database(name, self._clock)
        return True

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
        name = request.databaseName
        if name not in self.databases:
            raise Refusal.NO_DATABASE_TO_USE.error(name)
        if not visit.account.may(Permission.READ, name):
            raise Refusal.NO_PERMISSION_TO_ENTER.error()
        if visit.is_session:
            visit.database = name
        return new("UseDatabaseReply", token=self.accounts.give_token(visit.account, name))

    def _create_user(self, request: Any, visit: Visit, _database: Database) -> Any:
        self.accounts.create(visit, request, self.databases)
        return new("Empty")

    def _list_users(self, _request: Any, visit: Visit, _database: Database) -> Any:
        return self.accounts.listed(visit)

    def _change_password(self, request: Any, visit: Visit, _database: Database) -> Any:
        self.accounts.change_password(visit, request)
        return new("Empty")

    def _change_permission(self, request: Any, visit: Visit, _database: Database) -> Any:
        self.accounts.change_permission(visit, request, self.databases)
        return new("Empty")

    def _set_active_user(self, request: Any, visit: Visit, _database: Database) -> Any:
        self.accounts.set_active(visit, request)
        return new("Empty")

    def _keep_alive(self, _request: Any, _visit: Visit, _database: Database) -> Any:
        return new("Empty")

    def _health(self, _request: Any) -> Any:
        return new("HealthResponse", status=True, version=_VERSION)

    def _server_info(self, _request: Any) -> Any:
        return new(
            "ServerInfoResponse",
            version=_VERSION,
            startedAt=self._started_s,
            numTransactions=sum(database.newest for database in self.databases.values()),
            numDatabases=len(self.databases),
        )


def _check_database_name(name: str) -> None:
    if not 0 < len(name.encode()) <= _MAX_NAME_BYTES:
        raise Refusal.DATABASE_NAME_LENGTH.error()
    kinds = [unicodedata.category(character) for character in name]
    if any(kind not in ("Ll", "Nd") and kind[0] not in "PS" for kind in kinds):
        raise Refusal.DATABASE_NAME_CHARACTER.error()
    if any(kind[0] in "PS" for kind in kinds):
        raise Refusal.DATABASE_NAME_SYMBOL.error()


def _kinds(request: Any) -> Any:
    return request.entriesSpec if request.HasField("entriesSpec") else None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
