"""
From a handler as a user writes it to what a dispatcher runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from eventsource.commands.dispatching.command_subject import SubjectTemplate
from eventsource.commands.dispatching.dependencies import name_of, parameters_of, resolve
from eventsource.commands.unit_of_work import UnitOfWork
from eventsource.domain.aggregates.decider import Decider
from eventsource.domain.event import Event
from eventsource.domain.plain_call import check_has_run, check_is_plain
from eventsource.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import FrameType

    from eventsource.commands.dispatching.command import Command


def handling_of(
    command_class: type[Command],
    handler: Callable[..., object] | Decider[Any],
    dependencies: Mapping[type | str, object],
    around: FrameType | None,
) -> Callable[[Any, UnitOfWork], Awaitable[Any]]:
    """
    What runs *handler* for commands of a class, all that it needs looked up.

    Raises:
        DeclarationError: It cannot handle them, or a dependency is missing or not clear.
    """
    if isinstance(handler, Decider):
        decider: Decider[Any] = handler  # pyright: ignore[reportUnknownVariableType]  mypy knows it
        return _deciding(command_class, decider, dependencies, around)
    check_is_plain(handler, may_yield=True, may_await=True)
    parameters = parameters_of(handler, around)
    if not parameters:
        msg = f"{name_of(handler)} takes no command: it needs a parameter `command: {command_class.__name__}`"
        raise DeclarationError(msg)
    first, *others = parameters
    if isinstance(first.annotation, type) and not issubclass(command_class, first.annotation):
        msg = f"{name_of(handler)} takes a {first.annotation.__name__}, so it cannot handle {command_class.__name__}"
        raise DeclarationError(msg)
    works = [parameter.name for parameter in others if parameter.is_a(UnitOfWork)]
    if len(works) > 1:
        msg = f"{name_of(handler)} takes {len(works)} units of work: a command is one commit, so there is one"
        raise DeclarationError(msg)
    needed = [parameter for parameter in others if parameter.name not in works]
    passed = resolve(handler, needed, dependencies)
    if works:
        # With a unit of work it emits through that, so that nobody would take what it yields.
        check_is_plain(handler, may_await=True)
        return functools.partial(_run_in_work, handler, passed, works[0])
    return functools.partial(_run_for_events, handler, passed)


async def _run_in_work(
    handler: Callable[..., object], passed: Mapping[str, Any], name: str, command: Command, work: UnitOfWork
) -> object:
    returned = await _awaited(handler(command, **{name: work}, **passed))
    check_has_run(returned, handler)
    return returned


async def _run_for_events(
    handler: Callable[..., object], passed: Mapping[str, Any], command: Command, work: UnitOfWork
) -> None:
    for event in _events(handler, await _awaited(handler(command, **passed))):
        work.emit(event, at=command.subject)


def _deciding(
    command_class: type[Command],
    decider: Decider[Any],
    dependencies: Mapping[type | str, object],
    around: FrameType | None,
) -> Callable[[Any, UnitOfWork], Awaitable[None]]:
    name = name_of(decider.decide)
    parameters = parameters_of(decider.decide, around)
    if len(parameters) < 2:  # noqa: PLR2004  what it decides by
        msg = f"{name} must take (state, command)"
        raise DeclarationError(msg)
    passed = resolve(decider.decide, parameters[2:], dependencies)
    template = decider.subject or command_class.subject_template
    subject_of = SubjectTemplate.of(template, fields=command_class.model_fields, owner=name)

    async def run(command: Command, work: UnitOfWork) -> None:
        subject = subject_of.filled(command)
        folded = await work.read(decider.state_at(subject))
        for event in _events(decider.decide, decider.decide(folded.value, command, **passed)):
            work.emit(decider.checked(event), at=subject)

    return run


async def _awaited(returned: object) -> object:
    return await returned if inspect.isawaitable(returned) else returned


def _events(handler: Callable[..., object], returned: object) -> list[Event]:
    check_has_run(returned, handler, may_yield=True)
    kind = type(returned).__name__
    if returned is None:
        return []
    if isinstance(returned, Event):
        return [returned]
    if isinstance(returned, Iterable):
        items = cast("list[Event]", [*returned])  # pyright: ignore[reportUnknownArgumentType]  looked at below
        if all(isinstance(item, Event) for item in items):
            return items
    msg = (
        f"{name_of(handler)} must return the events that happen, and returned a value of type {kind}; "
        "a handler with a parameter `work: UnitOfWork` may return anything"
    )
    raise DeclarationError(msg)
