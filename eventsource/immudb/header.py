"""
Headers of transactions and entries, and their hashes: what all of immudb's proofs stand on.

Integers are big-endian. A stored key is ``0x00`` and the key, a stored plain value ``0x00`` and the value.

Source:
    immudb's ``docs/security`` and its embedded store: measured against immudb 1.11.1.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import attrs

from eventsource import merkle
from eventsource.immudb.check import Check, CheckFailedError, demand
from eventsource.merkle import EMPTY_ROOT, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


PLAIN: Final = b"\x00"
"""What stands before a key, and before a value that is no reference."""

REFERENCE: Final = b"\x01"
"""What stands before a value that is a reference: the number of a transaction in 8 bytes, and a stored key."""

NO_ROOT: Final = bytes(32)
"""The root that the first transaction commits to: there is no tree yet."""

# Header version 0 counts its entries in 16 bits and has no metadata.
_OLD, _CURRENT = 0, 1
_MAX_16: Final = 2**16 - 1


@attrs.frozen
class TxHeader:
    """
    The header of a transaction.

    Attributes:
        id: Its number, from 1 on.

        previous_alh: The accumulated hash of the one before.

        time_s: When, in whole seconds since 1970.

        entry_count: The number of entries it has.

        entries_root: The Merkle root over their digests.

        tree_size: Of how many transactions the tree consists that it commits to.

        tree_root: The root of that tree.

        version: Of the header.

        metadata: As it is hashed; mostly empty.
    """

    id: int
    previous_alh: bytes
    time_s: int
    entry_count: int
    entries_root: bytes
    tree_size: int
    tree_root: bytes
    version: int = _CURRENT
    metadata: bytes = b""

    @property
    def inner_hash(self) -> bytes:
        """
        The hash of all but number and predecessor.

        Raises:
            CheckFailedError: The header has an unknown version, or more than that version can say.
        """
        if self.version == _CURRENT:
            counted = struct.pack(">H", len(self.metadata)) + self.metadata + struct.pack(">I", self.entry_count)
        elif self.version == _OLD:
            fits = self.entry_count <= _MAX_16 and not self.metadata
            demand(fits, Check.HEADER_VERSION, "a header of version 0 with more than that version has")
            counted = struct.pack(">H", self.entry_count)
        else:
            raise CheckFailedError(Check.HEADER_VERSION, f"header version {self.version} is not known")
        return sha256(
            struct.pack(">QH", self.time_s, self.version)
            + counted
            + self.entries_root
            + struct.pack(">Q", self.tree_size)
            + self.tree_root
        ).digest()

    @property
    def alh(self) -> bytes:
        """
        The accumulated linear hash: of this transaction and of all before it.
        """
        return sha256(struct.pack(">Q", self.id) + self.previous_alh + self.inner_hash).digest()


def check_header(header: TxHeader) -> None:
    """
    What must hold for each header by itself.

    That the tree is never behind makes the proof obsolete that older clients left out (CVE-2022-36111).

    Raises:
        CheckFailedError: It does not.
    """
    demand(header.id > 0, Check.TRANSACTION, "a transaction has no number")
    demand(
        header.tree_size == header.id - 1,
        Check.LAGGING_TREE,
        f"transaction {header.id} commits to the first {header.tree_size} transactions instead of all before it: "
        "written by a server older than immudb 1.3.2, or made to hide a change",
    )
    if header.id == 1:
        nothing = header.previous_alh == EMPTY_ROOT and header.tree_root == NO_ROOT
        demand(nothing, Check.FIRST_TRANSACTION, "something stands before the first transaction")


@attrs.frozen
class EntryMetadata:
    """
    What an entry says of itself beside key and value.

    Attributes:
        is_deleted: It says that the key is deleted.

        expires_at_s: When it ends, in seconds since 1970; None for never.

        is_not_indexed: It can be found by its transaction only.
    """

    is_deleted: bool = False
    expires_at_s: int | None = None
    is_not_indexed: bool = False

    @property
    def encoded(self) -> bytes:
        """
        As it is hashed.
        """
        expires = b"" if self.expires_at_s is None else b"\x01" + struct.pack(">q", self.expires_at_s)
        return self.is_deleted * b"\x00" + expires + self.is_not_indexed * b"\x02"


NO_METADATA: Final = EntryMetadata()


def entry_digest(stored_key: bytes, value_hash: bytes, *, version: int, metadata: EntryMetadata = NO_METADATA) -> bytes:
    """
    The digest of an entry.

    Args:
        stored_key: With the byte that stands before it.

        value_hash: SHA-256 of the value, with the byte that stands before it.

        version: Of the header.

    Raises:
        CheckFailedError: The version is unknown, or cannot say that.
    """
    encoded = metadata.encoded
    if version == _CURRENT:
        demand(len(stored_key) <= _MAX_16, Check.ANSWER, "a key is longer than its length can say")
        framed = struct.pack(">H", len(encoded)) + encoded + struct.pack(">H", len(stored_key)) + stored_key
        return sha256(framed + value_hash).digest()
    demand(version == _OLD, Check.HEADER_VERSION, f"header version {version} is not known")
    demand(not encoded, Check.HEADER_VERSION, "an entry of version 0 with metadata")
    return sha256(stored_key + value_hash).digest()


def plain_digest(key: bytes, value: bytes, *, version: int, metadata: EntryMetadata = NO_METADATA) -> bytes:
    """
    The digest of a plain key and its value.
    """
    return entry_digest(PLAIN + key, sha256(PLAIN + value).digest(), version=version, metadata=metadata)


def entries_root(digests: Iterable[bytes]) -> bytes:
    """
    The Merkle root over the digests of entries.
    """
    return root_of([leaf_hash(digest) for digest in digests])


def root_of(leaves: Sequence[bytes]) -> bytes:
    """
    The root over the hashes of leaves; the hash of nothing if there are none.
    """
    if not leaves:
        return merkle.EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        above = [merkle.node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        # The last one of an odd number goes up as it is; that is the tree of RFC 9162.
        level = above + level[len(level) & ~1 :]
    return level[0]


def is_consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """
    True if *path* proves that the tree of *old_size* leaves is the beginning of the tree of *size* leaves.

    Args:
        path: As immudb sends it: it begins with the hash of the subtree that both trees begin with,
            also where that is all of the old tree and RFC 9162 leaves it out.
    """
    if not 0 < old_size <= size:
        return False
    terms = list(path)
    if old_size < size and old_size & (old_size - 1) == 0 and terms[:1] != [old_root]:
        return False
    if old_size < size and old_size & (old_size - 1) == 0:
        terms = terms[1:]
    return merkle.is_consistent(old=old_size, old_root=old_root, size=size, root=root, path=terms)
