"""
Merkle trees as in RFC 9162, and proofs about them whose every step is fixed by the position asked for.

immudb's own verification follows a path by its sizes alone, so that some paths are right for more than
one position. Here a path has to fit index and size exactly: none of it may be missing or left over.

Source:
    RFC 9162, sections 2.1.1 (hashes), 2.1.3.2 (inclusion) and 2.1.4.2 (consistency).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGEST_BYTES: Final = 32
EMPTY_DIGEST: Final = sha256(b"").digest()


def leaf_hash(content: bytes) -> bytes:
    """
    The hash of a leaf.
    """
    return sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """
    The hash of a node over its two children.
    """
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """
    The root over the hashes of leaves; the hash of nothing if there are none.
    """
    if not leaves:
        return EMPTY_DIGEST
    level = list(leaves)
    while len(level) > 1:
        above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        # The last one of an odd number goes up as it is; that is the tree of RFC 9162.
        level = above + level[len(level) & ~1 :]
    return level[0]


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """
    Whether *path* proves that the leaf with this hash is number *index*, from 0 on, of a tree of *size*.
    """
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(step, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, step)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """
    Whether *path* proves that the tree of *old_size* leaves is the beginning of the tree of *size* leaves.

    Args:
        path: As immudb sends it: it begins with the hash of the subtree that both trees begin with,
            also where that is all of the old tree and RFC 9162 leaves it out.
    """
    if old_size == size:
        return not path and old_root == root
    if not 0 < old_size < size or not path:
        return False
    number, last = old_size - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, step)
        number, last = number >> 1, last >> 1
    return last == 0 and old == old_root and new == root
