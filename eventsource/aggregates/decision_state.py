"""
Decision states: what has to be known in order to decide, folded from events that are no aggregate's.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar

from eventsource.aggregates.folding import fold_events
from eventsource.aggregates.state import check_names, collect_mutable_defaults
from eventsource.events.handlers import check_handlers, collect_erased_handlers, collect_handlers
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventsource.events.event import Event, RecordedEvent
    from eventsource.guards.guard import EventSelection, Guard

_OF_INSTANCES = ("_selection", "_count", "_last_event")
_OF_SUBCLASSES = ("_handlers", "_erased_handlers", "_mutable_defaults")


class DecisionState:
    """
    A small state over a selection of events, read for one decision: "seats taken", "withdrawn today".

    It is no aggregate: the events may be of many subjects and of any classes, it has no id, and it
    emits nothing. Annotated attributes with a default are the state (mutable defaults are copied for
    each instance), handlers take events into it::

        class SeatsTaken(DecisionState):
            count: int = 0

            @classmethod
            def of(cls, show: str) -> Self:
                return cls(events(SeatTaken).under(f"/shows/{show}"))

            @handles
            def _taken(self, event: SeatTaken) -> None:
                self.count += 1

    A `UnitOfWork` reads it and guards the commit by it: no event has been added to the selection. Two
    states of one class over equal selections are the same to it, so what else a handler depends on
    belongs into the class.

    Args:
        selection: Which events are folded.

    Raises:
        DeclarationError: When the class is made: two handlers for one event, a state attribute takes a
            name that is in use here. When it is instantiated: an event class that is selected has no
            handler.
    """

    _handlers: ClassVar[dict[str, tuple[type[Event], Callable[..., Any]]]] = {}
    _erased_handlers: ClassVar[dict[str, Callable[..., Any]]] = {}
    _mutable_defaults: ClassVar[dict[str, object]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_names(cls, DecisionState, of_instances=_OF_INSTANCES, of_subclasses=_OF_SUBCLASSES)
        cls._handlers = collect_handlers(cls)
        cls._erased_handlers = collect_erased_handlers(cls)
        check_handlers(cls)
        cls._mutable_defaults = collect_mutable_defaults(cls, DecisionState)

    def __init__(self, selection: EventSelection[Any]) -> None:
        """
        A state into which nothing is folded yet. `UnitOfWork.read` reads it.
        """
        for event_class in selection.event_classes:
            if event_class.event_type not in self._handlers:
                name = event_class.__name__
                msg = (
                    f"{type(self).__name__} selects {name}, which it has no handler for: "
                    f"add a method marked @handles with a parameter `event: {name}`"
                )
                raise DeclarationError(msg)
        self._selection = selection
        self._count = 0
        self._last_event: RecordedEvent | None = None
        for name, default in self._mutable_defaults.items():
            setattr(self, name, copy.deepcopy(default))

    @property
    def selection(self) -> EventSelection[Any]:
        """
        Which events it is about.
        """
        return self._selection

    @property
    def events_folded(self) -> int:
        """
        How many recorded events are folded into it.
        """
        return self._count

    @property
    def last_event(self) -> RecordedEvent | None:
        """
        The last recorded event folded into it.
        """
        return self._last_event

    @property
    def guard(self) -> Guard:
        """
        That there are no more events in its selection than those folded into it.
        """
        # Recorded ones: an older event may be read as several, or as none.
        return self._selection.count_recorded() == self._count

    def fold(self, events: Sequence[RecordedEvent]) -> None:
        """
        Take recorded events of its selection into the state, oldest first.

        Raises:
            EventDecodingError, NewerEventError, UpcastingError: An event cannot be read.
        """
        if not events:
            return
        fold_events(
            self,
            self._handlers,
            self._erased_handlers,
            events,
            reader=f"decision state {type(self).__name__}",
            # What is selected has its handler. What is not comes along only where an older event gives several.
            unknown_events="ignore",
        )
        self._count += len(events)
        self._last_event = events[-1]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._count} events>"
