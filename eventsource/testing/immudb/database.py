"""
One database of the test server: its transactions, an index of its keys, and the proofs that an immudb gives.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.immudb.header import NO_ROOT, PLAIN, TxHeader, entries_root
from eventsource.immudb.messages import new
from eventsource.merkle import EMPTY_ROOT
from eventsource.testing.immudb.reading import read_key, read_tx
from eventsource.testing.immudb.refusal import Refusal
from eventsource.testing.immudb.stored import StoredEntry
from eventsource.testing.immudb.tree import MerkleTree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_VERSION: Final = 1


@attrs.frozen
class Transaction:
    """
    A transaction as it is stored.

    Attributes:
        header: Its header.

        entries: What it wrote, in order.

        extra: What its metadata hold.
    """

    header: TxHeader
    entries: tuple[StoredEntry, ...]
    extra: bytes = b""

    def find(self, stored_key: bytes) -> StoredEntry | None:
        """
        What it wrote to a key; None if it did not.
        """
        return next((entry for entry in self.entries if entry.key == stored_key), None)

    def place(self, stored_key: bytes) -> tuple[int, list[bytes]]:
        """
        Which of its entries that key has, and the way from there to the root over all of them.
        """
        index = [entry.key for entry in self.entries].index(stored_key)
        within = MerkleTree()
        for entry in self.entries:
            within.append(entry.digest())
        return index, within.inclusion(index, len(self.entries))


class Database:
    """
    A database in memory.

    Args:
        clock: Seconds since 1970, to tell which entries have expired.

    Attributes:
        name: Its name.

        transactions: All of them, in order.

        tree_lag: The number of transactions a new one leaves out of the tree it commits to. 0 is right; anything else
            is how servers before immudb 1.3.2 were, and what the attack of CVE-2022-36111 needs.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self.clock = clock
        self.transactions: list[Transaction] = []
        self.tree_lag = 0
        self._written: dict[bytes, list[int]] = {}
        self._tree = MerkleTree()

    def copy(self) -> Database:
        """
        The same once more, to be continued in another way.
        """
        return copy.deepcopy(self)

    def roll_back(self, tx: int) -> None:
        """
        Forget whatever came after transaction *tx*, as a backup does that is restored.
        """
        kept = self.transactions[:tx]
        self.transactions, self._written, self._tree = [], {}, MerkleTree()
        for transaction in kept:
            self._add(transaction)

    def write(
        self, entries: Sequence[StoredEntry | tuple[bytes, bytes]], *, time_s: int, extra: bytes = b""
    ) -> Transaction:
        """
        Add a transaction.

        Args:
            entries: What it writes; a pair is a plain key and its value.
        """
        stored = tuple(entry if isinstance(entry, StoredEntry) else StoredEntry.plain(*entry) for entry in entries)
        number = len(self.transactions) + 1
        tree_size = max(0, number - 1 - self.tree_lag)
        header = TxHeader(
            id=number,
            previous_alh=self.alh(number - 1),
            time_s=time_s,
            entry_count=len(stored),
            entries_root=entries_root(entry.digest() for entry in stored),
            tree_size=tree_size,
            tree_root=self._tree.root(tree_size) if tree_size else NO_ROOT,
            version=_VERSION,
            metadata=b"\x01" + len(extra).to_bytes(2, "big") + extra if extra else b"",
        )
        made = Transaction(header, stored, extra)
        self._add(made)
        return made

    def _add(self, transaction: Transaction) -> None:
        self.transactions.append(transaction)
        self._tree.append(transaction.header.alh)
        for entry in transaction.entries:
            if not entry.metadata.is_not_indexed:
                self._written.setdefault(entry.key, []).append(transaction.header.id)

    def alh(self, tx: int) -> bytes:
        """
        The accumulated hash of a transaction; that of nothing for 0.
        """
        return self.transactions[tx - 1].header.alh if tx else EMPTY_ROOT

    @property
    def newest(self) -> int:
        """
        The number of the last transaction; 0 before the first.
        """
        return len(self.transactions)

    def transaction(self, tx: int) -> Transaction:
        """
        The transaction of that number.
        """
        if tx == 0:
            raise Refusal.ILLEGAL_ARGUMENTS.error()
        if tx > self.newest:
            raise Refusal.NO_TRANSACTION.error()
        return self.transactions[tx - 1]

    def writes_of(self, stored_key: bytes) -> Sequence[int]:
        """
        The transactions that wrote to a key, oldest first.
        """
        return self._written.get(stored_key, ())

    def stored_keys(self) -> list[bytes]:
        """
        All keys that were ever written, in order.
        """
        return sorted(self._written)

    def verifiable_tx(self, tx: int, *, since: int, kinds: Any = None, keeps_references: bool = False) -> Any:
        """
        A ``VerifiableTx``: transaction *tx*, and that it lies in one history with transaction *since*.

        Args:
            kinds: The ``EntriesSpec`` that says which entries to send; None for the hashes of all.

            keeps_references: True if references are told as they are.
        """
        if since > self.newest:
            raise Refusal.ILLEGAL_STATE.error()
        shown = read_tx(self, tx, kinds, keeps_references=keeps_references)
        older, newer = min(since or tx, tx), max(since, tx)
        return new("VerifiableTx", tx=shown, dualProof=self.dual_proof(older, newer))

    def verifiable_entry(self, request: Any) -> Any:
        """
        The ``VerifiableEntry`` that a ``VerifiableGetRequest`` asks for; of a reference it proves the reference.
        """
        if request.proveSinceTx > self.newest:
            raise Refusal.ILLEGAL_STATE.error()
        entry = read_key(self, request.keyRequest)
        proved = entry.referencedBy if entry.HasField("referencedBy") else entry
        transaction = self.transaction(proved.tx)
        index, path = transaction.place(PLAIN + proved.key)
        return new(
            "VerifiableEntry",
            entry=entry,
            verifiableTx=self.verifiable_tx(proved.tx, since=request.proveSinceTx),
            inclusionProof=new("InclusionProof", leaf=index, width=len(transaction.entries), terms=path),
        )

    def header(self, tx: int) -> Any:
        """
        The ``TxHeader`` of a transaction.
        """
        transaction = self.transactions[tx - 1]
        header = transaction.header
        message = new(
            "TxHeader",
            id=header.id,
            prevAlh=header.previous_alh,
            ts=header.time_s,
            nentries=header.entry_count,
            eH=header.entries_root,
            blTxId=header.tree_size,
            blRoot=header.tree_root,
            version=header.version,
        )
        if transaction.extra:
            message.metadata.extra = transaction.extra
        return message

    def dual_proof(self, older: int, newer: int) -> Any:
        """
        The ``DualProof`` for two transactions, with the linear part that older clients need.
        """
        source, target = self.transactions[older - 1].header, self.transactions[newer - 1].header
        size = target.tree_size
        chain = max(older, size)
        linear = [self.alh(chain), *(self.transactions[tx].header.inner_hash for tx in range(chain, newer))]
        return new(
            "DualProof",
            sourceTxHeader=self.header(older),
            targetTxHeader=self.header(newer),
            inclusionProof=self._tree.inclusion(older - 1, size) if older < size else [],
            consistencyProof=self._tree.consistency(source.tree_size, size) if source.tree_size else [],
            targetBlTxAlh=self.alh(size) if size else bytes(32),
            lastInclusionProof=self._tree.inclusion(size - 1, size) if size else [],
            linearProof=new("LinearProof", sourceTxId=chain, TargetTxId=newer, terms=linear),
        )
