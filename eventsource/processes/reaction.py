"""
Reactions: methods of a process manager that answer an event, a timer or a refused command.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard, TypeVar, final, overload

import attrs

from eventsource.aggregates.errors import AggregateNotFoundError, ConflictError
from eventsource.events.decoding import decode
from eventsource.events.errors import EventError
from eventsource.events.event import Event
from eventsource.events.event_types import event_types
from eventsource.events.handlers import annotated_kinds, check_overrides, methods_of, note_declared
from eventsource.events.personal_data import Erased
from eventsource.events.plain_call import check_has_run, check_is_plain
from eventsource.guards.errors import PreconditionFailedError
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from eventsource.events.event import RecordedEvent

Method = TypeVar("Method", bound="Callable[..., object]")

_MARK = "_reaction"

# The first parameter behind `self`, and one more that may be left out.
_MOST_PARAMETERS: Final = 3


# What stands for the id in the template of a subject.
ID: Final = "{id}"


@final
class OwnCommand:
    """
    Correlates events with the process whose command made them.
    """

    def __repr__(self) -> str:
        return "own_command"


own_command: Final = OwnCommand()

if TYPE_CHECKING:
    # A field of the event, the subject it stands at, a function of it, or whose command it was.
    By: TypeAlias = str | OwnCommand | Callable[[Any], object]


@attrs.frozen
class Refusal:
    """
    Why a command of a process was refused.

    Attributes:
        name: The class of the error, as `on_refusal` names it.

        rule: The name of the rule that did not hold, if it was one.
    """

    name: str
    rule: str | None = None


@attrs.frozen
class Reaction:
    """
    A method that answers something.

    Attributes:
        method: The function.

        starts: Whether it may be the first that happens to a process.

        by: How an event leads to its process; None for one that stands at the process's own subject.
    """

    method: Callable[..., Any]
    starts: bool = False
    by: By | None = None

    def call(self, process: object, *arguments: object) -> None:
        """
        Run it, with as many of *arguments* as it takes.
        """
        returned = self.method(process, *arguments[: len(inspect.signature(self.method).parameters) - 1])
        check_has_run(returned, self.method)


@attrs.frozen
class _Mark:
    kind: str
    classes: tuple[type, ...]
    by: By | None = None
    refusals: tuple[type[Exception], ...] = ()


# --- Declaring them ---


@overload
def starts(method: Method, /) -> Method: ...
@overload
def starts(*, by: By) -> Callable[[Method], Method]: ...
def starts(method: Method | None = None, /, *, by: By | None = None) -> Method | Callable[[Method], Method]:
    """
    Declare a method that answers an event with which a process begins.

    If the process has begun already, it is answered as by `reacts`: so two events can each be the first,
    whichever comes.

    Args:
        by: How the event leads to its process, where that is not what the class says: see `ProcessManager`.

    Raises:
        DeclarationError: The first parameter behind ``self`` is not annotated with an event class; or
            the method is asynchronous, or a generator.
    """
    return _mark_event(method, "starts", by)


@overload
def reacts(method: Method, /) -> Method: ...
@overload
def reacts(*, by: By) -> Callable[[Method], Method]: ...
def reacts(method: Method | None = None, /, *, by: By | None = None) -> Method | Callable[[Method], Method]:
    """
    Declare a method that answers an event for a process that has begun.

    Args:
        by: As for `starts`.

    Raises:
        DeclarationError: As for `starts`.
    """
    return _mark_event(method, "reacts", by)


def on_timer(method: Method) -> Method:
    """
    Declare a method that answers the event of a timer, ``self.schedule(event, ...)``, when it is due.

    Raises:
        DeclarationError: As for `starts`.
    """
    return _mark(method, "on_timer", _caller(), Event)


def on_refusal(*refusals: type[Exception]) -> Callable[[Method], Method]:
    """
    Declare a method that answers the refusal of a command, mostly with what compensates for it.

    It takes the command, and the `Refusal` if it wants to::

        @on_refusal(AccountClosedError)
        def cannot_be_paid(self, command: PayIn, refusal: Refusal) -> None:
            self.send(ReleaseMoney(...))

    Args:
        refusals: The errors that say no. Every other error is a failure: tried again, then parked. With
            none given it is what the store refuses: a broken rule, an aggregate that is not there, or
            there already.

    Raises:
        DeclarationError: The first parameter behind ``self`` is not annotated with a class.
    """
    body = _caller()

    def mark(method: Method) -> Method:
        return _mark(method, "on_refusal", body, object, refusals=refusals)

    return mark


def _mark_event(method: Method | None, kind: str, by: By | None) -> Method | Callable[[Method], Method]:
    # Frames: this, the decorator, and the class statement it is used in.
    body = sys._getframe(2)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  CPython's documented way
    if method is not None:
        return _mark(method, kind, body, Event, by=by)

    def mark(method: Method) -> Method:
        return _mark(method, kind, body, Event, by=by)

    return mark


def _caller() -> FrameType:
    return sys._getframe(2)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  CPython's documented way


def _mark(
    method: Method,
    kind: str,
    body: FrameType,
    root: type,
    *,
    by: By | None = None,
    refusals: tuple[type[Exception], ...] = (),
) -> Method:
    check_is_plain(method)
    name = getattr(method, "__qualname__", repr(method))
    classes = annotated_kinds(method, body)
    for found in classes:
        if root is Event and not _is_event_class(found):
            msg = f"{name} is annotated with {found!r}, which is no event class with a type name"
            raise DeclarationError(msg)
        if not isinstance(found, type):
            msg = f"{name} is annotated with {found!r}, which is no class of commands"
            raise DeclarationError(msg)
    if len(inspect.signature(method).parameters) > _MOST_PARAMETERS:
        msg = f"{name} takes too much: (self, event), or (self, event, recorded); (self, command, refusal) of a refusal"
        raise DeclarationError(msg)
    setattr(method, _MARK, _Mark(kind, classes, by, refusals))
    note_declared(method, body)
    return method


def _is_event_class(found: Any) -> TypeGuard[type[Event]]:
    return isinstance(found, type) and issubclass(found, Event) and bool(found.event_type)


# --- Finding them ---


@attrs.frozen
class Reactions:
    """
    All reactions of a process manager.

    Attributes:
        events: By event type.

        classes: The event classes, by type.

        timers: The types of the events of timers.

        refusals: By the class of the command: what counts as a refusal, and the answer.
    """

    events: dict[str, Reaction]
    classes: dict[str, type[Event]]
    timers: frozenset[str]
    refusals: dict[type, tuple[tuple[tuple[type[Exception], ...], Reaction], ...]]

    def to(self, recorded: RecordedEvent) -> list[tuple[Reaction, Event]]:
        """
        The answers to an event, each with what it is read as. Erased events are not answered.

        Raises:
            EventError: It cannot be read.
        """
        if not event_types.can_give(recorded.type, self.events):
            return []
        return [
            (self.events[event.event_type], event)
            for event in decode(recorded)
            if not isinstance(event, Erased) and event.event_type in self.events
        ]

    def is_erased(self, recorded: RecordedEvent) -> bool:
        """
        Whether the data of an event that would be answered was erased.
        """
        try:
            return event_types.can_give(recorded.type, self.events) and any(
                isinstance(event, Erased) for event in decode(recorded)
            )
        except EventError:
            return False

    def answer_to(self, command: object, refusal: str) -> Reaction | None:
        """
        The answer to a refusal, or None.
        """
        known = self.refusals.get(type(command), ())
        for refusals, reaction in known:
            if any(one.__name__ == refusal for one in refusals):
                return reaction
        return next((reaction for refusals, reaction in known if not refusals), None)

    def refusal_in(self, command: object, error: Exception) -> Refusal | None:
        """
        What *error* means, if it refuses the command; None if it is a failure.
        """
        rule = error.name if isinstance(error, PreconditionFailedError) else None
        for refusals, _ in self.refusals.get(type(command), ()):
            for one in refusals:
                if isinstance(error, one):
                    return Refusal(one.__name__, rule)
        if isinstance(error, PreconditionFailedError | AggregateNotFoundError) and not isinstance(error, ConflictError):
            return Refusal(type(error).__name__, rule)
        return None


def collect_reactions(owner: type, by: By | None) -> Reactions:
    """
    Find the reactions of a class and its bases.

    Args:
        by: How an event leads to its process where its reaction does not say.

    Raises:
        DeclarationError: Two methods answer the same; a field that is to lead to the process is not
            there, or an event that starts one leads nowhere.
    """
    check_overrides(owner, _MARK)
    events: dict[str, Reaction] = {}
    classes: dict[str, type[Event]] = {}
    refusals: dict[type, tuple[tuple[tuple[type[Exception], ...], Reaction], ...]] = {}
    for method in methods_of(owner):
        mark: _Mark | None = getattr(method, _MARK, None)
        if mark is None:
            continue
        for found in mark.classes:
            if not _is_event_class(found) or mark.kind == "on_refusal":
                refusals[found] = (*refusals.get(found, ()), (mark.refusals, Reaction(method)))
                continue
            if found.event_type in events:
                other = events[found.event_type].method.__name__
                msg = f"{owner.__qualname__} answers {found.__name__} twice: {other} and {method.__name__}"
                raise DeclarationError(msg)
            classes[found.event_type] = found
            leads = None if mark.kind == "on_timer" else by if mark.by is None else mark.by
            if mark.kind != "on_timer":
                _check_by(leads, found, method)
            events[found.event_type] = Reaction(method, starts=mark.kind == "starts", by=leads)
    _check_refusals(owner, refusals)
    timers = frozenset(name for name, reaction in events.items() if reaction.by is None)
    return Reactions(events, classes, timers, refusals)


def _check_by(by: By | None, event_class: type[Event], method: Callable[..., object]) -> None:
    name = getattr(method, "__qualname__", repr(method))
    if by is None:
        msg = f"{name}: nothing says which process {event_class.__name__} is for; give `by` here or to the class"
    elif isinstance(by, str) and by.startswith("/"):
        if by.split("/").count(ID) == 1:
            return
        msg = f"{name}: the subject {by!r} needs exactly one segment '{ID}'"
    elif isinstance(by, str):
        if by in event_class.model_fields:
            return
        msg = f"{name}: {event_class.__name__} has no field {by!r} that could say which process it is for"
    else:
        if callable(by):
            check_is_plain(by)
        return
    raise DeclarationError(msg)


def _check_refusals(
    owner: type, refusals: dict[type, tuple[tuple[tuple[type[Exception], ...], Reaction], ...]]
) -> None:
    for command_class, known in refusals.items():
        names = [one.__name__ for errors, _ in known for one in errors] + ["" for errors, _ in known if not errors]
        if len(set(names)) < len(names):
            msg = f"{owner.__qualname__} answers a refusal of {command_class.__name__} twice"
            raise DeclarationError(msg)
