"""
A commit over HTTP and its three outcomes: committed, rejected, unknown.

When the answer is lost nobody can tell from outside whether the commit is stored. What is done then
follows from what makes a second sending harmless:

- The server keeps idempotency keys, which it shows by sending the key of a commit back with its
  answer, whatever that answer is. Then the commit is sent again under its key: the server answers
  as it did before, or does now what it had not done. Each repeat is decided by the server alone.
- Else, a guard of the commit breaks by the commit itself: its subject is new, or has so many events,
  and the commit adds one there. Of all sendings at most one can be stored, since after it the guard
  is false, and events are never taken away, so it stays false. If the repeat is accepted, the
  commit is stored once. If it is refused, either an earlier sending was stored or somebody else was
  faster: the events that now stand at the guarded place are read. If they are not ours, nothing of
  ours is stored or can ever be. If they are equal to ours they may still be another writer's, who
  had the same thing to say at the same version; only a mark in the data, which no other commit has,
  proves that they are ours. Without a mark that one case stays unknown.
- Else nothing is sent a second time. A mark that is found proves the commit; a mark that is not
  found proves nothing, since the first sending may still be on its way.

A query such as "the balance covers it" is no such guard: it may hold a second time.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING

import attrs
import httpx

from eventsource.genesisdb.backoff import Backoff
from eventsource.genesisdb.body import SMALL_BYTES, check_media_type
from eventsource.genesisdb.exchange import IDEMPOTENCY_KEY, describe
from eventsource.genesisdb.own_client import NOT_SENT
from eventsource.genesisdb.read_back import Members, mark_of, read_committed, read_own, read_subject, says
from eventsource.guards.errors import PreconditionFailedError
from eventsource.root_error import EventSourceError
from eventsource.wire.errors import CommitOutcomeUnknownError, DamagedLineError, StoreClosedError, StoreUnavailableError
from eventsource.wire.failures import to_one_line
from eventsource.wire.ndjson import read_value
from eventsource.wire.request_errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.genesisdb.attempt import CommitAttempt
    from eventsource.genesisdb.exchange import Exchange, Reply


class KeySupport(enum.Enum):
    """
    The state of knowledge about a server's support of idempotency keys.
    """

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


@attrs.frozen
class _Stored:
    reply: Reply


@attrs.frozen
class _Rejected:
    error: EventSourceError


@attrs.frozen
class _NothingDone:
    error: EventSourceError
    retry_after_s: float | None = None


@attrs.frozen
class _Doubt:
    reason: str
    cause: BaseException | None = None
    retry_after_s: float | None = None


_Outcome = _Stored | _Rejected | _NothingDone | _Doubt

# How many times as long the answer to a commit may be as the commit, beside what a refusal may have.
_MAX_GROWTH = 16

_TOO_MANY_REQUESTS = 429
_PRECONDITION_FAILED = 412
_REQUEST_TIMEOUT = 408
_FIRST_SERVER_ERROR = 500


class Committer:
    """
    Sends commits through an `Exchange`, and settles those whose answer is lost.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.keys = KeySupport.UNKNOWN
        # Any event that is known is older than a commit that is not sent yet.
        self.known_id: str | None = None

    async def commit(self, attempt: CommitAttempt, *, reads_back: bool = True) -> list[Members]:
        """
        Send a commit until its outcome is known, as far as a repeat is harmless.

        Args:
            reads_back: Read the events if the server does not tell them.

        Returns:
            The events as stored; none where the server does not tell them and they are not to be read.

        Raises:
            PreconditionFailedError, RequestError, EventSourceError: Nothing was written.
            StoreUnavailableError: Nothing was written, the server cannot be reached.
            CommitOutcomeUnknownError: As it says.
            asyncio.CancelledError: The task was cancelled, by a time limit of the caller's, say. It is caused
                by a `CommitOutcomeUnknownError`: what was sent may be stored.
        """
        try:
            events = await self._send(attempt, None)
            if events is None:
                events = await self._read_stored(attempt) if reads_back else []
        except asyncio.CancelledError as cancelled:
            # A cancellation stays one, or time limits and task groups would not end.
            doubt = self._unknown(attempt, "it was cancelled before its outcome was known")
            raise asyncio.CancelledError(*(cancelled.args or (str(doubt),))) from doubt
        self.note(events)
        return events

    async def resolve(self, attempt: CommitAttempt) -> list[Members] | None:
        """
        Find out what became of a commit whose outcome is unknown.

        It is sent again where that cannot store it twice; then it is stored afterwards, or never.

        Returns:
            Its events as stored; None if it is not stored and will not be.

        Raises:
            CommitOutcomeUnknownError: The outcome cannot be decided.
        """
        if attempt.is_stored:
            return await self._read_stored(attempt)
        if await self.may_repeat(attempt):
            try:
                events = await self._send(attempt, _Doubt("it was sent before"))
            except PreconditionFailedError:
                return None
            return await self._read_stored(attempt) if events is None else events
        if attempt.is_marked:
            events = await read_own(self._exchange, attempt, after=attempt.known_id)
            if events is not None:
                return events
        reason = "it is not found, and may still be on its way" if attempt.is_marked else "nothing tells it from others"
        raise self._unknown(attempt, reason)

    def note(self, events: list[Members]) -> None:
        """
        Remember that these are stored.
        """
        if events:
            self.known_id = events[-1]["id"]

    async def may_repeat(self, attempt: CommitAttempt) -> bool:
        """
        True if a second sending cannot store the commit twice.
        """
        return attempt.guarded_place() is not None or await self.has_keys()

    async def has_keys(self) -> bool:
        """
        True if the server keeps idempotency keys, as far as it can be told now.
        """
        if self.keys is KeySupport.UNKNOWN:
            try:
                reply = await self._exchange.send("GET", "/status")
                if reply.is_ok and _is_ours(reply):
                    self.keys = KeySupport.YES
            except (httpx.TransportError, EventSourceError):
                return False
        return self.keys is KeySupport.YES

    async def _send(self, attempt: CommitAttempt, doubt: _Doubt | None) -> list[Members] | None:
        backoff = Backoff()
        left = self._exchange.limits.commit_tries
        while True:
            left -= 1
            outcome = await self._try(attempt)
            is_last = left <= 0 or self._exchange.is_closed
            match outcome:
                case _Stored():
                    return read_committed(outcome.reply.body, attempt.count)
                case _Rejected():
                    if doubt is None:
                        raise outcome.error
                    # After a lost answer it may be the refusal of our own repeat.
                    return await self._settle(attempt, outcome.error, doubt)
                case _NothingDone():
                    if is_last and doubt is None:
                        raise outcome.error
                    if is_last and doubt is not None:
                        raise self._unknown(attempt, doubt.reason) from doubt.cause
                case _Doubt():
                    doubt = outcome
                    if is_last or not await self.may_repeat(attempt):
                        raise self._unknown(attempt, doubt.reason) from doubt.cause
            await self._pause(backoff.pause_s(outcome.retry_after_s), attempt, doubt)

    async def _pause(self, seconds: float, attempt: CommitAttempt, doubt: _Doubt | None) -> None:
        try:
            await self._exchange.pause(seconds)
        except StoreClosedError as closed:
            if doubt is None:
                raise
            raise self._unknown(attempt, doubt.reason) from closed

    async def _try(self, attempt: CommitAttempt) -> _Outcome:
        try:
            reply = await self._exchange.send(
                "POST",
                "/commit",
                attempt.body,
                idempotency_key=attempt.key,
                may_be_cut=True,
                limit_bytes=SMALL_BYTES + _MAX_GROWTH * len(attempt.body),
            )
            if reply.is_ok:
                check_media_type(reply.headers)
        except NOT_SENT as error:
            return _NothingDone(self._exchange.unavailable(error))
        except StoreClosedError as error:
            return _NothingDone(error)
        except httpx.TransportError as error:
            return _Doubt(describe(error), error)
        except DamagedLineError as error:
            return _Doubt(error.reason, error)
        self._note_keys(reply, attempt.key)
        if not reply.is_ok:
            return self._read_refusal(attempt, reply)
        denial = _denial(reply.body, self._exchange.settings.hide_token)
        return _Stored(reply) if denial is None else _Doubt(denial)

    def _read_refusal(self, attempt: CommitAttempt, reply: Reply) -> _Outcome:
        named = attempt.named_preconditions() if reply.status == _PRECONDITION_FAILED else ()
        error = self._exchange.failure(reply, named)
        if reply.status == _TOO_MANY_REQUESTS:
            return _NothingDone(StoreUnavailableError(self._exchange.settings.url, str(error)), reply.retry_after_s)
        if isinstance(error, StoreUnavailableError | StoreClosedError):
            # The store's own word, which a proxy does not have.
            return _NothingDone(error, reply.retry_after_s)
        if isinstance(error, CommitOutcomeUnknownError):
            return _Doubt(error.reason, error, reply.retry_after_s)
        is_failure = reply.status >= _FIRST_SERVER_ERROR or reply.status == _REQUEST_TIMEOUT
        if is_failure and isinstance(error, RequestRefusedError):
            # The server broke at it, or one between us lost the server's answer.
            return _Doubt(str(error), error, reply.retry_after_s)
        return _Rejected(error)

    async def _settle(self, attempt: CommitAttempt, refusal: EventSourceError, doubt: _Doubt) -> list[Members]:
        """
        Tell a refusal of the repeat from a refusal of the commit.
        """
        if not isinstance(refusal, PreconditionFailedError):
            # That says nothing about what was sent before.
            raise self._unknown(attempt, doubt.reason) from refusal
        if await self.has_keys():
            raise refusal
        place = attempt.guarded_place()
        if place is None:
            raise self._unknown(attempt, doubt.reason) from refusal
        subject, version = place
        stored = (await read_subject(self._exchange, subject))[version:]
        wanted = [event for event in attempt.events if event["subject"] == subject]
        if attempt.is_marked and stored and mark_of(stored[0]) == attempt.key:
            own = await read_own(self._exchange, attempt, after=attempt.known_id)
            if own is not None:
                return own
        is_equal = len(stored) >= len(wanted) and all(map(says, stored, wanted))
        if stored and (attempt.is_marked or not is_equal):
            raise refusal
        reason = "an equal commit is there, which may be another writer's" if stored else doubt.reason
        raise self._unknown(attempt, reason) from refusal

    async def _read_stored(self, attempt: CommitAttempt) -> list[Members]:
        """
        Read the events of a commit that is stored.
        """
        attempt = attrs.evolve(attempt, is_stored=True)
        try:
            events = await read_own(self._exchange, attempt, after=attempt.known_id)
        except EventSourceError as error:
            raise self._unknown(attempt, f"it is stored, but its events could not be read: {error.code}") from error
        if events is None:
            raise self._unknown(attempt, "it is stored, but its events are not found")
        return events

    def _note_keys(self, reply: Reply, key: str) -> None:
        if reply.headers.get(IDEMPOTENCY_KEY) == key:
            self.keys = KeySupport.YES
        elif reply.is_ok:
            self.keys = KeySupport.NO

    def _unknown(self, attempt: CommitAttempt, reason: str) -> CommitOutcomeUnknownError:
        return CommitOutcomeUnknownError(self._exchange.settings.url, reason, attempt=attempt)


def _denial(body: bytes, hide: Callable[[str], str]) -> str | None:
    """
    The words of an answer that says with a status of success that the commit failed; None for any other.
    """
    try:
        found = read_value(1, body)
    except DamagedLineError:
        return None
    members: Members = found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    if "events" not in members and (members.get("error") or members.get("success") is False):
        # Secrets go first: a part of one, at the cut, would not be recognised.
        words = to_one_line(hide(str(members.get("error"))), 200)
        return f"the server answers with success and an error: '{words}'"
    return None


def _is_ours(reply: Reply) -> bool:
    """
    True if a server of this package answered ``GET /status``: those keep keys.
    """
    try:
        status = read_value(1, reply.body)
        return bool(status["engine"]["channel"] == "eventsource")
    except (DamagedLineError, LookupError, TypeError):
        return False
