"""
Which events an aggregate's methods emit, read from their byte code when the class is made.
"""

from __future__ import annotations

import dis
import inspect
from collections import ChainMap
from contextlib import suppress
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeGuard

from eventsource.domain.aggregates.handler import methods_of
from eventsource.domain.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterator


def emitted_event_classes(cls: type) -> Iterator[tuple[str, type[Event]]]:
    """
    The event classes that methods of *cls* make right inside a call ``self.emit(SomeEvent(…))``.

    It reads the byte code, so a missing handler is found before the first event is emitted. What it cannot see (an
    event made beforehand and passed by name) `Aggregate.emit` still checks.
    """
    for method in methods_of(cls):
        function = inspect.unwrap(method)
        for code in _code_with_nested(function.__code__):
            for path in _emitted_paths(code, function.__code__.co_varnames[:1]):
                if (event_class := _find_event_class(path, cls, function)) is not None:
                    yield method.__name__, event_class


def _code_with_nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_with_nested(constant)


def _emitted_paths(code: CodeType, me: tuple[str, ...]) -> Iterator[list[str]]:
    """
    The dotted name that follows each ``self.emit(``, where *me* is what the method calls ``self``.
    """
    before: tuple[object, ...] = ()
    path: list[str] | None = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in {"PUSH_NULL", "CACHE", "EXTENDED_ARG", "NOP"}:
            continue
        # Newer Pythons load two variables at once.
        names = _as_tuple(instruction.argval)
        is_attribute = instruction.opname in {"LOAD_METHOD", "LOAD_ATTR"}
        is_name = instruction.opname in {"LOAD_GLOBAL", "LOAD_DEREF"} or names == me
        if is_attribute and names == ("emit",) and before[-1:] == me:
            path = []
        elif path is not None and (is_attribute if path else is_name):
            path += names
        elif path is not None:
            yield path
            path = None
        before = names


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)  # pyright: ignore[reportUnknownVariableType]  of whatever


def _find_event_class(path: list[str], cls: type, function: FunctionType) -> type[Event] | None:
    own: dict[str, object] = dict.fromkeys(function.__code__.co_varnames[:1], cls)
    names = ChainMap(own, dict(_closure(function)), function.__globals__)
    found: object = names.get(path[0]) if path else None
    for name in path[1:]:
        if _is_event_class(found):
            break
        found = inspect.getattr_static(found, name, None)
    return found if _is_event_class(found) else None


def _is_event_class(value: object) -> TypeGuard[type[Event]]:
    return isinstance(value, type) and issubclass(value, Event)


def _closure(function: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        # Empty is the cell of a name that is bound later, such as that of the class being made.
        with suppress(ValueError):
            yield name, cell.cell_contents
