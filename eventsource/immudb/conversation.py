"""
Calls within a session: tried again where that is safe, and their failures as the errors of this package.
"""

from __future__ import annotations

import asyncio
import random
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
from eventsource.immudb.channel import MAX_MESSAGE_BYTES
from eventsource.immudb.check import Check
from eventsource.immudb.exchange import Exchange
from eventsource.immudb.failure import CallFailedError, Failure
from eventsource.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.immudb.channel import Channel
    from eventsource.immudb.results import Head
    from eventsource.immudb.session import Session, Sessions

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
