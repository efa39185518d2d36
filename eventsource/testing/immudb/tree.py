"""
A growing Merkle tree, and proofs about it in the form that immudb sends.
"""

from __future__ import annotations

from eventsource.merkle import EMPTY_ROOT, leaf_hash, node_hash


class MerkleTree:
    """
    The tree of RFC 9162 over contents that are added one by one.
    """

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._full: dict[tuple[int, int], bytes] = {}

    def append(self, content: bytes) -> None:
        """
        Add a leaf.
        """
        self._leaves.append(leaf_hash(content))

    def root(self, size: int) -> bytes:
        """
        The root over the first *size* leaves.
        """
        return self._hash(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """
        The path from leaf *index* to the root over the first *size* leaves.
        """
        return self._path(index, 0, size)

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """
        That the tree of *old_size* leaves is the beginning of the one of *size*; none if they are the same.

        The subtree that both begin with always comes first.
        """
        return self._grown(old_size, 0, size) if old_size < size else []

    def _hash(self, start: int, end: int) -> bytes:
        count = end - start
        if count == 1:
            return self._leaves[start]
        is_full = not count & (count - 1)
        if is_full and (start, end) in self._full:
            return self._full[start, end]
        middle = start + _split(count)
        found = node_hash(self._hash(start, middle), self._hash(middle, end))
        if is_full:
            self._full[start, end] = found
        return found

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle:
            return [*self._path(index, start, middle), self._hash(middle, end)]
        return [*self._path(index, middle, end), self._hash(start, middle)]

    def _grown(self, old_end: int, start: int, end: int) -> list[bytes]:
        if old_end == end:
            return [self._hash(start, end)]
        middle = start + _split(end - start)
        if old_end <= middle:
            return [*self._grown(old_end, start, middle), self._hash(middle, end)]
        return [*self._grown(old_end, middle, end), self._hash(start, middle)]


def _split(count: int) -> int:
    """
    The largest power of two below *count*.
    """
    return 1 << (count - 1).bit_length() - 1
