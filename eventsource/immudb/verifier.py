"""
Verifies that an answer follows from what is trusted. No I/O: values in, values out, or a check that failed.

Nothing is returned that was not checked. Where there are two ways to check, the strict one is taken: each
transaction commits to the tree of all before it, so the chain from that tree to the transaction is its
own `previous_alh`, and each path fits its position exactly.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from eventsource.immudb.answer import (
    DualProof,
    TxEntry,
    read_dual_proof,
    read_entry_metadata,
    read_header,
    read_path,
    read_tx_entries,
    stored_reference,
)
from eventsource.immudb.check import Check, demand
from eventsource.immudb.header import (
    PLAIN,
    TxHeader,
    check_header,
    entries_root,
    entry_digest,
    is_consistent,
    plain_digest,
)
from eventsource.immudb.results import Head, Proved, ProvedTransaction, Receipt, Reference
from eventsource.merkle import is_included, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T_co = TypeVar("T_co", covariant=True)


@attrs.frozen
class Verified(Generic[T_co]):
    """
    What an answer proves.

    Attributes:
        found: What was asked for.

        head: The newest state that is proved with it: what is trusted from now on.

        signature: What the server claims to be its signature of `head`; not checked yet.
    """

    found: T_co
    head: Head
    signature: bytes


def verify_write(entries: Sequence[tuple[bytes, bytes]], trusted: Head | None, answer: Any) -> Verified[Receipt]:
    """
    Verify that exactly these entries were written, by a new transaction in the trusted history.

    Args:
        entries: As they were sent; their digests are made of them and not of the answer.

        answer: A ``VerifiableTx``.

    Raises:
        CheckFailedError: They were not, as far as the answer proves.
    """
    return verify_written([TxEntry.written(PLAIN + key, PLAIN + value) for key, value in entries], trusted, answer)


def verify_written(entries: Sequence[TxEntry], trusted: Head | None, answer: Any) -> Verified[Receipt]:
    """
    As `verify_write`, of entries as they are stored: with metadata, or references.
    """
    header = read_header(answer.tx.header)
    demand(header.entry_count == len(entries), Check.ENTRIES, f"{header.entry_count} entries instead of {len(entries)}")
    is_root = header.entries_root == _root_of(entries, header.version)
    demand(is_root, Check.ENTRIES, "the transaction does not hold the entries that were written")
    demand(trusted is None or header.id > trusted.tx, Check.TRANSACTION, "the answer is about an earlier transaction")
    return Verified(_receipt(header), _prove_position(header, trusted, answer), answer.signature.signature)


def verify_entry(key: bytes, trusted: Head | None, answer: Any, *, at_tx: int | None = None) -> Verified[Proved]:
    """
    Verify that a key has that value in a transaction of the trusted history.

    Args:
        answer: A ``VerifiableEntry``.

        at_tx: The transaction it was asked for; None for the newest, which cannot be proved.

    Raises:
        CheckFailedError: It has not, as far as the answer proves.
    """
    entry, proof = answer.entry, answer.inclusionProof
    demand(not entry.HasField("referencedBy"), Check.REFERENCE, "the key is a reference: ask for the key it refers to")
    header = read_header(answer.verifiableTx.tx.header)
    demand(entry.tx == header.id, Check.TRANSACTION, "the entry is said to be of another transaction than its header")
    demand(at_tx is None or header.id == at_tx, Check.TRANSACTION, f"the answer is about transaction {header.id}")
    demand(entry.key == key, Check.ENTRY_INCLUSION, "the answer is about another key")
    metadata = read_entry_metadata(entry)
    demand(not metadata.is_deleted, Check.ENTRY_INCLUSION, "the entry says that the key is deleted")
    digest = plain_digest(key, entry.value, version=header.version, metadata=metadata)
    is_there = proof.width == header.entry_count and is_included(
        leaf_hash(digest), index=proof.leaf, size=proof.width, path=read_path(proof), root=header.entries_root
    )
    demand(is_there, Check.ENTRY_INCLUSION, "the transaction does not hold this key with this value")
    head = _prove_position(header, trusted, answer.verifiableTx)
    proved = Proved(key, entry.value, header.id, header.time_s, header.alh)
    return Verified(proved, head, answer.verifiableTx.signature.signature)


def verify_reference(key: bytes, trusted: Head | None, answer: Any, *, at_tx: int | None = None) -> Verified[Reference]:
    """
    Verify that a key was made a reference in a transaction of the trusted history. What it refers to is not looked at.

    Args:
        answer: A ``VerifiableEntry`` that was found by a reference.

        at_tx: The transaction it was asked for; None for the newest, which cannot be proved.

    Raises:
        CheckFailedError: It was not, as far as the answer proves.
    """
    told, proof = answer.entry.referencedBy, answer.inclusionProof
    header = read_header(answer.verifiableTx.tx.header)
    demand(told.tx == header.id, Check.TRANSACTION, "the reference is said to be of another transaction")
    demand(at_tx is None or header.id == at_tx, Check.TRANSACTION, f"the answer is about transaction {header.id}")
    demand(told.key == key, Check.ENTRY_INCLUSION, "the answer is about another key")
    reference = Reference(key, answer.entry.key, told.atTx)
    entry = TxEntry.written(PLAIN + key, stored_reference(reference), read_entry_metadata(told))
    demand(not entry.metadata.is_deleted, Check.ENTRY_INCLUSION, "the entry says that the key is deleted")
    is_there = proof.width == header.entry_count and is_included(
        leaf_hash(_digest_of(entry, header.version)),
        index=proof.leaf,
        size=proof.width,
        path=read_path(proof),
        root=header.entries_root,
    )
    demand(is_there, Check.REFERENCE, "the transaction does not hold this reference")
    head = _prove_position(header, trusted, answer.verifiableTx)
    return Verified(reference, head, answer.verifiableTx.signature.signature)


def verify_transaction(tx: int, trusted: Head | None, answer: Any) -> Verified[ProvedTransaction]:
    """
    Verify that a transaction of the trusted history wrote exactly these entries.

    Args:
        answer: A ``VerifiableTx`` with all entries, and the values of keys that have not expired.

    Raises:
        CheckFailedError: It did not, as far as the answer proves.
    """
    header = read_header(answer.tx.header)
    demand(header.id == tx, Check.TRANSACTION, f"the answer is about transaction {header.id}")
    stored = read_tx_entries(answer.tx)
    demand(header.entry_count == len(stored), Check.ENTRIES, f"{len(stored)} entries instead of {header.entry_count}")
    is_root = header.entries_root == _root_of(stored, header.version)
    demand(is_root, Check.ENTRIES, "the transaction holds other entries than these")
    found = _sorted_out(_receipt(header), stored)
    return Verified(found, _prove_position(header, trusted, answer), answer.signature.signature)


def verify_position(tx: int, trusted: Head | None, answer: Any) -> Verified[Receipt]:
    """
    Verify that a transaction of that number lies in the trusted history; its entries are not looked at.

    Args:
        answer: A ``VerifiableTx``.

    Raises:
        CheckFailedError: It does not, as far as the answer proves.
    """
    header = read_header(answer.tx.header)
    demand(header.id == tx, Check.TRANSACTION, f"the answer is about transaction {header.id}")
    return Verified(_receipt(header), _prove_position(header, trusted, answer), answer.signature.signature)


def verify_same(tx: int, entries: Sequence[TxEntry], trusted: Head | None, answer: Any) -> Verified[Receipt | None]:
    """
    The transaction of that number if it wrote exactly these entries, else None; it lies in the trusted history.

    Args:
        answer: A ``VerifiableTx``; its header tells, so it needs no entries.

    Raises:
        CheckFailedError: The transaction does not lie there, as far as the answer proves.
    """
    position = verify_position(tx, trusted, answer)
    header = read_header(answer.tx.header)
    is_same = header.entry_count == len(entries) and header.entries_root == _root_of(entries, header.version)
    return Verified(position.found if is_same else None, position.head, position.signature)


def check_dual_proof(proof: DualProof, older: Head, newer: Head) -> None:
    """
    Demand that two states lie in one history.

    Raises:
        CheckFailedError: The proof does not say so.
    """
    source, target = proof.source, proof.target
    check_header(source)
    check_header(target)
    demand(source.id == older.tx and source.alh == older.alh, Check.HEADERS, "the earlier header is another one")
    demand(target.id == newer.tx and target.alh == newer.alh, Check.HEADERS, "the later header is another one")
    size, root = target.tree_size, target.tree_root
    is_last = is_included(leaf_hash(proof.last_alh), index=size - 1, size=size, path=proof.last_inclusion, root=root)
    demand(
        is_last and proof.last_alh == target.previous_alh,
        Check.HISTORY,
        "the later transaction does not follow the last one of its tree",
    )
    if older.tx == size:
        is_inside = older.alh == proof.last_alh
    else:
        is_inside = is_included(leaf_hash(older.alh), index=older.tx - 1, size=size, path=proof.inclusion, root=root)
    demand(is_inside, Check.HISTORY, "the earlier transaction is not in the history of the later one")
    grows = source.tree_size == 0 or is_consistent(source.tree_size, source.tree_root, size, root, proof.consistency)
    demand(grows, Check.HISTORY, "the history of the later transaction begins in another way than the earlier one's")


def _prove_position(header: TxHeader, trusted: Head | None, answer: Any) -> Head:
    """
    The newest state known when *header* is proved to be in one history with what is trusted.
    """
    check_header(header)
    found = Head(header.id, header.alh)
    if trusted is None:
        return found
    if found.tx == trusted.tx:
        demand(found.alh == trusted.alh, Check.HISTORY, f"transaction {found.tx} is another one than it was")
        return trusted
    proof = read_dual_proof(answer.dualProof)
    is_older = found.tx < trusted.tx
    shown = proof.target if is_older else proof.source
    is_same = shown.id != trusted.tx or shown.alh == trusted.alh
    demand(is_same, Check.HISTORY, f"transaction {trusted.tx} is another one than it was")
    older, newer = (found, trusted) if is_older else (trusted, found)
    check_dual_proof(proof, older, newer)
    return newer


def _sorted_out(receipt: Receipt, stored: Sequence[TxEntry]) -> ProvedTransaction:
    entries: list[tuple[bytes, bytes]] = []
    deleted: list[bytes] = []
    references: list[Reference] = []
    expired: list[bytes] = []
    for entry in stored:
        if not entry.stored_key.startswith(PLAIN):
            continue
        if entry.metadata.is_deleted:
            deleted.append(entry.key)
        elif not _has_value(entry):
            expired.append(entry.key)
        elif entry.stored_value.startswith(PLAIN):
            entries.append((entry.key, entry.stored_value[1:]))
        elif (reference := entry.reference) is not None:
            references.append(reference)
    return ProvedTransaction(
        receipt,
        tuple(entries),
        others=len(stored) - len(entries),
        deleted=tuple(deleted),
        references=tuple(references),
        expired=tuple(expired),
    )


def _has_value(entry: TxEntry) -> bool:
    """
    True if an entry came with its value, which must match its hash: what has expired comes without.
    """
    if entry.metadata.expires_at_s is not None and not entry.stored_value:
        return False
    has_its_value = sha256(entry.stored_value).digest() == entry.value_hash
    demand(has_its_value, Check.ENTRY_VALUE, "a value is not the one that was written, or was not sent")
    return True


def _root_of(entries: Iterable[TxEntry], version: int) -> bytes:
    return entries_root(_digest_of(entry, version) for entry in entries)


def _digest_of(entry: TxEntry, version: int) -> bytes:
    return entry_digest(entry.stored_key, entry.value_hash, version=version, metadata=entry.metadata)


def _receipt(header: TxHeader) -> Receipt:
    return Receipt(header.id, header.alh, header.time_s)
