"""
What handlers of commands need beside the command: told by their parameters, looked up when they are registered.
"""

from __future__ import annotations

import inspect
import types
from collections import ChainMap
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

import attrs

from eventsource.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

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
