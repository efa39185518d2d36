"""
Where snapshots are kept: in memory, or in a table of an SQL database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import attrs
from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from eventsource.aggregates.snapshot import Snapshot, digest
from eventsource.subscriptions.checkpoint import create_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection, Row


@attrs.frozen
class FoundSnapshot:
    """
    What a look into a snapshot store found.

    Attributes:
        snapshot: The snapshot; None if there is none, or one that cannot be read.

        purges: How often snapshots of the subject were purged.
    """

    snapshot: Snapshot | None
    purges: int


class SnapshotStore(Protocol):
    """
    Keeps the latest snapshot of each aggregate for each fingerprint of its fold.

    It may lose any of them at any time. It may not bring one back that was purged.
    """

    async def find(self, *, subject: str, aggregate: str, fingerprint: str) -> FoundSnapshot:
        """
        The snapshot of one aggregate, made by one fold.
        """
        ...

    async def put(self, snapshot: Snapshot, *, purges: int) -> bool:
        """
        Keep a snapshot in place of the one with the same subject, class and fingerprint.

        Args:
            snapshot: The snapshot.

            purges: What `find` said before its events were read. If the subject was purged since, the
                snapshot may hold what was erased, and is not kept.

        Returns:
            Whether it is kept.
        """
        ...

    async def discard(self, *, subject: str, aggregate: str, fingerprint: str) -> None:
        """
        Forget one snapshot, which turned out to be of no use.
        """
        ...

    async def purge(self, subject: str) -> int:
        """
        Forget every snapshot of *subject*, and refuse those that are on their way.

        Returns:
            How many there were.
        """
        ...


# Two programs may run at once while a new version is rolled out; snapshots of older ones are in nobody's use.
KEPT_FINGERPRINTS = 2


class InMemorySnapshotStore:
    """
    Keeps snapshots for as long as the process lives.
    """

    def __init__(self) -> None:
        # By subject and class, then by fingerprint, the latest last.
        self._snapshots: dict[tuple[str, str], dict[str, Snapshot]] = {}
        self._purges: dict[str, int] = {}

    async def find(self, *, subject: str, aggregate: str, fingerprint: str) -> FoundSnapshot:
        """
        See `SnapshotStore`.
        """
        found = self._snapshots.get((subject, aggregate), {}).get(fingerprint)
        return FoundSnapshot(found, self._purges.get(subject, 0))

    async def put(self, snapshot: Snapshot, *, purges: int) -> bool:
        """
        See `SnapshotStore`.
        """
        if self._purges.get(snapshot.subject, 0) != purges:
            return False
        kept = self._snapshots.setdefault((snapshot.subject, snapshot.aggregate), {})
        kept.pop(snapshot.fingerprint, None)
        kept[snapshot.fingerprint] = snapshot
        while len(kept) > KEPT_FINGERPRINTS:
            del kept[next(iter(kept))]
        return True

    async def discard(self, *, subject: str, aggregate: str, fingerprint: str) -> None:
        """
        See `SnapshotStore`.
        """
        self._snapshots.get((subject, aggregate), {}).pop(fingerprint, None)

    async def purge(self, subject: str) -> int:
        """
        See `SnapshotStore`.
        """
        self._purges[subject] = self._purges.get(subject, 0) + 1
        keys = [key for key in self._snapshots if key[0] == subject]
        return sum(len(self._snapshots.pop(key)) for key in keys)


Result = TypeVar("Result")

_METADATA = MetaData()

SNAPSHOT_TABLE: Final = "eventsource_snapshots"

_snapshots = Table(
    SNAPSHOT_TABLE,
    _METADATA,
    # A subject has at most 1,024 bytes; some databases cannot index as much, so its digest is the key.
    Column("subject_digest", String(64), primary_key=True),
    Column("aggregate", String(200), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("subject", String(1024), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("passed_over", BigInteger, nullable=False),
    Column("last_event_id", String(200), nullable=False),
    Column("last_event_hash", String(64), nullable=False),
    Column("state", Text, nullable=False),
    Column("checksum", String(64), nullable=False),
    # Counts the snapshots as they are put: the latest of several has the highest.
    Column("turn", BigInteger, nullable=False),
)

_purges = Table(
    "eventsource_snapshot_purges",
    _METADATA,
    Column("subject_digest", String(64), primary_key=True),
    Column("purges", BigInteger, nullable=False),
)


class Database(Protocol):
    """
    What runs transactions, such as a `ReadModelDatabase`.
    """

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """
        Run *change* in one transaction.
        """
        ...

    async def read(self, question: Callable[[Connection], Result]) -> Result:
        """
        Run *question* in a read transaction.
        """
        ...


class SqlSnapshotStore:
    """
    Keeps snapshots in two tables of a database, ``eventsource_snapshots`` and ``eventsource_snapshot_purges``.

    The second says how often a subject was purged, under a digest of it, so that a snapshot that was on its
    way when the subject was erased does not come back. In SQLite what is deleted is overwritten.

    Args:
        database: Where; it may be that of the read models.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_tables = False

    async def find(self, *, subject: str, aggregate: str, fingerprint: str) -> FoundSnapshot:
        """
        See `SnapshotStore`.
        """
        await self._make_tables()
        table = _snapshots.c

        def look(tx: Connection) -> FoundSnapshot:
            row = tx.execute(select(_snapshots).where(_is_key(subject, aggregate), table.fingerprint == fingerprint))
            return FoundSnapshot(_to_snapshot(row.one_or_none()), _purges_of(tx, subject) or 0)

        return await self._database.read(look)

    async def put(self, snapshot: Snapshot, *, purges: int) -> bool:
        """
        See `SnapshotStore`.
        """
        await self._make_tables()
        key = _is_key(snapshot.subject, snapshot.aggregate)

        def put(tx: Connection) -> bool:
            _overwrite_what_is_deleted(tx)
            purged = _purges_of(tx, snapshot.subject, is_locked=True)
            if purged is None:
                # The row is what a purge at the same time waits for.
                tx.execute(insert(_purges).values(subject_digest=digest(snapshot.subject), purges=0))
            if (purged or 0) != purges:
                return False
            tx.execute(delete(_snapshots).where(key, _snapshots.c.fingerprint == snapshot.fingerprint))
            turn: int = tx.execute(select(func.coalesce(func.max(_snapshots.c.turn), 0)).where(key)).scalar_one() + 1
            values = attrs.asdict(snapshot)
            tx.execute(insert(_snapshots).values(subject_digest=digest(snapshot.subject), turn=turn, **values))
            turns = select(_snapshots.c.turn).where(key).order_by(_snapshots.c.turn.desc())
            kept = tx.execute(turns.limit(KEPT_FINGERPRINTS)).scalars().all()
            tx.execute(delete(_snapshots).where(key, _snapshots.c.turn < kept[-1]))
            return True

        return await self._database.write(put)

    async def discard(self, *, subject: str, aggregate: str, fingerprint: str) -> None:
        """
        See `SnapshotStore`.
        """
        await self._make_tables()

        def discard(tx: Connection) -> None:
            _overwrite_what_is_deleted(tx)
            tx.execute(delete(_snapshots).where(_is_key(subject, aggregate), _snapshots.c.fingerprint == fingerprint))

        await self._database.write(discard)

    async def purge(self, subject: str) -> int:
        """
        See `SnapshotStore`.
        """
        await self._make_tables()
        key = digest(subject)

        def purge(tx: Connection) -> int:
            _overwrite_what_is_deleted(tx)
            changed = tx.execute(
                update(_purges).where(_purges.c.subject_digest == key).values(purges=_purges.c.purges + 1)
            )
            if changed.rowcount == 0:
                tx.execute(insert(_purges).values(subject_digest=key, purges=1))
            return tx.execute(delete(_snapshots).where(_snapshots.c.subject_digest == key)).rowcount

        try:
            return await self._database.write(purge)
        except IntegrityError:
            # Another process made the row first; it is there now.
            return await self._database.write(purge)

    async def _make_tables(self) -> None:
        if not self._has_tables:
            await self._database.write(lambda tx: create_tables(tx, _METADATA))
            self._has_tables = True


def _is_key(subject: str, aggregate: str) -> ColumnElement[bool]:
    return and_(_snapshots.c.subject_digest == digest(subject), _snapshots.c.aggregate == aggregate)


def _purges_of(tx: Connection, subject: str, *, is_locked: bool = False) -> int | None:
    question = select(_purges.c.purges).where(_purges.c.subject_digest == digest(subject))
    return tx.execute(question.with_for_update() if is_locked else question).scalar_one_or_none()


def _to_snapshot(row: Row[Any] | None) -> Snapshot | None:
    if row is None:
        return None
    names = [field.name for field in attrs.fields(Snapshot)]
    return Snapshot(**{name: getattr(row, name) for name in names})


def _overwrite_what_is_deleted(tx: Connection) -> None:
    # A snapshot may hold what is personal, and SQLite leaves deleted rows in the file as they were.
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("PRAGMA secure_delete = ON")
