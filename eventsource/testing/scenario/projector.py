"""
Scenarios of projectors.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import select

from eventsource.projections.database import ReadModelDatabase
from eventsource.projections.worker import ProjectionWorker, rebuild
from eventsource.store.memory import InMemoryEventStore
from eventsource.testing.clock import FixedClock, sequential_ids
from eventsource.testing.scenario.placing import place
from eventsource.testing.scenario.running import run
from eventsource.testing.scenario.unchecked import Checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from eventsource.events.event import Event, NewEvent
    from eventsource.projections.projector import Projector
    from eventsource.testing.scenario.placing import Placed

Rows = list[dict[str, Any]]


class ProjectorScenario:
    """
    A projector, run by a `ProjectionWorker` as in production, with a store in memory and a SQLite file.

    It reads as ``given(events).then_rows(table, rows)``::

        given = ProjectorScenario(Balances).given

        given(at("/accounts/42", MoneyDeposited(cents=5))).then_rows(balances, [{"account": "42", "cents": 5}])

    Every scenario is also run with the events in many pages and rebuilt from the start: the rows must be the same.

    Args:
        make: Makes the projector, anew for each run.
    """

    def __init__(self, make: Callable[[], Projector]) -> None:
        self._make = make

    def given(self, *history: Event | Placed) -> GivenProjector:
        """
        The events it gets; each with its place.
        """
        projector = self._make()
        default = None if projector.subject.is_root else projector.subject
        return GivenProjector(self._make, tuple(place(history, default=default)))


class GivenProjector(Checkable):
    """
    A projector with its events. One of which nothing is checked fails the test.
    """

    def __init__(self, make: Callable[[], Projector], history: tuple[NewEvent, ...], *, twice: bool = False) -> None:
        super().__init__()
        self._make = make
        self._history = history
        self._twice = twice

    def applied_twice(self) -> GivenProjector:
        """
        Hand each event over twice, as a read model without a checkpoint of its own would get it.

        Tables in a database that a `ProjectionWorker` fills need not stand this: their checkpoint is written with
        them. Tables that are filled by other means, or may be one day, do.
        """
        self._is_checked()
        return GivenProjector(self._make, self._history, twice=True)

    def then_rows(self, table: Table, expected: Sequence[Mapping[str, object]]) -> Self:
        """
        The table has exactly these rows, in the order of its primary key.

        Only the columns that are named count.

        Raises:
            AssertionError: It has others; or it has others after a rebuild than after following.
        """
        __tracebackhide__ = True
        self._is_checked()
        for how, found in run(lambda: self._fill(table)):
            names = dict.fromkeys(name for row in expected for name in row)
            rows = [{name: row[name] for name in names} for row in found]
            if rows != [dict(row) for row in expected]:
                lines = [f"{how}, the rows of {table.name!r} are others:"]
                lines += [f"- {dict(row)}" for row in expected]
                lines += [f"+ {row}" for row in rows]
                raise AssertionError("\n".join(lines))
        return self

    async def _fill(self, table: Table) -> list[tuple[str, Rows]]:
        def read(tx: Connection) -> Rows:
            order = list(table.primary_key.columns) or list(table.columns)
            return [dict(row) for row in tx.execute(select(table).order_by(*order)).mappings()]

        with tempfile.TemporaryDirectory(prefix="eventsource-scenario-", ignore_cleanup_errors=True) as folder:
            url = f"sqlite:///{Path(folder) / 'read.db'}"
            async with (
                InMemoryEventStore(clock=FixedClock(), new_id=sequential_ids()) as store,
                ReadModelDatabase(url) as database,
            ):
                if self._twice:
                    return [("with each event applied twice", await self._apply_twice(store, database, read))]
                async with ProjectionWorker(store, database, [self._make()]) as worker:
                    await worker.caught_up()
                    # One by one, so that each is a page and a transaction of its own.
                    for event in self._history:
                        await store.commit([event])
                        await worker.caught_up()
                followed = await database.read(read)
                await rebuild(self._make(), store, database)
                rebuilt = await database.read(read)
                restarted = await self._apply_one_by_one(store, database, read)
            return [
                ("after following", followed),
                ("after a rebuild", rebuilt),
                ("with a restart each time", restarted),
            ]

    async def _apply_one_by_one(
        self, store: InMemoryEventStore, database: ReadModelDatabase, read: Callable[[Connection], Rows]
    ) -> Rows:
        """
        Apply each event with a projector of its own, as it is after a restart: it remembers nothing.
        """
        recorded = [event async for event in store.stream()]

        def apply(tx: Connection) -> Rows:
            for table in reversed(self._make().tables):
                tx.execute(table.delete())
            for event in recorded:
                projector = self._make()
                if projector.wants(event):
                    projector.handle(event, tx)
            return read(tx)

        return await database.write(apply)

    async def _apply_twice(
        self, store: InMemoryEventStore, database: ReadModelDatabase, read: Callable[[Connection], Rows]
    ) -> Rows:
        projector = self._make()
        recorded = await store.commit(self._history) if self._history else ()

        def apply(tx: Connection) -> Rows:
            for table in projector.tables:
                table.create(tx)
            for event in recorded:
                for _ in range(2):
                    if projector.wants(event):
                        projector.handle(event, tx)
            return read(tx)

        return await database.write(apply)
