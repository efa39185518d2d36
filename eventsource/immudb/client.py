"""
An asynchronous client of an immudb that believes nothing it has not verified.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from eventsource.immudb.address import Address
from eventsource.immudb.channel import Channel, Tls
from eventsource.immudb.conversation import Conversation
from eventsource.immudb.limits import MAX_WRITES
from eventsource.immudb.readme_names import ReadmeNames
from eventsource.immudb.session import Credentials, LoginForm, Sessions
from eventsource.immudb.signature import StateKey
from eventsource.immudb.trust import MemoryTrustStore, TrustStore
from eventsource.immudb.trust_file import FileTrustStore
from eventsource.immudb.trusting import Trusting

if TYPE_CHECKING:
    from os import PathLike
    from types import TracebackType

    from eventsource.immudb.results import Head

DEFAULT_URL = "immudb://localhost:3322/defaultdb"


class ImmudbClient(ReadmeNames):
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

        trust_on_first_use: Whether to trust what the server says at the first contact.

        pinned: A head to begin with, known from elsewhere, of the database in the URL.

        server_public_key: PEM of the key that the server signs its state with, or the path of a file with it. Each
            verified answer must then be signed. Needs the extra ``notary``.

        tls: How the connection is encrypted, if the system's certificates will not do.

        login_form: A session, or a token as older servers want it.

        timeout_s: How long one call may take, in seconds.

        keep_alive_s: How often to tell the server that the session is wanted, in seconds.

        max_writes: How many writes may be under way at once; further ones wait.

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
        keep_alive_s: float = 60.0,
        max_writes: int = MAX_WRITES,
    ) -> None:
        address = Address.parse(url)
        if user is not None:
            address = attrs.evolve(address, user=user, password=password)
        self._address = address
        self._login_form = login_form
        self._channel = Channel(address, tls=tls, timeout_s=timeout_s)
        sessions = Sessions(self._channel, address, form=login_form, keep_alive_s=keep_alive_s)
        self._conversation = Conversation(self._channel, sessions, server=address.target, max_writes=max_writes)
        self._trusting = Trusting(
            self._conversation,
            _trust_store(trust),
            ledger=ledger if ledger is not None else address.target,
            key=_state_key(server_public_key),
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
        self, user: str, password: str, database: str | bytes | None = None, *, form: LoginForm | None = None
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
        name = database.decode() if isinstance(database, bytes) else database
        await self._conversation.sessions.log_in(Credentials(user, password), name, form or self._login_form)

    async def logout(self) -> None:
        """
        End the session and forget the password; later calls need a `login` first.
        """
        await self._conversation.sessions.log_out()

    async def openSession(self, username: str, password: str, database: str | bytes | None = None) -> None:  # noqa: N802
        """
        `login` with a session, under the official client's name.
        """
        await self.login(username, password, database, form=LoginForm.SESSION)

    async def closeSession(self) -> None:  # noqa: N802
        """
        `logout`, under the official client's name.
        """
        await self.logout()

    async def close(self) -> None:
        """
        Wait for calls under way, end the session and disconnect; the client cannot be used again.
        """
        await self._conversation.sessions.close()
        await self._channel.close()

    shutdown = close


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
