"""
Rebuilding: a read model made anew is the one that was kept up to date, byte for byte.
"""

import asyncio
import contextlib
import itertools
import random
from pathlib import Path

import pytest

from eventsource import EventStore, ProjectionWorker, Projector, ReadModelDatabase
from eventsource.errors import ProjectorFailedError, ProjectorSupersededError
from eventsource.projections import RunningProgress, rebuild
from tests.projections.bank import (
    Balances,
    Greetings,
    assert_applied_exactly_once,
    dump,
    greeted,
    letter,
    moved,
    opened,
    query,
    run_sql,
)


async def keep_up_to_date(store: EventStore, read_path: Path, *others: Projector) -> None:
    """
    Some history, taken in as it is written: in pages of every size.
    """
    source = random.Random(7)  # noqa: S311  for repeatable tests
    async with ProjectionWorker(store, f"sqlite:///{read_path}", [Balances(), *others]) as worker:
        await store.commit([opened(str(account)) for account in range(5)])
        for number in range(30):
            batch = [
                moved(str(source.randrange(5)), source.randrange(-99, 100)) for _ in range(source.randrange(1, 60))
            ]
            await store.commit([*batch, letter("1"), greeted(str(number))])
            if source.random() < 0.5:
                await worker.caught_up()
        await worker.caught_up()


async def test_rebuilt_read_model_equals_the_one_kept_up_to_date(store: EventStore, read_path: Path) -> None:
    """
    Tables, row ids and checkpoint are the same, byte for byte.
    """
    await keep_up_to_date(store, read_path)
    before = dump(read_path)

    progress = await rebuild(Balances(), store, f"sqlite:///{read_path}")

    assert dump(read_path) == before
    assert progress.checkpoint.events == progress.total == await store.count("/accounts")
    await assert_applied_exactly_once(store, read_path)


async def test_rebuild_mends_what_somebody_changed(store: EventStore, read_path: Path) -> None:
    """
    Whatever is in the tables is gone, also rows that do not belong there.
    """
    await keep_up_to_date(store, read_path)
    before = dump(read_path)
    run_sql(read_path, "UPDATE balances SET cents = cents + 1")
    run_sql(read_path, "INSERT INTO balances VALUES ('/accounts/none', 1, 1)")

    await rebuild(Balances(), store, f"sqlite:///{read_path}")

    assert dump(read_path) == before


async def test_rebuild_touches_no_other_projector(store: EventStore, read_path: Path) -> None:
    """
    Tables and checkpoints of others stay as they are.
    """
    await keep_up_to_date(store, read_path, Greetings())
    others = "SELECT * FROM greetings, eventsource_checkpoints WHERE listener = 'greetings'"
    before = query(read_path, others)

    await rebuild(Balances(), store, f"sqlite:///{read_path}")

    assert query(read_path, others) == before


async def test_rebuild_tells_its_progress(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    After each page, and when it has stopped, one learns how far it is, and of how many.
    """
    await memory_store.commit([opened("1"), *[moved("1", 1)] * 2_000])
    told: list[tuple[str, int, int]] = []

    def tell(progress: RunningProgress) -> None:
        told.append((progress.state, progress.checkpoint.events, progress.total))

    await rebuild(Balances(), memory_store, database, on_progress=tell)

    assert told == [
        ("catching up", 1_000, 2_001),
        ("catching up", 2_000, 2_001),
        ("live", 2_001, 2_001),
        ("stopped", 2_001, 2_001),
    ]


async def test_rebuild_of_nothing_makes_empty_tables(memory_store: EventStore, read_path: Path) -> None:
    """
    An empty store is rebuilt, too, in a database that did not exist.
    """
    progress = await rebuild(Balances(), memory_store, f"sqlite:///{read_path}")

    assert progress.total == 0
    assert query(read_path, "SELECT * FROM balances") == []


async def test_interrupted_rebuild_is_gone_on_with(memory_store: EventStore, read_path: Path) -> None:
    """
    The next worker applies what the interrupted rebuild had not reached.
    """
    url = f"sqlite:///{read_path}"
    await memory_store.commit([opened("1"), *[moved("1", 1)] * 4_000])
    pages = 0

    def interrupt(_: RunningProgress) -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            rebuilding.cancel()

    rebuilding = asyncio.create_task(rebuild(Balances(), memory_store, url, on_progress=interrupt))
    with pytest.raises(asyncio.CancelledError):
        await rebuilding
    (applied,) = query(read_path, "SELECT count(*) FROM applied")[0]
    taken: list[int] = []

    async with ProjectionWorker(
        memory_store, url, [Balances()], on_progress=lambda it: taken.append(it.checkpoint.events)
    ) as worker:
        await worker.caught_up()

    assert applied in {2_000, 3_000}
    assert taken[0] == applied + 1_000
    await assert_applied_exactly_once(memory_store, read_path)


async def test_failing_rebuild_raises_the_projectors_error(store: EventStore, database: ReadModelDatabase) -> None:
    """
    The error is raised as it is, not in a group.
    """
    recorded = await store.commit([opened("1"), moved("1", 1)])

    with pytest.raises(ProjectorFailedError) as excinfo:
        await rebuild(Balances(poison=recorded[1].id), store, database)

    assert excinfo.value.event_id == recorded[1].id


async def test_rebuild_while_a_worker_runs(store: EventStore, read_path: Path) -> None:
    """
    If an event comes before the rebuild is through, one of the two is superseded; all is applied once.
    """
    url = f"sqlite:///{read_path}"
    await store.commit([opened("1"), *[moved("1", 1)] * 3_000])

    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(store, url, [Balances()]) as worker:
            await worker.caught_up()
            rebuilding = asyncio.create_task(rebuild(Balances(), store, url))
            while not rebuilding.done():
                await store.commit([moved("1", 1)])
                await asyncio.sleep(0.001)
            results = await asyncio.gather(worker.caught_up(), rebuilding, return_exceptions=True)

    errors = [result for result in results if isinstance(result, BaseException)]
    assert [type(error) for error in errors] in ([], [ProjectorSupersededError])
    async with ProjectionWorker(store, url, [Balances()]) as worker:
        await worker.caught_up()
    await assert_applied_exactly_once(store, read_path)


async def test_rebuilding_twice_at_once_applies_nothing_twice(memory_store: EventStore, read_path: Path) -> None:
    """
    Two rebuilds of one projector get in each other's way, not into each other's rows.
    """
    url = f"sqlite:///{read_path}"
    await memory_store.commit([opened("1"), *[moved("1", 1)] * 3_000])

    results = await asyncio.gather(*(rebuild(Balances(), memory_store, url) for _ in range(3)), return_exceptions=True)

    assert {type(result) for result in results} <= {RunningProgress, ProjectorSupersededError}
    assert RunningProgress in {type(result) for result in results}
    await assert_applied_exactly_once(memory_store, read_path)


async def test_questions_are_answered_while_rebuilding(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    Whoever asks meanwhile gets an answer at once, of a read model that is filling.
    """
    await memory_store.commit([opened("1"), *[moved("1", 1)] * 3_000])
    await rebuild(Balances(), memory_store, database)
    counts: list[int] = []

    rebuilding = asyncio.create_task(rebuild(Balances(), memory_store, database))
    while not rebuilding.done():
        counts.append(await database.read(lambda tx: tx.exec_driver_sql("SELECT count(*) FROM applied").scalar_one()))
    await rebuilding

    assert set(counts) <= {0, 1_000, 2_000, 3_000, 3_001}
    filling = list(itertools.dropwhile(lambda count: count == 3_001, counts))
    assert filling == sorted(filling)
