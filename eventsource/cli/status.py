"""
Where projectors stand, asked from outside: from their checkpoints, while workers run or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs
from pydantic import BaseModel, ConfigDict
from sqlalchemy import inspect, select

from eventsource.subscriptions.checkpoint import START, Checkpoint, checkpoint_table, load_checkpoint
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import EventNotFoundError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from eventsource.projections.database import ReadModelDatabase
    from eventsource.projections.projector import Projector
    from eventsource.store.interface import EventStore

Standing = Literal["new", "behind", "caught_up", "tables_missing", "checkpoint_missing", "checkpoint_mismatch"]

IN_WORDS: dict[Standing, str] = {
    "new": "not started",
    "behind": "behind",
    "caught_up": "caught up",
    "tables_missing": "tables missing: rebuild",
    "checkpoint_missing": "rows without a checkpoint: rebuild",
    "checkpoint_mismatch": "checkpoint of another store: rebuild",
}


class ProjectorStatus(BaseModel):
    """
    Where a projector stands.

    Attributes:
        state: ``new``: nothing there yet. ``tables_missing``: it has a checkpoint, but not all its
            tables. ``checkpoint_missing``: its tables have rows, but it has no checkpoint.
            ``checkpoint_mismatch``: its checkpoint names an event that this store does not have.
            These three are mended by a rebuild.

        events: The number of events of its stream it has finished.

        behind: How many it has not; None when that cannot be told.

        position: Every event of its stream up to this position of the store is finished.

        event_id: The last event it has finished; None for none.
    """

    model_config = ConfigDict(frozen=True)

    projector: str
    state: Standing
    events: int
    behind: int | None
    position: int
    event_id: str | None


async def read_status(projector: Projector, store: EventStore, database: ReadModelDatabase | None) -> ProjectorStatus:
    """
    Read the checkpoint of *projector* and compare it with the store and its tables.

    Args:
        database: None for one that does not exist yet.
    """
    stored = await database.read(lambda tx: _read(tx, projector)) if database else _Stored()
    checkpoint = stored.checkpoint or START
    behind: int | None = None
    if await _fits(store, checkpoint):
        behind = await store.count(projector.subject, lower_bound=checkpoint.event_id or None)
    return ProjectorStatus(
        projector=projector.name,
        state=_standing(stored, behind),
        events=checkpoint.events,
        behind=behind,
        position=checkpoint.position,
        event_id=checkpoint.event_id or None,
    )


@attrs.frozen
class _Stored:
    """
    What a database holds of one projector.
    """

    checkpoint: Checkpoint | None = None
    lacks_tables: bool = True
    has_rows: bool = False


def _read(tx: Connection, projector: Projector) -> _Stored:
    # One reflection for all questions, within the transaction.
    inspector = inspect(tx)
    present = [table for table in projector.tables if inspector.has_table(table.name, schema=table.schema)]
    has_checkpoints = inspector.has_table(checkpoint_table.name)
    return _Stored(
        checkpoint=load_checkpoint(tx, projector.name) if has_checkpoints else None,
        lacks_tables=len(present) < len(projector.tables),
        has_rows=any(_has_rows(tx, table) for table in present),
    )


def _has_rows(tx: Connection, table: Table) -> bool:
    return tx.execute(select(1).select_from(table).limit(1)).first() is not None


async def _fits(store: EventStore, checkpoint: Checkpoint) -> bool:
    if not checkpoint.event_id:
        return True
    try:
        return (await find_event(store, checkpoint.event_id)).hash == checkpoint.event_hash
    except EventNotFoundError:
        return False


def _standing(stored: _Stored, behind: int | None) -> Standing:
    if stored.checkpoint is None:
        return "checkpoint_missing" if stored.has_rows else "new"
    if stored.lacks_tables:
        return "tables_missing"
    if behind is None:
        return "checkpoint_mismatch"
    return "behind" if behind else "caught_up"
