"""
The place a process manager has come to in the log, kept in a read-model database.

It saves reading what was read before, and nothing depends on it: what is read once more was answered
before. So it need not be written with anything, and two workers may share it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from sqlalchemy.exc import SQLAlchemyError

from eventsource.errors import EventNotFoundError
from eventsource.log import get_logger
from eventsource.subscriptions.checkpoint import (
    START,
    Checkpoint,
    create_checkpoint_table,
    forget_checkpoint,
    load_checkpoint,
    move_checkpoint,
)
from eventsource.subscriptions.subscription import find_event

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from eventsource.projections.database import ReadModelDatabase
    from eventsource.store.interface import EventStore

log = get_logger(__name__)


class Place:
    """
    Where the process manager *listener* has come to.

    Args:
        database: None to keep nothing.
    """

    def __init__(self, listener: str, database: ReadModelDatabase | None) -> None:
        self._listener = listener
        self._database = database
        self._saved = START

    async def load(self, store: EventStore) -> Checkpoint:
        """
        What was saved last; the start if nothing was, or if the store does not have that event.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database does not answer.
        """
        if self._database is None:
            return START

        def load(tx: Connection) -> Checkpoint:
            create_checkpoint_table(tx)
            return load_checkpoint(tx, self._listener) or START

        saved = await self._database.write(load)
        if not saved.event_id:
            return START
        try:
            last = await find_event(store, saved.event_id)
        except EventNotFoundError:
            last = None
        if last is None or last.hash != saved.event_hash:
            # Another store, or one restored to an earlier day.
            log.warning("process.place_unknown", listener=self._listener, event_id=saved.event_id)
            await self._database.write(lambda tx: forget_checkpoint(tx, self._listener))
            return START
        # Another kind of store, or one restored from a copy, may have the event at another place.
        self._saved = attrs.evolve(saved, position=last.position)
        return self._saved

    async def save(self, reached: Checkpoint) -> None:
        """
        Save that everything up to there is finished, unless another worker has come further.
        """
        if self._database is None or reached.position <= self._saved.position:
            return

        def save(tx: Connection) -> None:
            stored = load_checkpoint(tx, self._listener)
            if stored is None or stored.position < reached.position:
                move_checkpoint(tx, self._listener, before=stored, to=reached)

        try:
            await self._database.write(save)
        except SQLAlchemyError as error:
            log.warning("process.place_not_saved", listener=self._listener, error=type(error).__name__)
        else:
            self._saved = reached
