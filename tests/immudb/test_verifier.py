"""
Hashes of headers and entries as immudb computes them, and histories that were made to deceive.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import attrs
import pytest

from eventsource.immudb import Head, verifier
from eventsource.immudb.check import Check, CheckFailedError
from eventsource.immudb.header import (
    NO_ROOT,
    EntryMetadata,
    TxHeader,
    check_header,
    entries_root,
    entry_digest,
    plain_digest,
)
from eventsource.immudb.messages import new
from eventsource.immudb.verifier import verify_entry, verify_position, verify_transaction
from eventsource.merkle import EMPTY_ROOT
from eventsource.testing.immudb import Database
from eventsource.testing.immudb.tree import MerkleTree

if TYPE_CHECKING:
    from typing import Any

HEADER = TxHeader(
    id=7,
    previous_alh=sha256(b"previous").digest(),
    time_s=1_700_000_000,
    entry_count=3,
    entries_root=sha256(b"entries").digest(),
    tree_size=6,
    tree_root=sha256(b"root").digest(),
)

# Source: what immudb's official Python client, release 1.5.0, computes of the same.
ALH = {
    0: "e8b2b8aed8edbeb012898848b39aeb7e72bfa79a1c8e75e11235d3a8c8ec64ab",
    1: "a972b7926625cf8459dfbece704d7f8d1ed0c4f51efc607045a7f93a8f4e90d1",
}
DIGESTS = [
    (0, EntryMetadata(), "9fa8d89c4089e1e95269659bd81a1cd63a02fa218182d14a14af5773aeecdc5d"),
    (1, EntryMetadata(), "7a07ebb6a87f4b5f098805a48fa898ee59b9a71deff7d8c09dccb84a504e7fbc"),
    (1, EntryMetadata(is_deleted=True), "1425cbee29714effa59754577000a38bc4f1fe815568e09e2c8a0c4df44edb28"),
    (1, EntryMetadata(expires_at_s=1_893_456_000), "ef2c1ff25217865fa4a0e6cb68b73e00d2df498e27fb95041fe2133f68d71db5"),
    (1, EntryMetadata(is_not_indexed=True), "de4a090e756c8d302cac5aeb1df443a23855de4537f5bd012aaadc705eaf5090"),
]
ENTRIES_ROOTS = {
    1: "13a77175e35eb1d9da91ee14df0d7772cea71289800206e2b45c882ecb06efbf",
    2: "bbb441530bdded54e6e2bfcdc829819ff39b30768eb9f023071dffc16b410f10",
    3: "8be871f13785b4c81a1700459c76ac2b3ae2caebb7876c376e223c6adff98c47",
    5: "4e23fb40d8876f1299cca9b3c28432a01b11d1a20126606914612892ff2e09a7",
    8: "da17ac5d45a1b0c50260c7e411bf342ba2a41c9c824bb3b6404e5330a585a057",
    13: "5f3077640cbbda5a01d5c99d332bbb243cf3633ce1e9be673863cb0508081941",
}


@pytest.mark.parametrize("version", ALH)
def test_accumulated_hash(version: int) -> None:
    """
    Of a header in each version.
    """
    assert attrs.evolve(HEADER, version=version).alh.hex() == ALH[version]


def test_accumulated_hash_of_the_first_transaction() -> None:
    """
    Nothing stands before it.
    """
    first = attrs.evolve(HEADER, id=1, previous_alh=EMPTY_ROOT, entry_count=1, tree_size=0, tree_root=NO_ROOT)

    check_header(first)

    assert first.alh.hex() == "52199d1ee23d0c4abc158e4f818d62e9c80b8020084a3c9fb97ce053efcf362c"


def test_metadata_of_a_transaction_is_hashed() -> None:
    """
    Two transactions that differ in it alone have two hashes.
    """
    assert attrs.evolve(HEADER, metadata=b"\x01\x00\x01x").alh != HEADER.alh


@pytest.mark.parametrize(("version", "metadata", "digest"), DIGESTS)
def test_digest_of_an_entry(version: int, metadata: EntryMetadata, digest: str) -> None:
    """
    In each version, and with each kind of metadata.
    """
    assert plain_digest(b"key", b"value", version=version, metadata=metadata).hex() == digest


@pytest.mark.parametrize("size", ENTRIES_ROOTS)
def test_root_over_entries(size: int) -> None:
    """
    For even and odd numbers of them.
    """
    digests = [sha256(b"%d" % number).digest() for number in range(size)]

    assert entries_root(digests).hex() == ENTRIES_ROOTS[size]


@pytest.mark.parametrize(
    ("header", "check"),
    [
        (attrs.evolve(HEADER, id=0), Check.TRANSACTION),
        (attrs.evolve(HEADER, tree_size=5), Check.LAGGING_TREE),
        (attrs.evolve(HEADER, tree_size=7), Check.LAGGING_TREE),
        (attrs.evolve(HEADER, id=1, tree_size=0), Check.FIRST_TRANSACTION),
    ],
    ids=["no-number", "behind", "ahead", "first"],
)
def test_header_that_cannot_be(header: TxHeader, check: Check) -> None:
    """
    Each fault has its name.
    """
    with pytest.raises(CheckFailedError) as caught:
        check_header(header)

    assert caught.value.check is check


@pytest.mark.parametrize(
    "header",
    [
        attrs.evolve(HEADER, version=2),
        attrs.evolve(HEADER, version=-1),
        attrs.evolve(HEADER, version=0, metadata=b"x"),
        attrs.evolve(HEADER, version=0, entry_count=2**16),
    ],
    ids=["later", "negative", "old-with-metadata", "old-with-many-entries"],
)
def test_header_that_cannot_be_hashed(header: TxHeader) -> None:
    """
    An unknown form is refused, never guessed.
    """
    with pytest.raises(CheckFailedError) as caught:
        _ = header.alh

    assert caught.value.check is Check.HEADER_VERSION


def test_entry_of_version_0_has_no_metadata() -> None:
    """
    Its digest could not hold them.
    """
    with pytest.raises(CheckFailedError):
        plain_digest(b"key", b"value", version=0, metadata=EntryMetadata(is_deleted=True))


class TwoFaced:
    """
    CVE-2022-36111: a history that shows two contents of transaction 2.

    Transaction 3 follows the content ``A`` in the chain, and commits to a tree that ends before it. The tree of
    transaction 4 then holds the content ``B`` in that place. Clients that take the chain for proved by the tree,
    and the tree by the chain, accept both.
    """

    def __init__(self) -> None:
        honest, other = Database("defaultdb"), Database("defaultdb")
        for database, value in ((honest, b"A"), (other, b"B")):
            database.write([(b"first", b"")], time_s=1)
            database.write([(b"key", value)], time_s=2)
        honest.tree_lag = 1
        honest.write([(b"third", b"")], time_s=3)
        self.honest, self.other = honest, other
        tree = MerkleTree()
        for alh in (honest.alh(1), other.alh(2), honest.alh(3)):
            tree.append(alh)
        self.tree = tree
        fourth = TxHeader(
            id=4,
            previous_alh=honest.alh(3),
            time_s=4,
            entry_count=1,
            entries_root=entries_root([plain_digest(b"fourth", b"", version=1)]),
            tree_size=3,
            tree_root=tree.root(3),
        )
        self.head = Head(4, fourth.alh)
        self.fourth = new(
            "TxHeader",
            id=4,
            prevAlh=fourth.previous_alh,
            ts=4,
            nentries=1,
            eH=fourth.entries_root,
            blTxId=3,
            blRoot=fourth.tree_root,
            version=1,
        )

    def fourth_after_third(self) -> Any:
        """
        The proof that moves trust from transaction 3 to transaction 4.
        """
        return self._answer(self.honest, 3)

    def second(self) -> Any:
        """
        The answer that shows ``B`` to whoever trusts transaction 4.
        """
        answer = self.other.verifiable_entry(
            new("VerifiableGetRequest", keyRequest=new("KeyRequest", key=b"key"), proveSinceTx=0)
        )
        answer.verifiableTx.dualProof.CopyFrom(self._answer(self.other, 2).dualProof)
        return answer

    def _answer(self, database: Database, older: int) -> Any:
        size = database.transactions[older - 1].header.tree_size
        proof = new(
            "DualProof",
            sourceTxHeader=database.header(older),
            targetTxHeader=self.fourth,
            inclusionProof=self.tree.inclusion(older - 1, 3) if older < 3 else [],
            consistencyProof=self.tree.consistency(size, 3),
            targetBlTxAlh=self.honest.alh(3),
            lastInclusionProof=self.tree.inclusion(2, 3),
        )
        return new("VerifiableTx", tx=new("Tx", header=self.fourth), dualProof=proof)


def test_history_with_two_faces_is_refused_where_the_tree_lags() -> None:
    """
    Before the second face is shown: at transaction 3, at its successor, and at the answer itself.
    """
    two_faced = TwoFaced()
    first = Head(1, two_faced.honest.alh(1))
    third = Head(3, two_faced.honest.alh(3))

    with pytest.raises(CheckFailedError) as caught:
        verify_position(3, first, two_faced.honest.verifiable_tx(3, since=1))
    assert caught.value.check is Check.LAGGING_TREE
    with pytest.raises(CheckFailedError) as caught:
        verify_position(4, third, two_faced.fourth_after_third())
    assert caught.value.check is Check.LAGGING_TREE


def test_history_with_two_faces_would_deceive_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The attack is a real one: without that single check everything else in it holds.
    """
    two_faced = TwoFaced()
    monkeypatch.setattr(verifier, "check_header", lambda _: None)

    moved = verify_position(4, Head(3, two_faced.honest.alh(3)), two_faced.fourth_after_third())
    shown = verify_entry(b"key", moved.head, two_faced.second())

    assert moved.head == two_faced.head
    assert shown.found.value == b"B"


def test_transaction_must_follow_the_last_one_of_its_tree() -> None:
    """
    Chain and tree end in the same transaction, or a history has two ways to be read.
    """
    database = Database("defaultdb")
    for _ in range(3):
        database.write([(b"key", b"value")], time_s=1)
    answer = database.verifiable_tx(3, since=1)
    for header in (answer.tx.header, answer.dualProof.targetTxHeader):
        header.prevAlh = bytes(32)

    with pytest.raises(CheckFailedError) as caught:
        verify_position(3, Head(1, database.alh(1)), answer)

    assert caught.value.check is Check.HISTORY


def test_whole_transaction_with_other_kinds_of_entries() -> None:
    """
    What is no plain key and value counts for the hash, and is told as a number.
    """
    database = Database("defaultdb")
    tx = database.write([(b"key", b"value")], time_s=1).header.id
    answer = database.verifiable_tx(tx, since=0, kinds=_raw())
    stored = b"\x01" + bytes(8) + b"\x00key"
    entries = [
        *answer.tx.entries,
        new("TxEntry", key=b"\x00reference", hValue=sha256(stored).digest(), value=stored),
        new("TxEntry", key=b"\x01sorted set", hValue=bytes(32)),
        new("TxEntry", key=b"\x00gone", hValue=bytes(32), metadata=new("KVMetadata", deleted=True)),
    ]
    del answer.tx.entries[:]
    answer.tx.entries.extend(entries)
    answer.tx.header.nentries = len(entries)
    answer.tx.header.eH = entries_root(
        entry_digest(
            entry.key,
            entry.hValue,
            version=1,
            metadata=EntryMetadata(is_deleted=entry.metadata.deleted),
        )
        for entry in entries
    )

    found = verify_transaction(tx, None, answer).found

    assert found.entries == ((b"key", b"value"),)
    assert found.others == 3


def test_value_that_is_not_sent_is_not_guessed() -> None:
    """
    A server that keeps a value back is told so.
    """
    database = Database("defaultdb")
    tx = database.write([(b"key", b"value")], time_s=1).header.id

    with pytest.raises(CheckFailedError) as caught:
        verify_transaction(tx, None, database.verifiable_tx(tx, since=0))

    assert caught.value.check is Check.ENTRY_VALUE


def _raw() -> Any:
    return new("EntriesSpec", kvEntriesSpec=new("EntryTypeSpec", action=2))
