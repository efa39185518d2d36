"""
The repository: aggregates by id, out of a store and back into it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from eventsource.commands.decide import decide
from eventsource.commands.loading import Loader
from eventsource.commands.retry import RetryPolicy
from eventsource.commands.unit_of_work import GIVEN_TWICE, UnitOfWork
from eventsource.domain.aggregate import Aggregate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from eventsource.domain.event import RecordedEvent
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Repository(Generic[AnyAggregate]):
    """
    Loads aggregates of one class from a store and saves them there.

    An aggregate is rebuilt from the events of exactly its subject; what lies below the subject is
    not part of it. What is saved is guarded: the commit fails if others wrote to the subject since
    it was read. Events emitted under rules of their own (`Aggregate.emit`) are guarded by these
    instead; so commands that break no rule never conflict, however many there are at once, and none
    of them needs the aggregate's history: it is enough to save one that was not read::

        account = Account("42")
        account.deposit(5_00)  # emits MoneyDeposited, guarded_by "the account is open"
        await accounts.save(account)

    Args:
        aggregate_class: Which aggregates.

        store: Where their events are.

        retry: How `execute` runs again after a conflict.
    """

    def __init__(
        self, aggregate_class: type[AnyAggregate], store: EventStore, *, retry: RetryPolicy | None = None
    ) -> None:
        self._class = aggregate_class
        self._store = store
        self._loader = Loader(store)
        self._retry = retry or RetryPolicy()

    async def load(self, id: str) -> AnyAggregate:
        """
        Rebuild an aggregate from its events.

        Raises:
            AggregateNotFoundError: It has none.
            UnknownEventTypeError, EventDecodingError: The log holds an event it cannot take.
        """
        return await self._loader.load(self._class, id)

    @asynccontextmanager
    async def create(self, id: str) -> AsyncGenerator[AnyAggregate]:
        """
        A new aggregate, saved when the block ends without an error.

        Raises:
            AggregateExistsError: At the end of the block: the subject has events already.
        """
        aggregate = self._class(id)
        yield aggregate
        await self.save(aggregate)

    @asynccontextmanager
    async def change(self, id: str) -> AsyncGenerator[AnyAggregate]:
        """
        An aggregate as it is now, saved when the block ends without an error.

        Raises:
            AggregateNotFoundError: It does not exist.
            ConflictError: At the end of the block: others committed to it meanwhile.
        """
        aggregate = await self.load(id)
        yield aggregate
        await self.save(aggregate)

    async def save(self, *aggregates: Aggregate) -> tuple[RecordedEvent, ...]:
        """
        Commit the pending events of all *aggregates* together, guarded for each.

        An aggregate that emitted nothing is guarded all the same: the others may have been decided
        by what it says. If none emitted anything, nothing is committed.

        Returns:
            What was committed; the aggregates in the order given.

        Raises:
            AggregateExistsError: A new one has events in the store already.
            ConflictError: Others committed to one since it was read.
            AggregateNotFoundError: It is a rule of one, `SubjectExists`, that it exists, and it does not.
            RuleBrokenError: Another rule did not hold: `name` and `asked` tell which.
            ValueError: The same subject is given twice.
        """
        work = UnitOfWork(self._store, loader=self._loader)
        for aggregate in aggregates:
            work.add(aggregate)
        return await work.commit()

    async def execute(
        self,
        id: str,
        command: Callable[Concatenate[AnyAggregate, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """
        Load, run a command method, save; after a conflict read what is new and run it again.

        ``await accounts.execute("42", Account.withdraw, 5_00)``

        Returns:
            What *command* returned in the run that was saved. If that is the aggregate, it is as it was
            saved: its `last_event_id` is what to wait for in a read model.

        Raises:
            AggregateNotFoundError: It does not exist.
            RuleBrokenError: A rule of the command did not hold; that is not run again.
            ConflictError: In the last of the attempts, too, others were first.
            Exception: Whatever *command* raises; that is not run again.
        """

        def run(aggregates: Sequence[AnyAggregate]) -> Result:
            return command(aggregates[0], *args, **kwargs)

        return await self._execute([id], run)

    async def execute_across(
        self, ids: Sequence[str], command: Callable[..., Result], *args: object, **kwargs: object
    ) -> Result:
        """
        `execute` over several aggregates: *command* gets them all, and one commit is guarded for each.

        ``await accounts.execute_across(["1", "2"], transfer, 5_00)`` runs
        ``transfer(account_1, account_2, 5_00)``.
        """

        def run(aggregates: Sequence[AnyAggregate]) -> Result:
            return command(*aggregates, *args, **kwargs)

        return await self._execute(ids, run)

    async def _execute(self, ids: Sequence[str], run: Callable[[Sequence[AnyAggregate]], Result]) -> Result:
        if len({*ids}) < len(ids):
            raise ValueError(GIVEN_TWICE)

        async def load_and_run(work: UnitOfWork) -> Result:
            return run(await work.load_all(self._class, ids))

        return await decide(self._store, load_and_run, retry=self._retry, loader=self._loader)
