"""
Watching a projector that a worker elsewhere runs: the database is all the two have in common.
"""

import asyncio
from pathlib import Path

import pytest

from eventsource import EventStore, ProjectionWorker, ReadModelDatabase, connect
from eventsource.errors import NotSeenError
from tests.projections.bank import Balances, balance_of, greeted, letter, moved, opened


async def test_watched_projector_is_seen(store: EventStore, database: ReadModelDatabase, read_path: Path) -> None:
    """
    A second program with its own database object sees each event once it is in the read model.
    """
    watched = Balances()
    await store.commit([opened("1")])

    async with ProjectionWorker(store, database, [Balances()]), ReadModelDatabase(f"sqlite:///{read_path}") as other:
        watched.watch(store, other)
        for expected in range(1, 11):
            (recorded,) = await store.commit([moved("1", 1)])
            await watched.seen(recorded.id)

            assert await balance_of(other, "1") == expected


@pytest.mark.parametrize("passed_over", [letter("1"), greeted("7")], ids=["no handler", "other subject"])
async def test_event_that_is_passed_over_is_seen(
    store: EventStore, database: ReadModelDatabase, passed_over: object
) -> None:
    """
    An event that changes nothing in the read model is seen, too.
    """
    watched = Balances()
    watched.watch(store, database)

    async with ProjectionWorker(store, database, [Balances()]):
        for _ in range(3):
            (recorded,) = await store.commit([passed_over])  # type: ignore[list-item]  # a NewEvent
            await watched.seen(recorded.id)


async def test_watching_before_the_first_worker_waits(store: EventStore, database: ReadModelDatabase) -> None:
    """
    A read model that does not exist yet is waited for.
    """
    watched = Balances()
    watched.watch(store, database)
    (recorded,) = await store.commit([opened("1")])
    with pytest.raises(NotSeenError):
        await watched.seen(recorded.id, timeout_s=0.05)

    waiting = asyncio.create_task(watched.seen(recorded.id))
    async with ProjectionWorker(store, database, [Balances()]):
        await waiting


async def test_store_opened_for_reading_can_be_watched(tmp_path: Path, read_path: Path) -> None:
    """
    A program that only reads waits for what another one wrote.
    """
    path, url = tmp_path / "store.db", f"sqlite:///{read_path}"
    watched = Balances()
    async with (
        connect(f"sqlite:{path}") as store,
        connect(f"sqlite:{path}", read_only=True) as reading,
        ProjectionWorker(store, url, [Balances()]),
        ReadModelDatabase(url) as other,
    ):
        watched.watch(reading, other)
        (recorded,) = await store.commit([opened("1")])

        await watched.seen(recorded.id)

        assert await balance_of(other, "1") == 0
