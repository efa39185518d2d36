"""
Running one projector: pages of events in, one transaction each.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs
from sqlalchemy import inspect, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from eventsource.errors import (
    CheckpointMismatchError,
    CheckpointMissingError,
    ProjectorFailedError,
    ProjectorSupersededError,
    ReadModelIncompleteError,
)
from eventsource.log import get_logger
from eventsource.projections.progress import RunningProgress
from eventsource.store.interface import Page
from eventsource.subscriptions.checkpoint import (
    START,
    Checkpoint,
    create_checkpoint_table,
    forget_checkpoint,
    load_checkpoint,
    move_checkpoint,
)
from eventsource.subscriptions.subscription import find_event, subscribe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from sqlalchemy import Connection, Inspector, Table

    from eventsource.domain.event import RecordedEvent
    from eventsource.projections.database import ReadModelDatabase
    from eventsource.projections.progress import State
    from eventsource.projections.projector import Projector
    from eventsource.store.interface import EventStore

log = get_logger(__name__)

# How long a checkpoint may stay behind while only events pass by that the projector has no handler for, in seconds.
_IDLE_CHECKPOINT_S = 0.2

# A database that is locked or restarting: pauses between tries, in seconds.
_DATABASE_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class _HandlerRaised(Exception):  # noqa: N818  passed between two functions here, never seen outside
    def __init__(self, index: int, event: RecordedEvent, cause: Exception) -> None:
        super().__init__(index)
        self.index = index
        self.event = event
        self.cause = cause


class ProjectorRun:
    """
    Keeps the read model of one projector up to date until it is cancelled or fails.

    Args:
        on_progress: Called after each page, and when it has stopped or failed.
    """

    def __init__(
        self,
        projector: Projector,
        store: EventStore,
        database: ReadModelDatabase,
        *,
        on_progress: Callable[[RunningProgress], None] | None = None,
    ) -> None:
        self._projector = projector
        self._store = store
        self._database = database
        self._on_progress = on_progress
        # What the database holds; None before the first transaction.
        self._saved: Checkpoint | None = None
        self._saved_at = 0.0
        self.progress = RunningProgress(projector.name, projector.subject, store)
        projector.track(self.progress)

    async def run(self) -> None:
        """
        Catch up, then follow.

        Raises:
            ProjectorFailedError: A handler raised.
            ProjectorSupersededError: Another worker runs this projector.
            CheckpointMissingError, CheckpointMismatchError, ReadModelIncompleteError: The read model does not fit.
            StoreError, sqlalchemy.exc.SQLAlchemyError: The store or the database does not answer.
        """
        try:
            await self._run()
        except asyncio.CancelledError:
            await self._save_what_passed_by()
            self._tell(state="stopped")
            raise
        except Exception as error:
            self._tell(state="failed", error=error)
            log.error("projector.failed", projector=self._projector.name, error=str(error))  # noqa: TRY400  raised too
            raise

    async def _run(self) -> None:
        self._saved = await self._database.write(self._prepare)
        checkpoint = self._saved or START
        stream = await subscribe(self._store, self._projector.subject, checkpoint)
        if stream is None:
            raise CheckpointMismatchError(self._projector.name, event_id=checkpoint.event_id)
        behind = await self._store.count(self._projector.subject, lower_bound=checkpoint.event_id or None)
        self.progress.total = checkpoint.events + behind
        # Another kind of store, or one restored from a copy, may have the event at another place.
        position = (await find_event(self._store, checkpoint.event_id)).position if checkpoint.event_id else 0
        self.progress.move(state="catching up", checkpoint=attrs.evolve(checkpoint, position=position))
        log.info("projector.started", projector=self._projector.name, finished=checkpoint.events, behind=behind)
        try:
            await self._follow(stream.pages())
        finally:
            await stream.aclose()

    async def _follow(self, pages: AsyncGenerator[Page]) -> None:
        await self._take(await anext(pages))
        while True:
            upcoming = asyncio.ensure_future(anext(pages))
            try:
                await self._wait_for(upcoming)
                page = upcoming.result()
            finally:
                # Stopped while waiting: the stream cannot be closed as long as somebody reads it.
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)
            await self._take(page)

    async def _wait_for(self, upcoming: asyncio.Future[Page]) -> None:
        """
        Return when the next page is there. If it takes a while, save the checkpoint of what was passed over.
        """
        if self.progress.checkpoint != self._saved:
            await asyncio.wait({upcoming}, timeout=_IDLE_CHECKPOINT_S)
            if not upcoming.done():
                nothing = Page((), self.progress.checkpoint.position, caught_up=True)
                await self._commit(nothing, (), self.progress.checkpoint)
        await asyncio.wait({upcoming})

    async def _take(self, page: Page) -> None:
        before = self.progress.checkpoint
        after = _checkpoint_after(before, page)
        wanted = [event for event in page.events if self._projector.wants(event)]
        is_due = time.monotonic() - self._saved_at >= _IDLE_CHECKPOINT_S
        if wanted or (after != self._saved and is_due):
            await self._commit(page, wanted, after)
        was_live = self.progress.state == "live"
        if not was_live and page.caught_up:
            log.info("projector.caught_up", projector=self._projector.name, finished=after.events)
        self._tell(state="live" if page.caught_up or was_live else "catching up", checkpoint=after)

    async def _save_what_passed_by(self) -> None:
        """
        Save the checkpoint of events that needed no transaction, so that nobody takes them for unread.
        """
        reached = self.progress.checkpoint
        if reached.position > (self._saved or START).position:
            # Tried once: what it fails at, the next run reads again. A transaction that was under way has moved it.
            with suppress(ProjectorSupersededError, SQLAlchemyError):
                await self._database.write(lambda tx: self._apply(tx, (), reached))

    def _tell(self, *, state: State, checkpoint: Checkpoint | None = None, error: Exception | None = None) -> None:
        self.progress.move(state=state, checkpoint=checkpoint, error=error)
        if self._on_progress:
            self._on_progress(self.progress)

    async def _commit(self, page: Page, wanted: Sequence[RecordedEvent], after: Checkpoint) -> None:
        failure: _HandlerRaised | None = None
        while True:
            try:
                await self._write(wanted, after)
            except _HandlerRaised as raised:
                failure = raised
                # The transaction is gone, so what came before the failing event is applied once more, without it.
                wanted = wanted[: raised.index]
                after = _checkpoint_after(self.progress.checkpoint, _part_before(raised.event, page))
            else:
                break
        self._saved = after
        self._saved_at = time.monotonic()
        if failure is not None:
            self.progress.move(state=self.progress.state, checkpoint=after)
            raise ProjectorFailedError(
                self._projector.name,
                event_id=failure.event.id,
                event_type=failure.event.type,
                subject=failure.event.subject,
                cause=failure.cause,
            ) from failure.cause

    async def _write(self, wanted: Sequence[RecordedEvent], after: Checkpoint) -> None:
        def change(tx: Connection) -> None:
            self._apply(tx, wanted, after)

        for pause_s in _DATABASE_PAUSES_S:
            try:
                await self._database.write(change)
            except OperationalError as error:
                log.warning("projector.database_unavailable", projector=self._projector.name, error=str(error.orig))
                await asyncio.sleep(pause_s)
            else:
                return
        await self._database.write(change)

    def _apply(self, tx: Connection, wanted: Sequence[RecordedEvent], after: Checkpoint) -> None:
        # First, or handlers would fail on what another worker has applied, and it would look like their defect.
        if not move_checkpoint(tx, self._projector.name, before=self._saved, to=after):
            raise ProjectorSupersededError(self._projector.name)
        handle = self._projector.handle
        for index, recorded in enumerate(wanted):
            try:
                handle(recorded, tx)
            except Exception as error:
                raise _HandlerRaised(index, recorded, error) from error

    def _prepare(self, tx: Connection) -> Checkpoint | None:
        create_checkpoint_table(tx)
        checkpoint = load_checkpoint(tx, self._projector.name)
        existing = inspect(tx)
        for table in self._projector.tables:
            if not existing.has_table(table.name, schema=table.schema):
                if checkpoint is not None:
                    raise ReadModelIncompleteError(self._projector.name, table=table.name)
                table.create(tx)
            elif checkpoint is None and tx.execute(select(1).select_from(table).limit(1)).first():
                raise CheckpointMissingError(self._projector.name, table=table.name)
            elif column := _missing_column(existing, table):
                raise ReadModelIncompleteError(self._projector.name, table=table.name, column=column)
        return checkpoint


def reset(projector: Projector, tx: Connection) -> None:
    """
    Empty the read model and forget its checkpoint.
    """
    create_checkpoint_table(tx)
    for table in reversed(projector.tables):
        table.drop(tx, checkfirst=True)
    for table in projector.tables:
        table.create(tx)
    forget_checkpoint(tx, projector.name)


def _missing_column(existing: Inspector, table: Table) -> str | None:
    there = {column["name"] for column in existing.get_columns(table.name, schema=table.schema)}
    return next((column.name for column in table.columns if column.name not in there), None)


def _part_before(event: RecordedEvent, page: Page) -> Page:
    return Page(page.events[: page.events.index(event)], event.position - 1, caught_up=False)


def _checkpoint_after(before: Checkpoint, page: Page) -> Checkpoint:
    if not page.events:
        return attrs.evolve(before, position=max(before.position, page.position))
    last = page.events[-1]
    return Checkpoint(
        event_id=last.id,
        event_hash=last.hash,
        position=max(page.position, last.position),
        events=before.events + len(page.events),
    )
