"""
Merkle trees: the published vectors, and that a path shows exactly what it claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource.merkle import (
    EMPTY_ROOT,
    RightEdge,
    consistency_path,
    inclusion_path,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    subtree_hash,
)
from eventsource.testing.contract.chance import IS_LONG, seeded_random

if TYPE_CHECKING:
    from collections.abc import Callable

# Source: the tests of the certificate-transparency reference log (RFC 6962): leaves, roots by number of leaves.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (leaf, size) and the path, lowest first.
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
LARGEST = 64


def nodes_of(leaves: list[bytes]) -> Callable[[int, int], bytes]:
    """
    The complete subtrees over hashes of leaves, computed as the definition says.
    """
    kept: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        if (level, index) not in kept:
            kept[level, index] = node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))
        return kept[level, index]

    return node


PUBLISHED = nodes_of([leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES])
HASHES = [leaf_hash(bytes([number])) for number in range(LARGEST)]
NODE = nodes_of(HASHES)
ALL_ROOTS = [subtree_hash(0, size, NODE) for size in range(LARGEST + 1)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    """
    The root over the first leaves of the reference log is the published one, however it is computed.
    """
    edge = RightEdge()
    for leaf in LEAVES[:size]:
        edge.add(leaf_hash(bytes.fromhex(leaf)))

    assert edge.root.hex() == ROOTS[size]
    assert subtree_hash(0, size, PUBLISHED).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_paths_are_the_published_ones(index: int, size: int) -> None:
    """
    The path of a leaf has the published terms, and is accepted.
    """
    path = inclusion_path(index, size, PUBLISHED)

    assert [term.hex() for term in path] == INCLUSION[index, size]
    leaf, root = leaf_hash(bytes.fromhex(LEAVES[index])), bytes.fromhex(ROOTS[size])
    assert is_included(leaf, index=index, size=size, path=path, root=root)


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_consistency_paths_are_the_published_ones(old: int, size: int) -> None:
    """
    The path between two sizes has the published terms, and is accepted.
    """
    path = consistency_path(old, size, PUBLISHED)

    assert [term.hex() for term in path] == CONSISTENCY[old, size]
    roots = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[size])
    assert is_consistent(old=old, old_root=roots[0], size=size, root=roots[1], path=path)


def test_inclusion_is_shown_at_its_own_index_alone() -> None:
    """
    For every leaf of every tree up to 64 its path is accepted at its index, and at no other of any tree.

    Of what size a tree is, its head says: a path whose root is taken from another tree is refused.
    """
    for size in range(1, LARGEST + 1):
        for index in range(size):
            path = inclusion_path(index, size, NODE)
            for claimed in range(-1, LARGEST + 1):
                root = ALL_ROOTS[size]
                accepted = is_included(HASHES[index], index=claimed, size=size, path=path, root=root)
                assert accepted is (claimed == index), (size, index, claimed)
            others = range(1, LARGEST + 1) if IS_LONG else (size - 1, size + 1)
            for other in others:
                if 0 < other <= LARGEST and other != size:
                    assert not is_included(HASHES[index], index=index, size=other, path=path, root=ALL_ROOTS[other])


def test_consistency_is_shown_between_its_own_sizes_alone() -> None:
    """
    For all sizes m and n up to 64 the path is accepted for them, and for no other m, and no other tree.
    """
    for size in range(LARGEST + 1):
        for old in range(size + 1):
            path = consistency_path(old, size, NODE)
            for claimed in range(LARGEST + 1):
                accepted = is_consistent(
                    old=claimed, old_root=ALL_ROOTS[old], size=size, root=ALL_ROOTS[size], path=path
                )
                assert accepted is (claimed == old), (old, size, claimed)
            if 0 < old < size - 1:
                other = ALL_ROOTS[size - 1]
                assert not is_consistent(old=old, old_root=other, size=size, root=ALL_ROOTS[size], path=path)
                assert not is_consistent(old=old, old_root=ALL_ROOTS[old], size=size, root=other, path=path)


def test_altered_paths_are_refused() -> None:
    """
    A path with a term changed, taken away or added shows nothing.
    """
    random = seeded_random()
    for _ in range(2_000):
        size = random.randint(2, LARGEST)
        index, old = random.randrange(size), random.randint(1, size - 1)
        inclusion, consistency = inclusion_path(index, size, NODE), consistency_path(old, size, NODE)
        for path, claim in ((inclusion, "inclusion"), (consistency, "consistency")):
            place = random.randrange(len(path))
            flipped = bytes([path[place][0] ^ 1]) + path[place][1:]
            for altered in (
                [*path[:place], flipped, *path[place + 1 :]],
                [*path[:place], *path[place + 1 :]],
                [*path[:place], flipped, *path[place:]],
                [*path, path[0]],
            ):
                if claim == "inclusion":
                    root = ALL_ROOTS[size]
                    assert not is_included(HASHES[index], index=index, size=size, path=altered, root=root)
                else:
                    roots = {"old_root": ALL_ROOTS[old], "root": ALL_ROOTS[size]}
                    assert not is_consistent(old=old, size=size, path=altered, **roots)


def test_every_tree_continues_the_empty_one() -> None:
    """
    From nothing to any size nothing has to be shown, and nothing may be.
    """
    assert is_consistent(old=0, old_root=EMPTY_ROOT, size=5, root=ALL_ROOTS[5], path=[])
    assert not is_consistent(old=0, old_root=ALL_ROOTS[1], size=5, root=ALL_ROOTS[5], path=[])
    assert not is_consistent(old=0, old_root=EMPTY_ROOT, size=5, root=ALL_ROOTS[5], path=[EMPTY_ROOT])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_path_leads_to_a_leaf_that_is_not_there(index: int, size: int) -> None:
    """
    A path is not made for an index outside of the tree, and none is accepted.
    """
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_path(index, size, NODE)

    assert not is_included(HASHES[0], index=index, size=size, path=[], root=HASHES[0])


def test_no_path_leads_from_a_larger_tree() -> None:
    """
    A tree does not continue a larger one.
    """
    with pytest.raises(ValueError, match="does not begin with 5"):
        consistency_path(5, 4, NODE)

    assert not is_consistent(old=5, old_root=ALL_ROOTS[5], size=4, root=ALL_ROOTS[4], path=[])
