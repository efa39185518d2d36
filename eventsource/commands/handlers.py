"""
Command handlers: how their parameters are resolved and how they are called.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections import ChainMap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Union, cast, get_args, get_origin

import attrs

from eventsource.aggregates.decider import Decider
from eventsource.aggregates.unit_of_work import UnitOfWork
from eventsource.commands.command import SubjectTemplate
from eventsource.events.event import Event
from eventsource.events.plain_call import check_has_run, check_is_plain
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import FrameType

    from eventsource.commands.command import Command


_NAMELESS: Final = frozenset({inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})


@attrs.frozen
class Parameter:
    """
    One parameter of a handler.

    Attributes:
        name: Its name.

        annotation: What it is annotated with; the text where that cannot be resolved, None without one.

        has_default: Whether it may be left out.
    """

    name: str
    annotation: Any
    has_default: bool

    def is_a(self, kind: type) -> bool:
        """
        Whether it is annotated with *kind* or a subclass, or with its name where that cannot be resolved.
        """
        if isinstance(self.annotation, str):
            # It is imported for type checkers only.
            return self.annotation.rpartition(".")[2] == kind.__name__
        return isinstance(self.annotation, type) and issubclass(self.annotation, kind)


def name_of(handler: object) -> str:
    """
    What a handler is called, for errors.
    """
    name: str = getattr(handler, "__qualname__", "") or type(handler).__qualname__
    return name


def parameters_of(handler: Callable[..., object], around: FrameType | None) -> list[Parameter]:
    """
    The parameters of a handler, in order.

    Args:
        around: The frame it was registered from: its annotations may be local there.

    Raises:
        DeclarationError: They cannot be told, or one cannot be passed by its name.
    """
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError) as error:
        msg = f"{name_of(handler)} cannot handle a command: {error}"
        raise DeclarationError(msg) from None
    names: ChainMap[str, Any] = ChainMap(around.f_locals if around else {}, {**_globals_of(handler)})
    found: list[Parameter] = []
    for number, parameter in enumerate(signature.parameters.values()):
        if parameter.kind in _NAMELESS or (number and parameter.kind is inspect.Parameter.POSITIONAL_ONLY):
            msg = f"{name_of(handler)}: nothing can be passed for `{parameter}`, write each dependency as a parameter"
            raise DeclarationError(msg)
        has_default = parameter.default is not inspect.Parameter.empty
        found.append(Parameter(parameter.name, _annotation(parameter, names), has_default))
    return found


def resolve(
    handler: Callable[..., object], parameters: list[Parameter], dependencies: Mapping[type | str, object]
) -> dict[str, Any]:
    """
    What to pass for *parameters*, by name.

    A dependency that is given by the parameter's name is taken first, then one that is given by the
    type it is annotated with, then the only one whose value is of that type.

    Raises:
        DeclarationError: One is missing, or several fit.
    """
    return {
        parameter.name: found
        for parameter in parameters
        if (found := _find(handler, parameter, dependencies)) is not _LEFT_OUT
    }


_LEFT_OUT: Final[Any] = object()


def _find(handler: Callable[..., object], parameter: Parameter, dependencies: Mapping[type | str, object]) -> Any:
    kind: Any = get_origin(parameter.annotation) or parameter.annotation
    if parameter.name in dependencies:
        value = dependencies[parameter.name]
        if _is_own(kind) and not isinstance(value, kind):
            _refuse(
                handler, parameter, f"the dependency of that name is a {type(value).__name__}, no {_text(parameter)}"
            )
        return value
    for key in (parameter.annotation, kind):
        if isinstance(key, type) and key in dependencies:
            return dependencies[key]
    fitting = [value for value in dependencies.values() if _is_own(kind) and isinstance(value, kind)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        _refuse(handler, parameter, f"{len(fitting)} dependencies are a {_text(parameter)}: give one by its name")
    if parameter.has_default:
        return _LEFT_OUT
    if parameter.annotation is None:
        _refuse(handler, parameter, "no dependency has that name, and it is not annotated with a type")
    if isinstance(parameter.annotation, str):
        _refuse(
            handler,
            parameter,
            f"no dependency has that name, and {parameter.annotation!r} is not known where it is registered: "
            "import it for real, not for type checkers only",
        )
    is_told_by_type = isinstance(kind, type) and kind.__module__ != "builtins"
    key = _text(parameter) if is_told_by_type else f'"{parameter.name}"'
    given = f"dependencies={{{key}: …}}"
    return _refuse(handler, parameter, f"the dispatcher has no such dependency: give it {given}")


def _is_own(kind: object) -> bool:
    """
    Whether values can be told by their type: there are too many texts and numbers, and protocols need not say.
    """
    if not isinstance(kind, type) or kind.__module__ == "builtins":
        return False
    return not getattr(kind, "_is_protocol", False) or bool(getattr(kind, "_is_runtime_protocol", False))


def _refuse(handler: Callable[..., object], parameter: Parameter, reason: str) -> Any:
    msg = f"{name_of(handler)}, parameter `{parameter.name}`: {reason}"
    raise DeclarationError(msg)


def _text(parameter: Parameter) -> str:
    return getattr(parameter.annotation, "__qualname__", str(parameter.annotation))


def _annotation(parameter: inspect.Parameter, names: Mapping[str, Any]) -> Any:
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty:
        return None
    if not isinstance(annotation, str):
        return _without_none(annotation)
    try:
        return _without_none(eval(annotation, {}, names))  # noqa: S307  the text is the user's own source
    except Exception:  # noqa: BLE001  whatever it is, its name may still tell
        return annotation


def _without_none(annotation: Any) -> Any:
    """
    ``Clock`` for ``Clock | None``: what is there is passed.
    """
    if get_origin(annotation) not in {Union, types.UnionType}:
        return annotation
    kinds = [kind for kind in get_args(annotation) if kind is not types.NoneType]
    return kinds[0] if len(kinds) == 1 else annotation


def _globals_of(handler: object) -> Mapping[str, Any]:
    function: Any = inspect.unwrap(handler) if callable(handler) else handler
    function = getattr(function, "func", function)
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__globals__"):
        # An object that is called like a function.
        kind: type = type(function)  # pyright: ignore[reportUnknownVariableType]  of whatever class
        function = getattr(kind, "__call__", function)  # noqa: B004  the function itself is wanted
    found: Mapping[str, Any] = getattr(function, "__globals__", {})
    return found


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
