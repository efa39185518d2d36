"""
Scenarios of commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.commands.command import Command
from eventsource.commands.dispatcher import Dispatcher
from eventsource.testing.clock import FixedClock
from eventsource.testing.scenario.acting import act
from eventsource.testing.scenario.outcome import Outcome
from eventsource.testing.scenario.placing import place
from eventsource.testing.scenario.reloading import WatchingLoader
from eventsource.testing.scenario.running import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from eventsource.aggregates.aggregate import Aggregate
    from eventsource.commands.execution import CommandResult
    from eventsource.events.event import NewEvent
    from eventsource.store.interface import EventStore
    from eventsource.testing.scenario.placing import Placed


class CommandScenario:
    """
    Commands, taken to their handlers by the dispatcher of production, with a store in memory.

    It reads as ``given(events).when(command).then(events)``::

        given = CommandScenario(dispatcher).given

        given(at("/accounts/1", MoneyDeposited(cents=5))).when(Withdraw(account="1", cents=6)).then_refused("funds")

    Args:
        dispatcher: Whose handlers, middleware and dependencies; its own store is not touched. Or a function
            that makes one over the store that it gets, for handlers whose dependencies need that store.

        clock: The time events are committed at.
    """

    def __init__(
        self, dispatcher: Dispatcher | Callable[[EventStore], Dispatcher], *, clock: FixedClock | None = None
    ) -> None:
        self._over = dispatcher.on if isinstance(dispatcher, Dispatcher) else dispatcher
        self._clock = clock or FixedClock()

    def given(self, *history: Placed) -> GivenCommands:
        """
        What happened before, each event with its place.
        """
        return GivenCommands(self._over, self._clock, tuple(place(history, default=None)))


class GivenCommands:
    """
    A store with a history, to dispatch commands to.
    """

    def __init__(
        self, over: Callable[[EventStore], Dispatcher], clock: FixedClock, history: tuple[NewEvent, ...]
    ) -> None:
        self._over = over
        self._clock = clock
        self._history = history

    def when(self, command: Command | Sequence[Command]) -> Outcome[list[CommandResult]]:
        """
        Dispatch a command, or several one after the other; the first that is refused ends it.
        """
        commands = [command] if isinstance(command, Command) else list(command)

        async def dispatch(store: EventStore) -> tuple[list[CommandResult], Iterable[Aggregate]]:
            loader = WatchingLoader(store)
            dispatcher = self._over(store).on(store, loader=loader)
            results = [await dispatcher.dispatch(each) for each in commands]
            return results, loader.seen.values()

        return Outcome(run(lambda: act(self._history, self._clock, dispatch)))
