"""
Deciders: the functional style, a state and two pure functions.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union

import attrs

from eventsource.aggregates.decision_state import DecisionState
from eventsource.events.event import Event
from eventsource.events.handlers import handles
from eventsource.events.plain_call import check_has_run, check_is_plain
from eventsource.guards.guard import select_events as all_events
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

State = TypeVar("State")


class FoldedState(DecisionState):
    """
    What the events of one subject have made of a decider's state.

    Attributes:
        value: The state: a value of any kind.
    """

    value: Any = None


def _as_classes(classes: Iterable[type[Event]]) -> tuple[type[Event], ...]:
    return tuple(classes)


@attrs.frozen(eq=False, kw_only=True)
class Decider(Generic[State]):
    """
    Rules and history as two functions over a state of any kind, where there is no `Aggregate`.

    One stands in the place of a handler::

        account = Decider(
            subject="/accounts/{account}",
            events=[AccountOpened, MoneyDeposited, MoneyWithdrawn],
            initial=NotOpened(),
            decide=decide,  # (state, command) -> events: checks the rules, changes nothing
            evolve=evolve,  # (state, event) -> state: takes in what happened, never refuses
        )
        dispatcher.register(Withdraw, account)

    What it decides is guarded as anything else: by the events that were folded, and by the rules that are
    declared on the command. Events of other classes at the subject are neither folded nor in the way.

    Attributes:
        events: The classes of the events that are folded and emitted.

        initial: The state before the first event. It is shared, so it must be a value that nobody changes.

        decide: Takes a state and a command, and gives the events that happen, one or several or none; or it
            raises. Further parameters are dependencies.

        evolve: Takes a state and an event, and gives the next state.

        subject: Where the events are, with fields of the command in braces; by default the command's own.

    Raises:
        DeclarationError: There are no events, or one is no event class with a type name; `decide` or `evolve`
            is asynchronous, or `evolve` a generator.
    """

    events: tuple[type[Event], ...] = attrs.field(converter=_as_classes)
    initial: State
    decide: Callable[..., Event | Iterable[Event] | None]
    evolve: Callable[[State, Any], State]
    subject: str | None = None

    def __attrs_post_init__(self) -> None:
        check_is_plain(self.decide, may_yield=True)
        check_is_plain(self.evolve)
        classes: tuple[Any, ...] = self.events
        for event_class in classes:
            if not (isinstance(event_class, type) and issubclass(event_class, Event) and event_class.event_type):
                msg = f"a decider folds event classes with a type name, not {event_class!r}"
                raise DeclarationError(msg)
        if not self.events:
            msg = "a decider needs the classes of the events that it folds: Decider(events=[…])"
            raise DeclarationError(msg)

    def fold(self, events: Iterable[Event]) -> State:
        """
        What *events* make of the initial state.
        """
        return functools.reduce(self.evolved, events, self.initial)

    def evolved(self, state: State, event: Event) -> State:
        """
        The state that *event* leads to.

        Raises:
            DeclarationError: `evolve` has not run, but returned an awaitable or a generator.
        """
        after = self.evolve(state, event)
        check_has_run(after, self.evolve)
        return after

    def state_at(self, subject: str) -> FoldedState:
        """
        The state of a subject, of which nothing is read yet: for `UnitOfWork.read`.
        """
        folded = _folded_class(self)(all_events(*self.events).at(subject))
        folded.value = self.initial
        return folded

    def checked(self, event: Event) -> Event:
        """
        An event that was decided.

        Raises:
            DeclarationError: It is none of those that are folded, so the next decision would not know of it.
        """
        if type(event) not in self.events:
            name = type(event).__name__
            msg = f"{self.decide.__qualname__} decided {name}, which the decider does not fold: add it to `events`"
            raise DeclarationError(msg)
        return event


@functools.lru_cache(maxsize=1024)
def _folded_class(decider: Decider[Any]) -> type[FoldedState]:
    # One class for each decider: to a unit of work, two states of one class over equal selections are the same.
    evolve = decider.evolved

    def taken(self: FoldedState, event: Event) -> None:
        self.value = evolve(self.value, event)

    taken.__annotations__["event"] = Union[decider.events]  # noqa: UP007  made of a tuple
    return type("FoldedState", (FoldedState,), {"_taken": handles(taken)})
