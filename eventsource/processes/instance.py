"""
The steps of one process: answer an event, carry a command out, record a timer, park.

Each step is one commit, guarded by all that was read of the process. So it does not matter how often
something is tried, by how many workers, nor where one of them is killed: whoever is second reads
again and finds it done.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from eventsource.aggregates.context import with_metadata
from eventsource.aggregates.errors import AggregateExistsError, ConflictError
from eventsource.aggregates.loader import Loader
from eventsource.aggregates.state import copied
from eventsource.aggregates.unit_of_work import UnitOfWork
from eventsource.commands.errors import CommandIdReusedError
from eventsource.events.errors import ReservedNameError
from eventsource.events.metadata import Metadata
from eventsource.log import get_logger
from eventsource.processes.process_events import CommandDispatched, CommandRefused, InputHeld, ProcessParked
from eventsource.processes.process_state import cause_of_timer
from eventsource.root_error import StoreError
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import CommitOutcomeUnknownError, EventNotFoundError, StoreUnavailableError
from eventsource.wire.request_errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource.aggregates.transacting import RetryPolicy
    from eventsource.commands.command import Command
    from eventsource.commands.dispatcher import Dispatcher
    from eventsource.events.event import RecordedEvent
    from eventsource.processes.process_manager import ProcessManager
    from eventsource.processes.reaction import Refusal
    from eventsource.store.interface import EventStore

log = get_logger(__name__)

_PACKAGE = str(Path(__file__).parents[1])

# They are about the store, or about what the worker may do there, and not about one process.
_OF_THE_STORE: Final = (StoreError, RequestError, ReservedNameError)

Stage = Literal["reaction", "command", "timer"]

# So many processes are kept in memory, as long as they have no more events than that together. Beyond it, those that
# are being led on stay: else a long process would be read again for each event.
_KEPT: Final = 1_000
_KEPT_EVENTS: Final = 100_000
_KEPT_AT_LEAST: Final = 32


class InstanceCache:
    """
    Processes as they were read last, so that going on with one reads only what was added.

    They hold recorded events only; a step is taken on a copy, so what a reaction leaves behind in its process
    without an event of its own is gone, as it is after a restart.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, ProcessManager] = OrderedDict()
        self._events = 0
        self._forgotten = 0

    @property
    def forgotten(self) -> int:
        """
        How often a process was to be forgotten: what was taken out before that must not come back.
        """
        return self._forgotten

    def take(self, id: str) -> ProcessManager | None:
        """
        Take a process out; None if it is not kept.
        """
        process = self._kept.pop(id, None)
        if process is not None:
            self._events -= process.version
        return process

    def keep(self, process: ProcessManager, *, forgotten: int) -> None:
        """
        Keep a process, unless one was forgotten since it was taken out; those used longest ago make room.
        """
        if forgotten != self._forgotten:
            return
        self.take(process.id)
        self._kept[process.id] = process
        self._events += process.version
        while len(self._kept) > _KEPT or (self._events > _KEPT_EVENTS and len(self._kept) > _KEPT_AT_LEAST):
            _, oldest = self._kept.popitem(last=False)
            self._events -= oldest.version

    def forget(self, id: str) -> None:
        """
        Read this process from its first event the next time: what it holds was erased.
        """
        self._forgotten += 1
        self.take(id)


class ProcessInstances:
    """
    All processes of one process manager, to be led on one step after the other.

    Two calls for one process must not run at once; those for several may. Each call returns whether all is done;
    it is not where `stop` was called meanwhile.

    Args:
        process: The process manager.

        dispatcher: Carries its commands out.

        retry: How often and after which pauses a command that fails is tried again.

        pause: Sleeps for so many seconds.
    """

    def __init__(
        self,
        process: type[ProcessManager],
        store: EventStore,
        dispatcher: Dispatcher,
        *,
        retry: RetryPolicy,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._class = process
        self._store = store
        self._dispatcher = dispatcher
        self._retry = retry
        self._pause = pause
        self._loader = Loader(store)
        self._kept = InstanceCache()
        self._is_stopping = False

    def stop(self) -> None:
        """
        Begin no further step: what is under way comes to its end.
        """
        self._is_stopping = True

    def forget(self, id: str) -> None:
        """
        Read a process from its first event the next time: events of it were erased.
        """
        self._kept.forget(id)

    async def take(self, id: str, cause: RecordedEvent) -> bool:
        """
        Answer an event that is for this process, and carry out what was decided.

        If it was answered before, only what is left of that is done. If the process is parked, the event
        is kept for it.

        Raises:
            StoreError: The store cannot go on, other than by not answering for a while.
        """

        async def step(process: ProcessManager) -> bool:
            book = process.book
            if book.parked is not None:
                if not book.knows(cause.id):
                    process.emit(InputHeld(cause=cause.id, cause_type=cause.type))
                    await self._save(process, _metadata_for(cause))
                return False
            if book.has_work:
                return await self._do_work(process)
            if book.knows(cause.id) or process.passes_over(cause) or await self._is_of_before(process, cause):
                return False
            return await self._react(process, cause)

        return await self._lead(id, step, cause=cause)

    async def go_on(self, id: str) -> bool:
        """
        Do what is left to do for this process, if there is anything.

        Raises:
            StoreError: As of `take`.
        """

        async def step(process: ProcessManager) -> bool:
            return process.book.has_work and await self._do_work(process)

        return await self._lead(id, step)

    async def fire(self, id: str, timer: str) -> bool:
        """
        Record the event of a timer that is due, unless that was done, or the timer was cancelled.

        Raises:
            StoreError: As of `take`.
        """

        async def step(process: ProcessManager) -> bool:
            if timer not in process.book.timers or process.book.is_stuck_at(timer):
                return False
            event_type = process.book.timers[timer].type
            try:
                process.fire(timer)
                metadata = _metadata_for(await self._find(cause_of_timer(timer)))
                await self._save(process, attrs.evolve(metadata, causation_id=timer))
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001  whatever the code of the user raises parks its process
                await self._park(process, "timer", timer, event_type, error)
            return False

        return await self._lead(id, step)

    # --- Steps ---

    async def _lead(
        self, id: str, step: Callable[[ProcessManager], Awaitable[bool]], *, cause: RecordedEvent | None = None
    ) -> bool:
        """
        Take steps until there is none left, each from the process as it is in the store.

        A process that cannot be read, or whose records lead nowhere, is set aside: the others go on.
        """
        process: ProcessManager | None = None
        failures = 0
        while not self._is_stopping:
            try:
                if process is None:
                    process = await self._read(id)
                if not await step(process):
                    return True
                failures = 0
            except (ConflictError, AggregateExistsError):
                # Somebody else led it on.
                process = None
            except (StoreUnavailableError, CommitOutcomeUnknownError) as error:
                process = None
                failures += 1
                log.warning(
                    "process.store_unavailable", process_manager=self._class.process_name, id=id, error=str(error)
                )
                await self._pause(self._retry.pause_s(failures))
            except Exception as error:  # what stands at the subject of one process must stop no other
                if isinstance(error, _OF_THE_STORE) and not isinstance(error, EventNotFoundError):
                    raise
                process = None
                if await self._set_aside(id, cause, error):
                    return True
        return False

    async def _set_aside(self, id: str, cause: RecordedEvent | None, error: Exception) -> bool:
        """
        Park a process by its books alone, with the event that it was to answer.

        Returns:
            Whether that is done; else somebody else led the process on meanwhile.
        """
        self._kept.forget(id)
        log.error("process.set_aside", process_manager=self._class.process_name, id=id, error=type(error).__name__)
        if cause is None:
            # It is looked at again when the worker starts, or the next event for it comes.
            return True
        process = self._class(id)
        async for page in self._store.stream(process.subject, recursive=False).pages():
            process.fold_records(page.events)
        if process.book.knows(cause.id):
            return True
        if process.book.parked is None:
            parked = ProcessParked(
                stage="reaction",
                cause=cause.id,
                cause_type=cause.type,
                error=type(error).__name__,
                place=_place_of(error),
            )
            process.emit(parked)
        else:
            process.emit(InputHeld(cause=cause.id, cause_type=cause.type))
        try:
            await self._save(process, Metadata())
        except (ConflictError, AggregateExistsError):
            return False
        return True

    async def _read(self, id: str) -> ProcessManager:
        """
        A process as it is in the store, to take a step on.
        """
        forgotten = self._kept.forgotten
        known = self._kept.take(id)
        if known is not None:
            try:
                await self._loader.catch_up(known)
            except EventNotFoundError:
                # The store was restored from a backup that does not have it.
                known = None
        if known is None:
            known = self._class(id)
            await self._loader.catch_up(known)
        try:
            process = copied(known)
        except Exception:  # noqa: BLE001  a state that cannot be copied: it is read again each time
            return known
        self._kept.keep(known, forgotten=forgotten)
        return process

    async def _do_work(self, process: ProcessManager) -> bool:
        if process.book.unsent:
            return await self._dispatch(process)
        held_id = next(iter(process.book.held))
        held = await self._find(held_id)
        if held is None:
            # No event of this store: the library did not write that it came.
            await self._park(process, "reaction", held_id, "", EventNotFoundError(held_id))
            return False
        if process.passes_over(held):
            process.pass_over(held)
            await self._save(process, _metadata_for(held))
            return True
        return await self._react(process, held)

    async def _react(self, process: ProcessManager, cause: RecordedEvent) -> bool:
        try:
            process.react(cause)
            await self._save(process, _metadata_for(cause))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  likewise
            await self._park(process, "reaction", cause.id, cause.type, error)
            return False
        return True

    async def _dispatch(self, process: ProcessManager) -> bool:
        """
        Carry out the next command, or record its refusal, or park.
        """
        cause_id, index = next(iter(process.book.unsent))
        cause = await self._find(cause_id)
        command: Any = None
        failures = 0
        while True:
            version = process.version
            try:
                command = process.command(cause_id, index)
                await self._send(process, command, cause_id, index, cause)
            except (StoreUnavailableError, CommitOutcomeUnknownError):
                raise
            except Exception as error:  # noqa: BLE001  likewise
                # What others have done meanwhile counts, whatever was in the way here.
                await self._loader.catch_up(process)
                if process.version != version:
                    return True
                if command is not None and (refusal := process.refusal_in(command, error)) is not None:
                    log.info("process.command_refused", **self._facts(process), refusal=refusal.name)
                    process.emit(_refused(process, cause_id, index, refusal))
                    await self._save(process, _metadata_for(cause))
                    return True
                failures += 1
                if failures >= self._retry.attempts:
                    await self._park(process, "command", cause_id, cause.type if cause else "", error)
                    return False
                log.warning("process.command_failed", **self._facts(process), error=type(error).__name__)
            else:
                return True
            await self._pause(self._retry.pause_s(failures))
            if self._is_stopping:
                # The next worker tries it again.
                return True

    async def _send(
        self, process: ProcessManager, command: Command, cause_id: str, index: int, cause: RecordedEvent | None
    ) -> None:
        """
        Dispatch a command, and have it recorded in the very commit that it leads to.
        """

        def record_dispatch(work: UnitOfWork) -> None:
            done = CommandDispatched(cause=cause_id, index=index)
            # If somebody else led the process on, the command was carried out or refused there.
            work._record(done, at=process.subject, rules=process.preconditions)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  for the library alone

        with with_metadata(_metadata_for(cause)):
            result = await self._dispatcher._dispatch(command, also_commit=record_dispatch)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  for the library alone
        await self._loader.catch_up(process)
        if (cause_id, index) in process.book.unsent:
            if result.events:
                # They carry its id, and came without the note that is committed with them: somebody else wrote them.
                raise CommandIdReusedError(
                    type(command).__name__,
                    earlier=result.events[0].type,
                    command_id=command.command_id,
                    subject=command.subject,
                )
            # It changed nothing, so there was nothing to commit.
            process.emit(CommandDispatched(cause=cause_id, index=index))
            await self._save(process, _metadata_for(cause))

    async def _park(self, process: ProcessManager, stage: Stage, cause: str, cause_type: str, error: Exception) -> None:
        fresh = await self._read(process.id)
        if fresh.version != process.version:
            raise ConflictError(
                subject=process.subject, precondition="", expected=f"{process.version}", found=f"{fresh.version}"
            )
        fresh.emit(
            ProcessParked(
                stage=stage, cause=cause, cause_type=cause_type, error=type(error).__name__, place=_place_of(error)
            )
        )
        await self._save(fresh, Metadata())
        # Without a traceback and the error's own text: they may quote values.
        log.error(
            "process.parked", **self._facts(process), stage=stage, cause=cause, error=type(error).__name__,
            place=_place_of(error),
        )  # fmt: skip

    async def _save(self, process: ProcessManager, metadata: Metadata) -> None:
        work = UnitOfWork(self._store, metadata=metadata)
        work.add(process)
        await work.commit(tells_events=False)

    async def _is_of_before(self, process: ProcessManager, cause: RecordedEvent) -> bool:
        """
        Whether an event stands before the one that the process began with: it was passed over then.
        """
        started_at = process.book.started_at
        if started_at is None or cause.time > started_at:
            return False
        # Rare: a log read once more. The store knows best what is before what.
        first = next(iter(process.book.answered))
        between = self._store.stream(
            cause.subject, recursive=False, lower_bound=first, upper_bound=cause.id, include_upper_bound=True
        )
        try:
            async for recorded in between:
                if recorded.id == cause.id:
                    return False
        except EventNotFoundError:
            # What it says to have begun with is no event of this store.
            return False
        return True

    async def _find(self, event_id: str) -> RecordedEvent | None:
        try:
            return await find_event(self._store, event_id)
        except EventNotFoundError:
            # The store was restored without it: only where it all began is not known any more.
            return None

    def _facts(self, process: ProcessManager) -> dict[str, Any]:
        return {"process_manager": process.process_name, "id": process.id}


def _metadata_for(cause: RecordedEvent | None) -> Metadata:
    """
    What is stored with all that an event leads to.
    """
    if cause is None:
        return Metadata()
    given = cause.metadata
    return Metadata(
        correlation_id=given.correlation_id or cause.id,
        causation_id=cause.id,
        actor=given.actor,
        traceparent=given.traceparent,
    )


def _refused(process: ProcessManager, cause: str, index: int, refusal: Refusal) -> CommandRefused:
    command = process.book.unsent[cause, index]
    return CommandRefused(cause=cause, index=index, command=command, refusal=refusal.name, rule=refusal.rule)


def _place_of(error: Exception) -> str:
    """
    Where an error was raised: the innermost place outside this package, if there is one.
    """
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_PACKAGE) or not place:
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno} in {code.co_qualname}"
        trace = trace.tb_next
    return place
