"""
Handlers: methods that take one event into a state or a read model.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections import ChainMap
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from eventsource.events.event import Event
from eventsource.events.personal_data import Erased
from eventsource.events.plain_call import check_is_plain
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, FunctionType

Method = TypeVar("Method", bound="Callable[..., object]")

_MARK = "_handled_event_classes"
_ERASED_MARK = "_handled_erased_classes"

# Where a class body keeps the methods that were declared in it, until the class is made.
_DECLARED: Final = "__declared_methods__"

_POSITIONAL: Final = frozenset({inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD})


def handles(method: Method) -> Method:
    """
    Declare a method as the handler of the event class that its first parameter is annotated with.

    ``event: MoneyDeposited | MoneyWithdrawn`` handles both. ``event: HolderNamed | Erased[HolderNamed]``
    also handles such events once their data is erased. A handler never refuses: history is not up for
    debate.

    Raises:
        DeclarationError: The parameter is missing, has no annotation, or one that is no event class; or the
            method is asynchronous or a generator.
    """
    name = _name_of(method)
    given: object = method
    if not inspect.isroutine(given) or isinstance(given, (staticmethod, classmethod)):
        msg = f"@handles stands right above the method, without brackets, and was given {method!r}"
        raise DeclarationError(msg)
    check_is_plain(method)
    body = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  CPython's documented way
    kinds = annotated_kinds(method, body)
    erased = tuple(_erased_class(kind, name) for kind in kinds if _is_erased(kind))
    present = tuple(_event_class(kind, name) for kind in kinds if not _is_erased(kind))
    setattr(method, _MARK, present)
    setattr(method, _ERASED_MARK, erased)
    note_declared(method, body)
    return method


def note_declared(method: Callable[..., object], body: FrameType) -> None:
    """
    Remember in a class body that *method* was declared there, so that it is missed if it gets lost.
    """
    if "__qualname__" in body.f_locals and "__module__" in body.f_locals:
        body.f_locals.setdefault(_DECLARED, []).append(method)


def check_overrides(owner: type, *marks: str) -> None:
    """
    Check that no declared method of a class or its bases has got lost.

    Args:
        owner: The class that is made.

        marks: The names of the attributes that tell declared methods.

    Raises:
        DeclarationError: A method of a base that was declared is overridden by one that is not; or a method
            was declared and then replaced in the class body, by another of the same name or by a decorator.
    """
    declared: dict[str, type] = {}
    for base in owner.__mro__:
        declared |= {name: base for name, each in vars(base).items() if _is_declared(each, marks)}
    for name, base in declared.items():
        attribute = inspect.getattr_static(owner, name)
        if attribute is None or _is_declared(attribute, marks):
            continue
        overriding = next(each for each in owner.__mro__ if name in vars(each))
        msg = (
            f"{overriding.__qualname__}.{name} overrides a method of {base.__name__} that is declared with a "
            "decorator such as @handles, and has none: repeat the decorator above it, or give it another name"
        )
        raise DeclarationError(msg)
    for base in owner.__mro__:
        kept = [found for attribute in vars(base).values() for found in _wrapped(attribute)]
        for method in vars(base).get(_DECLARED, ()):
            if not any(method is each for each in kept):
                msg = (
                    f"{_name_of(method)} is declared with a decorator such as @handles and lost: a later method of the "
                    "class has its name, or a decorator above hides it (functools.wraps keeps what is declared)"
                )
                raise DeclarationError(msg)


def _wrapped(attribute: object) -> Iterator[object]:
    """
    An attribute of a class, and the functions that it is a wrapper of, innermost last.
    """
    while attribute is not None:
        yield attribute
        attribute = getattr(attribute, "__wrapped__", None)


def _is_declared(attribute: object, marks: tuple[str, ...]) -> bool:
    return inspect.isfunction(attribute) and any(hasattr(attribute, mark) for mark in marks)


def event_classes_of(method: Callable[..., object], body: FrameType) -> tuple[type[Event], ...]:
    """
    The event classes that the first parameter of a method, behind ``self``, is annotated with.

    Args:
        body: The frame of the class statement that the method stands in.

    Raises:
        DeclarationError: The parameter is missing, has no annotation, or one that is no event class.
    """
    return tuple(_event_class(kind, _name_of(method)) for kind in annotated_kinds(method, body))


def annotated_kinds(method: Callable[..., object], body: FrameType) -> tuple[Any, ...]:
    """
    What the first parameter of a method, behind ``self``, is annotated with; the members of a union one by one.

    Raises:
        DeclarationError: The parameter is missing, has no annotation, or one that means nothing here.
    """
    parameters = list(inspect.signature(method).parameters.values())
    name = _name_of(method)
    if len(parameters) >= 2 and parameters[1].kind not in _POSITIONAL:  # noqa: PLR2004  likewise
        msg = f"{name}: the event is passed by its place, so `{parameters[1]}` cannot take it: write `event: ...`"
        raise DeclarationError(msg)
    if len(parameters) < 2:  # noqa: PLR2004  self and the event
        msg = f"{name} handles no event: it needs a parameter `event` after `self`"
        raise DeclarationError(msg)
    annotation = parameters[1].annotation
    if annotation is inspect.Parameter.empty:
        msg = f"{name} does not say which event it handles: annotate `{parameters[1].name}` with the event class"
        raise DeclarationError(msg)
    while isinstance(annotation, str):
        # Twice where it stands in quotation marks below `from __future__ import annotations`.
        annotation = _evaluate(annotation, method, body)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)


def collect_handlers(owner: type) -> dict[str, tuple[type[Event], Callable[..., Any]]]:
    """
    Find the handlers of a class and its bases: event type to event class and function.

    Raises:
        DeclarationError: Two methods handle the same event; or a handler got lost, as `check_overrides` tells.
    """
    check_overrides(owner, _MARK, _ERASED_MARK)
    found: dict[str, tuple[type[Event], Callable[..., Any]]] = {}
    for method in methods_of(owner):
        for event_class in getattr(method, _MARK, ()):
            if event_class.event_type in found:
                other = found[event_class.event_type][1]
                msg = (
                    f"{owner.__qualname__} has two handlers for {event_class.__name__}: "
                    f"{other.__name__} and {method.__name__}"
                )
                raise DeclarationError(msg)
            found[event_class.event_type] = (event_class, method)
    return found


def collect_erased_handlers(owner: type) -> dict[str, Callable[..., Any]]:
    """
    Find the handlers of erased events of a class and its bases: event type to function.

    Raises:
        DeclarationError: Two methods handle the same erased event.
    """
    found: dict[str, Callable[..., Any]] = {}
    for method in methods_of(owner):
        for event_class in getattr(method, _ERASED_MARK, ()):
            other = found.setdefault(event_class.event_type, method)
            if other is not method:
                msg = (
                    f"{owner.__qualname__} has two handlers for Erased[{event_class.__name__}]: "
                    f"{other.__name__} and {method.__name__}"
                )
                raise DeclarationError(msg)
    return found


def check_handlers(owner: type) -> None:
    """
    Check that the handlers of a class can be called with the event alone.

    Raises:
        DeclarationError: One needs more arguments.
    """
    for method in methods_of(owner):
        if not (getattr(method, _MARK, ()) or getattr(method, _ERASED_MARK, ())):
            continue
        try:
            inspect.signature(method).bind(None, None)
        except TypeError as error:
            msg = f"{method.__qualname__} must take (self, event): it is called with the event alone, {error}"
            raise DeclarationError(msg) from None


def methods_of(owner: type) -> Iterator[FunctionType]:
    """
    The methods of a class and its bases, each name once: one overridden in a subclass as overridden.
    """
    names = dict.fromkeys(name for base in reversed(owner.__mro__) for name in vars(base))
    for name in names:
        attribute = inspect.getattr_static(owner, name)
        if inspect.isfunction(attribute):
            yield attribute


def _name_of(method: Callable[..., object]) -> str:
    name: str = getattr(method, "__qualname__", repr(method))
    return name


def _is_erased(kind: object) -> bool:
    return kind is Erased or get_origin(kind) is Erased


def _erased_class(kind: object, name: str) -> type[Event]:
    [given] = get_args(kind) or (None,)
    if given is None:
        msg = f"{name} does not say which erased event it handles: write Erased[TheEventClass]"
        raise DeclarationError(msg)
    return _event_class(given, name)


def _event_class(kind: object, name: str) -> type[Event]:
    if not (isinstance(kind, type) and issubclass(kind, Event) and kind.event_type):
        msg = f"{name} is annotated with {kind!r}, which is no event class with a type name"
        raise DeclarationError(msg)
    return kind


def _evaluate(annotation: str, method: Callable[..., object], body: FrameType) -> object:
    # `from __future__ import annotations` leaves text. The event class may be local to the function the class
    # statement stands in: that is where the body was run from.
    around = body.f_back
    names: ChainMap[str, Any] = ChainMap(
        body.f_locals, around.f_locals if around else {}, getattr(method, "__globals__", {})
    )
    try:
        return eval(annotation, {}, names)  # noqa: S307  the text is the user's own source
    except Exception as error:
        msg = f"{_name_of(method)}: the annotation {annotation!r} cannot be resolved here: {error}"
        raise DeclarationError(msg) from error
