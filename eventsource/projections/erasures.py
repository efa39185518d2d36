"""
Erased subjects and read models: what is to be let go of, what was known before, what is left in the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from sqlalchemy import Boolean, Column, MetaData, String, Table, delete, insert, inspect, select

from eventsource.events.personal_data import HELD_TEXT, is_gone
from eventsource.events.subject_erased import SubjectErased
from eventsource.gdbql import And, Comparison, Constant, OrderKey, Path, Query, Under
from eventsource.store.query import QueryLimits
from eventsource.subscriptions.checkpoint import create_tables
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import EventNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from eventsource.events.event import RecordedEvent
    from eventsource.events.subject import Subject
    from eventsource.store.interface import EventStore

_METADATA = MetaData()

_table = Table(
    "eventsource_erasures",
    _METADATA,
    Column("listener", String(200), primary_key=True),
    Column("known_event_id", String(200), nullable=False),
    Column("needs_cleaning", Boolean, nullable=False),
)

# Events of which a read model holds nothing, though they are empty only since somebody erased them: read when they were
# empty already, or let go of. So another record that names them changes nothing.
_emptied = Table(
    "eventsource_emptied_events",
    _METADATA,
    Column("listener", String(200), primary_key=True),
    Column("event_id", String(200), primary_key=True),
)
_IDS_AT_A_TIME: Final = 500

# Erasing leaves this of the mark of data stored by reference.
_EMPTIED_MARK: Final = f'{HELD_TEXT}:""'

# A type is looked up in an index; in memory all of a large log may be looked at.
_AMPLE: Final = QueryLimits(time_s=600)


@attrs.frozen
class ErasureNotes:
    """
    What a read model has to remember about erasures.

    Attributes:
        known_event_id: The last `SubjectErased` of its stream when it began to be filled; empty for none. The
            events of that and all before were empty already when they were read.

        needs_cleaning: Whether what was deleted may still stand in the files of the database.
    """

    known_event_id: str = ""
    needs_cleaning: bool = False


def create_notes_table(tx: Connection) -> None:
    """
    Make the table if it is not there.
    """
    create_tables(tx, _METADATA)


def load_notes(tx: Connection, listener: str) -> ErasureNotes:
    """
    The notes of *listener*.
    """
    if not inspect(tx).has_table(_table.name):
        return ErasureNotes()
    row = tx.execute(select(_table).where(_table.c.listener == listener)).one_or_none()
    return ErasureNotes(row.known_event_id, row.needs_cleaning) if row else ErasureNotes()


def save_notes(tx: Connection, listener: str, notes: ErasureNotes) -> None:
    """
    Replace the notes of *listener*.
    """
    tx.execute(delete(_table).where(_table.c.listener == listener))
    if notes != ErasureNotes():
        tx.execute(insert(_table).values(listener=listener, **attrs.asdict(notes)))


async def last_erasure(store: EventStore, subject: Subject) -> str:
    """
    The id of the last `SubjectErased` at or below *subject*; empty for none.
    """
    conditions = (
        Comparison("==", Path(("type",)), Constant(SubjectErased.event_type)),
        Under(Path(("subject",)), Constant(str(subject))),
    )
    newest = (OrderKey(Path(("time",)), descending=True),)
    query = Query(where=And(conditions), order_by=newest, projection=Path(("id",)), limit=1)
    async for event_id in store.query(query, limits=_AMPLE):
        return str(event_id)
    return ""


async def position_of(store: EventStore, event_id: str) -> int:
    """
    Position of an event in this store; 0 if it is not here.
    """
    if not event_id:
        return 0
    try:
        return (await find_event(store, event_id)).position
    except EventNotFoundError:
        return 0


def save_emptied(tx: Connection, listener: str, event_ids: Iterable[str]) -> None:
    """
    Remember events that the read model of *listener* holds nothing of any more: they were empty when they were read.
    """
    ids = sorted({*event_ids} - known_emptied(tx, listener, event_ids))
    if ids:
        tx.execute(insert(_emptied), [{"listener": listener, "event_id": event_id} for event_id in ids])


def known_emptied(tx: Connection, listener: str, event_ids: Iterable[str]) -> set[str]:
    """
    Those of *event_ids* that `save_emptied` has remembered.
    """
    ids = sorted({*event_ids})
    found: set[str] = set()
    for start in range(0, len(ids), _IDS_AT_A_TIME):
        some = ids[start : start + _IDS_AT_A_TIME]
        these = select(_emptied.c.event_id).where(_emptied.c.listener == listener, _emptied.c.event_id.in_(some))
        found.update(tx.execute(these).scalars())
    return found


def forget_emptied(tx: Connection, listener: str) -> None:
    """
    Forget them all: the read model is filled anew, maybe from another store.
    """
    tx.execute(delete(_emptied).where(_emptied.c.listener == listener))


def reads_as_gone(event: RecordedEvent) -> bool:
    """
    True if an event shows by its mark that it was empty when it was read.

    Those without a mark cannot be told from others at the price that each event can pay.
    """
    return _EMPTIED_MARK in event.data_json and is_gone(event)
