"""
Checkpoints: how far a listener has come, kept beside what it wrote and in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from sqlalchemy import BigInteger, Column, MetaData, String, Table, delete, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

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
)


@attrs.frozen
class Checkpoint:
    """
    The place a listener has come to.

    Attributes:
        event_id: The last event of its stream that it has finished; empty at the start.

        event_hash: That event's hash, to tell whether a store is still the same one.

        position: Every event of its stream up to this position of the store is finished.

        events: How many events of its stream that were.
    """

    event_id: str = ""
    event_hash: str = ""
    position: int = 0
    events: int = 0


START = Checkpoint()


def create_checkpoint_table(tx: Connection) -> None:
    """
    Make the table if it is not there.
    """
    _METADATA.create_all(tx)


def load_checkpoint(tx: Connection, listener: str) -> Checkpoint | None:
    """
    The checkpoint of *listener*; None before its first, when there may be no table either.
    """
    if not inspect(tx).has_table(checkpoint_table.name):
        return None
    row = tx.execute(select(checkpoint_table).where(checkpoint_table.c.listener == listener)).one_or_none()
    if row is None:
        return None
    return Checkpoint(event_id=row.event_id, event_hash=row.event_hash, position=row.position, events=row.events)


def move_checkpoint(tx: Connection, listener: str, *, before: Checkpoint | None, to: Checkpoint) -> bool:
    """
    Move the checkpoint if it still stands where *listener* left it.

    Args:
        before: Where it was left; None for nowhere yet.

    Returns:
        False when somebody else moved it: then the transaction must be rolled back.
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
        .where(checkpoint_table.c.listener == listener)
        .where(checkpoint_table.c.position == before.position)
        .where(checkpoint_table.c.event_id == before.event_id)
        .values(**values)
    )
    return moved.rowcount == 1


def forget_checkpoint(tx: Connection, listener: str) -> None:
    """
    Let *listener* start from the beginning.
    """
    tx.execute(delete(checkpoint_table).where(checkpoint_table.c.listener == listener))
