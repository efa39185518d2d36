"""
Dispatching and then waiting for read models: what was done is seen in the next query.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

from eventsource import ProjectionWorker, Projector, RecordedEvent, handles
from eventsource.errors import NotSeenError, ProjectorNotRunningError, ResultNotSeenError
from tests.aggregates.accounts import MoneyMoved
from tests.commands.requests import Deposit, Look, Open, make_dispatcher

if TYPE_CHECKING:
    from pathlib import Path

    from eventsource.commands import CommandResult
    from tests.aggregates.observed_store import ObservedStore

tables = MetaData()
moved = Table("moved", tables, Column("account", String), Column("cents", Integer))
other_moved = Table("other_moved", tables, Column("account", String), Column("cents", Integer))


class Moved(Projector, name="moved", subject="/accounts", tables=[moved]):
    """
    A row for each movement.
    """

    @handles
    def _moved(self, event: MoneyMoved, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(moved).values(account=recorded.subject, cents=event.cents))


class OtherMoved(Projector, name="other-moved", subject="/accounts", tables=[other_moved]):
    """
    The same once more.
    """

    @handles
    def _moved(self, event: MoneyMoved, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(other_moved).values(account=recorded.subject, cents=event.cents))


class Behind:
    """
    A read model that never gets there, and says how long it was waited for.
    """

    def __init__(self) -> None:
        self.waited: list[tuple[str, float]] = []

    async def seen(self, event_id: str, timeout_s: float = 5.0) -> None:
        """
        Do not get there.
        """
        self.waited.append((event_id, timeout_s))
        name = "behind"
        raise NotSeenError(name, event_id=event_id, timeout_s=timeout_s)


async def test_read_models_have_seen_the_result(store: ObservedStore, tmp_path: Path) -> None:
    """
    All that are named, the first time and for a repeat.
    """
    dispatcher = make_dispatcher(store)
    projectors = [Moved(), OtherMoved()]
    async with ProjectionWorker(store.inner, f"sqlite:///{tmp_path / 'read.db'}", projectors) as worker:

        def count(tx: Connection) -> list[int]:
            return [len(tx.execute(select(table)).all()) for table in (moved, other_moved)]

        async def rows() -> list[int]:
            return await worker.database.read(count)

        await dispatcher.dispatch(Open(account="1"))
        for number in range(1, 11):
            command = Deposit(command_id=f"{number}", account="1", cents=5)
            await dispatcher.dispatch(command, wait_for=projectors)
            assert await rows() == [number, number]
        result, repeat = await asyncio.gather(
            dispatcher.dispatch(Deposit(command_id="11", account="1", cents=5), wait_for=projectors),
            dispatcher.dispatch(Deposit(command_id="11", account="1", cents=5), wait_for=projectors),
        )

        assert await rows() == [11, 11]
        assert result.events == repeat.events


async def test_command_is_committed_though_it_is_not_seen(store: ObservedStore) -> None:
    """
    The error says so, and carries the result; sending the command again waits again and does nothing else.
    """
    dispatcher = make_dispatcher(store)
    await dispatcher.dispatch(Open(account="1"))
    command = Deposit(account="1", cents=5)
    behind = Behind()
    waited: list[tuple[str, float]] = []

    for is_repeat in (False, True):
        with pytest.raises(ResultNotSeenError, match="is carried out and committed") as excinfo:
            await dispatcher.dispatch(command, wait_for=[behind], wait_timeout_s=0.5)
        assert isinstance(excinfo.value.__cause__, NotSeenError)
        assert excinfo.value.reason == "not-seen"
        result: CommandResult = excinfo.value.result
        assert [event.decode() for event in result.events] == [MoneyMoved(cents=5)]
        assert result.is_repeat == is_repeat
        waited.append((result.events[-1].id, 0.5))

    assert await store.count() == 2
    assert behind.waited == waited


async def test_projector_that_nobody_runs_is_told_with_the_result(store: ObservedStore) -> None:
    """
    That, too, comes after the commit.
    """
    with pytest.raises(ResultNotSeenError) as excinfo:
        await make_dispatcher(store).dispatch(Open(account="1"), wait_for=[Moved()])

    assert isinstance(excinfo.value.__cause__, ProjectorNotRunningError)
    assert await store.count() == 1


async def test_what_committed_nothing_is_not_waited_for(store: ObservedStore) -> None:
    """
    There is nothing to be seen.
    """
    dispatcher = make_dispatcher(store)
    await dispatcher.dispatch(Open(account="1"))
    behind = Behind()

    await dispatcher.dispatch(Look(account="1"), wait_for=[behind])

    assert behind.waited == []
