"""
What somebody who can write to the files could do to them, each with the names that a verification must give it.

Each function changes a scene and returns what must be found, and what may be found beside it where the change
is several things at once.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs

from eventsource.events.hash_chain import GENESIS_HASH, event_hash, referenced_event_hash
from eventsource.notary.ledger import Entry
from eventsource.notary.merkle_log import MerkleLog
from tests.notary.scene import NAME, ORIGIN

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.notary.scene import Scene


@attrs.frozen
class Right:
    """
    What is right to find: pairs of place and kind.
    """

    required: frozenset[tuple[str, str]]
    allowed: frozenset[tuple[str, str]]


_COLUMNS = "position, id, time_ns, source, subject, type, data, predecessor_hash, hash, version"


def right(place: str, *kinds: str, also: tuple[str, ...] = ()) -> Right:
    """
    Kinds of findings at one place.
    """
    required = frozenset((place, kind) for kind in kinds)
    return Right(required, required | {(place, kind) for kind in also})


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    # Nobody waits for a disk to be tampered with.
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _opened(path: Path) -> closing[sqlite3.Connection]:
    return closing(_connect(path))


class _Store:
    """
    The rows of a store, to be changed as one likes.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _connect(path)
        self._connection.isolation_level = None
        self.rows = self._rows()
        # Of data by reference, by event id: salt and digest. It is found again by it wherever the event goes.
        self.references = {
            row[0]: row[1:]
            for row in self._connection.execute(
                "SELECT e.id, r.salt, r.digest FROM data_references AS r JOIN events AS e USING (position)"
            )
        }

    def _rows(self) -> list[dict[str, Any]]:
        names = _COLUMNS.split(", ")
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM events ORDER BY position")  # noqa: S608  a constant
        return [dict(zip(names, row, strict=True)) for row in rows]

    def write(self, *, rechain: bool) -> None:
        """
        Put the rows into the file, in this order; with *rechain* with hashes that fit.
        """
        before = GENESIS_HASH
        for position, row in enumerate(self.rows, start=1):
            row["position"] = position
            if rechain:
                row["predecessor_hash"] = before
                row["hash"] = before = self._own_hash(row)
        run = self._connection.execute
        run("BEGIN")
        run("DELETE FROM events")
        run("DELETE FROM data_references")
        marks = ", ".join(f":{name}" for name in _COLUMNS.split(", "))
        self._connection.executemany(f"INSERT INTO events ({_COLUMNS}) VALUES ({marks})", self.rows)  # noqa: S608
        for row in self.rows:
            if row["id"] in self.references:
                values = (row["position"], *self.references[row["id"]])
                run("INSERT INTO data_references (position, salt, digest) VALUES (?, ?, ?)", values)
        run("COMMIT")
        self._connection.close()

    def _own_hash(self, row: dict[str, Any]) -> str:
        members = {name: row[name] for name in ("id", "time_ns", "source", "subject", "type", "predecessor_hash")}
        if row["id"] in self.references:
            return referenced_event_hash(data_digest=self.references[row["id"]][1], **members)
        return event_hash(data_json=row["data"], **members)


def _stranger(like: dict[str, Any]) -> dict[str, Any]:
    return like | {"id": str(uuid.uuid4()), "data": '{"cents":1000000}'}


def store_edited(scene: Scene, chance: random.Random) -> Right:
    """
    A member of an event is changed, and maybe all hashes from there on made to fit.
    """
    store = _Store(scene.store)
    row = chance.choice(store.rows)
    member = chance.choice(["data", "subject", "type", "source", "time_ns"])
    match member:
        case "data":
            data = json.loads(row["data"])
            row["data"] = json.dumps(data | {"cents": data["cents"] + 1}, separators=(",", ":"), sort_keys=True)
        case "time_ns":
            row["time_ns"] += chance.choice([-1, 1])
        case _:
            row[member] += "x"
    is_rechained = chance.random() < 0.5
    store.write(rechain=is_rechained)
    # What comes behind it has other hashes alone; the hash of data by reference stays.
    has_other_hash = member != "data" or row["id"] not in store.references
    return right("store", "edited", *["rechained"] * (is_rechained and has_other_hash and row is not store.rows[-1]))


def store_reference_edited(scene: Scene, chance: random.Random) -> Right:
    """
    What ties an event to its data is changed or taken away, or data that was erased comes back as something else.
    """
    store = _Store(scene.store)
    event_id = chance.choice(sorted(store.references))
    salt, digest = store.references[event_id]
    row = next(row for row in store.rows if row["id"] == event_id)
    match chance.choice(["salt", "digest", "none", "data"]):
        case "salt":
            store.references[event_id] = ("0" * 64 if salt is None else "1" + salt[1:] + "0", digest)
        case "digest":
            store.references[event_id] = (salt, digest[:-1] + ("0" if digest[-1] != "0" else "1"))
        case "none":
            del store.references[event_id]
        case _:
            row["data"] = '{"cents":7,"text":"other"}'
    store.write(rechain=False)
    return right("store", "edited")


def store_hash_edited(scene: Scene, chance: random.Random) -> Right:
    """
    Only a hash is changed.
    """
    store = _Store(scene.store)
    member = chance.choice(["hash", "predecessor_hash"])
    row = chance.choice(store.rows)
    row[member] = row[member][:-1] + ("0" if row[member][-1] != "0" else "1")
    store.write(rechain=False)
    return right("store", "rechained")


def store_deleted(scene: Scene, chance: random.Random) -> Right:
    """
    Events are taken out, but not the last one.
    """
    store = _Store(scene.store)
    first = chance.randrange(len(store.rows) - 1)
    del store.rows[first : min(first + chance.randint(1, 4), len(store.rows) - 1)]
    is_rechained = chance.random() < 0.5
    store.write(rechain=is_rechained)
    return right("store", "deleted", *["rechained"] * is_rechained)


def store_truncated(scene: Scene, chance: random.Random) -> Right:
    """
    The last events are gone, maybe all.
    """
    store = _Store(scene.store)
    del store.rows[-chance.randint(1, len(store.rows)) :]
    store.write(rechain=False)
    return right("store", "truncated")


def store_forked(scene: Scene, chance: random.Random) -> Right:
    """
    The last events are gone, and others were committed since: a backup was restored and worked with.
    """
    store = _Store(scene.store)
    kept = len(store.rows) - chance.randint(1, len(store.rows) - 1)
    others = [_stranger(row) for row in store.rows[kept : kept + chance.randint(1, 5)]]
    store.rows[kept:] = others
    store.write(rechain=True)
    return right("store", "forked")


def store_inserted(scene: Scene, chance: random.Random) -> Right:
    """
    Events stand between those that were notarised.
    """
    store = _Store(scene.store)
    place = chance.randrange(len(store.rows))
    store.rows[place:place] = [_stranger(store.rows[place]) for _ in range(chance.randint(1, 3))]
    is_rechained = chance.random() < 0.5
    store.write(rechain=is_rechained)
    return right("store", "inserted", *["rechained"] * is_rechained)


def store_reordered(scene: Scene, chance: random.Random) -> Right:
    """
    Two events have changed places.
    """
    store = _Store(scene.store)
    one, other = sorted(chance.sample(range(len(store.rows)), 2))
    store.rows[one], store.rows[other] = store.rows[other], store.rows[one]
    is_rechained = chance.random() < 0.5
    store.write(rechain=is_rechained)
    return right("store", "reordered", *["rechained"] * is_rechained)


def _leaves(connection: sqlite3.Connection, prefix: str) -> list[tuple[int, bytes]]:
    rows = connection.execute("SELECT idx, key FROM leaves ORDER BY idx")
    return [row for row in rows if row[1].startswith(f"{prefix}/{NAME}/".encode())]


def log_edited(scene: Scene, chance: random.Random) -> Right:
    """
    A bit of a leaf or of a hash in the tree is flipped.
    """
    with _opened(scene.log) as connection, connection:
        table, column = chance.choice([("leaves", "value"), ("leaves", "hash"), ("nodes", "hash")])
        keys = "idx" if table == "leaves" else "level, idx"
        found_rows = connection.execute(f"SELECT {keys}, {column} FROM {table}").fetchall()  # noqa: S608
        *place, old = chance.choice(found_rows)
        flipped = bytearray(old)
        # Behind version and kind: another number or hash, but still a record.
        flipped[chance.randrange(11, len(old)) if column == "value" else chance.randrange(len(old))] ^= 1
        where = " AND ".join(f"{name} = ?" for name in keys.split(", "))
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (bytes(flipped), *place))  # noqa: S608
    return right("ledger", "edited")


def log_number_edited(scene: Scene, chance: random.Random) -> Right:
    """
    The record of an event is no record any more.
    """
    with _opened(scene.log) as connection, connection:
        index, _ = chance.choice(_leaves(connection, "e"))
        (value,) = connection.execute("SELECT value FROM leaves WHERE idx = ?", (index,)).fetchone()
        broken = chance.choice([b"", value[:-1], value + b"x", b"\x09" + value[1:], value[:2] + b"\x07" + value[3:]])
        connection.execute("UPDATE leaves SET value = ? WHERE idx = ?", (broken, index))
    return right("ledger", "edited")


def log_deleted(scene: Scene, chance: random.Random) -> Right:
    """
    The record of an event is taken out of the log.
    """
    with _opened(scene.log) as connection, connection:
        index, _ = chance.choice(_leaves(connection, "e"))
        connection.execute("DELETE FROM leaves WHERE idx = ?", (index,))
    return right("ledger", "deleted")


def log_reordered(scene: Scene, chance: random.Random) -> Right:
    """
    The records of two events have changed places.
    """
    with _opened(scene.log) as connection, connection:
        (one, _), (other, _) = chance.sample(_leaves(connection, "e"), 2)
        for before, after in ((one, -1), (other, one), (-1, other)):
            connection.execute("UPDATE leaves SET idx = ? WHERE idx = ?", (after, before))
    return right("ledger", "reordered")


def log_inserted(scene: Scene, chance: random.Random) -> Right:
    """
    A record stands in the log that no batch tells of.
    """
    with _opened(scene.log) as connection, connection:
        index, key = chance.choice(_leaves(connection, "e"))
        last: int = connection.execute("SELECT max(idx) FROM leaves").fetchone()[0]
        for at in range(last, index, -1):
            connection.execute("UPDATE leaves SET idx = ? WHERE idx = ?", (at + 1, at))
        connection.execute(
            "INSERT INTO leaves (idx, key, hash, value) SELECT ?, ?, hash, value FROM leaves WHERE idx = ?",
            (index + 1, key + b"-copy", index),
        )
    return right("ledger", "inserted")


def log_cut(scene: Scene, chance: random.Random) -> Right:
    """
    The last leaves are gone, and the tree still has their hashes.
    """
    with _opened(scene.log) as connection, connection:
        batches = _leaves(connection, "b")
        # Up to the end of a batch, or in the middle of one.
        last = min(chance.choice(batches[:-1])[0] + chance.choice([0, 3]), batches[-1][0] - 1)
        connection.execute("DELETE FROM leaves WHERE idx > ?", (last,))
    return right("ledger", "rolled-back", also=("truncated",))


def write_anew(scene: Scene, entries: list[list[Entry]]) -> None:
    """
    Put another log in the place of the one there, whole and with the same name.
    """
    for suffix in ("", "-wal", "-shm"):
        scene.log.with_name(scene.log.name + suffix).unlink(missing_ok=True)
    log = MerkleLog(scene.log, origin=ORIGIN)
    log._connection.pragma("synchronous", "OFF")
    for batch in entries:
        log.append(batch)
    log.close()


def read_batches(scene: Scene) -> list[list[Entry]]:
    """
    What the log has, batch by batch.
    """
    with _opened(scene.log) as connection:
        rows = connection.execute("SELECT first, count FROM batches ORDER BY first").fetchall()
        return [
            [
                Entry(*row)
                for row in connection.execute(
                    "SELECT key, value FROM leaves WHERE idx >= ? AND idx < ? ORDER BY idx", (first, first + count)
                )
            ]
            for first, count in rows
        ]


def log_rolled_back(scene: Scene, chance: random.Random) -> Right:
    """
    The log is the one of an earlier day, whole and without a fault.
    """
    batches = read_batches(scene)
    write_anew(scene, batches[: chance.randrange(len(batches))])
    return right("ledger", "rolled-back")


def log_forked(scene: Scene, chance: random.Random) -> Right:
    """
    The log was written anew from some batch on, whole and without a fault, and is as long as before, or longer.
    """
    batches = read_batches(scene)
    changed = chance.randrange(len(batches))
    place = chance.randrange(len(batches[changed]))
    key, value = batches[changed][place]
    flipped = bytearray(value)
    flipped[-1] ^= 1
    batches[changed][place] = Entry(key, bytes(flipped))
    if chance.random() < 0.5:
        batches.append([Entry(b"x", b"more")])
    write_anew(scene, batches)
    return right("ledger", "forked", also=("edited",))


TAMPERING: list[Callable[[Scene, random.Random], Right]] = [
    store_edited,
    store_reference_edited,
    store_hash_edited,
    store_deleted,
    store_truncated,
    store_forked,
    store_inserted,
    store_reordered,
    log_edited,
    log_number_edited,
    log_deleted,
    log_reordered,
    log_inserted,
    log_cut,
    log_rolled_back,
    log_forked,
]


def endless(chance: random.Random) -> Iterator[Callable[[Scene, random.Random], Right]]:
    """
    All of them by turns, in an order of chance.
    """
    while True:
        yield from chance.sample(TAMPERING, len(TAMPERING))
