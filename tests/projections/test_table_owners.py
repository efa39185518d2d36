"""
Each table belongs to one projector: a second one is refused, wherever it runs, and no rebuild touches rows of others.
"""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from eventsource import DeclarationError, EventStore, ProjectionWorker, Projector
from eventsource.errors import ProjectorSupersededError, TableTakenError
from eventsource.projections import rebuild
from tests.projections.numbers import Numbers, catch_up, count, numbers, projector_of, sql, table_of


def named(name: str, table: Table = numbers) -> Projector:
    """
    A projector of that name.
    """
    return projector_of(table, name=name)


async def test_two_projectors_of_one_worker_do_not_share_a_table(memory_store: EventStore, url: str) -> None:
    """
    It is refused before anything is written.
    """
    with pytest.raises(TableTakenError) as refused:
        ProjectionWorker(memory_store, url, [named("one"), named("two")])

    assert (refused.value.projector, refused.value.table, refused.value.owner) == ("two", "numbers", "one")


async def test_a_projector_of_another_worker_is_refused(memory_store: EventStore, url: str) -> None:
    """
    Whether it runs, is rebuilt, or is the same one under a new name: the rows stay as they are.
    """
    await count(memory_store, 3)
    await catch_up(memory_store, url, named("one"))

    (error,) = await catch_up(memory_store, url, named("two"))

    assert isinstance(error, TableTakenError)
    assert error.owner == "one"
    with pytest.raises(TableTakenError):
        await rebuild(named("two"), memory_store, url)
    assert sql(url, "SELECT n FROM numbers ORDER BY n") == [0, 1, 2]
    assert await catch_up(memory_store, url, named("one")) == []


@pytest.mark.parametrize(
    "again",
    [table_of("NUMBERS", Column("n", Integer)), table_of("numbers", Column("n", Integer), schema="main")],
    ids=["case", "schema"],
)
async def test_sqlite_tables_are_told_apart_as_sqlite_does(
    memory_store: EventStore, read_path: Path, again: Table
) -> None:
    """
    Another spelling of a name is the same table.
    """
    url = f"sqlite:///{read_path}"
    await catch_up(memory_store, url, named("one"))

    (error,) = await catch_up(memory_store, url, named("two", again))

    assert isinstance(error, TableTakenError)


async def test_postgresql_tables_are_told_apart_as_postgresql_does(memory_store: EventStore, postgres: Any) -> None:
    """
    A name with its schema is the same table; a quoted name in other case, and one in another schema, are others.
    """
    postgres.run("CREATE SCHEMA other")
    await catch_up(memory_store, postgres.url, named("one"))

    (error,) = await catch_up(
        memory_store, postgres.url, named("two", table_of("numbers", Column("n", Integer), schema="public"))
    )

    assert isinstance(error, TableTakenError)
    elsewhere = table_of("numbers", Column("n", Integer), schema="other")
    assert await catch_up(memory_store, postgres.url, named("three", elsewhere)) == []
    quoted = table_of("Numbers", Column("n", Integer))
    assert await catch_up(memory_store, postgres.url, named("four", quoted)) == []


async def test_a_table_that_was_dropped_can_be_made_by_another(memory_store: EventStore, url: str) -> None:
    """
    The projector under its new name makes it anew, and a worker that still runs the old name cannot write into it.
    """
    await count(memory_store, 2)
    old = named("old")

    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(memory_store, url, [old]) as worker:
            await worker.caught_up()
            sql(url, "DROP TABLE numbers")
            assert await catch_up(memory_store, url, named("new")) == []
            await count(memory_store, 3, first=2)
            with pytest.raises(ProjectorSupersededError):
                await worker.caught_up()

    assert await catch_up(memory_store, url, named("new")) == []
    assert sql(url, "SELECT n FROM numbers ORDER BY n") == [0, 1, 2]
    (error,) = await catch_up(memory_store, url, named("old"))
    assert isinstance(error, TableTakenError)


async def test_a_table_that_a_projector_gives_up_is_emptied(memory_store: EventStore, url: str) -> None:
    """
    When a projector is rebuilt without one of its tables, no rows are left there that no erasure would reach.
    """
    extra = table_of("extra", Column("n", Integer))
    await count(memory_store, 2)
    await catch_up(memory_store, url, projector_of(extra, more=(numbers,)))
    assert len(sql(url, "SELECT n FROM extra")) == 2

    await rebuild(projector_of(numbers), memory_store, url)

    assert sql(url, "SELECT n FROM extra") == []
    assert await catch_up(memory_store, url, named("another", extra)) == []


def test_the_librarys_own_tables_are_not_for_projectors() -> None:
    """
    A projector that named them would lose checkpoints with a rebuild.
    """
    with pytest.raises(DeclarationError, match="library"):

        class _Greedy(
            Projector, name="greedy", tables=[Table("eventsource_checkpoints", MetaData(), Column("listener", String))]
        ): ...


def test_a_table_is_named_once() -> None:
    """
    The same table twice is a mistake in the declaration.
    """
    with pytest.raises(DeclarationError, match="twice"):

        class _Double(Projector, name="double", tables=[numbers, numbers]): ...


@pytest.mark.parametrize("name", ["process:loans", "x" * 201])
def test_a_name_fits_its_place(name: str) -> None:
    """
    A name that the checkpoints cannot hold, or that a process manager may have, is refused.
    """
    with pytest.raises(DeclarationError, match="cannot be called"):

        class _Odd(Projector, name=name): ...


async def test_one_projector_on_two_databases_is_two_read_models(
    memory_store: EventStore, read_path: Path, tmp_path: Path
) -> None:
    """
    What is owned in one database says nothing of another.
    """
    await count(memory_store, 2)

    for url in (f"sqlite:///{read_path}", f"sqlite:///{tmp_path / 'other.db'}"):
        assert await catch_up(memory_store, url, Numbers()) == []
        assert sql(url, "SELECT n FROM numbers ORDER BY n") == [0, 1]
