"""
The worker: runs projectors until it is told to stop.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Self

from eventsource.projections.database import ReadModelDatabase
from eventsource.projections.errors import TableTakenError
from eventsource.projections.run import ProjectorRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from eventsource.projections.progress import RunningProgress
    from eventsource.projections.projector import Projector
    from eventsource.store.interface import EventStore


class ProjectionWorker:
    """
    Runs projectors on one read-model database, each on its own: where one fails, the others go on.

    In a program of its own: ``await Worker(store, url, [Balances()]).run()``. Beside others, for
    example in a web server::

        async with Worker(store, url, [balances := Balances()]) as worker:
            await worker.caught_up()
            ...

    Args:
        store: The store the projectors read.

        database: The read-model database: a SQLAlchemy URL, or one you opened and close yourself.

        projectors: The projectors to run; each name once.

        on_progress: Called after each page a projector has taken.

    Raises:
        ReadModelDatabaseUrlError: The URL names no database that read models can be kept in.
        TableTakenError: Two of the projectors name the same table.
        ExceptionGroup: On leaving the block, of the errors of the projectors that failed.
    """

    def __init__(
        self,
        store: EventStore,
        database: str | ReadModelDatabase,
        projectors: Sequence[Projector],
        *,
        on_progress: Callable[[RunningProgress], None] | None = None,
    ) -> None:
        if len({projector.name for projector in projectors}) < len(projectors):
            msg = "two projectors of one worker have the same name, so they would share a checkpoint"
            raise ValueError(msg)
        self._store = store
        self._owns_database = isinstance(database, str)
        self.database = ReadModelDatabase(database) if isinstance(database, str) else database
        _check_tables(projectors, folds_case=self.database.dialect.name == "sqlite")
        self._projectors = projectors
        self._from_start = False
        self._on_progress = on_progress
        self._runs: list[ProjectorRun] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def progress(self) -> Mapping[str, RunningProgress]:
        """
        The progress of each projector, by name.
        """
        return {run.progress.projector: run.progress for run in self._runs}

    async def __aenter__(self) -> Self:
        self._runs = [
            ProjectorRun(
                projector, self._store, self.database, on_progress=self._on_progress, from_start=self._from_start
            )
            for projector in self._projectors
        ]
        self._tasks = [
            asyncio.create_task(run.run(), name=f"eventsource-projector {run.progress.projector}") for run in self._runs
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._finish()
        if error is None:
            self._raise_failures()

    async def run(self) -> None:
        """
        Run until cancelled, or until every projector has failed.

        Raises:
            ExceptionGroup: Of the projectors' errors.
        """
        async with self:
            await asyncio.wait(self._tasks)

    async def caught_up(self) -> None:
        """
        Wait until every projector has everything that is in the store now.

        Raises:
            ProjectionError: One failed.
        """
        await asyncio.gather(*(run.progress.wait_until_caught_up() for run in self._runs))

    async def _finish(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for run in self._runs:
            run.end()
        if self._owns_database:
            await self.database.aclose()

    def _raise_failures(self) -> None:
        failures = [run.progress.error for run in self._runs if run.progress.error is not None]
        if failures:
            msg = "projectors failed"
            raise ExceptionGroup(msg, failures)


async def rebuild(
    projector: Projector,
    store: EventStore,
    database: str | ReadModelDatabase,
    *,
    on_progress: Callable[[RunningProgress], None] | None = None,
) -> RunningProgress:
    """
    Empty the read model of *projector* and fill it again from the first event.

    Emptying deletes the rows and drops nothing. New columns are added; a table whose columns, keys or constraints
    are others is made anew if nothing of others hangs on it.

    A worker that runs the same projector meanwhile stops with `ProjectorSupersededError`. If this
    is interrupted, the next worker goes on where it was.

    Raises:
        ProjectorOutdatedError: A newer version has made the read model.
        ReadModelInUseError: Rows or objects of others are in the way. Nothing was changed.
        ProjectionError: The projector failed.
    """
    async with ReadModelDatabase(database) if isinstance(database, str) else nullcontext(database) as opened:
        worker = ProjectionWorker(store, opened, [projector], on_progress=on_progress)
        worker._from_start = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of this module
        async with worker:
            await worker.caught_up()
            return worker.progress[projector.name]


def _check_tables(projectors: Sequence[Projector], *, folds_case: bool) -> None:
    owners: dict[str, str] = {}
    for projector in projectors:
        for table in projector.tables:
            key = f"{table.schema or ''}.{table.name}"
            owner = owners.setdefault(key.lower() if folds_case else key, projector.name)
            if owner != projector.name:
                raise TableTakenError(projector.name, table=str(table), owner=owner)
