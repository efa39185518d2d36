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

from eventsource.domain.evolution.subject_erased import SubjectErased, erased_subject
from eventsource.errors import (
    CheckpointMismatchError,
    CheckpointMissingError,
    ErasedDataRemainsError,
    ProjectorFailedError,
    ProjectorSupersededError,
    ReadModelIncompleteError,
)
from eventsource.log import get_logger
from eventsource.projections.erasures import (
    ErasureNotes,
    create_notes_table,
    emptied_events,
    last_erasure,
    load_notes,
    position_of,
    save_notes,
)
from eventsource.projections.pages import checkpoint_after, part_before, parts_of
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


# How long to leave a database alone whose files could not be cleaned of what was erased, in seconds.
_CLEANING_PAUSE_S = 30.0


class _HandlerRaised(Exception):  # noqa: N818  passed between two functions here, never seen outside
    def __init__(self, index: int, event: RecordedEvent, cause: Exception) -> None:
        super().__init__(index)
        self.index = index
        self.event = event
        self.cause = cause


class _MustStartOver(Exception):  # noqa: N818  likewise
    pass


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
        self._notes = ErasureNotes()
        # Events were empty already when they were read, if they were erased up to here.
        self._known_erasures = 0
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
        while True:
            try:
                await self._run_once()
            except _MustStartOver:
                await self._start_over()

    async def _run_once(self) -> None:
        self._saved = await self._database.write(self._prepare)
        await self._look_at_erasures()
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
        while self._notes.needs_cleaning and not upcoming.done():
            await asyncio.wait({upcoming}, timeout=_CLEANING_PAUSE_S)
            await self._clean()
        await asyncio.wait({upcoming})

    async def _take(self, page: Page) -> None:
        for part in parts_of(page):
            if part.events and part.events[0].type == SubjectErased.event_type:
                await self._take_erasure(part)
            else:
                await self._take_events(part)

    async def _take_events(self, page: Page) -> None:
        before = self.progress.checkpoint
        after = checkpoint_after(before, page)
        wanted = [event for event in page.events if self._projector.wants(event)]
        is_due = time.monotonic() - self._saved_at >= _IDLE_CHECKPOINT_S
        if wanted or (after != self._saved and is_due):
            await self._commit(page, wanted, after)
        self._tell_taken(page, after)

    def _tell_taken(self, page: Page, after: Checkpoint) -> None:
        was_live = self.progress.state == "live"
        if not was_live and page.caught_up:
            log.info("projector.caught_up", projector=self._projector.name, finished=after.events)
        self._tell(state="live" if page.caught_up or was_live else "catching up", checkpoint=after)

    # --- Letting go of what was erased ---

    async def _look_at_erasures(self) -> None:
        """
        Find out which erasures the read model need not be told of, and finish what was begun.
        """
        name = self._projector.name
        self._notes = await self._database.read(lambda tx: load_notes(tx, name))
        if self._saved is None:
            # Before the first event is read: all that was erased by now will be read as erased.
            known = await last_erasure(self._store, self._projector.subject)
            if known != self._notes.known_event_id:
                await self._note(attrs.evolve(self._notes, known_event_id=known))
        self._known_erasures = await position_of(self._store, self._notes.known_event_id)
        if self._notes.needs_cleaning:
            await self._clean()

    async def _take_erasure(self, page: Page) -> None:
        """
        Take the one event of *page*, which tells that events were erased that may be in the read model.
        """
        (erasure,) = page.events
        emptied: list[RecordedEvent] = []
        if erasure.position > self._known_erasures:
            emptied = [event for event in await emptied_events(self._store, erasure) if self._projector.wants(event)]
        if not emptied:
            await self._take_events(page)
            return
        if not all(map(self._projector.lets_go, emptied)):
            if not self._projector.tables:
                raise ErasedDataRemainsError(self._projector.name, event_id=erasure.id, subject=erased_subject(erasure))
            raise _MustStartOver
        if self._projector.wants(erasure):
            emptied.append(erasure)
        after = checkpoint_after(self.progress.checkpoint, page)
        try:
            await self._write(emptied, after, notes=attrs.evolve(self._notes, needs_cleaning=True))
        except _HandlerRaised as raised:
            raise self._failed(erasure, raised.cause) from raised.cause
        self._saved = after
        self._saved_at = time.monotonic()
        log.info("projector.let_go", projector=self._projector.name, events=len(emptied))
        # First, so that whoever waits for this event may look into the files.
        await self._clean()
        self._tell_taken(page, after)

    async def _start_over(self) -> None:
        """
        Empty the read model, to be filled again from events of which some are erased now.
        """

        def reset_mine(tx: Connection) -> None:
            if not move_checkpoint(tx, self._projector.name, before=self._saved, to=self._saved or START):
                raise ProjectorSupersededError(self._projector.name)
            reset(self._projector, tx)
            save_notes(tx, self._projector.name, ErasureNotes(needs_cleaning=True))

        log.info("projector.starting_over", projector=self._projector.name)
        await self._database.write(reset_mine)
        self._tell(state="catching up", checkpoint=START)

    async def _clean(self) -> None:
        if await self._database.clean():
            await self._note(attrs.evolve(self._notes, needs_cleaning=False))
        else:
            log.warning("projector.cleaning_unfinished", projector=self._projector.name)

    async def _note(self, notes: ErasureNotes) -> None:
        await self._database.write(lambda tx: save_notes(tx, self._projector.name, notes))
        self._notes = notes

    # --- Transactions ---

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
                after = checkpoint_after(self.progress.checkpoint, part_before(raised.event, page))
            else:
                break
        self._saved = after
        self._saved_at = time.monotonic()
        if failure is not None:
            self.progress.move(state=self.progress.state, checkpoint=after)
            raise self._failed(failure.event, failure.cause) from failure.cause

    def _failed(self, event: RecordedEvent, cause: Exception) -> ProjectorFailedError:
        return ProjectorFailedError(
            self._projector.name, event_id=event.id, event_type=event.type, subject=event.subject, cause=cause
        )

    async def _write(
        self, wanted: Sequence[RecordedEvent], after: Checkpoint, *, notes: ErasureNotes | None = None
    ) -> None:
        def change(tx: Connection) -> None:
            self._apply(tx, wanted, after)
            if notes is not None:
                save_notes(tx, self._projector.name, notes)

        for pause_s in _DATABASE_PAUSES_S:
            try:
                await self._database.write(change)
            except OperationalError as error:
                log.warning("projector.database_unavailable", projector=self._projector.name, error=str(error.orig))
                await asyncio.sleep(pause_s)
            else:
                break
        else:
            await self._database.write(change)
        self._notes = notes or self._notes

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
        create_notes_table(tx)
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
    create_notes_table(tx)
    for table in reversed(projector.tables):
        table.drop(tx, checkfirst=True)
    for table in projector.tables:
        table.create(tx)
    forget_checkpoint(tx, projector.name)


def _missing_column(existing: Inspector, table: Table) -> str | None:
    there = {column["name"] for column in existing.get_columns(table.name, schema=table.schema)}
    return next((column.name for column in table.columns if column.name not in there), None)
