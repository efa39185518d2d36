"""
A checkpoint knows what wrote it: older code never writes into what newer code made, and a changed projector is noticed.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Index, Integer, UniqueConstraint

from eventsource import DeclarationError, EventStore, ProjectionWorker, Projector, RecordedEvent, handles
from eventsource.errors import ProjectorChangedError, ProjectorOutdatedError, ProjectorSupersededError
from eventsource.projections import rebuild
from tests.projections.numbers import (
    Counted,
    Named,
    Numbers,
    add_number,
    catch_up,
    count,
    numbers,
    projector_of,
    sql,
    table_of,
)

# What a release wrote that noted no writer, as SQL of both kinds of database.
FORMER = (
    "CREATE TABLE numbers (n INTEGER NOT NULL PRIMARY KEY)",
    (
        "CREATE TABLE eventsource_checkpoints (listener VARCHAR(200) NOT NULL PRIMARY KEY, event_id VARCHAR(200) "
        "NOT NULL, event_hash VARCHAR(64) NOT NULL, position BIGINT NOT NULL, events BIGINT NOT NULL)"
    ),
    (
        "CREATE TABLE eventsource_erasures (listener VARCHAR(200) NOT NULL PRIMARY KEY, "
        "known_event_id VARCHAR(200) NOT NULL, needs_cleaning BOOLEAN NOT NULL)"
    ),
)


async def test_an_older_version_is_refused(memory_store: EventStore, url: str) -> None:
    """
    Once version 2 has made the read model, version 1 neither runs nor rebuilds, and changes no row.
    """
    await count(memory_store, 3)
    assert await catch_up(memory_store, url, projector_of(numbers, version=1)) == []
    await rebuild(projector_of(numbers, version=2, row=lambda event: {"n": 10 * event.n}), memory_store, url)
    await count(memory_store, 5, first=3)

    (error,) = await catch_up(memory_store, url, projector_of(numbers, version=1))

    assert isinstance(error, ProjectorOutdatedError)
    assert (error.projector, error.version, error.newer) == ("numbers", 1, 2)
    with pytest.raises(ProjectorOutdatedError):
        await rebuild(projector_of(numbers, version=1), memory_store, url)
    assert sorted(sql(url, "SELECT n FROM numbers")) == [0, 10, 20]


@pytest.mark.parametrize("events", [0, 3], ids=["nothing taken yet", "some taken"])
async def test_an_older_version_that_runs_is_stopped_at_its_next_write(
    memory_store: EventStore, url: str, events: int
) -> None:
    """
    A worker that ran before the newer version took over writes nothing more, and says why.
    """
    older = projector_of(numbers, version=1)
    if events:
        await count(memory_store, events)

    with pytest.raises(ExceptionGroup) as failures:  # noqa: PT012  raised at the end of the block
        async with ProjectionWorker(memory_store, url, [older]) as worker:
            await worker.caught_up()
            newer = projector_of(numbers, version=2, row=lambda event: {"n": 10 * event.n})
            await rebuild(newer, memory_store, url)
            (recorded,) = await count(memory_store, events + 1, first=events)
            with pytest.raises(ProjectorOutdatedError):
                await older.seen(recorded.id, timeout_s=60)

    assert [type(error) for error in failures.value.exceptions] == [ProjectorOutdatedError]
    assert sorted(sql(url, "SELECT n FROM numbers")) == [10 * n for n in range(events)]


async def test_a_newer_version_waits_for_its_rebuild(memory_store: EventStore, url: str) -> None:
    """
    Version 2 does not go on with the rows of version 1; a rebuild makes them its own.
    """
    await count(memory_store, 3)
    await catch_up(memory_store, url, projector_of(numbers))
    newer = projector_of(numbers, version=2, row=lambda event: {"n": 10 * event.n})

    (error,) = await catch_up(memory_store, url, newer)

    assert isinstance(error, ProjectorChangedError)
    assert error.changes == ("version 1 is 2 now",)
    assert sorted(sql(url, "SELECT n FROM numbers")) == [0, 1, 2]
    await rebuild(newer, memory_store, url)
    assert await catch_up(memory_store, url, newer) == []
    assert sorted(sql(url, "SELECT n FROM numbers")) == [0, 10, 20]


class TakesNames(Projector, name="numbers", subject="/counters", tables=[numbers]):
    """
    Handles one event more.
    """

    @handles
    def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
        tx.execute(add_number, {"n": event.n})

    @handles
    def _named(self, event: Named, recorded: RecordedEvent, tx: Connection) -> None: ...


def _with(*columns: Any) -> Projector:
    return projector_of(table_of("numbers", *columns))


CHANGES: dict[str, tuple[Projector, str]] = {
    "type": (_with(Column("n", BigInteger, primary_key=True)), "column n of table numbers was"),
    "key": (_with(Column("n", Integer, nullable=False)), "had the constraint PRIMARY KEY (n)"),
    "unique": (_with(Column("n", Integer, primary_key=True), UniqueConstraint("n")), "has the constraint UNIQUE (n)"),
    "unique index": (
        _with(Column("n", Integer, primary_key=True), Index("by_n", "n", unique=True)),
        "has the constraint UNIQUE",
    ),
    "check": (
        _with(Column("n", Integer, primary_key=True), CheckConstraint("n < 1000")),
        "has the constraint CHECK (n < 1000)",
    ),
    "column": (_with(Column("n", Integer, primary_key=True), Column("m", Integer)), "column m of table numbers is new"),
    "table": (projector_of(numbers, more=(table_of("others"),)), "table others is new"),
    "event": (TakesNames(), f"it handles {Named.event_type} now"),
    "subject": (projector_of(numbers, subject="/counters/1"), "subject /counters is /counters/1 now"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_projector_is_noticed_though_its_version_is_not(
    memory_store: EventStore, url: str, change: str
) -> None:
    """
    The error says what has changed; no row is touched, the former code still fits, and a rebuild takes the change over.
    """
    changed, words = CHANGES[change]
    await count(memory_store, 3)
    await catch_up(memory_store, url, projector_of(numbers))

    (error,) = await catch_up(memory_store, url, changed)

    assert isinstance(error, ProjectorChangedError)
    assert words in str(error)
    assert await catch_up(memory_store, url, projector_of(numbers)) == []
    assert sorted(sql(url, "SELECT n FROM numbers")) == [0, 1, 2]
    await rebuild(changed, memory_store, url)
    assert await catch_up(memory_store, url, changed) == []
    assert sorted(sql(url, "SELECT n FROM numbers")) == [0, 1, 2]
    (error,) = await catch_up(memory_store, url, projector_of(numbers))
    assert isinstance(error, ProjectorChangedError)


async def test_what_changes_no_row_is_no_change(memory_store: EventStore, url: str) -> None:
    """
    An index that is not unique, another order of columns and tables: the worker goes on.
    """
    one, two = Column("n", Integer, primary_key=True), Column("m", Integer)
    await count(memory_store, 2)
    assert await catch_up(memory_store, url, projector_of(table_of("numbers", one, two), more=(table_of("b"),))) == []
    index = Index("by_m", "m")
    again = table_of("numbers", Column("m", Integer), Column("n", Integer, primary_key=True), index)

    assert await catch_up(memory_store, url, projector_of(again, more=(table_of("b"),))) == []


async def test_the_read_model_of_a_former_release_is_gone_on_with(memory_store: EventStore, url: str) -> None:
    """
    Checkpoints without a writer are taken over, and from then on know theirs.
    """
    recorded = await count(memory_store, 2)
    for statement in FORMER:
        sql(url, statement)
    last = recorded[-1]
    sql(url, "INSERT INTO numbers VALUES (0), (1)")
    sql(
        url,
        f"INSERT INTO eventsource_checkpoints VALUES ('numbers', '{last.id}', '{last.hash}', {last.position}, 2)",  # noqa: S608  our own values
    )
    await count(memory_store, 4, first=2)

    assert await catch_up(memory_store, url, Numbers()) == []

    assert sorted(sql(url, "SELECT n FROM numbers")) == [0, 1, 2, 3]
    (error,) = await catch_up(memory_store, url, CHANGES["event"][0])
    assert isinstance(error, ProjectorChangedError)


async def test_a_former_release_counts_as_version_one(memory_store: EventStore, url: str) -> None:
    """
    Version 2 does not take over what a release without versions has written.
    """
    for statement in FORMER:
        sql(url, statement)
    (recorded,) = await count(memory_store, 1)
    sql(
        url,
        f"INSERT INTO eventsource_checkpoints VALUES ('numbers', '{recorded.id}', '{recorded.hash}', 1, 1)",  # noqa: S608  our own values
    )

    (error,) = await catch_up(memory_store, url, projector_of(numbers, version=2))

    assert isinstance(error, ProjectorChangedError)


async def test_a_rebuild_fences_a_worker_that_has_written_nothing(memory_store: EventStore, url: str) -> None:
    """
    Of a worker and a rebuild that both stand at the start, the rebuild has the read model.
    """
    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(memory_store, url, [waiting := Numbers()]) as worker:
            await worker.caught_up()
            await rebuild(Numbers(), memory_store, url)
            (recorded,) = await count(memory_store, 1)
            with pytest.raises(ProjectorSupersededError):
                await waiting.seen(recorded.id, timeout_s=60)

    assert await catch_up(memory_store, url, Numbers()) == []
    assert sql(url, "SELECT n FROM numbers") == [0]


@pytest.mark.parametrize("version", [0, -1, True, "2", 1.5, None, 2**40])
def test_a_version_is_a_positive_integer(version: Any) -> None:
    """
    Anything else is refused when the class is made.
    """
    with pytest.raises(DeclarationError, match="version"):

        class _Odd(Projector, name="odd", version=version): ...


async def test_several_workers_start_on_an_empty_database(memory_store: EventStore, url: str, tmp_path: Path) -> None:  # noqa: ARG001  the form of a handler, or a fixture
    """
    Nobody stumbles over a table that another one makes at the same time, and all is applied once.
    """
    await count(memory_store, 20)

    ends = await asyncio.gather(*(catch_up(memory_store, url, Numbers()) for _ in range(8)))

    assert {type(error) for errors in ends for error in errors} <= {ProjectorSupersededError}
    assert [] in ends
    assert sorted(sql(url, "SELECT n FROM numbers")) == list(range(20))
