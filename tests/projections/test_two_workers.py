"""
Two workers on one projector: whoever moves the checkpoint second stops, and nothing is applied twice.
"""

import asyncio
import contextlib
from pathlib import Path

from sqlalchemy import Connection

from eventsource import EventStore, ProjectionWorker, ReadModelDatabase, RecordedEvent, handles
from eventsource.errors import ProjectorSupersededError
from tests.projections.bank import AccountOpened, Balances, assert_applied_exactly_once, moved, opened


async def test_second_to_move_is_superseded(store: EventStore, read_path: Path) -> None:
    """
    Both follow; the first event that comes is applied by one of them, and the other one stops.
    """
    url = f"sqlite:///{read_path}"
    await store.commit([opened("1")])

    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(store, url, [Balances()]) as first:
            await first.caught_up()
            async with ProjectionWorker(store, url, [Balances()]) as second:
                await second.caught_up()
                await store.commit([moved("1", 1)])
                results = await asyncio.gather(first.caught_up(), second.caught_up(), return_exceptions=True)
                await store.commit([moved("1", 1)])
                await asyncio.gather(first.caught_up(), second.caught_up(), return_exceptions=True)

    assert {type(result) for result in results} == {type(None), ProjectorSupersededError}
    await assert_applied_exactly_once(store, read_path)


async def test_superseded_worker_runs_no_handler(store: EventStore, database: ReadModelDatabase) -> None:
    """
    It does not come to a handler's rows that are there already, which would look like the handler's defect.
    """
    handled: list[str] = []

    class Noting(Balances, name="noting", tables=[*Balances.tables]):
        @handles
        def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None:
            handled.append(recorded.id)
            super()._opened(event, recorded, tx)

    (recorded,) = await store.commit([opened("1")])

    with contextlib.suppress(ExceptionGroup):
        # Both find an empty read model.
        async with (
            ProjectionWorker(store, database, [Noting()]) as first,
            ProjectionWorker(store, database, [Noting()]) as second,
        ):
            results = await asyncio.gather(first.caught_up(), second.caught_up(), return_exceptions=True)

    assert {type(result) for result in results} == {type(None), ProjectorSupersededError}
    assert handled == [recorded.id]


async def test_workers_that_start_together_apply_nothing_twice(store: EventStore, read_path: Path) -> None:
    """
    Several workers on an empty read model and a long history: one gets through.
    """
    url = f"sqlite:///{read_path}"
    await store.commit([opened("1"), *[moved("1", 1)] * 3_000])

    async def run() -> None:
        async with ProjectionWorker(store, url, [Balances()]) as worker:
            await worker.caught_up()

    results = await asyncio.gather(*(run() for _ in range(4)), return_exceptions=True)

    assert None in results
    assert {type(result) for result in results} <= {type(None), ProjectorSupersededError}
    async with ProjectionWorker(store, url, [Balances()]) as worker:
        await worker.caught_up()
    await assert_applied_exactly_once(store, read_path)


async def test_superseded_error_names_the_projector(store: EventStore, database: ReadModelDatabase) -> None:
    """
    The error says which projector another worker runs.
    """
    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(store, database, [Balances()]) as first:
            await first.caught_up()
            async with ProjectionWorker(store, database, [Balances()]) as second:
                await second.caught_up()
                await store.commit([opened("1")])
                results = await asyncio.gather(first.caught_up(), second.caught_up(), return_exceptions=True)

    (error,) = filter(None, results)
    assert isinstance(error, ProjectorSupersededError)
    assert error.projector == "balances"
    assert "another worker" in str(error)


async def test_worker_that_comes_later_takes_over(store: EventStore, read_path: Path) -> None:
    """
    One worker after the other, each taking its part: that is no conflict.
    """
    url = f"sqlite:///{read_path}"
    await store.commit([opened("1")])

    for _ in range(5):
        async with ProjectionWorker(store, url, [Balances()]) as worker:
            await store.commit([moved("1", 1)])
            await worker.caught_up()

    await assert_applied_exactly_once(store, read_path)
