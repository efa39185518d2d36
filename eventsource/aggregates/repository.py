"""
The repository: aggregates by id, out of a store and back into it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.closing import new_aggregate
from eventsource.aggregates.history import diff, history, load_at
from eventsource.aggregates.loader import Loader
from eventsource.aggregates.periods import PeriodAggregate
from eventsource.aggregates.transacting import Attempts, RetryPolicy, transact
from eventsource.aggregates.unit_of_work import GIVEN_TWICE, UnitOfWork
from eventsource.events.plain_call import check_has_run, check_is_plain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from eventsource.aggregates.cache import AggregateCache
    from eventsource.aggregates.history import Difference, HistoryEntry, Moment
    from eventsource.aggregates.snapshots import Snapshots
    from eventsource.events.event import Event, RecordedEvent
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
AnyPeriodAggregate = TypeVar("AnyPeriodAggregate", bound=PeriodAggregate)
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
        account.deposit(5_00)  # emits MoneyDeposited, rules=["the account is open"]
        await accounts.save(account)

    Args:
        aggregate_class: Which aggregates.

        store: Where their events are.

        retry: How `execute` runs again after a conflict.

        snapshots: Where loading may begin in place of the first event, for the classes they are taken of.

        cache: Keeps aggregates, so that only what is new is read.
    """

    def __init__(
        self,
        aggregate_class: type[AnyAggregate],
        store: EventStore,
        *,
        retry: RetryPolicy | None = None,
        snapshots: Snapshots | None = None,
        cache: AggregateCache | None = None,
    ) -> None:
        self._class = aggregate_class
        self._store = store
        self._loader = Loader(store, snapshots=snapshots, cache=cache)
        self._retry = retry or RetryPolicy()

    async def load(self, id: str, *, at: Moment | None = None) -> AnyAggregate:
        """
        Rebuild an aggregate from its events.

        Args:
            id: Which one.

            at: Load it as it was: at a time, or right after an event, given by its id, which may be any event
                of the store. It is read only then: it can neither emit nor be saved.

        Raises:
            AggregateNotFoundError: It has no events, or had none then.
            UnknownEventTypeError, EventDecodingError: The log holds an event it cannot take.
            EventNotFoundError: *at* is the id of no event in the store.
            ValueError: *at* is a time without a zone.
        """
        if at is not None:
            return await load_at(self._store, self._class, id, at)
        return await self._loader.load(self._class, id)

    def history(
        self, id: str, *, since: Moment | None = None, until: Moment | None = None
    ) -> AsyncGenerator[HistoryEntry[AnyAggregate]]:
        """
        How an aggregate came to be what it is: pairs of an event and the state right after it, oldest first.

        ``async for event, account in accounts.history("42")``: each state is an aggregate of its own, read only.
        Of one with periods all periods are read, each from its opening on.

        Args:
            id: Which one.

            since: Leave out what happened up to this moment.

            until: End with what happened at this moment.

        Raises:
            AggregateNotFoundError: At the first step: it has no events, or had none then.
            EventNotFoundError, ValueError: At the first step: a moment is no such thing, as in `load`.
        """
        return history(self._store, self._class, id, since=since, until=until)

    async def diff(self, id: str, before: Moment | None, after: Moment | None = None) -> Difference[AnyAggregate]:
        """
        What happened to an aggregate between two moments: the events, and which attributes they changed.

        Args:
            id: Which one.

            before: The first moment; None is before its first event.

            after: The second; None is now.

        Raises:
            AggregateNotFoundError: It has no events, or had none at *after*.
            EventNotFoundError, ValueError: A moment is no such thing, as in `load`; or *before* is the later one.
        """
        return await diff(self._store, self._class, id, before=before, after=after)

    @asynccontextmanager
    async def create(self, id: str, *, period: str | None = None) -> AsyncGenerator[AnyAggregate]:
        """
        A new aggregate, saved when the block ends without an error.

        Args:
            id: Which one.

            period: Its first period, if it is one with periods.

        Raises:
            AggregateExistsError: At the end of the block: the subject has events already.
            TypeError: A period is given for a class without periods.
        """
        aggregate = new_aggregate(self._class, id, period=period)
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
            CommitOutcomeUnknownError: Whether it was written is not known. That is so as well where the call
                is cancelled. Load the aggregates again: these cannot be saved any more.
            AggregateInCommitError: One is being saved already, or it is not known whether it was.
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
            DeclarationError: *command* is asynchronous or a generator, or returned something that has not run.
                Nothing is committed then.
            AggregateNotFoundError: It does not exist.
            RuleBrokenError: A rule of the command did not hold; that is run again only if `RetryPolicy.retried_rules`
                names it.
            ConflictError: In the last of the attempts, too, others were first.
            Exception: Whatever *command* raises; that is not run again.
        """
        check_is_plain(command)
        attempts = Attempts(self._store, self._retry, loader=self._loader)
        while True:
            work = attempts.begin()
            result = command(await work.load(self._class, id), *args, **kwargs)
            check_has_run(result, command)
            if await attempts.commit(work):
                return result

    async def execute_across(
        self, ids: Sequence[str], command: Callable[..., Result], *args: object, **kwargs: object
    ) -> Result:
        """
        `execute` over several aggregates: *command* gets them all, and one commit is guarded for each.

        ``await accounts.execute_across(["1", "2"], transfer, 5_00)`` runs
        ``transfer(account_1, account_2, 5_00)``.
        """
        check_is_plain(command)
        if len({*ids}) < len(ids):
            raise ValueError(GIVEN_TWICE)
        attempts = Attempts(self._store, self._retry, loader=self._loader)
        while True:
            work = attempts.begin()
            result = command(*await work.load_all(self._class, ids), *args, **kwargs)
            check_has_run(result, command)
            if await attempts.commit(work):
                return result

    async def close_period(
        self: Repository[AnyPeriodAggregate],
        id: str,
        next_period: str,
        command: Callable[Concatenate[AnyPeriodAggregate, Arguments], Event | Iterable[Event]],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> AnyPeriodAggregate:
        """
        Close the books of the last period and open the next one, in one commit.

        ``await accounts.close_period("42", "2026-08", Account.close_books)``

        *command* runs on the last period as `execute` would run it. It emits the closing event, last of all,
        and returns what the next period opens with, one event or several. Nobody can write to the old period
        from then on; commands that were about to are run again, in the new one. If the books were closed
        before, by somebody else or by an earlier call, nothing happens.

        Returns:
            The last period as it is then.

        Raises:
            AggregateNotFoundError: It does not exist.
            PeriodClosedError: Its books were closed for good: there is no period after the closed one.
            DeclarationError: *command* does not emit the closing event, or gives nothing to open with.
            ConflictError: In the last of the attempts, too, others were first.
            Exception: Whatever *command* raises.
        """
        check_is_plain(command, may_yield=True)

        async def close(work: UnitOfWork) -> AnyPeriodAggregate:
            current = await work.load(self._class, id)
            if current.period >= next_period:
                return current
            return work.close_period(current, next_period, command, *args, **kwargs)

        return await transact(self._store, close, retry=self._retry, loader=self._loader)
