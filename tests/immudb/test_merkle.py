"""
Merkle trees: each proof holds for its own position, and for no other.
"""

from __future__ import annotations

import itertools

import pytest

from eventsource.immudb.header import is_consistent, root_of
from eventsource.merkle import EMPTY_ROOT, is_included, leaf_hash
from eventsource.testing.contract.chance import rounds
from eventsource.testing.immudb.tree import MerkleTree

# Source: RFC 6962's reference implementation, the leaves of its test tree.
LEAVES = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

SIZES = range(1, rounds(20, 41))


def tree_of(size: int) -> MerkleTree:
    """
    A tree over numbers.
    """
    tree = MerkleTree()
    for number in range(size):
        tree.append(b"%d" % number)
    return tree


def test_roots_are_those_of_the_standard() -> None:
    """
    Also that of no leaf at all.
    """
    hashes = [leaf_hash(leaf) for leaf in LEAVES]

    assert [root_of(hashes[:size]).hex() for size in range(1, 9)] == ROOTS
    assert root_of([]) == EMPTY_ROOT


def test_growing_tree_has_the_same_roots() -> None:
    """
    The tree of the test server and the plain computation are two ways to one root.
    """
    tree = tree_of(40)

    assert all(tree.root(size) == root_of([leaf_hash(b"%d" % n) for n in range(size)]) for size in range(41))


def test_inclusion_holds_for_its_index_and_size_alone() -> None:
    """
    A path that is right for one leaf of one tree proves nothing about any other place.
    """
    tree = tree_of(SIZES[-1])
    for size in SIZES:
        for index in range(size):
            leaf, path = leaf_hash(b"%d" % index), tree.inclusion(index, size)
            fits = [
                (claimed_index, claimed_size)
                for claimed_size in range(size + 2)
                for claimed_index in range(-1, claimed_size + 1)
                if is_included(leaf, index=claimed_index, size=claimed_size, path=path, root=tree.root(size))
            ]
            # A path does not hold its size, only its shape: what binds it is the size in the signed header. Of the
            # same shape are trees whose leaf stands at the same index under the same turns.
            assert (index, size) in fits
            assert {found for found, of in fits if of == size} == {index}


def test_path_is_used_up() -> None:
    """
    A hash more or less, or another one, and the path proves nothing.
    """
    tree = tree_of(21)
    for index in range(21):
        leaf, path, root = leaf_hash(b"%d" % index), tree.inclusion(index, 21), tree.root(21)

        assert not is_included(leaf, index=index, size=21, path=[*path, root], root=root)
        assert not is_included(leaf, index=index, size=21, path=path[:-1], root=root)
        assert not is_included(leaf, index=index, size=21, path=[bytes(32), *path[1:]], root=root)


def test_consistency_holds_for_its_sizes() -> None:
    """
    For each pair of sizes, and not with another root, path or old size.
    """
    tree = tree_of(SIZES[-1])
    for old, size in itertools.combinations(SIZES, 2):
        path, old_root, root = tree.consistency(old, size), tree.root(old), tree.root(size)

        assert is_consistent(old, old_root, size, root, path)
        assert not is_consistent(old, tree.root(old + 1), size, root, path)
        assert not is_consistent(old, old_root, size, bytes(32), path)
        assert not is_consistent(old, old_root, size, root, path[:-1])
        assert not is_consistent(old, old_root, size, root, [*path, root])
        assert not is_consistent(size, root, old, old_root, path)
        other = old - 1 or 2
        assert not is_consistent(other, tree.root(other), size, root, path)


@pytest.mark.parametrize("path", [[], [bytes(32)]], ids=["empty", "one"])
def test_tree_is_consistent_with_itself(path: list[bytes]) -> None:
    """
    That needs the same root and no path; nothing is consistent with an empty tree.
    """
    root = tree_of(5).root(5)

    assert is_consistent(5, root, 5, root, path) is (not path)
    assert not is_consistent(5, root, 5, bytes(32), [])
    assert not is_consistent(0, EMPTY_ROOT, 5, root, path)
