"""
Scenarios of decisions over several subjects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec

from eventsource.aggregates.transacting import transact
from eventsource.testing.clock import FixedClock
from eventsource.testing.scenario.acting import act
from eventsource.testing.scenario.outcome import Outcome
from eventsource.testing.scenario.placing import place
from eventsource.testing.scenario.running import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventsource.aggregates.aggregate import Aggregate
    from eventsource.aggregates.unit_of_work import UnitOfWork
    from eventsource.events.event import NewEvent
    from eventsource.store.interface import EventStore
    from eventsource.testing.scenario.placing import Placed

Arguments = ParamSpec("Arguments")


class DecisionScenario:
    """
    Functions that decide with a `UnitOfWork`, run by `transact` as in production, with a store in memory.

    It reads as ``given(events).when(decision).then(events)``::

        given = DecisionScenario().given

        given(at("/shows/7", SeatTaken(seat=1))).when(take_seat, "7", seat=1).then_refused(SeatTakenError)

    Args:
        clock: The time events are committed at.
    """

    def __init__(self, *, clock: FixedClock | None = None) -> None:
        self._clock = clock or FixedClock()

    def given(self, *history: Placed) -> GivenDecision:
        """
        What happened before, each event with its place.
        """
        return GivenDecision(self._clock, tuple(place(history, default=None)))


class GivenDecision:
    """
    A store with a history, to decide in.
    """

    def __init__(self, clock: FixedClock, history: tuple[NewEvent, ...]) -> None:
        self._clock = clock
        self._history = history

    def when(
        self,
        decision: Callable[Concatenate[UnitOfWork, Arguments], object],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Outcome[object]:
        """
        Decide and commit: ``.when(take_seat, "7", seat=1)`` runs ``take_seat(work, "7", seat=1)``.
        """

        async def decided(store: EventStore) -> tuple[object, Iterable[Aggregate]]:
            last: list[UnitOfWork] = []

            def run_once(work: UnitOfWork) -> object:
                last[:] = [work]
                return decision(work, *args, **kwargs)

            result = await transact(store, run_once)
            return result, last[0].aggregates

        return Outcome(run(lambda: act(self._history, self._clock, decided)))
