"""
Answers of the server as values: nothing is looked at before its form has been checked.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from eventsource.immudb.check import Check, demand
from eventsource.immudb.header import NO_METADATA, PLAIN, REFERENCE, EntryMetadata, TxHeader
from eventsource.immudb.results import Reference
from eventsource.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of the year 9999: a date behind it cannot be told in Python.
_MAX_TIME_S: Final = 253_402_300_799
_MAX_16: Final = 2**16 - 1
_NUMBER_BYTES: Final = 8
_REFERENCE_BYTES: Final = _NUMBER_BYTES + len(PLAIN)


@attrs.frozen
class DualProof:
    """
    That two transactions lie in one history.

    Attributes:
        source: The header of the earlier one.

        target: The header of the later one.

        inclusion: That the earlier one is in the tree that the later one commits to.

        consistency: That the tree of the earlier one is the beginning of the tree of the later one.

        last_alh: The accumulated hash of the last transaction in the tree of the later one.

        last_inclusion: That it is.
    """

    source: TxHeader
    target: TxHeader
    inclusion: tuple[bytes, ...]
    consistency: tuple[bytes, ...]
    last_alh: bytes
    last_inclusion: tuple[bytes, ...]


@attrs.frozen
class TxEntry:
    """
    An entry of a transaction as it is stored.

    Attributes:
        stored_key: The key with the byte that stands before it.

        value_hash: SHA-256 of the stored value.

        metadata: What it says of itself.

        stored_value: The value with the byte that stands before it, if it was sent.
    """

    stored_key: bytes
    value_hash: bytes
    metadata: EntryMetadata
    stored_value: bytes

    @classmethod
    def written(cls, stored_key: bytes, stored_value: bytes, metadata: EntryMetadata = NO_METADATA) -> Self:
        """
        An entry that is to be written.
        """
        return cls(stored_key, sha256(stored_value).digest(), metadata, stored_value)

    @property
    def key(self) -> bytes:
        """
        The key without the byte that stands before it.
        """
        return self.stored_key[1:]

    @property
    def reference(self) -> Reference | None:
        """
        What the entry refers to; None unless it is a reference.
        """
        if not self.stored_key.startswith(PLAIN) or not self.stored_value.startswith(REFERENCE):
            return None
        return read_reference(self.key, self.stored_value[1:])


def stored_reference(reference: Reference) -> bytes:
    """
    The value of a reference as it is stored.
    """
    return REFERENCE + reference.at_tx.to_bytes(8, "big") + PLAIN + reference.refers_to


def read_reference(key: bytes, value: bytes) -> Reference | None:
    """
    The reference that a value without the byte before it is; None if it has not the form of one.
    """
    if len(value) <= _REFERENCE_BYTES or value[_NUMBER_BYTES:_REFERENCE_BYTES] != PLAIN:
        return None
    return Reference(key, value[_REFERENCE_BYTES:], int.from_bytes(value[:_NUMBER_BYTES], "big"))


def read_header(message: Any) -> TxHeader:
    """
    Read a ``TxHeader``.

    Raises:
        CheckFailedError: It has a form that no server sends.
    """
    demand(0 <= message.ts <= _MAX_TIME_S, Check.ANSWER, "the time of a transaction is none")
    demand(message.nentries >= 0, Check.ANSWER, "a transaction has less than no entries")
    return TxHeader(
        id=message.id,
        previous_alh=_digest(message.prevAlh),
        time_s=message.ts,
        entry_count=message.nentries,
        entries_root=_digest(message.eH),
        tree_size=message.blTxId,
        tree_root=_digest(message.blRoot),
        version=message.version,
        metadata=_read_tx_metadata(message),
    )


def _read_tx_metadata(header: Any) -> bytes:
    encoded = b""
    if header.HasField("metadata"):
        if header.metadata.truncatedTxID:
            encoded += b"\x00" + header.metadata.truncatedTxID.to_bytes(8, "big")
        if extra := header.metadata.extra:
            demand(len(extra) <= _MAX_16, Check.ANSWER, "the metadata of a transaction is too long")
            encoded += b"\x01" + len(extra).to_bytes(2, "big") + extra
    demand(len(encoded) <= _MAX_16, Check.ANSWER, "the metadata of a transaction is too long")
    return encoded


def read_dual_proof(message: Any) -> DualProof:
    """
    Read a ``DualProof``.

    Raises:
        CheckFailedError: It has a form that no server sends.
    """
    return DualProof(
        source=read_header(message.sourceTxHeader),
        target=read_header(message.targetTxHeader),
        inclusion=_digests(message.inclusionProof),
        consistency=_digests(message.consistencyProof),
        last_alh=_digest(message.targetBlTxAlh),
        last_inclusion=_digests(message.lastInclusionProof),
    )


def read_tx_entries(message: Any) -> list[TxEntry]:
    """
    Read the entries of a ``Tx``.

    Raises:
        CheckFailedError: One has a form that no server sends.
    """
    for entry in message.entries:
        _digest(entry.hValue)
    return [read_raw_entry(entry) for entry in message.entries]


def read_raw_entry(message: Any) -> TxEntry:
    """
    Read a ``TxEntry``.
    """
    return TxEntry(message.key, message.hValue, read_entry_metadata(message), message.value)


def read_entry_metadata(message: Any) -> EntryMetadata:
    """
    Read the metadata of an entry, if it has any.
    """
    if not message.HasField("metadata"):
        return EntryMetadata()
    metadata = message.metadata
    return EntryMetadata(
        is_deleted=metadata.deleted,
        expires_at_s=metadata.expiration.expiresAt if metadata.HasField("expiration") else None,
        is_not_indexed=metadata.nonIndexable,
    )


def read_path(message: Any) -> tuple[bytes, ...]:
    """
    Read the hashes of an ``InclusionProof``.

    Raises:
        CheckFailedError: One is no hash.
    """
    return _digests(message.terms)


def _digest(value: bytes) -> bytes:
    demand(len(value) == HASH_BYTES, Check.ANSWER, f"a hash has {len(value)} bytes instead of {HASH_BYTES}")
    return value


def _digests(values: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(_digest(value) for value in values)
