"""
Running one projector: pages of events in, one transaction each.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NoReturn

import attrs
from sqlalchemy import inspect, select
from sqlalchemy.exc import SQLAlchemyError

from eventsource.events.subject import Subject
from eventsource.events.subject_erased import is_erasure
from eventsource.log import get_logger
from eventsource.projections.database import Written
from eventsource.projections.declaration import changes_between, writer_of
from eventsource.projections.erasures import (
    ErasureNotes,
    create_notes_table,
    forget_emptied,
    known_emptied,
    last_erasure,
    load_notes,
    position_of,
    reads_as_gone,
    save_emptied,
    save_notes,
)
from eventsource.projections.errors import (
    CheckpointMismatchError,
    CheckpointMissingError,
    ErasedDataRemainsError,
    HandlerTransactionError,
    ProjectorChangedError,
    ProjectorFailedError,
    ProjectorOutdatedError,
    ProjectorSupersededError,
    UnfinishedEffectsError,
)
from eventsource.projections.faults import describe, is_made_meanwhile, passes
from eventsource.projections.pages import checkpoint_after, part_before, parts_of
from eventsource.projections.progress import RunningProgress
from eventsource.projections.tables import claim, create_missing, create_owners_table, empty, require
from eventsource.store.erasures import ErasureRecords
from eventsource.store.interface import Page
from eventsource.subscriptions.checkpoint import (
    START,
    Batch,
    Checkpoint,
    StoredCheckpoint,
    create_checkpoint_table,
    load_stored,
    mark_unfinished,
    store_checkpoint,
)
from eventsource.subscriptions.errors import ProjectionError, ReadModelDatabaseError
from eventsource.subscriptions.subscription import find_event, subscribe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from sqlalchemy import Connection

    from eventsource.events.event import RecordedEvent
    from eventsource.projections.database import ReadModelDatabase
    from eventsource.projections.progress import State
    from eventsource.projections.projector import Projector
    from eventsource.projections.transaction import BatchConnection
    from eventsource.store.interface import EventStore

log = get_logger(__name__)

# How long a checkpoint may stay behind while only events pass by that the projector has no handler for, in seconds.
_IDLE_CHECKPOINT_S = 0.2

# A store or a database that is away: pauses between tries, in seconds; the last one from then on.
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

# How long a worker that stops tries to save the checkpoint of what passed by, in seconds.
_LAST_SAVE_S = 1.0

# How long to leave a database alone whose files could not be cleaned of what was erased, in seconds.
_CLEANING_PAUSE_S = 30.0


class _HandlerRaised(Exception):  # noqa: N818  passed between two functions here, never seen outside
    def __init__(self, index: int, event: RecordedEvent, cause: Exception) -> None:
        super().__init__(index)
        self.index = index
        self.event = event
        self.cause = cause
        # Whether effects may stand in the tables without a checkpoint.
        self.has_ended = False


@attrs.frozen
class _Emptying:
    """
    Why a read model is emptied: asked for by the caller, for erased data in it, for effects without a checkpoint.
    """

    reason: Literal["asked for", "erased data", "unfinished effects"]
    # The events that are read as empty from now on: no further record that names them is a reason.
    emptied: tuple[str, ...] = ()


class _MustStartOver(Exception):  # noqa: N818  likewise
    def __init__(self, emptying: _Emptying) -> None:
        super().__init__(emptying)
        self.emptying = emptying


class ProjectorRun:
    """
    Keeps the read model of one projector up to date until it is cancelled or fails.

    A store or a database that does not answer, a deadlock, a lock that cannot be had: what was under way is rolled
    back and done again from the checkpoint, as often as it takes.

    Args:
        on_progress: Called after each page, and when it is retrying, has stopped or has failed.

        from_start: Empty the read model first.
    """

    def __init__(
        self,
        projector: Projector,
        store: EventStore,
        database: ReadModelDatabase,
        *,
        on_progress: Callable[[RunningProgress], None] | None = None,
        from_start: bool = False,
    ) -> None:
        self._projector = projector
        self._store = store
        self._database = database
        self._on_progress = on_progress
        self._writer = writer_of(projector, database.dialect)
        # What has to be done to the read model before it is filled.
        self._emptying: _Emptying | None = _Emptying("asked for") if from_start else None
        # What the database holds, and in which epoch this run writes.
        self._saved = START
        self._epoch = -1
        self._saved_at = 0.0
        self._notes = ErasureNotes()
        # Events were empty already when they were read, if they were erased up to here.
        self._known_erasures = 0
        self._faults = 0
        self._is_preparing = False
        self.progress = RunningProgress(projector.name, projector.subject, store)
        projector.track(self.progress)

    async def run(self) -> None:
        """
        Catch up, then follow.

        Raises:
            ProjectorFailedError: A handler raised.
            ProjectorSupersededError: Another worker runs this projector.
            ProjectorOutdatedError, ProjectorChangedError: Another version of it has made the read model.
            TableTakenError, ReadModelInUseError: A table belongs to another projector, or is needed by others.
            CheckpointMissingError, CheckpointMismatchError, ReadModelIncompleteError: The read model does not fit.
            ReadModelDatabaseError: The database refuses what is asked of it.
            StoreError: The store cannot go on.
        """
        try:
            await self._run()
        except asyncio.CancelledError:
            try:
                await self._save_what_passed_by()
            finally:
                self._tell(state="stopped")
            raise
        except Exception as error:
            self._tell(state="failed", error=error)
            log.error("projector.failed", projector=self._projector.name, error=str(error))  # noqa: TRY400  raised too
            raise

    def end(self) -> None:
        """
        Say that it has stopped if it was cancelled before it began.
        """
        if self.progress.state not in {"stopped", "failed"}:
            self._tell(state="stopped")

    async def _run(self) -> None:
        while True:
            try:
                if self._emptying is not None:
                    await self._empty(self._emptying)
                    self._emptying = None
                await self._run_once()
            except _MustStartOver as asked:
                self._emptying = asked.emptying
            except Exception as error:
                if not (passes(error) or (self._is_preparing and is_made_meanwhile(error))):
                    if isinstance(error, SQLAlchemyError):
                        raise ReadModelDatabaseError(self._database.name, describe(error)) from error
                    raise
                await self._wait_for_recovery(error)

    async def _wait_for_recovery(self, error: Exception) -> None:
        pause_s = _PAUSES_S[min(self._faults, len(_PAUSES_S) - 1)]
        self._faults += 1
        log.warning("projector.retrying", projector=self._projector.name, error=describe(error), pause_s=pause_s)
        self._tell(state="retrying", error=error)
        await asyncio.sleep(pause_s)

    async def _run_once(self) -> None:
        self._is_preparing = True
        stored = await self._database.write(self._prepare)
        self._is_preparing = False
        self._saved, self._epoch = stored.checkpoint, stored.epoch
        await self._look_at_erasures()
        checkpoint = self._saved
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
        records = ErasureRecords(self._store, f"projector {self._projector.name}")
        for part in parts_of(page):
            if part.events and is_erasure(part.events[0]):
                await self._take_erasure(part, records)
            else:
                await self._take_events(part)

    async def _take_events(self, page: Page, *, are_wanted: bool = True) -> None:
        before = self.progress.checkpoint
        after = checkpoint_after(before, page)
        wanted = [event for event in page.events if are_wanted and self._projector.wants(event)]
        is_due = time.monotonic() - self._saved_at >= _IDLE_CHECKPOINT_S
        if wanted or (after != self._saved and is_due):
            await self._commit(page, wanted, after)
        self._tell_taken(page, after)

    def _tell_taken(self, page: Page, after: Checkpoint) -> None:
        self._faults = 0
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
        if self._saved == START:
            # Before the first event is read: all that was erased by now will be read as erased.
            known = await last_erasure(self._store, self._projector.subject)
            if known != self._notes.known_event_id:
                await self._note(attrs.evolve(self._notes, known_event_id=known))
        self._known_erasures = await position_of(self._store, self._notes.known_event_id)
        if self._notes.needs_cleaning:
            await self._clean()

    async def _take_erasure(self, page: Page, records: ErasureRecords) -> None:
        """
        Take the one event of *page*, which tells that events were erased that may be in the read model.

        It counts only as far as it fits: events that hold their data, or that the read model holds nothing of, are
        no reason to do anything.
        """
        (erasure,) = page.events
        is_news = erasure.position > self._known_erasures
        if not is_news and not self._projector.wants(erasure):
            await self._take_events(page)
            return
        gone = await records.emptied_by(erasure)
        emptied = await self._held_here(gone) if is_news else []
        if not emptied:
            await self._take_events(page, are_wanted=bool(gone))
            return
        if not all(map(self._projector.lets_go, emptied)):
            subject = emptied[0].subject
            if not self._projector.tables:
                raise ErasedDataRemainsError(self._projector.name, event_id=erasure.id, subject=subject)
            raise _MustStartOver(_Emptying("erased data", tuple(await records.gone_at(Subject(subject)))))
        if self._projector.wants(erasure):
            emptied.append(erasure)
        after = checkpoint_after(self.progress.checkpoint, page)
        try:
            await self._write(emptied, after, notes=attrs.evolve(self._notes, needs_cleaning=True))
        except _HandlerRaised as raised:
            await self._fail(raised, at=erasure)
        log.info("projector.let_go", projector=self._projector.name, events=len(emptied))
        # First, so that whoever waits for this event may look into the files.
        await self._clean()
        self._tell_taken(page, after)

    async def _held_here(self, gone: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """
        Those of which the read model may hold something.
        """
        wanted = [event for event in gone if self._projector.wants(event)]
        if not wanted:
            return []
        name, ids = self._projector.name, [event.id for event in wanted]
        known = await self._database.read(lambda tx: known_emptied(tx, name, ids))
        return [event for event in wanted if event.id not in known]

    async def _empty(self, emptying: _Emptying) -> None:
        """
        Empty the read model, to be filled again from the first event.
        """
        if emptying.reason != "asked for":
            log.warning("projector.starting_over", projector=self._projector.name, reason=emptying.reason)
        self._is_preparing = True
        await self._database.write(lambda tx: self._reset(tx, emptying))
        self._is_preparing = False
        if emptying.reason != "asked for":
            self._tell(state="catching up", checkpoint=START)

    def _reset(self, tx: Connection, emptying: _Emptying) -> None:
        name = self._projector.name
        stored = self._load(tx)
        if emptying.reason == "unfinished effects" and stored is not None and not stored.unfinished:
            # Another worker has begun anew.
            return
        if emptying.reason == "erased data" and Batch(name, self._epoch, self._saved).begin(tx) is None:
            raise self._superseded(tx)
        claim(tx, self._projector)
        empty(tx, self._projector, wrote=stored.writer if stored else None)
        store_checkpoint(tx, name, self._writer, epoch=stored.epoch + 1 if stored else 1)
        if emptying.reason == "erased data":
            save_notes(tx, name, ErasureNotes(needs_cleaning=True))
            save_emptied(tx, name, emptying.emptied)
        else:
            forget_emptied(tx, name)

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
        Save the checkpoint of events that needed no transaction, so that they are not taken for unread.
        """
        reached = self.progress.checkpoint
        if reached.position > self._saved.position and self.progress.state != "retrying":
            # Tried once: what it fails at, the next run reads again. A transaction that was under way has moved it.
            with suppress(ProjectionError, SQLAlchemyError, TimeoutError):
                async with asyncio.timeout(_LAST_SAVE_S):
                    await self._database.write(lambda tx: self._pass_over(tx, reached))

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
                if raised.has_ended:
                    await self._fail(raised)
                failure = raised
                # The transaction is gone, so what came before the failing event is applied once more, without it.
                wanted = wanted[: raised.index]
                after = checkpoint_after(self.progress.checkpoint, part_before(raised.event, page))
            else:
                break
        if failure is not None:
            self.progress.move(state=self.progress.state, checkpoint=after)
            await self._fail(failure)

    async def _fail(self, raised: _HandlerRaised, *, at: RecordedEvent | None = None) -> NoReturn:
        """
        Stop before the event whose handler raised, or before the one that it was handled for.
        """
        if raised.has_ended:
            await self._database.write(lambda tx: mark_unfinished(tx, self._projector.name))
        event, cause = at or raised.event, raised.cause
        raise ProjectorFailedError(
            self._projector.name, event_id=event.id, event_type=event.type, subject=event.subject, cause=cause
        ) from cause

    async def _write(
        self, wanted: Sequence[RecordedEvent], after: Checkpoint, *, notes: ErasureNotes | None = None
    ) -> None:
        def change(tx: BatchConnection) -> None:
            if wanted:
                self._apply(tx, wanted, after)
            else:
                self._pass_over(tx, after)
            if notes is not None:
                save_notes(tx, self._projector.name, notes)
                save_emptied(tx, self._projector.name, [event.id for event in wanted])

        written = Written[None]()
        fault: Exception | None = None
        try:
            await self._database.write_into(written, change)
        except _HandlerRaised as raised:
            if raised.has_ended or not passes(raised.cause):
                raise
            fault = raised.cause
        except asyncio.CancelledError:
            if written.is_done:
                # It was too late to roll it back.
                self.progress.move(state=self.progress.state, checkpoint=after)
            raise
        finally:
            if written.is_done:
                self._saved = after
                self._saved_at = time.monotonic()
                self._notes = notes or self._notes
        if fault is not None:
            # Out here, where it keeps what it was raised from.
            raise fault

    def _apply(self, tx: BatchConnection, wanted: Sequence[RecordedEvent], after: Checkpoint) -> None:
        name = self._projector.name
        batch = Batch(name, self._epoch, self._saved)
        # First, or handlers would fail on what another worker has applied, and it would look like their defect.
        transaction = batch.begin(tx)
        if transaction is None:
            raise self._superseded(tx)
        handle = self._projector.handle
        with tx.sealed(name):
            for index, recorded in enumerate(wanted):
                tx.work.check()
                try:
                    handle(recorded, tx)
                    tx.check()
                except Exception as error:  # noqa: BLE001  whatever a handler raises
                    cause = tx.verdict_on(error)
                    raised = _HandlerRaised(index, recorded, cause)
                    raised.has_ended = tx.has_ended
                    raise raised from cause
        if not batch.finish(tx, after, transaction):
            # Committed and begun again within a handler: which one cannot be told any more.
            misuse = HandlerTransactionError(name, "ended the transaction")
            raised = _HandlerRaised(0, wanted[0], misuse)
            raised.has_ended = True
            raise raised
        if gone := [event.id for event in wanted if reads_as_gone(event)]:
            save_emptied(tx, name, gone)

    def _pass_over(self, tx: Connection, after: Checkpoint) -> None:
        if not Batch(self._projector.name, self._epoch, self._saved).pass_over(tx, after):
            raise self._superseded(tx)

    def _superseded(self, tx: Connection) -> ProjectionError:
        stored = load_stored(tx, self._projector.name)
        if stored is not None and stored.writer.version > self._writer.version:
            return ProjectorOutdatedError(
                self._projector.name, version=self._writer.version, newer=stored.writer.version
            )
        return ProjectorSupersededError(self._projector.name)

    def _load(self, tx: Connection) -> StoredCheckpoint | None:
        """
        Make the tables of checkpoints if they are not there, and see that this version may write.
        """
        create_checkpoint_table(tx)
        create_notes_table(tx)
        create_owners_table(tx)
        stored = load_stored(tx, self._projector.name)
        if stored is not None and stored.writer.version > self._writer.version:
            raise ProjectorOutdatedError(
                self._projector.name, version=self._writer.version, newer=stored.writer.version
            )
        return stored

    def _prepare(self, tx: Connection) -> StoredCheckpoint:
        projector = self._projector
        stored = self._load(tx)
        claim(tx, projector)
        if stored is None:
            existing = inspect(tx)
            for table in projector.tables:
                is_there = existing.has_table(table.name, schema=table.schema)
                if is_there and tx.execute(select(1).select_from(table).limit(1)).first():
                    raise CheckpointMissingError(projector.name, table=table.name)
            create_missing(tx, projector.tables)
            require(tx, projector)
            store_checkpoint(tx, projector.name, self._writer, epoch=0)
            return StoredCheckpoint(START, self._writer, 0, unfinished=False)
        if changes := changes_between(stored.writer, self._writer):
            raise ProjectorChangedError(projector.name, changes=changes)
        if stored.unfinished:
            if not projector.tables:
                raise UnfinishedEffectsError(projector.name)
            raise _MustStartOver(_Emptying("unfinished effects"))
        require(tx, projector)
        if stored.writer != self._writer:
            # Filled by a release that did not note its declaration.
            store_checkpoint(tx, projector.name, self._writer, epoch=stored.epoch, checkpoint=stored.checkpoint)
        return stored
