"""
Sessions at an immudb, and the calls within them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.errors import (
    ImmudbError,
    ImmudbExistsError,
    ImmudbKeyExistsError,
    ImmudbKeyNotFoundError,
    ImmudbLimitError,
    ImmudbLoginError,
    ImmudbNotFoundError,
    ImmudbOutcomeUnknownError,
    ImmudbPermissionError,
    ImmudbRefusedError,
    ImmudbUnavailableError,
)
from eventsource.immudb.check import Check, Exchange
from eventsource.immudb.connection import MAX_MESSAGE_BYTES
from eventsource.immudb.failure import CallFailedError, Failure
from eventsource.immudb.messages import CALLS, new, parse
from eventsource.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from eventsource.immudb.connection import Address, Channel, Metadata
    from eventsource.immudb.results import Head


_log = get_logger(__name__)


class LoginForm(StrEnum):
    """
    The two ways to log in at an immudb.
    """

    SESSION = "session"
    """A session, kept alive and opened again when the server ended it. The way of today."""

    TOKEN = "token"  # noqa: S105  the name of a form
    """A token for a day, as older servers and clients do it."""


@attrs.frozen
class Credentials:
    """
    Who logs in.
    """

    user: str
    password: str = attrs.field(repr=False)


@attrs.define(eq=False)
class Session:
    """
    A session or token, and what it is for. It stays the same object when it has to be opened again.

    Attributes:
        database: Which database its calls mean.

        metadata: What goes with each call; says who calls.

        form: How it was opened.
    """

    database: str
    metadata: Metadata = attrs.field(repr=False)
    form: LoginForm
    _calls: int = attrs.field(default=0, init=False)
    _is_idle: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    @contextlib.contextmanager
    def in_use(self) -> Generator[Session]:
        """
        Nobody ends the session meanwhile.
        """
        self._calls += 1
        self._is_idle.clear()
        try:
            yield self
        finally:
            self._calls -= 1
            if not self._calls:
                self._is_idle.set()

    async def wait_until_idle(self) -> None:
        """
        Return when nobody uses it.
        """
        if self._calls:
            await self._is_idle.wait()


class Sessions:
    """
    The one session of a client: opened at the first call, changed with the database, ended with the client.

    Args:
        form: How to log in.

        keep_alive_s: How often to tell the server that a session is wanted; it ends one that is silent for
            three minutes.
    """

    def __init__(self, channel: Channel, address: Address, *, form: LoginForm, keep_alive_s: float) -> None:
        self._channel = channel
        self._address = address
        self._form = form
        self._keep_alive_s = keep_alive_s
        self._credentials: Credentials | None = None
        if address.user is not None:
            self._credentials = Credentials(address.user, address.password or "")
        self._database = address.database
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._keeping_alive: asyncio.Task[None] | None = None
        self.server_uuid = ""

    @contextlib.asynccontextmanager
    async def current(self) -> AsyncGenerator[Session]:
        """
        The session, opened if there is none. While it is in use nobody ends it.

        Raises:
            ImmudbLoginError, ImmudbUnavailableError, ImmudbNotFoundError: There is no session to be had.
        """
        if self._session is None:
            async with self._opening:
                if self._session is None:
                    self._session = await self._open(self._database, self._form)
        with self._session.in_use() as session:
            yield session

    async def log_in(self, credentials: Credentials, database: str | None, form: LoginForm) -> None:
        """
        Open a session for another user or database, then end the one there was.

        Raises:
            ImmudbLoginError, ImmudbUnavailableError, ImmudbNotFoundError: The session there was stays.
        """
        before = self._credentials
        self._credentials = credentials
        try:
            await self.use_database(database or self._database, form)
        except BaseException:
            self._credentials = before
            raise

    async def use_database(self, database: str, form: LoginForm | None = None) -> None:
        """
        Open a session for a database, then end the one there was when its calls have been answered.

        Raises:
            ImmudbLoginError, ImmudbUnavailableError, ImmudbNotFoundError: The session there was stays.
        """
        async with self._opening:
            opened = await self._open(database, form or self._form)
            ended, self._session = self._session, opened
            self._database = database
        if ended is not None:
            await ended.wait_until_idle()
            await self._end(ended)

    async def renew(self, session: Session, stale: Metadata) -> None:
        """
        Open *session* again, unless somebody has done so since it had the metadata *stale*.

        Raises:
            ImmudbLoginError, ImmudbUnavailableError, ImmudbNotFoundError: It cannot be opened.
        """
        async with self._opening:
            if session.metadata != stale:
                return
            _log.info("immudb.session_renewed", server=self._address.target, database=session.database)
            opened = await self._open(session.database, session.form)
            session.metadata = opened.metadata

    def password_changed(self, user: str, password: str) -> None:
        """
        Log in with another password from now on, if *user* is whoever is logged in.
        """
        if self._credentials is not None and self._credentials.user == user:
            self._credentials = Credentials(user, password)

    async def log_out(self) -> None:
        """
        End the session, and forget who it was.
        """
        self._credentials = None
        await self.close()

    async def close(self) -> None:
        """
        End the session.
        """
        if self._keeping_alive is not None:
            self._keeping_alive.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping_alive
            self._keeping_alive = None
        ended, self._session = self._session, None
        if ended is not None:
            await ended.wait_until_idle()
            await self._end(ended)

    async def _end(self, session: Session) -> None:
        # A server that is gone, or has ended it, keeps nothing of it.
        with contextlib.suppress(CallFailedError):
            name = "CloseSession" if session.form is LoginForm.SESSION else "Logout"
            await self._channel.call(name, b"", session.metadata)

    async def _open(self, database: str, form: LoginForm) -> Session:
        credentials = self._credentials
        if credentials is None:
            reason = "no user is given: put user and password into the URL, or call login(user, password)"
            raise ImmudbLoginError(self._address.target, reason)
        try:
            if form is LoginForm.TOKEN:
                return await self._open_by_token(credentials, database)
            request = new(
                "OpenSessionRequest",
                username=credentials.user.encode(),
                password=credentials.password.encode(),
                databaseName=database,
            )
            answer = parse(
                CALLS["OpenSession"][1], await self._channel.call("OpenSession", request.SerializeToString())
            )
        except CallFailedError as failure:
            raise self._failed(failure, credentials, database) from None
        self.server_uuid = answer.serverUUID
        session = Session(database, (("sessionid", answer.sessionID),), form)
        if self._keeping_alive is None:
            self._keeping_alive = asyncio.get_running_loop().create_task(self._keep_alive())
        return session

    async def _open_by_token(self, credentials: Credentials, database: str) -> Session:
        request = new("LoginRequest", user=credentials.user.encode(), password=credentials.password.encode())
        encoded, headers = await self._channel.call_for_headers("Login", request.SerializeToString())
        self.server_uuid = headers.get("immudb-uuid", "")
        token = parse("LoginResponse", encoded).token
        chosen = await self._channel.call(
            "UseDatabase", new("Database", databaseName=database).SerializeToString(), _bearer(token)
        )
        return Session(database, _bearer(parse("UseDatabaseReply", chosen).token), LoginForm.TOKEN)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._keep_alive_s)
            session = self._session
            if session is None or session.form is not LoginForm.SESSION:
                continue
            stale = session.metadata
            try:
                await self._channel.call("KeepAlive", b"", stale)
            except CallFailedError as failure:
                # The next call that needs the session opens it again, or tells why it cannot.
                _log.info("immudb.keep_alive_failed", server=self._address.target, reason=str(failure))

    def _failed(self, failure: CallFailedError, credentials: Credentials, database: str) -> Exception:
        target = self._address.target
        match failure.kind:
            case Failure.CREDENTIALS:
                return ImmudbLoginError(target, "the server does not know this user with this password")
            case Failure.DATABASE_NOT_FOUND:
                return ImmudbNotFoundError("database", database)
            case Failure.PERMISSION:
                return ImmudbPermissionError("OpenSession", database=database)
            case Failure.BUSY | Failure.UNCLEAR:
                return ImmudbUnavailableError(target, str(failure))
            case _:
                # Whatever a server says about a login, the password is not repeated.
                text = failure.text.replace(credentials.password, "…") if credentials.password else failure.text
                return ImmudbRefusedError("OpenSession", status=failure.status.name, text=text)


def _bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


# A read is tried five times, with pauses up to 50, 100, 200 and 400 ms.
_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 0.05

_UNCERTAIN: Final = {Failure.BUSY, Failure.UNCLEAR, Failure.TOO_LARGE}

_REQUEST_BYTES: Final = "bytes of one request"
_ANSWER_BYTES: Final = "bytes of one answer"

_random = random.Random()  # noqa: S311  nothing secret
_log = get_logger(__name__)


class Conversation:
    """
    Asks an immudb, as whoever is logged in.

    Args:
        server: What errors call it.

        max_writes: How many writes may be under way; an immudb refuses more than 30.
    """

    def __init__(self, channel: Channel, sessions: Sessions, *, server: str, max_writes: int) -> None:
        self._channel = channel
        self.sessions = sessions
        self.server = server
        self._writes = asyncio.Semaphore(max_writes)

    async def ask(
        self, session: Session, call: str, request: Any, *, trusted: Head | None = None, name: str = ""
    ) -> Exchange:
        """
        Ask what changes nothing: a failure that may pass is tried again.

        Args:
            trusted: What the answer is to be compared with; evidence if the server cannot.

            name: Of the user, database or transaction it is about, for errors.

        Raises:
            ImmudbError: There is no answer.
        """
        asked = Exchange(call, session.database, request.SerializeToString(), trusted=trusted)
        tries = 0
        while True:
            tries += 1
            try:
                return await self._call(session, asked)
            except CallFailedError as failure:
                if failure.kind is not Failure.BUSY or tries == _TRIES:
                    raise _to_error(failure, asked, self.server, name) from None
                _log.info("immudb.tried_again", server=self.server, call=call, reason=str(failure))
            # Those who were refused together do not come back together.
            await asyncio.sleep(_random.uniform(0, _FIRST_PAUSE_S * 2 ** (tries - 1)))

    async def tell(
        self, session: Session, call: str, request: Any, *, trusted: Head | None = None, name: str = ""
    ) -> Exchange:
        """
        Ask what changes something: it is sent once, and again only if it was refused for want of a session.

        Raises:
            ImmudbLimitError: It is too large, and was not sent.
            ImmudbOutcomeUnknownError: It was sent and nobody knows what became of it.
            ImmudbError: It was refused.
        """
        asked = Exchange(call, session.database, request.SerializeToString(), trusted=trusted, was_write=True)
        if len(asked.request) > MAX_MESSAGE_BYTES:
            raise ImmudbLimitError(_REQUEST_BYTES, found=len(asked.request), largest=MAX_MESSAGE_BYTES)
        async with self._writes:
            try:
                return await self._call(session, asked)
            except CallFailedError as failure:
                if failure.kind not in _UNCERTAIN:
                    raise _to_error(failure, asked, self.server, name) from None
                raise ImmudbOutcomeUnknownError(
                    call,
                    database=session.database,
                    reason=str(failure),
                    request=asked.shown_request,
                    trusted_tx=trusted.tx if trusted else 0,
                ) from None

    async def _call(self, session: Session, asked: Exchange) -> Exchange:
        metadata = session.metadata
        try:
            answer = await self._channel.call(asked.call, asked.request, metadata)
        except CallFailedError as failure:
            if failure.kind is not Failure.SESSION_ENDED:
                raise
            await self.sessions.renew(session, metadata)
            answer = await self._channel.call(asked.call, asked.request, session.metadata)
        return attrs.evolve(asked, answer=answer)


@attrs.frozen
class _Refusal:
    """
    A failure, and what was asked for.
    """

    failure: CallFailedError
    asked: Exchange
    server: str
    name: str


# Kinds that are not here are refusals for reasons of the server's own.
_ERRORS: Final[dict[Failure, Callable[[_Refusal], ImmudbError]]] = {
    Failure.SESSION_ENDED: lambda refusal: ImmudbLoginError(refusal.server, refusal.failure.text),
    Failure.CREDENTIALS: lambda refusal: ImmudbLoginError(refusal.server, refusal.failure.text),
    Failure.PERMISSION: lambda refusal: ImmudbPermissionError(refusal.asked.call, database=refusal.asked.database),
    Failure.KEY_NOT_FOUND: lambda refusal: ImmudbKeyNotFoundError(refusal.asked.database),
    Failure.PRECONDITION: lambda refusal: ImmudbKeyExistsError(refusal.asked.database),
    Failure.TRANSACTION_NOT_FOUND: lambda refusal: ImmudbNotFoundError("transaction", refusal.name),
    Failure.DATABASE_NOT_FOUND: lambda refusal: ImmudbNotFoundError("database", refusal.name),
    Failure.USER_NOT_FOUND: lambda refusal: ImmudbNotFoundError("user", refusal.name),
    Failure.DATABASE_EXISTS: lambda refusal: ImmudbExistsError("database", refusal.name),
    Failure.USER_EXISTS: lambda refusal: ImmudbExistsError("user", refusal.name),
    Failure.TOO_LARGE: lambda _: ImmudbLimitError(_ANSWER_BYTES, largest=MAX_MESSAGE_BYTES),
    Failure.BUSY: lambda refusal: ImmudbUnavailableError(refusal.server, str(refusal.failure)),
    Failure.DAMAGED: lambda refusal: refusal.asked.failed(
        Check.SERVER_DAMAGED, "the server finds that its own files were changed"
    ),
}


def _to_error(failure: CallFailedError, asked: Exchange, server: str, name: str) -> ImmudbError:
    if failure.kind is Failure.BEHIND and asked.trusted is not None:
        problem = f"the server does not have transaction {asked.trusted.tx}, which it once had"
        return asked.failed(Check.ROLLBACK, problem)
    # A precondition of ours is always that keys are not there.
    is_ours = failure.kind is not Failure.PRECONDITION or asked.call in ("Set", "VerifiableSet")
    if is_ours and failure.kind in _ERRORS:
        return _ERRORS[failure.kind](_Refusal(failure, asked, server, name))
    return ImmudbRefusedError(asked.call, status=failure.status.name, text=failure.text)
