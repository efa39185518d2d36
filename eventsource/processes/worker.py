"""
The worker of process managers: runs them until it is told to stop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from eventsource.aggregates.transacting import RetryPolicy
from eventsource.commands.errors import CommandNotHandledError
from eventsource.processes.run import ProcessRun
from eventsource.projections.database import ReadModelDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from eventsource.commands.dispatcher import Dispatcher
    from eventsource.processes.process_manager import ProcessManager
    from eventsource.processes.run import ProcessProgress
    from eventsource.store.interface import EventStore

_RETRY = RetryPolicy(attempts=6, first_pause_s=0.1, longest_pause_s=10.0)


class ProcessWorker:
    """
    Runs process managers, each on its own: where one fails, the others go on.

    In a program of its own: ``await ProcessWorker(store, dispatcher, [LoanApplication]).run()``. Beside
    others, for example in a web server::

        async with ProcessWorker(store, dispatcher, [LoanApplication], database=url) as worker:
            ...

    Any number of workers may run the same process managers on one store: each event is answered, each
    command's events committed and each timer recorded once all the same. A second one takes over at once where
    the first is killed; it makes nothing faster. But *n* workers that are alive run the handler of a command up to
    *n* times, and all but one of these runs commit nothing: what a handler does outside the store, such as sending
    a letter, happens up to *n* times. Where that matters, run one.

    A process that fails is parked, and the others go on. A command that fails is tried again before.

    Args:
        store: Where the events are, those of the processes too.

        dispatcher: Carries the commands out, on the same store.

        processes: Which process managers; each name once.

        database: Where their places in the log are kept: a SQLAlchemy URL, or a database you opened and
            close yourself. None reads the log from its beginning at each start.

        clock: Nanoseconds since 1970 UTC: what timers go by.

        retry: How often and after which pauses a command that fails is tried again.

        width: How many processes of each process manager are led on side by side.

        stop_within_s: When it is told to stop, it begins nothing more, and what is under way comes to its end: so
            long at most, in seconds. A command handler that takes longer is cancelled, and the next worker runs it
            again.

    Raises:
        CommandNotHandledError: On entering: the dispatcher has no handler for a command that one sends.
        ExceptionGroup: On leaving the block, of the errors of those that failed.
    """

    def __init__(
        self,
        store: EventStore,
        dispatcher: Dispatcher,
        processes: Sequence[type[ProcessManager]],
        *,
        database: str | ReadModelDatabase | None = None,
        clock: Callable[[], int] = time.time_ns,
        retry: RetryPolicy = _RETRY,
        width: int = 16,
        stop_within_s: float = 10.0,
    ) -> None:
        if len({process.process_name for process in processes}) < len(processes):
            msg = "two process managers of one worker have the same name, so they would share their processes"
            raise ValueError(msg)
        for process in processes:
            _check_handled(process, dispatcher)
        self._owned = ReadModelDatabase(database) if isinstance(database, str) else None
        self._runs = [
            ProcessRun(
                process,
                store,
                dispatcher,
                database=self._owned if isinstance(database, str) else database,
                clock=clock,
                retry=retry,
                width=width,
            )
            for process in processes
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_within_s = stop_within_s

    @property
    def progress(self) -> Mapping[str, ProcessProgress]:
        """
        Where each process manager is, by name.
        """
        return {run.progress.process: run.progress for run in self._runs}

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(run.run(), name=f"eventsource-process {run.progress.process}") for run in self._runs
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.gather(*(run.stop(self._stop_within_s) for run in self._runs))
        finally:
            # Also where this is cancelled itself: then nothing is waited for.
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._owned is not None:
                await self._owned.aclose()
        failures = [run.progress.error for run in self._runs if run.progress.error is not None]
        if error is None and failures:
            msg = "process managers failed"
            raise ExceptionGroup(msg, failures)

    async def run(self) -> None:
        """
        Run until cancelled, or until every process manager has failed.

        Raises:
            ExceptionGroup: Of their errors.
        """
        async with self:
            await asyncio.wait(self._tasks)

    async def settle(self) -> None:
        """
        Wait until there is nothing left to do.

        Every event is answered, every command carried out, every timer recorded that is due by the clock,
        and so is what came of all that.

        Raises:
            Exception: A process manager failed.
        """
        # What one process manager does may be an event for another: until two rounds end at the same event.
        ends: set[str | None] = {"", None}
        while len(ends) > 1:
            ends = {await run.settle() for run in self._runs}


def _check_handled(process: type[ProcessManager], dispatcher: Dispatcher) -> None:
    for command_class in process.command_classes():
        if command_class not in dispatcher.command_classes:
            raise CommandNotHandledError(command_class.__name__)
