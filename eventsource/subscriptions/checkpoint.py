"""
Checkpoints: how far a listener has come, kept beside what it wrote and in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    false,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateColumn

from eventsource.subscriptions.errors import ReadModelDatabaseError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_METADATA = MetaData()

checkpoint_table = Table(
    "eventsource_checkpoints",
    _METADATA,
    Column("listener", String(200), primary_key=True),
    Column("event_id", String(200), nullable=False),
    Column("event_hash", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    # Added later: a table that was made before is given them, and a release from before can go on with it.
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("fingerprint", String(64), nullable=False, server_default=text("''")),
    Column("declaration", Text, nullable=False, server_default=text("''")),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("unfinished", Boolean, nullable=False, server_default=false()),
)

_row = checkpoint_table.c
_place = (_row.event_id, _row.event_hash, _row.position, _row.events)

# The key of the lock under which PostgreSQL makes tables: "eventsrc" in ASCII.
_TABLES_LOCK: Final = 0x6576656E74737263


@attrs.frozen
class Checkpoint:
    """
    The place a listener has come to.

    Attributes:
        event_id: The last event of its stream that it has finished; empty at the start.

        event_hash: That event's hash, to tell whether a store is still the same one.

        position: Every event of its stream up to this position of the store is finished.

        events: Number of events of its stream up to there.
    """

    event_id: str = ""
    event_hash: str = ""
    position: int = 0
    events: int = 0


START = Checkpoint()


@attrs.frozen
class Writer:
    """
    The code that writes what stands beside a checkpoint.

    Attributes:
        version: The version that it declares.

        fingerprint: A digest of its declaration; empty for a release that did not note it.

        declaration: The tables and events it declares, as JSON.
    """

    version: int
    fingerprint: str = ""
    declaration: str = ""


@attrs.frozen
class StoredCheckpoint:
    """
    A checkpoint as the database holds it.

    Attributes:
        checkpoint: The place.

        writer: The code that wrote up to there.

        epoch: How often it was taken back to the start, or away from its owner. A worker that began in an earlier
            epoch cannot write any more.

        unfinished: True if effects were committed without the checkpoint that belongs to them.
    """

    checkpoint: Checkpoint
    writer: Writer
    epoch: int
    unfinished: bool


# --- Making the table ---

# What the table of each release has.
_FIRST_COLUMNS: Final = frozenset({"listener", "event_id", "event_hash", "position", "events"})


def create_tables(tx: Connection, metadata: MetaData) -> None:
    """
    Make the tables of *metadata* that are not there, also while other processes do the same.
    """
    lock_tables(tx)
    metadata.create_all(tx)


def lock_tables(tx: Connection) -> None:
    """
    Let one transaction at a time make or change tables.

    In SQLite a writing transaction has that right already. ``CREATE TABLE IF NOT EXISTS`` fails in PostgreSQL when
    two sessions run it at once.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(_TABLES_LOCK)))


def create_checkpoint_table(tx: Connection) -> None:
    """
    Make the table if it is not there, and give that of an earlier release the columns that it does not have.

    Raises:
        ReadModelDatabaseError: Another program has a table of that name.
    """
    create_tables(tx, _METADATA)
    there = {column["name"] for column in inspect(tx).get_columns(checkpoint_table.name)}
    if not there.issuperset(_FIRST_COLUMNS):
        problem = f"its table {checkpoint_table.name} is another program's: give read models a database of their own"
        raise ReadModelDatabaseError(tx.engine.url.set(query={}).render_as_string(hide_password=True), problem)
    for column in checkpoint_table.columns:
        if column.name not in there:
            definition = str(CreateColumn(column).compile(dialect=tx.dialect))
            tx.exec_driver_sql(f"ALTER TABLE {checkpoint_table.name} ADD COLUMN {definition}")


# --- Reading and moving a checkpoint ---


def load_checkpoint(tx: Connection, listener: str) -> Checkpoint | None:
    """
    The checkpoint of *listener*; None before its first, when there may be no table either.
    """
    if not inspect(tx).has_table(checkpoint_table.name):
        return None
    # Only the columns that have always been there: a reader does not add the others.
    row = tx.execute(select(*_place).where(_row.listener == listener)).one_or_none()
    return None if row is None else Checkpoint(*row)


def load_stored(tx: Connection, listener: str) -> StoredCheckpoint | None:
    """
    The checkpoint of *listener* with what is known of its writer; None before its first.
    """
    row = tx.execute(select(checkpoint_table).where(_row.listener == listener)).one_or_none()
    if row is None:
        return None
    return StoredCheckpoint(
        Checkpoint(row.event_id, row.event_hash, row.position, row.events),
        Writer(row.version, row.fingerprint, row.declaration),
        row.epoch,
        row.unfinished,
    )


def move_checkpoint(tx: Connection, listener: str, *, before: Checkpoint | None, to: Checkpoint) -> bool:
    """
    Move the checkpoint if it still stands where *listener* left it.

    Args:
        before: Position at which it was left; None for nowhere yet.

    Returns:
        False when another worker moved it: then the transaction must be rolled back.
    """
    values = attrs.asdict(to)
    if before is None:
        try:
            tx.execute(insert(checkpoint_table).values(listener=listener, **values))
        except IntegrityError:
            return False
        return True
    moved = tx.execute(
        update(checkpoint_table)
        .where(_row.listener == listener)
        .where(_row.position == before.position)
        .where(_row.event_id == before.event_id)
        .values(**values)
    )
    return moved.rowcount == 1


def forget_checkpoint(tx: Connection, listener: str) -> None:
    """
    Make *listener* start from the beginning.
    """
    tx.execute(delete(checkpoint_table).where(_row.listener == listener))


# --- The checkpoint of what is written in the same transaction ---


def store_checkpoint(
    tx: Connection, listener: str, writer: Writer, *, epoch: int, checkpoint: Checkpoint = START
) -> None:
    """
    Write the row of *listener* anew, in place of what is there.
    """
    tx.execute(delete(checkpoint_table).where(_row.listener == listener))
    tx.execute(
        insert(checkpoint_table).values(
            listener=listener, epoch=epoch, unfinished=False, **attrs.asdict(checkpoint), **attrs.asdict(writer)
        )
    )


def end_epoch(tx: Connection, listener: str) -> None:
    """
    Take the right to write from all workers that run *listener* now.
    """
    tx.execute(update(checkpoint_table).where(_row.listener == listener).values(epoch=_row.epoch + 1))


def mark_unfinished(tx: Connection, listener: str) -> None:
    """
    Note that effects of *listener* were committed without their checkpoint.
    """
    tx.execute(update(checkpoint_table).where(_row.listener == listener).values(unfinished=True))


# Built once: SQLAlchemy takes longer to build a statement than SQLite to run it.
_as_it_was_left = (
    update(checkpoint_table)
    .where(_row.listener == bindparam("of"))
    .where(_row.epoch == bindparam("in_epoch"))
    .where(_row.position == bindparam("from_position"))
    .where(_row.event_id == bindparam("from_event"))
)
_begin = _as_it_was_left.values(unfinished=True)
_begin_postgresql = _begin.returning(func.txid_current())
_to: dict[str, Any] = {name: bindparam(f"to_{name}") for name in ("event_id", "event_hash", "position", "events")}
_finish = _as_it_was_left.values(unfinished=False, **_to)
_finish_postgresql = _finish.where(func.txid_current() == bindparam("in_transaction"))


@attrs.frozen
class Batch:
    """
    Effects and the checkpoint behind them, in one transaction.

    The row is marked as unfinished before the effects and moved behind them. The mark is seen only if something
    between the two commits the transaction: then the next worker knows that effects stand without a checkpoint.

    Attributes:
        listener: The listener that has the effects.

        epoch: The epoch in which it began.

        before: Position at which its checkpoint was left.
    """

    listener: str
    epoch: int
    before: Checkpoint

    def begin(self, tx: Connection) -> int | None:
        """
        Lock the row and mark it.

        Returns:
            What `finish` needs to know this transaction again; None if another worker moved the checkpoint.
        """
        if tx.dialect.name == "postgresql":
            return tx.execute(_begin_postgresql, self._where()).scalar_one_or_none()
        return 0 if tx.execute(_begin, self._where()).rowcount == 1 else None

    def finish(self, tx: Connection, to: Checkpoint, transaction: int) -> bool:
        """
        Move the checkpoint, which `begin` has locked.

        Returns:
            False if this is another transaction: something ended the first one.
        """
        values = {**self._where(), **_values(to)}
        if tx.dialect.name == "postgresql":
            return tx.execute(_finish_postgresql, {**values, "in_transaction": transaction}).rowcount == 1
        return tx.execute(_finish, values).rowcount == 1

    def pass_over(self, tx: Connection, to: Checkpoint) -> bool:
        """
        Move the checkpoint over events that have no effects.

        Returns:
            False if another worker moved it.
        """
        return tx.execute(_finish, {**self._where(), **_values(to)}).rowcount == 1

    def _where(self) -> dict[str, str | int]:
        return {
            "of": self.listener,
            "in_epoch": self.epoch,
            "from_position": self.before.position,
            "from_event": self.before.event_id,
        }


def _values(to: Checkpoint) -> dict[str, str | int]:
    return {
        "to_event_id": to.event_id,
        "to_event_hash": to.event_hash,
        "to_position": to.position,
        "to_events": to.events,
    }
