"""
Merkle trees as immudb builds them: those of RFC 9162, but for a consistency proof that says more.

immudb's own verification follows a path by its sizes alone, so that some paths are right for more than
one position. `eventsource.domain.merkle`, which is used here, fits index and size exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.domain import merkle

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    Whether *path* proves that the tree of *old_size* leaves is the beginning of the tree of *size* leaves.

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
