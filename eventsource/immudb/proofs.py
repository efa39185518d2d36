"""
Verified reading and writing: nothing comes back that does not follow from what is trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from eventsource.immudb.entries import key_request
from eventsource.immudb.errors import ImmudbKeyNotFoundError, ImmudbNotFoundError, VerificationError
from eventsource.immudb.limits import BytesLike, Entries, check_number
from eventsource.immudb.messages import new
from eventsource.immudb.results import Proved, ProvedTransaction, Reference
from eventsource.immudb.verifier import (
    Verified,
    verify_entry,
    verify_position,
    verify_reference,
    verify_same,
    verify_transaction,
    verify_written,
)
from eventsource.immudb.writing import Precondition, entries_of, entries_of_error, reference_request, set_request

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from eventsource.immudb.answer import TxEntry
    from eventsource.immudb.errors import ImmudbOutcomeUnknownError
    from eventsource.immudb.results import Head, Receipt
    from eventsource.immudb.session import Conversation
    from eventsource.immudb.trust import TrustedHead
    from eventsource.immudb.trusting import Trusting

# immudb's numbers for what of an entry it sends: its hash, or its value as it is stored, too.
_ONLY_DIGEST, _RAW_VALUE = 1, 2

_TRANSACTION = "number of a transaction"

# The number of transactions at once `resolve` looks through.
_HISTORY_PAGE = 100


class VerifiedEntries:
    """
    The part of a client that reads and writes with proofs.

    The calls of one database come one after the other: each proves that its answer follows from the one
    before. Many entries in one `verified_set_all` cost little more than one.
    """

    _conversation: Conversation
    _trusting: Trusting

    async def verified_set(
        self,
        key: BytesLike,
        value: BytesLike,
        *,
        write_once: bool = False,
        expires_at: dt.datetime | None = None,
        preconditions: Iterable[Precondition] = (),
    ) -> Receipt:
        """
        Write one key, and verify that it is written in the trusted history.

        Raises:
            VerificationError, ImmudbError: As `verified_set_all`.
        """
        return await self.verified_set_all(
            [(key, value)], write_once=write_once, expires_at=expires_at, preconditions=preconditions
        )

    async def verified_set_all(
        self,
        entries: Entries,
        *,
        write_once: bool = False,
        expires_at: dt.datetime | None = None,
        preconditions: Iterable[Precondition] = (),
    ) -> Receipt:
        """
        Write several keys in one transaction, all of them or none, and verify that exactly they are written.

        Args:
            entries: Keys and values, 1 to 1,024 of them, in the order they are to be written; no key twice.

            write_once: Only if none of the keys is there. As long as a key is not deleted, and its value does not
                expire, it can be read back without a doubt which of its values is meant.

            expires_at, preconditions: As `set`.

        Returns:
            The transaction, verified.

        Raises:
            NotBytesError, ImmudbLimitError: A key or value cannot be written; nothing was sent.
            TrustMissingError: Nothing is trusted yet; nothing was sent.
            ImmudbKeyExistsError: Rejected: one of the keys is there. Nothing is written, also of the others.
            ImmudbPreconditionError: Rejected: another precondition does not hold.
            VerificationError: The answer does not prove it; mostly it is written all the same. See `resolve`.
            ImmudbOutcomeUnknownError: No answer came. See `resolve`.
            ImmudbError: Rejected for another reason, or no session.
        """
        sets = set_request(entries, write_once=write_once, expires_at=expires_at, preconditions=preconditions)

        def request(since: int) -> Any:
            return new("VerifiableSetRequest", setRequest=sets, proveSinceTx=since)

        return await self._prove_write("VerifiableSet", request, entries_of(sets))

    async def verified_set_reference(
        self, key: BytesLike, refers_to: BytesLike, *, at_tx: int = 0, preconditions: Iterable[Precondition] = ()
    ) -> Receipt:
        """
        Make a key stand for another one, and verify that exactly that is written in the trusted history.

        Args:
            refers_to, at_tx, preconditions: As `set_reference`.

        Raises:
            ImmudbKeyNotFoundError: Rejected: the other key is not there.
            ImmudbRefusedError: Rejected: the other key is a reference, or this one holds a value.
            VerificationError, ImmudbError: As `verified_set_all`.
        """
        refers = reference_request(key, refers_to, at_tx=at_tx, preconditions=preconditions)

        def request(since: int) -> Any:
            return new("VerifiableReferenceRequest", referenceRequest=refers, proveSinceTx=since)

        return await self._prove_write("VerifiableSetReference", request, entries_of(refers))

    async def _prove_write(self, call: str, request: Callable[[int], Any], written: list[TxEntry]) -> Receipt:
        def verify(trusted: Head | None, answer: Any) -> Verified[Receipt]:
            return verify_written(written, trusted, answer)

        return await self._trusting.prove(call, request, verify, is_write=True)

    async def verified_get(self, key: BytesLike, at_revision: int = 0, *, at_tx: int = 0) -> Proved:
        """
        Read one key, and verify that it was written so in the trusted history.

        That a value is the newest cannot be proved. Ask for the transaction of a receipt, or use keys that are
        written once.

        Args:
            at_revision: As it was written that often; which one it gives is the server's word. 0 for the newest.

            at_tx: As that transaction wrote it, which is verified; 0 for the newest, which cannot be.

        Returns:
            Key and value. Of a reference, those of the key that it stands for, and the reference: each is proved.

        Raises:
            NotBytesError, ImmudbLimitError: The key or a number cannot be one; nothing was sent.
            TrustMissingError: Nothing is trusted yet.
            ImmudbKeyNotFoundError: The server says that it is not there, which cannot be proved.
            ImmudbNotFoundError: The server says that there is no such transaction or revision.
            VerificationError: The answer does not prove what it says.
            ImmudbError: The server gave no answer.
        """
        found = await self._prove_key(key, at_tx=at_tx, at_revision=at_revision)
        if isinstance(found, Proved):
            return found
        referred = await self._prove_key(found.refers_to, at_tx=found.at_tx, is_referred=True)
        # A reference to a reference fails its check.
        assert isinstance(referred, Proved)  # noqa: S101
        return attrs.evolve(referred, reference=found)

    async def _prove_key(
        self, key: BytesLike, *, at_tx: int = 0, at_revision: int = 0, is_referred: bool = False
    ) -> Proved | Reference:
        wanted = key_request(key, at_tx=at_tx, at_revision=at_revision)

        def request(since: int) -> Any:
            return new("VerifiableGetRequest", keyRequest=wanted, proveSinceTx=since)

        def verify(trusted: Head | None, answer: Any) -> Verified[Proved] | Verified[Reference]:
            if answer.entry.HasField("referencedBy") and not is_referred:
                return verify_reference(wanted.key, trusted, answer, at_tx=at_tx or None)
            return verify_entry(wanted.key, trusted, answer, at_tx=at_tx or None)

        return await self._trusting.prove("VerifiableGet", request, verify)

    async def verified_tx(self, tx: int) -> ProvedTransaction:
        """
        Read all that a transaction wrote, and verify that it is all, and in the trusted history.

        The cheapest way to read back a batch: 1,000 entries cost what a few single ones do.

        Args:
            tx: The number of the transaction, as a receipt has it.

        Raises:
            ImmudbLimitError: The number cannot be one; nothing was sent.
            TrustMissingError: Nothing is trusted yet.
            ImmudbNotFoundError: The server says that there is no such transaction.
            VerificationError: The answer does not prove what it says.
            ImmudbError: The server gave no answer.
        """
        check_number(_TRANSACTION, tx, smallest=1)

        def verify(trusted: Head | None, answer: Any) -> Verified[ProvedTransaction] | Verified[None]:
            if len(answer.tx.entries) < answer.tx.header.nentries:
                # Asked for values, a server leaves out the entries that have expired.
                values.update({entry.key: entry.value for entry in answer.tx.entries})
                position = verify_position(tx, trusted, answer)
                return Verified(None, position.head, position.signature)
            return verify_transaction(tx, trusted, answer)

        def verify_all(trusted: Head | None, answer: Any) -> Verified[ProvedTransaction]:
            for entry in answer.tx.entries:
                entry.value = values.get(entry.key, b"")
            return verify_transaction(tx, trusted, answer)

        values: dict[bytes, bytes] = {}
        found = await self._trusting.prove("VerifiableTxById", lambda since: _tx_request(tx, since, _RAW_VALUE), verify)
        if found is not None:
            return found
        return await self._trusting.prove(
            "VerifiableTxById", lambda since: _tx_request(tx, since, _ONLY_DIGEST), verify_all
        )

    async def head(self) -> Head | None:
        """
        The newest trusted state of the database; None if nothing is trusted yet. Asks nobody.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        return await self._trusting.head()

    async def heads(self) -> list[TrustedHead]:
        """
        The states that were trusted, oldest first: see `TrustStore.history`.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        return await self._trusting.history()

    async def advance(self) -> Head | None:
        """
        Trust the server's newest state, if it is proved to follow from what is trusted.

        Returns:
            It; None if the database is empty.

        Raises:
            TrustMissingError: Nothing is trusted yet.
            RollbackError: The server has fewer transactions than it had.
            VerificationError: Its state does not follow.
            ImmudbError: The server gave no answer.
        """
        return await self._trusting.advance()

    async def prove_since(self, head: Head) -> Head:
        """
        Prove that a state which somebody noted once lies in the history that the server shows now.

        Args:
            head: From a receipt, another client or a publication. It is believed by nobody: it is compared.

        Returns:
            The server's newest state, trusted from now on, and grown out of *head*.

        Raises:
            TrustMissingError: Nothing is trusted yet.
            RollbackError: The server has fewer transactions than *head* says.
            VerificationError: *head* is not in this history: one of the two was changed, or there are two.
            ImmudbError: The server gave no answer.
        """
        newest = await self._trusting.advance(at_least=head)
        await self._trusting.prove_position(head)
        # An empty database has not reached any head, so it has raised.
        return newest or head

    async def resolve(self, error: ImmudbOutcomeUnknownError | VerificationError) -> Receipt | None:
        """
        Find out what became of a write whose outcome is not known.

        Looks for a transaction that wrote the same entries after what was trusted then, newest first, and
        verifies it. An equal write of somebody else counts, too, unless the keys are written once.

        Returns:
            The transaction, verified; None if the server says that there is none. Absence cannot be proved, and
            a write that is still on its way may come later: writing again is harmless for keys that are written once.

        Raises:
            ValueError: The error is none of a write of entries.
            VerificationError: The server answers, and what it says cannot be believed.
            ImmudbError: The server gave no answer.
        """
        written = entries_of_error(error)
        seen = 0
        while True:
            page = await self._history_of(written[0].key, offset=seen)
            for tx in page:
                if tx <= error.trusted_tx:
                    return None
                if (receipt := await self._if_same(tx, written)) is not None:
                    return receipt
            if len(page) < _HISTORY_PAGE:
                return None
            seen += len(page)

    async def _if_same(self, tx: int, written: list[TxEntry]) -> Receipt | None:
        def verify(trusted: Head | None, answer: Any) -> Verified[Receipt | None]:
            return verify_same(tx, written, trusted, answer)

        try:
            return await self._trusting.prove("VerifiableTxById", lambda since: _tx_request(tx, since), verify)
        except ImmudbNotFoundError:
            return None

    async def _history_of(self, key: bytes, *, offset: int) -> list[int]:
        request = new("HistoryRequest", key=key, offset=offset, limit=_HISTORY_PAGE, desc=True)
        async with self._conversation.sessions.current() as session:
            try:
                exchange = await self._conversation.ask(session, "History", request)
            except ImmudbKeyNotFoundError:
                return []
        return [entry.tx for entry in exchange.read().entries]


def _tx_request(tx: int, since: int, action: int = 0) -> Any:
    """
    Asks for a transaction.

    Args:
        action: What to send of keys and values; 0 for no entries at all.
    """
    kinds = new("EntriesSpec")
    if action:
        kinds.kvEntriesSpec.action = action
        kinds.zEntriesSpec.action = kinds.sqlEntriesSpec.action = _ONLY_DIGEST
    return new("VerifiableTxRequest", tx=tx, proveSinceTx=since, entriesSpec=kinds)
