"""
Verified reading and writing: nothing comes back that does not follow from what is trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.errors import (
    ImmudbKeyNotFoundError,
    ImmudbNotFoundError,
    ImmudbOutcomeUnknownError,
    VerificationError,
)
from eventsource.immudb.entries import set_request
from eventsource.immudb.limits import Entries, check_entries, check_key
from eventsource.immudb.messages import new, parse
from eventsource.immudb.verifier import (
    Verified,
    verify_entry,
    verify_transaction,
    verify_write,
)

if TYPE_CHECKING:
    from eventsource.immudb.results import Head, Proved, ProvedTransaction, Receipt
    from eventsource.immudb.session import Conversation
    from eventsource.immudb.trust import TrustedHead
    from eventsource.immudb.trusting import Trusting

# immudb's numbers for what of an entry it sends: its hash, or its value as it is stored, too.
_ONLY_DIGEST, _RAW_VALUE = 1, 2

# How many transactions at once `resolve` looks through.
_HISTORY_PAGE = 100


class VerifiedEntries:
    """
    The part of a client that reads and writes with proofs.

    The calls of one database come one after the other: each proves that its answer follows from the one
    before. Many entries in one `verified_set_all` cost little more than one.
    """

    _conversation: Conversation
    _trusting: Trusting

    async def verified_set(self, key: bytes, value: bytes, *, write_once: bool = False) -> Receipt:
        """
        Write one key, and verify that it is written in the trusted history.

        Raises:
            VerificationError, ImmudbError: As `verified_set_all`.
        """
        return await self.verified_set_all({key: value}, write_once=write_once)

    async def verified_set_all(self, entries: Entries, *, write_once: bool = False) -> Receipt:
        """
        Write several keys in one transaction, all of them or none, and verify that exactly they are written.

        Args:
            entries: Keys and values, 1 to 1,024 of them, in the order they are to be written; no key twice.

            write_once: Only if none of the keys was ever written before. Such keys can be read back for ever
                without a doubt which of their values is meant.

        Returns:
            The transaction, verified.

        Raises:
            NotBytesError, ImmudbLimitError: A key or value cannot be written; nothing was sent.
            TrustMissingError: Nothing is trusted yet; nothing was sent.
            ImmudbKeyExistsError: Rejected: one of the keys is there. Nothing is written, also of the others.
            VerificationError: The answer does not prove it; mostly it is written all the same. See `resolve`.
            ImmudbOutcomeUnknownError: No answer came. See `resolve`.
            ImmudbError: Rejected for another reason, or no session.
        """
        pairs = check_entries(entries)
        sets = set_request(pairs, write_once=write_once)

        def request(since: int) -> Any:
            return new("VerifiableSetRequest", setRequest=sets, proveSinceTx=since)

        def verify(trusted: Head | None, answer: Any) -> Verified[Receipt]:
            return verify_write(pairs, trusted, answer)

        return await self._trusting.prove("VerifiableSet", request, verify, is_write=True)

    async def verified_get(self, key: bytes, *, at_tx: int = 0, at_revision: int = 0) -> Proved:
        """
        Read one key, and verify that it was written so in the trusted history.

        That a value is the newest cannot be proved. Ask for the transaction of a receipt, or use keys that are
        written once.

        Args:
            at_tx: As that transaction wrote it, which is verified; 0 for the newest, which cannot be.

            at_revision: As it was written that often; which one it gives is the server's word. 0 for the newest.

        Raises:
            NotBytesError, ImmudbLimitError: The key cannot be one; nothing was sent.
            TrustMissingError: Nothing is trusted yet.
            ImmudbKeyNotFoundError: The server says that it is not there, which cannot be proved.
            VerificationError: The answer does not prove what it says.
            ImmudbError: There is no answer.
        """
        wanted = new("KeyRequest", key=check_key(key), atTx=at_tx, atRevision=at_revision)

        def request(since: int) -> Any:
            return new("VerifiableGetRequest", keyRequest=wanted, proveSinceTx=since)

        def verify(trusted: Head | None, answer: Any) -> Verified[Proved]:
            return verify_entry(key, trusted, answer, at_tx=at_tx or None)

        return await self._trusting.prove("VerifiableGet", request, verify)

    async def verified_tx(self, tx: int) -> ProvedTransaction:
        """
        Read all that a transaction wrote, and verify that it is all, and in the trusted history.

        The cheapest way to read back a batch: 1,000 entries cost what a few single ones do.

        Args:
            tx: The number of the transaction, as a receipt has it.

        Raises:
            TrustMissingError: Nothing is trusted yet.
            ImmudbNotFoundError: The server says that there is no such transaction.
            VerificationError: The answer does not prove what it says.
            ImmudbError: There is no answer.
        """
        kinds = new(
            "EntriesSpec",
            kvEntriesSpec=new("EntryTypeSpec", action=_RAW_VALUE),
            zEntriesSpec=new("EntryTypeSpec", action=_ONLY_DIGEST),
            sqlEntriesSpec=new("EntryTypeSpec", action=_ONLY_DIGEST),
        )

        def request(since: int) -> Any:
            return new("VerifiableTxRequest", tx=tx, proveSinceTx=since, entriesSpec=kinds)

        def verify(trusted: Head | None, answer: Any) -> Verified[ProvedTransaction]:
            return verify_transaction(tx, trusted, answer)

        return await self._trusting.prove("VerifiableTxById", request, verify)

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
            ImmudbError: There is no answer.
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
            ImmudbError: There is no answer.
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
            ImmudbError: There is no answer.
        """
        entries = _written(error)
        key = entries[0][0]
        seen = 0
        while True:
            page = await self._history_of(key, offset=seen)
            for tx in page:
                if tx <= error.trusted_tx:
                    return None
                try:
                    found = await self.verified_tx(tx)
                except ImmudbNotFoundError:
                    continue
                if list(found.entries) == entries and not found.others:
                    return found.receipt
            if len(page) < _HISTORY_PAGE:
                return None
            seen += len(page)

    async def _history_of(self, key: bytes, *, offset: int) -> list[int]:
        request = new("HistoryRequest", key=key, offset=offset, limit=_HISTORY_PAGE, desc=True)
        async with self._conversation.sessions.current() as session:
            try:
                exchange = await self._conversation.ask(session, "History", request)
            except ImmudbKeyNotFoundError:
                return []
        return [entry.tx for entry in exchange.read().entries]


def _written(error: ImmudbOutcomeUnknownError | VerificationError) -> list[tuple[bytes, bytes]]:
    if error.request and error.call == "VerifiableSet":
        request = parse("VerifiableSetRequest", error.request).setRequest
    elif error.request and error.call == "Set":
        request = parse("SetRequest", error.request)
    else:
        msg = f"{error.call} wrote no entries: there is nothing to read back"
        raise ValueError(msg)
    return [(entry.key, entry.value) for entry in request.KVs]
