"""
One database of the test server: transactions, an index of keys, and the proofs that an immudb gives.
"""

from __future__ import annotations

import copy
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.domain.merkle import EMPTY_ROOT
from eventsource.immudb.header import NO_ROOT, PLAIN, TxHeader, entries_root, entry_digest
from eventsource.immudb.limits import MAX_ENTRIES, MAX_KEY_BYTES
from eventsource.immudb.messages import new
from eventsource.testing.immudb.refusal import Refusal
from eventsource.testing.immudb.tree import MerkleTree

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION: Final = 1
_ONLY_DIGEST, _RAW_VALUE = 1, 2


@attrs.frozen
class Transaction:
    """
    A transaction as it is stored.

    Attributes:
        header: Its header.

        entries: Its keys and values.

        extra: What its metadata hold.
    """

    header: TxHeader
    entries: tuple[tuple[bytes, bytes], ...]
    extra: bytes = b""

    def digests(self) -> list[bytes]:
        """
        The digests of the entries.
        """
        return [
            entry_digest(PLAIN + key, sha256(PLAIN + value).digest(), version=_VERSION) for key, value in self.entries
        ]


class Database:
    """
    A database in memory.

    Attributes:
        name: Its name.

        transactions: All of them, in order.

        tree_lag: How many transactions a new one leaves out of the tree it commits to. 0 is right; anything else
            is how servers before immudb 1.3.2 were, and what the attack of CVE-2022-36111 needs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
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

    def write(self, entries: Sequence[tuple[bytes, bytes]], *, time_s: int, extra: bytes = b"") -> Transaction:
        """
        Add a transaction.
        """
        number = len(self.transactions) + 1
        tree_size = max(0, number - 1 - self.tree_lag)
        header = TxHeader(
            id=number,
            previous_alh=self.alh(number - 1),
            time_s=time_s,
            entry_count=len(entries),
            entries_root=bytes(32),
            tree_size=tree_size,
            tree_root=self._tree.root(tree_size) if tree_size else NO_ROOT,
            version=_VERSION,
            metadata=b"\x01" + len(extra).to_bytes(2, "big") + extra if extra else b"",
        )
        made = Transaction(header, tuple(entries), extra)
        made = attrs.evolve(made, header=attrs.evolve(header, entries_root=entries_root(made.digests())))
        self._add(made)
        return made

    def _add(self, transaction: Transaction) -> None:
        self.transactions.append(transaction)
        self._tree.append(transaction.header.alh)
        for key, _ in transaction.entries:
            self._written.setdefault(key, []).append(transaction.header.id)

    def alh(self, tx: int) -> bytes:
        """
        The accumulated hash of a transaction; that of nothing for 0.
        """
        return self.transactions[tx - 1].header.alh if tx else EMPTY_ROOT

    # What remote calls ask for.

    def set(self, request: Any, *, time_s: int, extra: bytes = b"") -> Transaction:
        """
        Write what a ``SetRequest`` asks for, if its preconditions hold.
        """
        keys = [entry.key for entry in request.KVs]
        if not keys:
            raise Refusal.NO_ENTRIES.error()
        if len(keys) > MAX_ENTRIES:
            raise Refusal.TOO_MANY_ENTRIES.error()
        if len(set(keys)) < len(keys):
            raise Refusal.DUPLICATE_KEYS.error()
        if any(not 0 < len(key) <= MAX_KEY_BYTES for key in keys):
            raise Refusal.KEY_LENGTH.error()
        for precondition in request.preconditions:
            if precondition.keyMustNotExist.key in self._written:
                raise Refusal.KEY_EXISTS.error()
        return self.write([(entry.key, entry.value) for entry in request.KVs], time_s=time_s, extra=extra)

    def has(self, key: bytes) -> bool:
        """
        Whether a key was ever written.
        """
        return key in self._written

    def entry(self, key: bytes, *, at_tx: int = 0, at_revision: int = 0) -> Any:
        """
        The ``Entry`` of a key.
        """
        written = self._written.get(key)
        if not written:
            raise Refusal.KEY_NOT_FOUND.error()
        revision = at_revision if at_revision > 0 else len(written) + at_revision
        tx = at_tx or (written[revision - 1] if 0 < revision <= len(written) else 0)
        if tx not in written:
            raise Refusal.KEY_NOT_FOUND.error()
        value = dict(self.transactions[tx - 1].entries)[key]
        return new("Entry", tx=tx, key=key, value=value, revision=written.index(tx) + 1)

    def history(self, request: Any) -> list[Any]:
        """
        The entries that a ``HistoryRequest`` asks for.
        """
        written = list(self._written.get(request.key, ()))
        if not written:
            raise Refusal.KEY_NOT_FOUND.error()
        if request.desc:
            written.reverse()
        chosen = written[request.offset :][: request.limit or None]
        return [self.entry(request.key, at_tx=tx) for tx in chosen]

    def scan(self, request: Any) -> list[Any]:
        """
        The entries that a ``ScanRequest`` asks for.
        """
        keys = sorted((key for key in self._written if key.startswith(request.prefix)), reverse=request.desc)
        seek = request.seekKey
        if seek:
            keys = [key for key in keys if (key < seek if request.desc else key > seek)]
        return [self.entry(key) for key in keys[: request.limit or None]]

    def verifiable_tx(self, tx: int, *, since: int, kinds: Any = None) -> Any:
        """
        A ``VerifiableTx``: transaction *tx*, and that it lies in one history with transaction *since*.

        Args:
            kinds: The ``EntriesSpec`` that says which entries to send; None for the hashes of all.
        """
        if since > len(self.transactions):
            raise Refusal.ILLEGAL_STATE.error()
        if not 0 < tx <= len(self.transactions):
            raise Refusal.NO_TRANSACTION.error()
        action = _ONLY_DIGEST if kinds is None else kinds.kvEntriesSpec.action
        transaction = self.transactions[tx - 1]
        entries = [self._tx_entry(key, value, action) for key, value in transaction.entries] if action else []
        older, newer = min(since or tx, tx), max(since, tx)
        return new(
            "VerifiableTx",
            tx=new("Tx", header=self.header(tx), entries=entries),
            dualProof=self.dual_proof(older, newer),
        )

    def verifiable_entry(self, request: Any) -> Any:
        """
        The ``VerifiableEntry`` that a ``VerifiableGetRequest`` asks for.
        """
        wanted = request.keyRequest
        entry = self.entry(wanted.key, at_tx=wanted.atTx, at_revision=wanted.atRevision)
        tx: int = entry.tx
        transaction = self.transactions[tx - 1]
        index = [key for key, _ in transaction.entries].index(entry.key)
        within = MerkleTree()
        for digest in transaction.digests():
            within.append(digest)
        width = len(transaction.entries)
        return new(
            "VerifiableEntry",
            entry=entry,
            verifiableTx=self.verifiable_tx(tx, since=request.proveSinceTx),
            inclusionProof=new("InclusionProof", leaf=index, width=width, terms=within.inclusion(index, width)),
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

    def _tx_entry(self, key: bytes, value: bytes, action: int) -> Any:
        stored = PLAIN + value
        return new(
            "TxEntry",
            key=PLAIN + key,
            hValue=sha256(stored).digest(),
            vLen=len(stored),
            value=stored if action == _RAW_VALUE else b"",
        )
