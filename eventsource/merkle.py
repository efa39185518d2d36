"""
Merkle trees of RFC 9162: roots, inclusion paths and consistency paths, and how they are checked.

Nothing here reads or writes anything: hashes of complete subtrees come from a function. Checking is
strict: a path must have exactly the terms that index and size demand, so that it shows membership at
that very index and in a tree of that very size.

Source:
    RFC 9162, 2.1: definitions; 2.1.3.2 and 2.1.4.2: checking.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HASH_BYTES: Final = 32

# Where complete subtrees are looked up: the node at (level, index) covers the leaves from index << level on,
# 1 << level of them.
NodeSource = "Callable[[int, int], bytes]"

EMPTY_ROOT: Final = sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """
    The hash of a leaf.
    """
    # The two prefixes keep a leaf from passing for an inner node.
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """
    The hash of an inner node.
    """
    return sha256(b"\x01" + left + right).digest()


def subtree_hash(start: int, end: int, node: Callable[[int, int], bytes]) -> bytes:
    """
    The hash of the tree over the leaves from *start* to before *end*, of which *start* begins a subtree.

    Args:
        node: Gives the hash of the complete subtree at (level, index).
    """
    peaks = [node(level, index) for level, index in complete_subtrees(start, end)]
    return root_of_peaks(peaks)


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    """
    The root over complete subtrees of falling size, which together are the whole tree.
    """
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def complete_subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """
    The (level, index) of the complete subtrees, largest first, that cover the leaves from *start* to before *end*.
    """
    found: list[tuple[int, int]] = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def inclusion_path(index: int, size: int, node: Callable[[int, int], bytes]) -> list[bytes]:
    """
    What shows that a leaf is in a tree: the hashes of the subtrees beside its way to the root, lowest first.

    Raises:
        ValueError: A tree of *size* leaves has no leaf *index*.
    """
    return [root_of_peaks([node(level, at) for level, at in subtrees]) for subtrees in inclusion_subtrees(index, size)]


def inclusion_subtrees(index: int, size: int) -> list[list[tuple[int, int]]]:
    """
    The (level, index) of the complete subtrees that each term of an inclusion path is made of, lowest term first.

    Raises:
        ValueError: A tree of *size* leaves has no leaf *index*.
    """
    if not 0 <= index < size:
        msg = f"a tree of {size} leaves has no leaf {index}"
        raise ValueError(msg)
    found: list[list[tuple[int, int]]] = []
    start, end = 0, size
    while end - start > 1:
        level = (end - start - 1).bit_length() - 1
        middle = start + (1 << level)
        if index >= middle:
            found.append([(level, start >> level)])
            start = middle
        elif end - middle == 1 << level:
            found.append([(level, middle >> level)])
            end = middle
        else:
            found.append(complete_subtrees(middle, end))
            end = middle
    return found[::-1]


def consistency_path(old: int, size: int, node: Callable[[int, int], bytes]) -> list[bytes]:
    """
    What shows that a tree of *old* leaves is the beginning of one of *size*; empty where nothing needs to be shown.

    Raises:
        ValueError: *old* is more than *size*, or negative.
    """
    if not 0 <= old <= size:
        msg = f"a tree of {size} leaves does not begin with {old}"
        raise ValueError(msg)
    if old in {0, size}:
        return []
    path: list[bytes] = []
    start, end, is_old_root = 0, size, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(subtree_hash(middle, end, node))
            end = middle
        else:
            path.append(subtree_hash(start, middle, node))
            start, is_old_root = middle, False
    if not is_old_root:
        path.append(subtree_hash(start, end, node))
    return path[::-1]


def is_included(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """
    True if *path* shows that the leaf with hash *leaf* stands at *index* of the tree of *size* leaves with that root.
    """
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for term in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(term, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, term)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(*, old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """
    True if *path* shows that the tree of *old* leaves with *old_root* is the beginning of that of *size* with *root*.
    """
    if not 0 <= old <= size:
        return False
    if old in {0, size}:
        return not path and old_root == (root if old else EMPTY_ROOT)
    # A complete subtree proves itself: its hash is the old root, which the path leaves out.
    terms = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not terms:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = terms[0]
    for term in terms[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(term, before), node_hash(term, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, term)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == root


class RightEdge:
    """
    The complete subtrees of a tree that grows: all that adding leaves needs to know of those before.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    @classmethod
    def of(cls, size: int, node: Callable[[int, int], bytes]) -> RightEdge:
        """
        The edge of a tree there is.
        """
        return cls(size, [node(level, index) for level, index in complete_subtrees(0, size)])

    @property
    def nodes(self) -> dict[tuple[int, int], bytes]:
        """
        The complete subtrees, by (level, index).
        """
        return dict(zip(complete_subtrees(0, self.size), self._peaks, strict=True))

    def copy(self) -> RightEdge:
        """
        One to add to that leaves this one as it is.
        """
        return RightEdge(self.size, self._peaks)

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """
        Add the hash of a leaf.

        Returns:
            The inner nodes that became complete: level (from 1 on), index and hash.
        """
        completed: list[tuple[int, int, bytes]] = []
        found, at, level = leaf, self.size, 0
        peaks = self._peaks
        while at & 1:
            found = sha256(b"\x01" + peaks.pop() + found).digest()
            at, level = at >> 1, level + 1
            completed.append((level, at, found))
        peaks.append(found)
        self.size += 1
        return completed

    @property
    def root(self) -> bytes:
        """
        The root of the tree.
        """
        return root_of_peaks(self._peaks)


def _split(size: int) -> int:
    """
    The largest power of two below *size*.
    """
    return 1 << (size - 1).bit_length() - 1
