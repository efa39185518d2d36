# ruff: noqa: N802, N803, N815  the names of the official client are not ours
"""
An asynchronous client of an immudb that believes nothing it has not verified.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from eventsource.immudb.administration import Databases, Users, as_text
from eventsource.immudb.connection import Address, Channel, Tls
from eventsource.immudb.entries import PlainEntries
from eventsource.immudb.limits import MAX_WRITES, BytesLike
from eventsource.immudb.proofs import VerifiedEntries
from eventsource.immudb.scanning import Scanning
from eventsource.immudb.session import Conversation, Credentials, LoginForm, Sessions
from eventsource.immudb.trust import FileTrustStore, MemoryTrustStore, StateKey, TrustStore
from eventsource.immudb.trusting import Trusting

if TYPE_CHECKING:
    import datetime as dt
    from os import PathLike
    from types import TracebackType

    from eventsource.immudb.results import Head, Proved, Receipt

DEFAULT_URL = "immudb://localhost:3322/defaultdb"


class ImmudbClient(PlainEntries, Scanning, VerifiedEntries, Databases, Users):
    """
    A client of one immudb.

    It connects and logs in at the first call, and is closed by `close` or at the end of ``async with``. It may be
    used by many tasks at once.

    Args:
        url: ``immudb://user:password@host:port/database``, ``immudbs://…`` for TLS, or ``host:port``. What is left
            out is ``localhost``, 3322 and ``defaultdb``.

        user: Who logs in, in place of the URL's.

        password: Of the user, in place of the URL's.

        trust: Where it is kept what is trusted: the path of a file, or a `TrustStore`. None keeps it in memory, so
            that each start is a first contact.

        ledger: The name under which it is kept; None for ``host:port``. Give a name if the address may change.

        trust_on_first_use: True to trust what the server says at the first contact.

        pinned: A head to begin with, known from elsewhere, of the database in the URL.

        server_public_key: PEM of the key that the server signs its state with, or the path of a file with it. Each
            verified answer must then be signed. Needs the extra ``notary``.

        tls: How the connection is encrypted, if the system's certificates will not do.

        login_form: A session, or a token as older servers want it.

        timeout_s: The time that one call may take once there is a connection, in seconds.

        connect_timeout_s: The time that a call waits for a connection, in seconds, and no longer than `timeout_s`; half
            as long where connections are refused. Meanwhile it is tried again and again.

        keep_alive_s: How often to tell the server that the session is wanted, in seconds.

        max_writes: The number of writes that may be under way at once; further ones wait.

        rs: `trust`, under the official client's name.

        publicKeyFile: `server_public_key`, under the official client's name.

    Raises:
        InvalidImmudbUrlError: The URL is not understood.
        MissingExtraError: There is a public key, and the extra ``notary`` is not installed.
        ValueError: The public key is none.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        user: str | None = None,
        password: str | None = None,
        trust: TrustStore | str | PathLike[str] | None = None,
        ledger: str | None = None,
        trust_on_first_use: bool = False,
        pinned: Head | None = None,
        server_public_key: bytes | str | PathLike[str] | None = None,
        tls: Tls | None = None,
        login_form: LoginForm = LoginForm.SESSION,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        keep_alive_s: float = 60.0,
        max_writes: int = MAX_WRITES,
        rs: TrustStore | str | PathLike[str] | None = None,
        publicKeyFile: str | PathLike[str] | None = None,
    ) -> None:
        address = Address.parse(url)
        if user is not None:
            address = attrs.evolve(address, user=user, password=password)
        self._address = address
        self._login_form = login_form
        self._channel = Channel(address, tls=tls, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s)
        sessions = Sessions(self._channel, address, form=login_form, keep_alive_s=keep_alive_s)
        self._conversation = Conversation(self._channel, sessions, server=address.target, max_writes=max_writes)
        self._trusting = Trusting(
            self._conversation,
            _trust_store(rs if trust is None else trust),
            ledger=ledger if ledger is not None else address.target,
            key=_state_key(publicKeyFile if server_public_key is None else server_public_key),
            on_first_use=trust_on_first_use,
            pinned={} if pinned is None else {address.database: pinned},
        )

    def __repr__(self) -> str:
        return f"<ImmudbClient {self._address.target}>"

    @property
    def server_uuid(self) -> str:
        """
        What the server says of who it is; empty before the first call. It decides nothing.
        """
        return self._conversation.sessions.server_uuid

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def login(
        self, username: str, password: str, database: str | bytes | None = None, *, form: LoginForm | None = None
    ) -> None:
        """
        Log in, in place of whoever is logged in.

        Args:
            database: The one to use; None for the one in use, at first that of the URL.

            form: How; None for the client's.

        Raises:
            ImmudbLoginError: The server does not know user and password; whoever was logged in stays so.
            ImmudbError: There is no session for another reason.
        """
        name = None if database is None else as_text(database)
        await self._conversation.sessions.log_in(Credentials(username, password), name, form or self._login_form)

    async def logout(self) -> None:
        """
        End the session and forget the password; later calls need a `login` first.
        """
        await self._conversation.sessions.log_out()

    async def close(self) -> None:
        """
        Wait for calls under way, end the session and disconnect; the client cannot be used again.
        """
        await self._conversation.sessions.close()
        await self._channel.close()

    # The names of the official client, in its order of arguments. What the calls return and raise is this client's.

    shutdown = close
    closeSession = logout
    createDatabase = Databases.create_database
    useDatabase = Databases.use_database
    databaseList = Databases.list_databases
    healthCheck = Databases.health
    serverInfo = Databases.server_info
    createUser = Users.create_user
    listUsers = Users.list_users
    changePermission = Users.change_permission
    setAll = PlainEntries.set_all
    getAll = PlainEntries.get_all
    currentState = PlainEntries.current_state
    txById = Scanning.tx
    txScan = Scanning.scan_txs
    verifiedSet = safeSet = VerifiedEntries.verified_set
    verifiedTxById = VerifiedEntries.verified_tx

    async def openSession(self, username: str, password: str, database: str | bytes | None = None) -> None:
        """
        `login` with a session.
        """
        await self.login(username, password, database, form=LoginForm.SESSION)

    async def expireableSet(self, key: BytesLike, value: BytesLike, expiresAt: dt.datetime) -> int:
        """
        `set` of a value that expires.
        """
        return await self.set(key, value, expires_at=expiresAt)

    async def setReference(self, referredkey: BytesLike, newkey: BytesLike) -> int:
        """
        `set_reference`; mind the order.
        """
        return await self.set_reference(newkey, referredkey)

    async def verifiedSetReference(self, referredkey: BytesLike, newkey: BytesLike) -> Receipt:
        """
        `verified_set_reference`; mind the order.
        """
        return await self.verified_set_reference(newkey, referredkey)

    async def verifiedGet(self, key: BytesLike, atRevision: int = 0) -> Proved:
        """
        `verified_get`.
        """
        return await self.verified_get(key, atRevision)

    safeGet = verifiedGet

    async def verifiedGetAt(self, key: BytesLike, atTx: int) -> Proved:
        """
        `verified_get`, as a transaction wrote it.
        """
        return await self.verified_get(key, at_tx=atTx)

    async def changePassword(self, user: str, newPassword: str, oldPassword: str) -> None:
        """
        `change_password`; mind the order.
        """
        await self.change_password(user, old_password=oldPassword, new_password=newPassword)

    async def setActiveUser(self, active: bool, username: str) -> None:  # noqa: FBT001  their order
        """
        `set_active_user`; mind the order.
        """
        await self.set_active_user(username, active=active)


def _trust_store(trust: TrustStore | str | PathLike[str] | None) -> TrustStore:
    if trust is None:
        return MemoryTrustStore()
    if isinstance(trust, TrustStore):
        return trust
    return FileTrustStore(Path(trust))


def _state_key(key: bytes | str | PathLike[str] | None) -> StateKey | None:
    if key is None:
        return None
    return StateKey(key if isinstance(key, bytes) else Path(key).read_bytes())
