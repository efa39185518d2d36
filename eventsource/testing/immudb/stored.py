"""
Entries as an immudb stores them: keys and values with the byte that says what they are.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Any, Final, NamedTuple

import attrs

from eventsource.immudb.header import NO_METADATA, PLAIN, EntryMetadata, entry_digest
from eventsource.immudb.messages import new

REFERENCE: Final = b"\x01"
"""What stands before the value of a reference."""

SORTED_SET: Final = b"\x01"
"""What stands before the key of an entry of a sorted set."""

SQL: Final = b"\x02"
"""What stands before a key of SQL."""

_VERSION: Final = 1
_NUMBER_BYTES: Final = 8


class Referred(NamedTuple):
    """
    What a reference refers to.

    Attributes:
        stored_key: The key, with the byte before it.

        at_tx: The transaction that wrote the value it means; 0 for the newest.
    """

    stored_key: bytes
    at_tx: int


class SetMember(NamedTuple):
    """
    What an entry of a sorted set says.
    """

    set: bytes
    score: float
    stored_key: bytes
    at_tx: int


@attrs.frozen
class StoredEntry:
    """
    An entry of a transaction.

    Attributes:
        key: With the byte before it.

        value: With the byte before it; empty of a deletion, and of an entry of a sorted set.

        metadata: What it says of itself.
    """

    key: bytes
    value: bytes
    metadata: EntryMetadata = NO_METADATA

    @classmethod
    def plain(cls, key: bytes, value: bytes, metadata: EntryMetadata = NO_METADATA) -> StoredEntry:
        """
        A key and its value.
        """
        return cls(PLAIN + key, PLAIN + value, metadata)

    @classmethod
    def deletion(cls, key: bytes) -> StoredEntry:
        """
        The end of a key.
        """
        return cls(PLAIN + key, b"", EntryMetadata(is_deleted=True))

    @classmethod
    def reference(cls, key: bytes, referred: bytes, at_tx: int) -> StoredEntry:
        """
        A key that stands for another one.
        """
        return cls(PLAIN + key, REFERENCE + struct.pack(">Q", at_tx) + PLAIN + referred)

    @classmethod
    def member(cls, member: SetMember) -> StoredEntry:
        """
        An entry of a sorted set.
        """
        framed = struct.pack(">Q", len(member.set)) + member.set + struct.pack(">d", member.score)
        key = struct.pack(">Q", len(member.stored_key)) + member.stored_key
        return cls(SORTED_SET + framed + key + struct.pack(">Q", member.at_tx), b"")

    @property
    def is_key_value(self) -> bool:
        """
        True if it belongs to the keys and values, and to no sorted set or table.
        """
        return self.key.startswith(PLAIN)

    @property
    def referred(self) -> Referred | None:
        """
        What it refers to; None unless it is a reference.
        """
        if not self.is_key_value or not self.value.startswith(REFERENCE):
            return None
        (at_tx,) = struct.unpack_from(">Q", self.value, 1)
        return Referred(self.value[1 + _NUMBER_BYTES :], at_tx)

    @property
    def set_member(self) -> SetMember | None:
        """
        What it says of a sorted set; None unless it belongs to one.
        """
        if not self.key.startswith(SORTED_SET):
            return None
        (size,) = struct.unpack_from(">Q", self.key, 1)
        start = 1 + _NUMBER_BYTES
        (score,) = struct.unpack_from(">d", self.key, start + size)
        (at_tx,) = struct.unpack(">Q", self.key[-_NUMBER_BYTES:])
        stored_key = self.key[start + size + 2 * _NUMBER_BYTES : -_NUMBER_BYTES]
        return SetMember(self.key[start : start + size], score, stored_key, at_tx)

    def has_expired(self, now_s: float) -> bool:
        """
        True if its time is over.
        """
        return self.metadata.expires_at_s is not None and self.metadata.expires_at_s <= now_s

    def digest(self) -> bytes:
        """
        What the transaction commits to.
        """
        return entry_digest(self.key, sha256(self.value).digest(), version=_VERSION, metadata=self.metadata)

    def message(self, *, with_value: bool = False) -> Any:
        """
        The ``TxEntry`` of it.
        """
        entry = new(
            "TxEntry",
            key=self.key,
            hValue=sha256(self.value).digest(),
            vLen=len(self.value),
            value=self.value if with_value else b"",
        )
        self.describe(entry)
        return entry

    def describe(self, message: Any) -> None:
        """
        Put what it says of itself into a message that has a field for it.
        """
        if self.metadata == NO_METADATA:
            return
        message.metadata.deleted = self.metadata.is_deleted
        message.metadata.nonIndexable = self.metadata.is_not_indexed
        if self.metadata.expires_at_s is not None:
            message.metadata.expiration.expiresAt = self.metadata.expires_at_s
