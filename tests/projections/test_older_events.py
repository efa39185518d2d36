"""
Read models of events that are stored in older forms, or erased: handlers see what they are today.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

from eventsource import (
    Erased,
    Event,
    EventStore,
    NewEvent,
    ProjectionWorker,
    Projector,
    ReadModelDatabase,
    RecordedEvent,
    handles,
    upcaster,
)
from eventsource.errors import ProjectorFailedError
from eventsource.projections import rebuild

if TYPE_CHECKING:
    from collections.abc import Iterator

Data = dict[str, Any]
NAME = "io.example.test.older-events"

lines = Table(
    "lines", MetaData(), Column("number", Integer, primary_key=True), Column("subject", String), Column("text", String)
)


class Bought(Event, type=f"{NAME}.bought"):
    """
    Was one line of an order before.
    """

    item: str


class Gifted(Event, type=f"{NAME}.gifted"):
    """
    Likewise.
    """

    item: str


class BuyerNamed(Event, type=f"{NAME}.buyer-named", personal=True):
    """
    Somebody's name.
    """

    name: str


@upcaster(f"{NAME}.ordered", version=1, into=[Bought, Gifted])
def _by_item(data: Data) -> Iterator[tuple[type[Event], Data]]:
    for item in data["items"]:
        yield (Gifted if item.startswith("gift") else Bought), {"item": item}


class Lines(Projector, name="lines", subject="/orders", tables=[lines]):
    """
    A row for each event it is given.
    """

    def __init__(self, *, fails_at: str = "") -> None:
        self._fails_at = fails_at

    @handles
    def _bought(self, event: Bought, recorded: RecordedEvent, tx: Connection) -> None:
        if event.item == self._fails_at:
            raise ValueError
        tx.execute(insert(lines).values(subject=recorded.subject, text=event.item))

    @handles
    def _named(self, event: BuyerNamed | Erased[BuyerNamed], recorded: RecordedEvent, tx: Connection) -> None:
        text = "somebody" if isinstance(event, Erased) else event.name
        tx.execute(insert(lines).values(subject=recorded.subject, text=text))


class Names(Projector, name="names", subject="/orders", tables=[lines]):
    """
    It says nothing about erased events.
    """

    @handles
    def _named(self, event: BuyerNamed, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(lines).values(subject=recorded.subject, text=event.name))


def ordered(*items: str) -> NewEvent:
    """
    An order as an older program wrote it.
    """
    return NewEvent(subject="/orders/1", type=f"{NAME}.ordered", data={"items": [*items]})


async def texts(database: ReadModelDatabase) -> list[str]:
    """
    The rows there are, in order.
    """

    def ask(connection: Connection) -> list[str]:
        return list(connection.execute(select(lines.c.text).order_by(lines.c.number)).scalars())

    return await database.read(ask)


async def caught_up(store: EventStore, database: ReadModelDatabase, projector: Projector) -> None:
    """
    Run a projector over what there is.
    """
    async with ProjectionWorker(store, database, [projector]) as worker:
        await worker.caught_up()


async def test_each_event_that_one_is_split_into_has_its_handler_run(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    Those without a handler are passed over, and the type of the old name is asked for.
    """
    await memory_store.commit([ordered("pen", "gift card", "ink"), ordered()])
    await memory_store.commit([NewEvent.of(Bought(item="paper"), subject="/orders/1")])

    await caught_up(memory_store, database, Lines())

    assert await texts(database) == ["pen", "ink", "paper"]


async def test_a_split_event_is_applied_whole_or_not_at_all(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    Where the second handler fails, what the first did is gone; corrected, both run.
    """
    await memory_store.commit([ordered("pencil"), ordered("pen", "ink")])
    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(memory_store, database, [Lines(fails_at="ink")]) as worker:
            with pytest.raises(ProjectorFailedError):
                await worker.caught_up()
    assert await texts(database) == ["pencil"]

    await caught_up(memory_store, database, Lines())

    assert await texts(database) == ["pencil", "pen", "ink"]


async def test_a_rebuild_after_erasing_knows_nobody(memory_store: EventStore, database: ReadModelDatabase) -> None:
    """
    The handler that is declared for it runs with `Erased`, never with an empty name.
    """
    await memory_store.commit([NewEvent.of(BuyerNamed(name="Ada"), subject="/orders/1"), ordered("pen")])
    await caught_up(memory_store, database, Lines())
    assert await texts(database) == ["Ada", "pen"]

    await memory_store.erase("/orders/1")
    await rebuild(Lines(), memory_store, database)

    assert await texts(database) == ["somebody", "pen"]


async def test_erased_events_without_a_handler_are_passed_over(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    A projector that says nothing about them goes on.
    """
    await memory_store.commit([NewEvent.of(BuyerNamed(name="Ada"), subject="/orders/1")])
    await memory_store.erase("/orders/1")
    await memory_store.commit([NewEvent.of(BuyerNamed(name="Bob"), subject="/orders/1")])

    await caught_up(memory_store, database, Names())

    assert await texts(database) == ["Bob"]


async def test_a_failing_upcaster_stops_the_projector_without_a_word_of_the_data(
    memory_store: EventStore, database: ReadModelDatabase
) -> None:
    """
    Neither the error nor its cause quotes what the event says.
    """
    await memory_store.commit(
        [NewEvent(subject="/orders/1", type=f"{NAME}.ordered", data={"items": [{"buyer": "Ada Lovelace"}]})]
    )

    with contextlib.suppress(ExceptionGroup):
        async with ProjectionWorker(memory_store, database, [Lines()]) as worker:
            with pytest.raises(ProjectorFailedError) as excinfo:
                await worker.caught_up()

    assert "_by_item raised AttributeError" in str(excinfo.value.__cause__)
    assert "Ada" not in f"{excinfo.value}{excinfo.value.__cause__}"
