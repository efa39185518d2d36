"""
Reactions: methods of a process manager that answer an event, a timer or a refused command.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
import sys
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar, final, overload
from urllib.parse import quote, unquote

import attrs

from eventsource.domain.decoding import decode
from eventsource.domain.erased import Erased
from eventsource.domain.event import Event
from eventsource.domain.event_type import event_types
from eventsource.domain.handler import annotated_kinds, check_is_plain, methods_of
from eventsource.errors import (
    AggregateNotFoundError,
    ConflictError,
    DeclarationError,
    EventError,
    PreconditionFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeAlias

    from eventsource.domain.event import RecordedEvent

Method = TypeVar("Method", bound="Callable[..., object]")

_MARK = "_reaction"
_ID = "{id}"

# The first parameter behind `self`, and one more that may be left out.
_MOST_PARAMETERS: Final = 3


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
        self.method(process, *arguments[: len(inspect.signature(self.method).parameters) - 1])


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

        refusals: By the class of the command: what counts as a refusal, and the answer.
    """

    events: dict[str, Reaction]
    classes: dict[str, type[Event]]
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
    return Reactions(events, classes, refusals)


def _check_by(by: By | None, event_class: type[Event], method: Callable[..., object]) -> None:
    name = getattr(method, "__qualname__", repr(method))
    if by is None:
        msg = f"{name}: nothing says which process {event_class.__name__} is for; give `by` here or to the class"
    elif isinstance(by, str) and by.startswith("/"):
        if by.split("/").count(_ID) == 1:
            return
        msg = f"{name}: the subject {by!r} needs exactly one segment '{_ID}'"
    elif isinstance(by, str):
        if by in event_class.model_fields:
            return
        msg = f"{name}: {event_class.__name__} has no field {by!r} that could say which process it is for"
    else:
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


# --- From an event to its process ---


def correlate(recorded: RecordedEvent, reactions: Reactions, *, process_name: str) -> tuple[str, ...]:
    """
    The ids of the processes that an event is for; mostly one, or none.

    Raises:
        EventError: It cannot be read, and what it says as it is stored is not enough.
        Exception: Whatever a function raises that was given as `by`.
    """
    try:
        found = [
            _find(recorded, event, reaction.by, process_name)
            for reaction, event in reactions.to(recorded)
            if reaction.by is not None
        ]
    except EventError:
        # One that cannot be read is parked at its process, as long as it says at which.
        found = [_find_unread(recorded, reactions, process_name)]
        if found == [None]:
            raise
    return tuple(dict.fromkeys(str(one) for one in found if one is not None))


def is_for(id: str, recorded: RecordedEvent, event: Event, by: By | None, *, process_name: str) -> bool:
    """
    Whether one of the events that *recorded* is read as is for the process with this id.
    """
    found = None if by is None else _find(recorded, event, by, process_name)
    return found is not None and str(found) == id


def _find(recorded: RecordedEvent, event: Event, by: By, process_name: str) -> object:
    if isinstance(by, OwnCommand):
        return process_of_command(recorded.metadata.command_id or "", process_name)
    if isinstance(by, str):
        return _id_in(recorded.subject, by) if by.startswith("/") else getattr(event, by)
    return by(event)


def _find_unread(recorded: RecordedEvent, reactions: Reactions, process_name: str) -> object:
    reaction = reactions.events.get(recorded.type)
    if reaction is None:
        return None
    if isinstance(reaction.by, OwnCommand):
        return process_of_command(recorded.metadata.command_id or "", process_name)
    if not isinstance(reaction.by, str):
        return None
    if reaction.by.startswith("/"):
        return _id_in(recorded.subject, reaction.by)
    field = reactions.classes[recorded.type].model_fields[reaction.by]
    value = recorded.data.get(field.alias or reaction.by)
    return value if isinstance(value, str | int) else None


def _id_in(subject: str, template: str) -> str | None:
    found = _pattern(template).fullmatch(subject)
    return found[1] if found else None


@functools.lru_cache(maxsize=256)
def _pattern(template: str) -> re.Pattern[str]:
    before, _, after = template.partition(_ID)
    return re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}")


def command_id(process_name: str, id: str, cause: str, index: int) -> str:
    """
    The id of a command: the same whenever the same process answers the same event.

    Raises:
        ValueError: The process's id is too long for it.
    """
    quoted = quote(id, safe="")
    if len(quoted) > _LONGEST_ID:
        msg = f"the id of a process is longer than {_LONGEST_ID} characters, escaped as in a URL"
        raise ValueError(msg)
    # Ids of events are opaque; those of our stores are UUIDs.
    short = cause if _SHORT.fullmatch(cause) else hashlib.sha256(cause.encode()).hexdigest()[:40]
    return f"{process_name}/{quoted}/{short}/{index}"


def process_of_command(command_id: str, process_name: str) -> str | None:
    """
    The id of the process whose command has this id; None if it is none of *process_name*.
    """
    name, _, rest = command_id.partition("/")
    # Behind it come the id, the cause and the index.
    return unquote(rest.split("/")[0]) if name == process_name and rest.count("/") == _PARTS_BEHIND_ID else None


# With a name of 40 characters all of it fits into the 200 of a command id.
_LONGEST_ID: Final = 100
_SHORT: Final = re.compile("[!-.0-~]{1,40}")
_PARTS_BEHIND_ID: Final = 2
