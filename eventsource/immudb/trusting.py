"""
Asking for proofs, and moving what is trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from eventsource.immudb.check import Check, CheckFailedError, Exchange, demand
from eventsource.immudb.errors import TrustMissingError
from eventsource.immudb.messages import new
from eventsource.immudb.results import Head
from eventsource.immudb.trust import Origin, TrustedHead
from eventsource.immudb.verifier import Verified, verify_position
from eventsource.log import get_logger
from eventsource.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from eventsource.immudb.results import Receipt
    from eventsource.immudb.session import Conversation, Session
    from eventsource.immudb.trust import StateKey, TrustStore

T = TypeVar("T")

_log = get_logger(__name__)


class Trusting:
    """
    What one client trusts, database by database, and how that moves.

    Args:
        ledger: The name under which trust is kept: configured, and never the server's word (CVE-2022-39199).

        key: The server's; None if it does not sign.

        on_first_use: True to trust what the server says at the first contact.

        pinned: Heads to begin with, by the name of the database.
    """

    def __init__(
        self,
        conversation: Conversation,
        store: TrustStore,
        *,
        ledger: str,
        key: StateKey | None,
        on_first_use: bool,
        pinned: dict[str, Head],
    ) -> None:
        self._conversation = conversation
        self._store = store
        self._ledger = ledger
        self._key = key
        self._on_first_use = on_first_use
        self._pinned = pinned
        self._locks: dict[str, asyncio.Lock] = {}
        self._noted_uuid = ""

    async def head(self) -> Head | None:
        """
        What is trusted of the database in use.
        """
        async with self._conversation.sessions.current() as session:
            return await self._store.trusted(self._ledger, session.database)

    async def history(self) -> list[TrustedHead]:
        """
        What was trusted of the database in use.
        """
        async with self._conversation.sessions.current() as session:
            return await self._store.history(self._ledger, session.database)

    async def prove(
        self,
        call: str,
        request: Callable[[int], Any],
        verify: Callable[[Head | None, Any], Verified[T]],
        *,
        is_write: bool = False,
    ) -> T:
        """
        Ask, verify the answer, and trust what it proves.

        Args:
            request: What to ask, given the transaction that is trusted; 0 for none.

            verify: What the answer proves, given what is trusted; raises `CheckFailedError`.

        Raises:
            TrustMissingError: Nothing is trusted yet.
            VerificationError: The answer proves nothing. What is trusted stays as it was.
            ImmudbError: The server gave no answer.
        """
        async with self._in_turn() as session:
            trusted = await self._trusted(session)
            send = self._conversation.tell if is_write else self._conversation.ask
            exchange = await send(session, call, request(trusted.tx if trusted else 0), trusted=trusted)
            verified = self._verify(exchange, verify)
            await self._trust(session, trusted, verified.head)
            return verified.found

    async def advance(self, at_least: Head | None = None) -> Head | None:
        """
        Trust the newest state of the server, if it follows; None if the database is empty.

        Args:
            at_least: A state it must have reached.

        Raises:
            RollbackError: It has fewer transactions than it had, or than *at_least* says.
            TrustMissingError, VerificationError, ImmudbError: As `prove`.
        """
        async with self._in_turn() as session:
            trusted = await self._trusted(session)
            known = max(filter(None, (trusted, at_least)), key=lambda head: head.tx, default=None)
            exchange = await self._conversation.ask(session, "CurrentState", new("Empty"), trusted=known)
            # Only which transaction to ask for is taken from it: the state itself is proved.
            tx = exchange.read().txId
            if known is not None and tx < known.tx:
                raise exchange.failed(Check.ROLLBACK, f"the server has {tx} transactions, and had {known.tx}")
            if trusted is None:
                return None
            exchange = await self._ask_for_position(session, tx, trusted)
            verified = self._verify(exchange, lambda _, answer: verify_position(tx, trusted, answer))
            await self._trust(session, trusted, verified.head)
            return verified.head

    async def prove_position(self, head: Head) -> None:
        """
        Demand that a head lies in the trusted history.
        """

        def verify(trusted: Head | None, answer: Any) -> Verified[Receipt]:
            verified = verify_position(head.tx, trusted, answer)
            demand(
                verified.found.alh == head.alh, Check.HISTORY, f"transaction {head.tx} is another one than was noted"
            )
            return verified

        await self.prove("VerifiableTxById", lambda since: _position_request(head.tx, since), verify)

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncGenerator[Session]:
        async with (
            self._conversation.sessions.current() as session,
            self._locks.setdefault(session.database, asyncio.Lock()),
        ):
            yield session

    async def _ask_for_position(self, session: Session, tx: int, trusted: Head) -> Exchange:
        request = _position_request(tx, trusted.tx)
        return await self._conversation.ask(session, "VerifiableTxById", request, trusted=trusted)

    def _verify(self, exchange: Exchange, verify: Callable[[Head | None, Any], Verified[T]]) -> Verified[T]:
        answer = exchange.read()
        try:
            verified = verify(exchange.trusted, answer)
            if self._key is not None:
                self._key.check(exchange.database, verified.head, verified.signature)
        except CheckFailedError as failure:
            raise exchange.failed(failure.check, failure.problem) from None
        return verified

    async def _trust(self, session: Session, old: Head | None, proved: Head) -> None:
        """
        Trust *proved*, which follows from *old*.

        If others have trusted something else meanwhile, that and this have to lie in one history.
        """
        step = TrustedHead(proved, Origin.VERIFIED if old is not None else Origin.FIRST_USE)
        while True:
            current = await self._store.advance(self._ledger, session.database, old=old, new=step)
            if current is None or current in (old, proved):
                return
            await self._link(session, *sorted((current, proved), key=lambda head: head.tx))
            old = current

    async def _link(self, session: Session, older: Head, newer: Head) -> None:
        exchange = await self._ask_for_position(session, older.tx, newer)
        verified = self._verify(exchange, lambda _, answer: verify_position(older.tx, newer, answer))
        if verified.found.alh != older.alh:
            raise exchange.failed(Check.HISTORY, f"another client was shown another transaction {older.tx}")

    async def _trusted(self, session: Session) -> Head | None:
        """
        What is trusted; None if the database is empty at the first contact.
        """
        await self._note_server()
        database = session.database
        trusted = await self._store.trusted(self._ledger, database)
        pinned = self._pinned.get(database)
        if trusted is None and pinned is None and not self._on_first_use:
            raise TrustMissingError(self._ledger, database=database)
        if trusted is None:
            return await (self._meet(session) if pinned is None else self._begin(session, pinned, Origin.PINNED))
        if pinned is not None and pinned.tx == trusted.tx and pinned.alh != trusted.alh:
            problem = f"the pinned transaction {pinned.tx} is another one than was trusted before"
            raise Exchange("the pinned head", database, trusted=trusted).failed(Check.HISTORY, problem)
        return trusted

    async def _meet(self, session: Session) -> Head | None:
        exchange = await self._conversation.ask(session, "CurrentState", new("Empty"))
        state = exchange.read()
        if not state.txId:
            return None
        try:
            demand(len(state.txHash) == HASH_BYTES, Check.ANSWER, "the state of the server is no hash")
            head = Head(state.txId, state.txHash)
            if self._key is not None:
                self._key.check(session.database, head, state.signature.signature)
        except CheckFailedError as failure:
            raise exchange.failed(failure.check, failure.problem) from None
        _log.warning("immudb.trusted_at_first_use", ledger=self._ledger, database=session.database, head=str(head))
        return await self._begin(session, head, Origin.FIRST_USE)

    async def _begin(self, session: Session, head: Head, origin: Origin) -> Head | None:
        step = TrustedHead(head, origin)
        return await self._store.advance(self._ledger, session.database, old=None, new=step)

    async def _note_server(self) -> None:
        uuid = self._conversation.sessions.server_uuid
        if not uuid or uuid == self._noted_uuid:
            return
        before = await self._store.server_uuid(self._ledger, uuid)
        self._noted_uuid = uuid
        if before is not None and before != uuid:
            # Another machine, or one that pretends to be: what it answers has to follow all the same.
            _log.warning("immudb.server_changed", ledger=self._ledger, before=before, now=uuid)


def _position_request(tx: int, since: int) -> Any:
    # Asks for no entries.
    return new("VerifiableTxRequest", tx=tx, proveSinceTx=since, entriesSpec=new("EntriesSpec"))
