"""
How far a process manager has come: the window of inputs in flight and the stored checkpoint.
"""

from __future__ import annotations

import json
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, and_, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from eventsource.log import get_logger
from eventsource.processes.process_events import ProcessParked, SentCommand, SetTimer
from eventsource.processes.process_state import ProcessState
from eventsource.subscriptions.checkpoint import (
    START,
    Checkpoint,
    create_checkpoint_table,
    forget_checkpoint,
    load_checkpoint,
    move_checkpoint,
)
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import EventNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from eventsource.events.event import RecordedEvent
    from eventsource.processes.pending_work import PendingWork
    from eventsource.projections.database import ReadModelDatabase
    from eventsource.store.interface import EventStore


log = get_logger(__name__)

_METADATA = MetaData()

# One row for each process with open work, none for others; and the row without an id, which says up to which event
# of the log the rows are complete. A row holds ids, types and times: no data of any event or command.
_table = Table(
    "eventsource_open_processes",
    _METADATA,
    Column("listener", String(200), primary_key=True),
    Column("process_id", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("open_work", Text, nullable=False),
)
_OF_ALL: Final = ""
_IDS_AT_A_TIME: Final = 500


class CheckpointStore:
    """
    What is kept for the process manager *listener*.

    Args:
        database: None to keep nothing.
    """

    def __init__(self, listener: str, database: ReadModelDatabase | None) -> None:
        self._listener = listener
        self._database = database
        self._saved = START
        self._read_up_to = 0

    async def load(self, store: EventStore, work: PendingWork) -> Checkpoint:
        """
        What was saved last; the start if nothing was, or if the store does not have that event.

        Args:
            work: Is given the open work that was saved; else it is read from the store.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database does not answer.
            StoreError: The store does not.
        """
        if self._database is None:
            await work.read(store)
            return START

        def load(tx: Connection) -> tuple[Checkpoint, Checkpoint | None, dict[str, ProcessState]]:
            create_checkpoint_table(tx)
            _METADATA.create_all(tx)
            mark, books = _load_rows(tx, self._listener)
            return load_checkpoint(tx, self._listener) or START, mark, books

        saved, mark, books = await self._database.write(load)
        place = await self._find(store, saved)
        if saved.event_id and place is None:
            # Another store, or one restored to an earlier day.
            log.warning("process.place_unknown", listener=self._listener, event_id=saved.event_id)
            await self._database.write(lambda tx: _forget(tx, self._listener))
            await work.read(store)
            return START
        known = None if mark is None else await self._find(store, mark)
        if mark is not None and known is not None and known.position == mark.position:
            work.position, work.books = mark.position, books
            work.resume()
            self._read_up_to = mark.position
        else:
            # An earlier release wrote no rows; and positions differ from one kind of store to another.
            await self._database.write(lambda tx: _forget_rows(tx, self._listener))
            await work.read(store)
        if place is not None:
            # Another kind of store, or one restored from a copy, may have the event at another place.
            self._saved = attrs.evolve(saved, position=place.position)
        return self._saved

    async def save(self, finished: Checkpoint, *, read: Checkpoint, work: PendingWork) -> None:
        """
        Save that everything up to *finished* is finished, and what is open once all up to *read* is counted in.

        Where another worker has come further, that stays.
        """
        changes = work.take_changes()
        is_behind = finished.position <= self._saved.position and read.position <= self._read_up_to
        if self._database is None or (is_behind and not changes):
            return

        def save(tx: Connection) -> None:
            stored = load_checkpoint(tx, self._listener)
            if finished.event_id and (stored is None or stored.position < finished.position):
                move_checkpoint(tx, self._listener, before=stored, to=finished)
            rows = {
                id: (position, None if book is None else _to_text(book)) for id, (position, book) in changes.items()
            }
            if read.event_id:
                rows[_OF_ALL] = read.position, json.dumps([read.event_id, read.event_hash])
            _save_rows(tx, self._listener, rows)

        try:
            await self._database.write(save)
        except SQLAlchemyError as error:
            work.give_back(changes)
            log.warning("process.place_not_saved", listener=self._listener, error=type(error).__name__)
        else:
            self._saved, self._read_up_to = max(self._saved, finished, key=_position), read.position

    async def _find(self, store: EventStore, saved: Checkpoint) -> RecordedEvent | None:
        if not saved.event_id:
            return None
        try:
            found = await find_event(store, saved.event_id)
        except EventNotFoundError:
            return None
        return found if found.hash == saved.event_hash else None


def _position(checkpoint: Checkpoint) -> int:
    return checkpoint.position


def _load_rows(tx: Connection, listener: str) -> tuple[Checkpoint | None, dict[str, ProcessState]]:
    mark: Checkpoint | None = None
    books: dict[str, ProcessState] = {}
    for row in tx.execute(select(_table).where(_table.c.listener == listener)):
        if row.process_id == _OF_ALL:
            event_id, event_hash = json.loads(row.open_work)
            mark = Checkpoint(event_id=event_id, event_hash=event_hash, position=row.position)
        else:
            books[row.process_id] = _from_text(row.open_work)
    return mark, books


def _save_rows(tx: Connection, listener: str, rows: Mapping[str, tuple[int, str | None]]) -> None:
    """
    Replace rows, but for those that another worker wrote which had read further.
    """
    ids = list(rows)
    for start in range(0, len(ids), _IDS_AT_A_TIME):
        some = ids[start : start + _IDS_AT_A_TIME]
        these = and_(_table.c.listener == listener, _table.c.process_id.in_(some))
        stored = {row.process_id: row.position for row in tx.execute(select(_table).where(these))}
        newer = [id for id in some if id not in stored or stored[id] <= rows[id][0]]
        tx.execute(delete(_table).where(_table.c.listener == listener, _table.c.process_id.in_(newer)))
        added = [
            {"listener": listener, "process_id": id, "position": position, "open_work": text}
            for id in newer
            for position, text in [rows[id]]
            if text is not None
        ]
        if added:
            tx.execute(insert(_table), added)


def _forget_rows(tx: Connection, listener: str) -> None:
    tx.execute(delete(_table).where(_table.c.listener == listener))


def _forget(tx: Connection, listener: str) -> None:
    forget_checkpoint(tx, listener)
    _forget_rows(tx, listener)


def _to_text(book: ProcessState) -> str:
    parked = book.parked
    members: dict[str, Any] = {
        "unsent": list(book.unsent),
        "timers": {id: [timer.due_at.isoformat(), timer.type] for id, timer in book.timers.items()},
        "held": list(book.held),
        "parked": None if parked is None else [parked.stage, parked.cause],
    }
    return json.dumps({name: value for name, value in members.items() if value})


def _from_text(text: str) -> ProcessState:
    members = json.loads(text)
    book = ProcessState()
    nothing = SentCommand(name="", data={})
    book.unsent = dict.fromkeys(((cause, index) for cause, index in members.get("unsent", ())), nothing)
    book.timers = {
        id: SetTimer(due_at=datetime.fromisoformat(due_at), type=kind, data={})
        for id, (due_at, kind) in members.get("timers", {}).items()
    }
    book.held = dict.fromkeys(members.get("held", ()))
    if parked := members.get("parked"):
        stage, cause = parked
        book.parked = ProcessParked(stage=stage, cause=cause, cause_type="", error="", place="")
    return book


@attrs.define(eq=False)
class Entry:
    """
    One event that is being worked on.
    """

    checkpoint: Checkpoint
    left: int = 0

    @property
    def is_finished(self) -> bool:
        """
        Whether nothing of it is left to be done.
        """
        return self.left == 0


class AckWindow:
    """
    Tells up to where every event is finished, while later ones may be finished already.

    Args:
        start: Where the reader begins.
    """

    def __init__(self, start: Checkpoint = START) -> None:
        self.finished = start
        self._read = start
        self._open: deque[Entry] = deque()

    @property
    def read(self) -> Checkpoint:
        """
        Up to where events were read.
        """
        return self._read

    def enter(self, recorded: RecordedEvent, *, times: int = 1) -> Entry:
        """
        An event was read. `finish` what this gives, so many times, when it is done.
        """
        self._advance(recorded)
        entry = Entry(self._read, times)
        self._open.append(entry)
        return entry

    def pass_by(self, recorded: RecordedEvent) -> None:
        """
        An event was read with which nothing is to be done.
        """
        self._advance(recorded)
        if not self._open:
            self.finished = self._read
        elif self._open[-1].is_finished:
            self._open[-1].checkpoint = self._read
        else:
            self._open.append(Entry(self._read))

    def finish(self, entry: Entry) -> None:
        """
        What was to be done about an event is done.
        """
        entry.left -= 1
        while self._open and self._open[0].is_finished:
            self.finished = self._open.popleft().checkpoint

    def _advance(self, recorded: RecordedEvent) -> None:
        self._read = Checkpoint(
            event_id=recorded.id, event_hash=recorded.hash, position=recorded.position, events=self._read.events + 1
        )
