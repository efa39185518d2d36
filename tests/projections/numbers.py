"""
A small read model of numbers, for tests of what becomes of it: each event is a row.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    insert,
    text,
)

from eventsource import Event, EventSourceError, NewEvent, ProjectionWorker, Projector, RecordedEvent, handles

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource import EventStore

numbers = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))
add_number = insert(numbers).values(n=bindparam("n"))

# A worker that has not come to its end by then never will, in seconds.
PATIENCE_S = 60


class Counted(Event, type="io.example.test.projections.counted"):
    """
    A number is counted.
    """

    n: int


class Named(Event, type="io.example.test.projections.named"):
    """
    A name is given.
    """

    name: str


class Numbers(Projector, name="numbers", subject="/counters", tables=[numbers]):
    """
    Each number is a row.

    Attributes:
        meddle: Called with each event and the transaction, behind its row.
    """

    def __init__(self, meddle: Callable[[Counted, Connection], Any] | None = None) -> None:
        self.meddle = meddle

    @handles
    def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
        tx.execute(add_number, {"n": event.n})
        if self.meddle:
            self.meddle(event, tx)


def table_of(name: str, *columns: Column[Any] | Index, schema: str | None = None) -> Table:
    """
    A table of its own metadata; by default with one column of text.
    """
    return Table(name, MetaData(), *(columns or (Column("id", String(50), primary_key=True),)), schema=schema)


def projector_of(
    table: Table,
    *,
    name: str = "numbers",
    subject: str = "/counters",
    version: int = 1,
    more: tuple[Table, ...] = (),
    row: Callable[[Counted], dict[str, Any]] = lambda event: {"n": event.n},
) -> Projector:
    """
    A projector that adds a row to *table* for each number.
    """

    class Rows(Projector, name=name, subject=subject, version=version, tables=[table, *more]):
        @handles
        def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
            tx.execute(insert(table).values(**row(event)))

    return Rows()


async def count(store: EventStore, last: int, first: int = 0) -> list[RecordedEvent]:
    """
    Commit numbers.
    """
    return list(await store.commit([NewEvent.of(Counted(n=n), subject="/counters/1") for n in range(first, last)]))


async def catch_up(store: EventStore, database: str, *projectors: Projector) -> list[Exception]:
    """
    Run projectors until all have caught up; what stopped them.
    """
    try:
        async with asyncio.timeout(PATIENCE_S), ProjectionWorker(store, database, list(projectors)) as worker:
            await worker.caught_up()
    except ExceptionGroup as group:
        return list(group.exceptions)
    except EventSourceError as error:
        return [error]
    return []


def sql(url: str, statement: str) -> list[Any]:
    """
    Run one statement past everything of ours; its rows, or their values if they have one column.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()
    return [row[0] if len(row) == 1 else row for row in rows]
