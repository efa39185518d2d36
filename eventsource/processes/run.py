"""
Running one process manager: events to their processes, timers when they are due.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, cast

import attrs

from eventsource.aggregates.transacting import RetryPolicy
from eventsource.events.subject_erased import is_erasure, read_erasure
from eventsource.events.timestamp import to_datetime
from eventsource.log import get_logger
from eventsource.processes.checkpoints import AckWindow, CheckpointStore, Entry
from eventsource.processes.errors import ProcessManagerFailedError, ProcessManagerNotRunningError
from eventsource.processes.instance import ProcessInstances
from eventsource.processes.keyed_queue import KeyedQueue
from eventsource.processes.pending_work import PendingWork
from eventsource.wire.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import datetime

    from eventsource.commands.dispatcher import Dispatcher
    from eventsource.events.event import RecordedEvent
    from eventsource.processes.process_manager import ProcessManager
    from eventsource.projections.database import ReadModelDatabase
    from eventsource.store.interface import EventStore, Page

log = get_logger(__name__)

State = Literal["starting", "catching up", "live", "stopped", "failed"]

# A clock may be set while nobody looks: how long a timer is slept for at the most, in seconds.
_LONGEST_NAP_S = 1.0

# A store that does not answer: pauses between two tries.
_ABSENCE = RetryPolicy(first_pause_s=0.1, longest_pause_s=10.0)

# How often the place is saved, in seconds: after a kill so much is read once more.
_SAVE_INTERVAL_S = 0.5


@attrs.define(eq=False)
class ProcessProgress:
    """
    How far a process manager is.

    Attributes:
        process: Its name.

        state: What it is doing.

        events: How many events of the store it has finished with.

        event_id: The last of them; empty for none.

        error: Why it failed.
    """

    process: str
    state: State = "starting"
    events: int = 0
    event_id: str = ""
    error: Exception | None = None


class ProcessRun:
    """
    Leads the processes of one process manager on until it is cancelled or fails.

    Args:
        database: Where the place in the log is kept; None reads all of the log at each start.

        clock: Nanoseconds since 1970 UTC: what timers go by.

        retry: How often and after which pauses a command that fails is tried again.

        width: How many processes are led on side by side.
    """

    def __init__(
        self,
        process: type[ProcessManager],
        store: EventStore,
        dispatcher: Dispatcher,
        *,
        database: ReadModelDatabase | None,
        clock: Callable[[], int],
        retry: RetryPolicy,
        width: int,
    ) -> None:
        self._class = process
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._retry = retry
        self._width = width
        self._place = CheckpointStore(f"process:{process.process_name}", database)
        self._passage = AckWindow()
        self._work = PendingWork(f"/process/{process.process_name}")
        self._lanes = KeyedQueue(_spawn_nothing, width=width)
        self._instances = ProcessInstances(process, store, dispatcher, retry=retry)
        self._has_moved = asyncio.Event()
        self._facts = {"process_manager": process.process_name}
        self.progress = ProcessProgress(process.process_name)

    async def run(self) -> None:
        """
        Go through the log, then follow it.

        Raises:
            ProcessManagerFailedError: It cannot be told which process an event is for.
            StoreError, sqlalchemy.exc.SQLAlchemyError: The store or the database cannot go on.
        """
        try:
            await self._run_on()
        except asyncio.CancelledError:
            await self._save_place()
            self._tell("stopped")
            raise
        except Exception as raised:  # noqa: BLE001  what it holds is raised
            error = cast("Exception", _first_of(raised))
            self._tell("failed", error)
            log.error("process.failed", **self._facts, error=str(error))  # noqa: TRY400  raised too
            raise error from error.__cause__

    async def stop(self, within_s: float) -> None:
        """
        Let what is under way come to its end, and begin nothing more. It does not end the task that runs `run`.

        Args:
            within_s: How long it waits, in seconds; what is not at its end then is to be cancelled.
        """
        if self.progress.state in {"stopped", "failed"}:
            return
        self._instances.stop()
        self._lanes.stop()
        try:
            async with asyncio.timeout(within_s):
                await self._lanes.idle()
        except TimeoutError:
            log.warning("process.stopped_in_between", **self._facts, ids=list(self._lanes.keys), waited_s=within_s)

    async def settle(self) -> str | None:
        """
        Return when there is nothing left to do, timers that are due by the clock included.

        Returns:
            The id of the last event of the store then.

        Raises:
            ProcessManagerNotRunningError: No worker runs it, or not any more.
            Exception: It failed.
        """
        while True:
            last = await self._store.last_event()
            await self._until_read(last.position if last else 0)
            self._check_failed()
            await self._fire_due()
            await self._lanes.idle()
            self._check_failed()
            if self.progress.state != "live":
                continue
            now_last = await self._store.last_event()
            if (now_last and now_last.id) == (last and last.id):
                await self._save_place()
                return last.id if last else None

    async def _run_on(self) -> None:
        """
        Run, and begin again where it was when the store was away for a while.
        """
        failures = 0
        while True:
            try:
                await self._run()
            except* StoreUnavailableError as group:
                # At the start somebody is there to look; later it is better to wait.
                if self.progress.state == "starting":
                    raise
                failures = 1 if self.progress.state == "live" else failures + 1
                log.warning("process.store_unavailable", **self._facts, error=str(_first_of(group)))
            self._tell("catching up")
            self._lanes.give_up()
            await asyncio.sleep(_ABSENCE.pause_s(failures))

    async def _run(self) -> None:
        if self._passage.read.event_id:
            # The store was away: what was read of it is known.
            start = self._passage.finished
            self._work.position = max(self._work.position, self._passage.read.position)
            self._work.resume()
        else:
            self._work = PendingWork(f"/process/{self._class.process_name}")
            start = await self._place.load(self._store, self._work)
        stream = self._store.observe(lower_bound=start.event_id or None)
        self._passage = AckWindow(start)
        try:
            log.info("process.started", **self._facts, finished=start.events, open=len(self._work.books))
            async with asyncio.TaskGroup() as tasks:
                self._lanes = KeyedQueue(tasks.create_task, width=self._width)
                self._instances = ProcessInstances(
                    self._class, self._store, self._dispatcher, retry=self._retry, pause=self._lanes.pause
                )
                for id in self._work.unfinished():
                    await self._go_on(id)
                tasks.create_task(self._watch_timers())
                tasks.create_task(self._keep_place())
                self._tell("catching up")
                async for page in stream.pages():
                    await self._take(page)
        finally:
            await stream.aclose()

    # --- Events ---

    async def _take(self, page: Page) -> None:
        for recorded in page.events:
            if recorded.position > self._work.position and (id := self._work.enter(recorded)) is not None:
                await self._go_on(id)
            if is_erasure(recorded) and (record := read_erasure(recorded)) is not None:
                # Reading a process anew does no harm, so there is nothing to check.
                self._forget(record.subject)
            await self._hand_on(recorded)
        if page.caught_up and self.progress.state != "live":
            log.info("process.caught_up", **self._facts)
            self._tell("live")
        self._has_moved.set()

    def _forget(self, subject: str) -> None:
        place, _, id = subject.rpartition("/")
        if place == self._work.subject:
            self._instances.forget(id)

    async def _hand_on(self, recorded: RecordedEvent) -> None:
        try:
            ids = self._class.processes_of(recorded)
        except Exception as error:
            raise ProcessManagerFailedError(
                self._class.process_name,
                event_id=recorded.id,
                event_type=recorded.type,
                subject=recorded.subject,
                cause=error,
            ) from error
        if not ids:
            self._passage.pass_by(recorded)
            return
        entry = self._passage.enter(recorded, times=len(ids))
        for id in ids:
            await self._lanes.put(id, self._taking(id, recorded, entry))

    def _taking(self, id: str, recorded: RecordedEvent, entry: Entry) -> Callable[[], Awaitable[None]]:
        async def take() -> None:
            if await self._instances.take(id, recorded):
                self._passage.finish(entry)

        return take

    async def _go_on(self, id: str) -> None:
        async def go_on() -> None:
            await self._instances.go_on(id)

        await self._lanes.put(id, go_on)

    # --- Timers ---

    async def _watch_timers(self) -> None:
        while True:
            await self._fire_due()
            due_at = self._work.next_due()
            nap_s = None if due_at is None else min((due_at - self._now()).total_seconds(), _LONGEST_NAP_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._work.changed()

    async def _fire_due(self) -> None:
        for id, timer in self._work.take_due(self._now()):
            await self._lanes.put(id, self._firing(id, timer))

    def _firing(self, id: str, timer: str) -> Callable[[], Awaitable[None]]:
        async def fire() -> None:
            await self._instances.fire(id, timer)

        return fire

    def _now(self) -> datetime:
        return to_datetime(self._clock())

    # --- Where it is ---

    async def _until_read(self, position: int) -> None:
        while self._passage.read.position < position or self.progress.state != "live":
            self._check_failed()
            self._has_moved.clear()
            await self._has_moved.wait()

    async def _keep_place(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_INTERVAL_S)
            await self._save_place()

    async def _save_place(self) -> None:
        finished = self._passage.finished
        self.progress.events, self.progress.event_id = finished.events, finished.event_id
        await self._place.save(finished, read=self._passage.read, work=self._work)

    def _tell(self, state: State, error: Exception | None = None) -> None:
        self.progress.state = state
        self.progress.error = error
        self._has_moved.set()
        if state in {"stopped", "failed"}:
            self._lanes.give_up()

    def _check_failed(self) -> None:
        if self.progress.error is not None:
            raise self.progress.error
        if self.progress.state == "stopped":
            raise ProcessManagerNotRunningError(self.progress.process)


def _first_of(raised: BaseException) -> BaseException:
    """
    What failed first; whatever else failed was in the same trouble.
    """
    while isinstance(raised, BaseExceptionGroup):
        raised = cast("BaseExceptionGroup[BaseException]", raised).exceptions[0]
    return raised


def _spawn_nothing(work: Coroutine[Any, Any, None]) -> None:
    """
    Stand in for the task group that there is as long as it runs.
    """
    work.close()
