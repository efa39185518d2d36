"""
The Merkle log: leaves and the hashes of complete subtrees in one SQLite file. Blocking, for one thread.

A leaf is an entry: the length of its key and the key, the length of its value and the value, lengths as
four bytes, most significant first. Its hash and the tree are those of RFC 9162.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import apsw
import attrs

from eventsource.merkle import (
    RightEdge,
    complete_subtrees,
    consistency_path,
    inclusion_subtrees,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    root_of_peaks,
)
from eventsource.notary.errors import AlreadyNotarisedError, SignedHeadError, TamperedError
from eventsource.notary.ledger import Entry, Head, Proved, Receipt, check_entries
from eventsource.notary.sqlite_file import FileKind, NotaryFile, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

# idx: 0, 1, 2 …; the order of the log. The hash stands before the value, which may be long and is not always read.
# nodes: the complete subtree at (level, idx) covers the leaves from idx << level on; level 0 is `leaves.hash`.
_SCHEMA: Final = """
CREATE TABLE leaves (
    idx INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    hash BLOB NOT NULL,
    value BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX leaves_key ON leaves (key);
CREATE TABLE nodes (
    level INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE batches (first INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
# "ESNL": tells `file` and us that the database is ours.
KIND: Final = FileKind("notary's log", 0x45534E4C, _SCHEMA)

_PAGE: Final = 1_000


def leaf_of(entry: Entry) -> bytes:
    """
    The bytes of the leaf that an entry is.
    """
    key, value = entry
    return len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value


@attrs.frozen
class LogProblem:
    """
    One thing that cannot be true of an untouched log.

    Attributes:
        kind: What was done, as `eventsource.errors.TamperedError` names it.

        index: The leaf it concerns, from 0 on; None for the whole.

        what: The fault, in words.
    """

    kind: str
    index: int | None
    what: str


class MerkleLog:
    """
    An opened log.

    Args:
        path: The file; made when it is not there, unless *read_only*.

        origin: What heads of a new log are to be known by; by default a name that no other log has.

    Raises:
        NotALedgerError, LedgerUnavailableError: The file cannot be used, as they say.
    """

    def __init__(self, path: Path, *, read_only: bool = False, origin: str | None = None) -> None:
        self._path = path
        self._file = NotaryFile(path, KIND, read_only=read_only)
        self._connection = self._file.connection
        try:
            with translated(path):
                self.origin = self._find_origin() if read_only else self._find_or_set_origin(origin)
                self._edge = None if read_only else self._read_edge()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """
        Close the file.
        """
        self._file.close()

    def append(self, entries: Sequence[Entry]) -> Receipt:
        """
        Write all entries or none; it is on the disk when this returns.
        """
        check_entries(entries)
        assert self._edge is not None, "a log that is read is not written to"  # noqa: S101  the caller's duty
        edge, first = self._edge.copy(), self._edge.size
        leaves: list[tuple[int, bytes, bytes, bytes]] = []
        nodes: list[tuple[int, int, bytes]] = []
        for index, entry in enumerate(entries, start=first):
            found = leaf_hash(leaf_of(entry))
            leaves.append((index, entry.key, found, entry.value))
            nodes += edge.add(found)
        connection = self._connection
        self._file.check()
        with translated(self._path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany("INSERT INTO leaves (idx, key, hash, value) VALUES (?, ?, ?, ?)", leaves)
                connection.executemany("INSERT INTO nodes (level, idx, hash) VALUES (?, ?, ?)", nodes)
                connection.execute("INSERT INTO batches (first, count) VALUES (?, ?)", (first, len(leaves)))
                connection.execute("COMMIT")
            except apsw.ConstraintError:
                connection.execute("ROLLBACK")
                raise AlreadyNotarisedError(str(self._path), keys=self._present(entries)) from None
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        self._edge = edge
        self._file.check()
        return Receipt(first, len(leaves), Head(self.origin, edge.size, edge.root))

    def get(self, key: bytes) -> Proved | None:
        """
        The entry under *key*, proved to be in the log as it is now.
        """
        with self._reading():
            row = self._connection.execute("SELECT idx, value FROM leaves WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            index, value = row
            edge = self._current_edge()
            head = Head(self.origin, edge.size, edge.root)
            path = self._inclusion_path(index, edge)
            leaf = leaf_hash(leaf_of(Entry(key, value)))
            if not is_included(leaf, index=index, size=head.size, path=path, root=head.root):
                raise _tampered(
                    kind="edited", what=f"the leaf at index {index} is not the one the log hangs together by", head=head
                )
            receipt = self._batch_around(index, head)
        proof = {"kind": "merkle", "index": index, "size": head.size, "path": [term.hex() for term in path]}
        return Proved(key, value, receipt, proof)

    def batch(self, first: int, count: int) -> tuple[Entry, ...]:
        """
        The leaves from *first* on, *count* of them, proved to be in the log as it is now.
        """
        with self._reading():
            rows: list[tuple[Any, ...]] = self._connection.execute(
                "SELECT idx, key, value FROM leaves WHERE idx >= ? AND idx < ? ORDER BY idx", (first, first + count)
            ).fetchall()
            head = self._head()
            if [row[0] for row in rows] != list(range(first, first + count)):
                raise _tampered(
                    kind="deleted", what=f"leaves between {first} and {first + count} are missing", head=head
                )
            entries = tuple(Entry(key, value) for _, key, value in rows)
            hashes = [leaf_hash(leaf_of(entry)) for entry in entries]
            if _root_with(first, hashes, head.size, self._node) != head.root:
                raise _tampered(
                    kind="edited", what=f"a leaf from {first} on is not the one the log hangs together by", head=head
                )
        return entries

    def head(self) -> Head:
        """
        The head now.
        """
        with self._reading():
            return self._head()

    def prove_since(self, before: Head) -> tuple[Head, list[bytes]]:
        """
        The head now, and the path that shows that it continues *before*.
        """
        facts = {"head origin": before.origin, "head size": str(before.size), "head root": before.root.hex()}
        with self._reading():
            head = self._head()
            if before.origin != self.origin:
                what = f"the head is one of {before.origin!r}, and this log is {self.origin!r}"
                raise _tampered(kind="forked", what=what, head=head, more=facts)
            if head.size < before.size:
                what = f"the log has {head.size} leaves, and had {before.size} when the head was made"
                raise _tampered(kind="rolled-back", what=what, head=head, more=facts)
            path = consistency_path(before.size, head.size, self._node)
        if not is_consistent(old=before.size, old_root=before.root, size=head.size, root=head.root, path=path):
            what = f"its first {before.size} leaves are not those it had when the head was made"
            raise _tampered(kind="forked", what=what, head=head, more=facts)
        return head, path

    def leaves(self, first: int) -> list[tuple[int, Entry]]:
        """
        A page of leaves as they stand there, with their indices, from *first* on; nothing is proved.
        """
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT idx, key, value FROM leaves WHERE idx >= ? ORDER BY idx LIMIT ?", (first, _PAGE)
            )
            return [(index, Entry(key, value)) for index, key, value in rows]

    def audit(self) -> list[LogProblem]:
        """
        Compute everything again: each leaf's hash and each inner node. Reads the whole log.
        """
        with self._reading():
            return list(_audit(self._connection, self._size()))

    @contextmanager
    def _reading(self) -> Generator[None]:
        """
        One state of the file for all that is read inside.
        """
        with translated(self._path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    def _head(self) -> Head:
        edge = self._current_edge()
        return Head(self.origin, edge.size, edge.root)

    def _current_edge(self) -> RightEdge:
        return self._edge or self._read_edge()

    def _inclusion_path(self, index: int, edge: RightEdge) -> list[bytes]:
        """
        The way of a leaf to the root, its nodes fetched with one statement.
        """
        subtrees = inclusion_subtrees(index, edge.size)
        nodes = edge.nodes
        wanted = [place for term in subtrees for place in term if place not in nodes]
        inner = [place for place in wanted if place[0]]
        if inner:
            marks = ", ".join(["(?, ?)"] * len(inner))
            sql = f"SELECT level, idx, hash FROM nodes WHERE (level, idx) IN (VALUES {marks})"  # noqa: S608  marks
            values = [number for place in inner for number in place]
            nodes.update(((level, at), found) for level, at, found in self._connection.execute(sql, values))
        nodes.update((place, self._node(*place)) for place in wanted if place not in nodes)
        return [root_of_peaks([nodes[place] for place in term]) for term in subtrees]

    def _read_edge(self) -> RightEdge:
        return RightEdge.of(self._size(), self._node)

    def _size(self) -> int:
        last: int | None = self._connection.execute("SELECT max(idx) FROM leaves").get
        return 0 if last is None else last + 1

    def _node(self, level: int, index: int) -> bytes:
        sql = "SELECT hash FROM nodes WHERE level = ? AND idx = ?" if level else "SELECT hash FROM leaves WHERE idx = ?"
        found: bytes | None = self._connection.execute(sql, (level, index) if level else (index,)).get
        if found is None:
            what = f"the node at level {level}, index {index} is missing"
            raise TamperedError(kind="deleted", place="ledger", what=what)
        return found

    def _batch_around(self, index: int, head: Head) -> Receipt:
        row = self._connection.execute(
            "SELECT first, count FROM batches WHERE first <= ? ORDER BY first DESC LIMIT 1", (index,)
        ).fetchone()
        if row is None or row[0] + row[1] <= index:
            raise _tampered(kind="deleted", what=f"the batch of leaf {index} is missing", head=head)
        return Receipt(row[0], row[1], head)

    def _present(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        found = self._connection.executemany(
            "SELECT key FROM leaves WHERE key = ?", [(entry.key,) for entry in entries]
        )
        return tuple(row[0].decode(errors="backslashreplace") for row in found)

    def _find_origin(self) -> str:
        origin: str | None = self._connection.execute("SELECT value FROM about WHERE name = 'origin'").get
        if origin is None:
            raise TamperedError(kind="deleted", place="ledger", what="the log does not say what it is called")
        return origin

    def _find_or_set_origin(self, origin: str | None) -> str:
        made = origin or f"eventsource.notary/{secrets.token_hex(8)}"
        self._connection.execute("INSERT INTO about VALUES ('origin', ?) ON CONFLICT DO NOTHING", (made,))
        found = self._find_origin()
        if origin not in {None, found}:
            msg = f"{self._path} is the log {found!r}, and not {origin!r}"
            raise SignedHeadError(msg)
        return found


def _root_with(first: int, hashes: Sequence[bytes], size: int, node: Callable[[int, int], bytes]) -> bytes:
    """
    The root of the tree when the leaves from *first* on have *hashes*, and all else is as it is stored.
    """
    end = first + len(hashes)

    def hash_at(level: int, index: int) -> bytes:
        start, stop = index << level, (index + 1) << level
        if stop <= first or start >= end:
            return node(level, index)
        if level == 0:
            return hashes[start - first]
        return node_hash(hash_at(level - 1, 2 * index), hash_at(level - 1, 2 * index + 1))

    return root_of_peaks([hash_at(level, index) for level, index in complete_subtrees(0, size)])


def _audit(connection: apsw.Connection, size: int) -> Iterator[LogProblem]:
    for (problem,) in connection.execute("PRAGMA integrity_check(10)"):
        if problem != "ok":
            yield LogProblem("edited", None, f"SQLite: {problem}")
    edge, inner = RightEdge(), 0
    stored = connection.cursor()
    for index, key, found, value in connection.execute("SELECT idx, key, hash, value FROM leaves ORDER BY idx"):
        if index != edge.size:
            what = f"the leaves from index {edge.size} to {index - 1} are missing"
            yield LogProblem("deleted", edge.size, what)
            return
        own = leaf_hash(leaf_of(Entry(key, value)))
        if own != found:
            yield LogProblem("edited", index, f"the leaf at index {index} does not fit its hash")
        for level, at, node in edge.add(own):
            inner += 1
            kept = stored.execute("SELECT hash FROM nodes WHERE level = ? AND idx = ?", (level, at)).get
            if kept is None:
                yield LogProblem("inserted", index, f"a leaf at index {index} is not in the tree")
            elif kept != node:
                what = f"the tree does not fit its leaves at level {level}, index {at}"
                yield LogProblem("edited", at << level, what)
    nodes: int = stored.execute("SELECT count(*) FROM nodes").get
    if nodes > inner:
        yield LogProblem("truncated", size, f"the tree has nodes for leaves behind index {size - 1}, which are missing")


def _tampered(*, kind: str, what: str, head: Head, more: dict[str, str] | None = None) -> TamperedError:
    facts = {"origin": head.origin, "size": str(head.size), "root": head.root.hex()}
    return TamperedError(kind=kind, place="ledger", what=what, evidence=facts | (more or {}))
