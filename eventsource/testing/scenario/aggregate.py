"""
Scenarios of one aggregate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.repository import Repository
from eventsource.events.plain_call import check_has_run, check_is_plain
from eventsource.testing.clock import FixedClock
from eventsource.testing.scenario.acting import act
from eventsource.testing.scenario.outcome import Outcome
from eventsource.testing.scenario.placing import place
from eventsource.testing.scenario.reloading import reloaded
from eventsource.testing.scenario.running import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.events.event import Event, NewEvent
    from eventsource.store.interface import EventStore
    from eventsource.testing.scenario.outcome import Happened
    from eventsource.testing.scenario.placing import Placed

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
Arguments = ParamSpec("Arguments")


class AggregateScenario(Generic[AnyAggregate]):
    """
    Command methods of an aggregate, saved through a `Repository` as in production, in a store in memory.

    It reads as ``given(events).when(command).then(events)``::

        given = AggregateScenario(Account).given

        given(AccountOpened(owner="Ada")).when(Account.withdraw, 5_00).then_refused(InsufficientFunds)

    Args:
        aggregate_class: Which aggregate.

        id: Its id.

        clock: The time events are committed at.
    """

    def __init__(self, aggregate_class: type[AnyAggregate], id: str = "42", *, clock: FixedClock | None = None) -> None:
        self._class = aggregate_class
        self._id = id
        self._clock = clock or FixedClock()

    def given(self, *history: Event | Placed) -> GivenAggregate[AnyAggregate]:
        """
        What happened before: events of the aggregate, and with `at` those of other subjects.
        """
        placed = tuple(place(history, default=self._class.subject_of(self._id)))
        return GivenAggregate(self._class, self._id, self._clock, placed)


class GivenAggregate(Generic[AnyAggregate]):
    """
    An aggregate with a history.
    """

    def __init__(
        self, aggregate_class: type[AnyAggregate], id: str, clock: FixedClock, history: tuple[NewEvent, ...]
    ) -> None:
        self._class = aggregate_class
        self._id = id
        self._clock = clock
        self._history = history

    def when(
        self,
        command: Callable[Concatenate[AnyAggregate, Arguments], object],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Outcome[AnyAggregate]:
        """
        Run a command method and save: ``.when(Account.withdraw, 5_00)``.

        Without a history of its own the aggregate is a new one.
        """
        check_is_plain(command)

        def call(aggregate: AnyAggregate) -> None:
            check_has_run(command(aggregate, *args, **kwargs), command)

        return Outcome(run(lambda: self._run(call)), default=self._class.subject_of(self._id))

    async def _run(self, command: Callable[[AnyAggregate], None]) -> Happened[AnyAggregate]:
        subject = self._class.subject_of(self._id)
        is_new = not any(event.subject == subject for event in self._history)

        async def save(store: EventStore) -> tuple[AnyAggregate, list[AnyAggregate]]:
            repository = Repository(self._class, store)
            aggregate = self._class(self._id) if is_new else await repository.load(self._id)
            command(aggregate)
            await repository.save(aggregate)
            return await reloaded(store, aggregate), [aggregate]

        return await act(self._history, self._clock, save)
