"""
What came of a scenario, and what must have come of it.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Self, TypeVar

import attrs

from eventsource.events.errors import NotAnEventError, UnstorableDataError, UnstorableEventError
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.guard import Guard
from eventsource.root_error import DeclarationError, EventSourceError
from eventsource.testing.scenario.differences import describe, differences
from eventsource.testing.scenario.placing import Placed, place
from eventsource.testing.scenario.unchecked import Checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.events.event import Event, RecordedEvent
    from eventsource.events.subject import Subject

State = TypeVar("State")

# Slips of the program: no command decides on them. Each is a ValueError or a TypeError, too, and many programs refuse
# with these.
_SLIPS: Final = (DeclarationError, NotAnEventError, UnstorableDataError, UnstorableEventError)


@attrs.frozen
class Happened(Generic[State]):
    """
    What a scenario did.

    Attributes:
        events: What was committed.

        error: What was raised instead.

        state: What there is to look at afterwards.

        changed: What of the state no event has made, each in a line.
    """

    events: Sequence[RecordedEvent] = ()
    error: Exception | None = None
    state: State | None = None
    changed: Sequence[str] = ()


class Outcome(Checkable, Generic[State]):
    """
    What came of it. Each method checks one thing and gives the outcome back, so that several can follow.

    Each of them also checks that the aggregates are what another load makes of their events: state that a command
    changes itself, and not by an event, is lost. An outcome of which nothing is checked fails the test.
    """

    def __init__(self, happened: Happened[State], *, default: Subject | None = None) -> None:
        super().__init__()
        self._happened = happened
        self._default = default

    def then(self, *expected: Event | Placed) -> Self:
        """
        Exactly these events were committed, in this order.

        Subjects count where there is more than one that it could be: `at` says which.

        Raises:
            AssertionError: Others were, or it was refused; the message shows the difference line by line.
        """
        __tracebackhide__ = True
        self._check_not_refused()
        lines = differences(list(place(expected, default=self._default)), self._happened.events)
        if lines is not None:
            _fail("other events happened than expected:", *lines)
        return self

    def then_nothing(self) -> Self:
        """
        It was accepted, and nothing was committed.

        Raises:
            AssertionError: Something was, or it was refused.
        """
        __tracebackhide__ = True
        self._check_not_refused()
        if self._happened.events:
            _fail("nothing was to happen, but:", *(line for event in self._happened.events for line in describe(event)))
        return self

    def then_refused(self, by: type[Exception] | str | Guard) -> Self:
        """
        It was refused, and nothing was committed.

        Args:
            by: The class of the exception; or the name of the rule that the store decided, or the rule. A class such
                as ValueError does not mean the errors of this package for a slip of the program, as an event that
                cannot be stored: these are named as what they are.

        Raises:
            AssertionError: It was accepted, or refused by something else.
        """
        __tracebackhide__ = True
        self._is_checked()
        error = self._happened.error
        name = by.name if isinstance(by, Guard) else by
        what = f"the rule {name!r}" if isinstance(name, str) else getattr(name, "__name__", repr(name))
        if error is None:
            lines = [line for event in self._happened.events for line in describe(event)]
            _fail(f"{what} was to refuse it, but it was accepted:", *(lines or ["nothing happened"]))
        if isinstance(name, str):
            is_meant = isinstance(error, PreconditionFailedError) and error.name == name
        else:
            is_meant = name is not None and isinstance(error, name)
            if isinstance(error, _SLIPS) and name is not None:
                is_meant = is_meant and issubclass(name, EventSourceError)
        if not is_meant:
            _fail(f"{what} was to refuse it, but it was refused by:", *_told(error))
        return self

    def then_state(self, **expected: object) -> Self:
        """
        Afterwards these attributes have these values.

        Raises:
            AssertionError: One has another value, or it was refused.
        """
        __tracebackhide__ = True
        self._check_not_refused()
        found = {name: getattr(self._happened.state, name) for name in expected}
        wrong = [name for name, value in expected.items() if found[name] != value]
        if wrong:
            lines = [f"{name}: expected {expected[name]!r}, found {found[name]!r}" for name in wrong]
            _fail("the state is another one:", *lines)
        return self

    @property
    def events(self) -> Sequence[RecordedEvent]:
        """
        What was committed, for checks of one's own.
        """
        self._is_checked()
        return self._happened.events

    def _check_not_refused(self) -> None:
        __tracebackhide__ = True
        self._is_checked()
        error = self._happened.error
        if error is not None:
            _fail("it was refused:", *_told(error))
        if self._happened.changed:
            _fail("state was changed without an event, so it is lost:", *self._happened.changed)


def _told(error: Exception) -> list[str]:
    # The place in the user's own code is what helps; the frames of this kit do not.
    return [line for text in traceback.format_exception(error) for line in text.rstrip().splitlines()]


def _fail(reason: str, *lines: str) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError("\n".join([reason, *lines]))


AnyOutcome = Outcome[Any]
