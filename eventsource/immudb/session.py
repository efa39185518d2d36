"""
Sessions at an immudb, and the calls within them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import grpc

from eventsource.immudb.check import Exchange
from eventsource.immudb.errors import ImmudbClosedError, ImmudbLimitError, ImmudbLoginError, ImmudbOutcomeUnknownError
from eventsource.immudb.failure import REQUEST_BYTES, CallFailedError, Failure, meaning, to_error
from eventsource.immudb.limits import MAX_MESSAGE_BYTES
from eventsource.immudb.messages import CALLS, DecodeError, new, parse
from eventsource.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from eventsource.immudb.connection import Address, Channel, Metadata
    from eventsource.immudb.results import Head

T = TypeVar("T")

# A read is tried five times, with pauses up to 50, 100, 200 and 400 ms. What a server has no room for is tried
# longer: others need their time.
_TRIES: Final = 5
_TURNS: Final = 12
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0

# What a header of HTTP/2 can hold.
_HEADER: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_UUID_CHARACTERS: Final = 100

_random = random.Random()  # noqa: S311  nothing secret
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
        with contextlib.suppress(CallFailedError, ImmudbClosedError):
            name = "CloseSession" if session.form is LoginForm.SESSION else "Logout"
            await self._channel.call(name, b"", session.metadata, waits=False)

    async def _open(self, database: str, form: LoginForm) -> Session:
        credentials = self._credentials
        if credentials is None:
            reason = "no user is given: put user and password into the URL, or call login(user, password)"
            raise ImmudbLoginError(self._address.target, reason)
        user, password = _encoded(credentials.user), _encoded(credentials.password)
        if form is LoginForm.TOKEN:
            return await self._open_by_token(user, password, database)
        request = new("OpenSessionRequest", username=user, password=password, databaseName=database)
        answer, _ = await self._ask("OpenSession", request, database)
        self.server_uuid = _one_line(answer.serverUUID)
        session = Session(database, (("sessionid", self._as_header(answer.sessionID)),), form)
        if self._keeping_alive is None:
            self._keeping_alive = asyncio.get_running_loop().create_task(self._keep_alive())
        return session

    async def _open_by_token(self, user: bytes, password: bytes, database: str) -> Session:
        answer, headers = await self._ask("Login", new("LoginRequest", user=user, password=password), database)
        self.server_uuid = _one_line(headers.get("immudb-uuid", ""))
        request = new("Database", databaseName=database)
        chosen, _ = await self._ask("UseDatabase", request, database, self._bearer(answer.token))
        return Session(database, self._bearer(chosen.token), LoginForm.TOKEN)

    async def _ask(self, call: str, request: Any, database: str, metadata: Metadata = ()) -> tuple[Any, dict[str, str]]:
        asked = Exchange(call, database, request.SerializeToString())
        try:
            answer, headers = await repeated(asked, lambda: send(self._channel, asked, metadata), self._address.target)
        except CallFailedError as failure:
            raise to_error(failure, asked, self._address.target) from None
        try:
            return parse(CALLS[call][1], answer), headers
        except DecodeError:
            raise ImmudbLoginError(self._address.target, f"the answer to {call} is no message") from None

    def _bearer(self, token: str) -> Metadata:
        return (("authorization", f"Bearer {self._as_header(token)}"),)

    def _as_header(self, told: str) -> str:
        """
        What the server calls a session, if it can be sent back.
        """
        if not _HEADER.fullmatch(told):
            reason = "the server gave the session a name that no header can hold"
            raise ImmudbLoginError(self._address.target, reason)
        return told

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


class Conversation:
    """
    Asks an immudb, as whoever is logged in: calls are repeated where that is safe.

    Args:
        server: What errors call it.

        max_writes: The number of writes that may be under way; an immudb refuses more than 30.
    """

    def __init__(self, channel: Channel, sessions: Sessions, *, server: str, max_writes: int) -> None:
        self._channel = channel
        self.sessions = sessions
        self.server = server
        self._writes = asyncio.Semaphore(max_writes)

    async def ask(self, session: Session, call: str, request: Any, *, trusted: Head | None = None) -> Exchange:
        """
        Ask what changes nothing: a failure that may pass is tried again.

        Args:
            trusted: What the answer is to be compared with; evidence if the server cannot.

        Raises:
            ImmudbError: The server gave no answer.
        """
        asked = Exchange(call, session.database, request.SerializeToString(), trusted=trusted)
        try:
            return await repeated(asked, lambda: self._call(session, asked), self.server)
        except CallFailedError as failure:
            raise to_error(failure, asked, self.server) from None

    async def tell(self, session: Session, call: str, request: Any, *, trusted: Head | None = None) -> Exchange:
        """
        Ask what changes something: it is sent again only if the server refused it for want of a session or of room.

        Raises:
            ImmudbLimitError: It is too large, and was not sent.
            ImmudbOutcomeUnknownError: It was sent, and whether it was done is not known.
            ImmudbError: It was not sent, or refused.
        """
        asked = Exchange(call, session.database, request.SerializeToString(), trusted=trusted, was_write=True)
        if len(asked.request) > MAX_MESSAGE_BYTES:
            raise ImmudbLimitError(REQUEST_BYTES, found=len(asked.request), largest=MAX_MESSAGE_BYTES)
        async with self._writes:
            try:
                return await repeated(asked, lambda: self._call(session, asked), self.server)
            except CallFailedError as failure:
                if not meaning(failure, asked).leaves_writes_open:
                    raise to_error(failure, asked, self.server) from None
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
            answer, _ = await send(self._channel, asked, metadata)
        except CallFailedError as failure:
            if meaning(failure, asked) is not Failure.SESSION_ENDED:
                raise
            await self.sessions.renew(session, metadata)
            answer, _ = await send(self._channel, asked, session.metadata)
        return attrs.evolve(asked, answer=answer)


async def send(channel: Channel, asked: Exchange, metadata: Metadata) -> tuple[bytes, dict[str, str]]:
    """
    Send a request once.

    Raises:
        CallFailedError: No answer came, or a failure; it shows no password of the request.
    """
    try:
        return await channel.call(asked.call, asked.request, metadata)
    except CallFailedError as failure:
        failure.secrets = asked.secrets
        raise


async def repeated(asked: Exchange, call: Callable[[], Awaitable[T]], server: str) -> T:
    """
    The result of a call, tried again as long as a failure may pass and nothing was done.

    Raises:
        CallFailedError: The last try failed.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await call()
        except CallFailedError as failure:
            means = meaning(failure, asked)
            # Whoever waited as long as a call may take does not begin anew.
            is_over = failure.status is grpc.StatusCode.DEADLINE_EXCEEDED
            may_pass = means is Failure.BUSY and not asked.was_write and not is_over
            if tries >= (_TURNS if means is Failure.TURNED_AWAY else _TRIES if may_pass else 1):
                raise
            _log.info("immudb.tried_again", server=server, call=asked.call, reason=str(failure))
        # Those who were refused together do not come back together.
        await asyncio.sleep(_random.uniform(0, min(_FIRST_PAUSE_S * 2 ** (tries - 1), _LONGEST_PAUSE_S)))


def _encoded(text: str) -> bytes:
    # Bytes of the command line or the environment that are no text come back as they were.
    return text.encode(errors="surrogateescape")


def _one_line(told: str) -> str:
    return "".join(character for character in told[:_UUID_CHARACTERS] if character.isprintable())
