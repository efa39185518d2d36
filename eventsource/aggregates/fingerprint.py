"""
Fingerprints of folds: a short text that changes when a class makes other state of the same events.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import types
from typing import TYPE_CHECKING, Any, Final, get_args

import attrs
from pydantic import BaseModel

from eventsource.aggregates.snapshot import digest
from eventsource.aggregates.state_codec import state_types
from eventsource.events.event_types import event_types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.aggregates.aggregate import Aggregate

# Raised when this package folds or stores state in another way.
_FOLD: Final = "2"

_PLAIN: Final = (type(None), bool, int, float, complex, str, bytes)


@attrs.frozen
class Fingerprint:
    """
    The fingerprint of a fold.

    Attributes:
        text: 64 hex digits.
    """

    text: str
    _upcasters_declared: tuple[int, ...]

    @property
    def is_current(self) -> bool:
        """
        Whether no upcaster was declared since it was taken. Else take it again.
        """
        return self._upcasters_declared == event_types.upcasters_declared


def fingerprint_of(aggregate_class: type[Aggregate]) -> Fingerprint:
    """
    Take the fingerprint of how a class makes state of events.

    It covers the attributes of the class with their types and defaults, the types, versions and fields of the events,
    the upcasters that lead to them, the code of its handlers, and its ``state_version``. It is the same in every
    process that runs the same code on the same version of Python. It does not follow what the handlers call and
    import: a class raises its ``state_version`` when that makes other state.

    Raises:
        UnstorableStateError: The annotation of an attribute cannot be resolved, or its name is missing.
    """
    declared = event_types.upcasters_declared
    return Fingerprint(digest(*_facts(aggregate_class)), declared)


def _facts(aggregate_class: type[Aggregate]) -> Iterator[str]:
    handlers, erased = aggregate_class._handlers, aggregate_class._erased_handlers  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    yield from (_FOLD, sys.implementation.cache_tag or "", aggregate_class.subject_template)
    yield str(aggregate_class._state_version)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    yield aggregate_class._unknown_events  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    for name, annotation in state_types(aggregate_class).items():
        yield from ("attribute", name, _type_text(annotation), _value_text(getattr(aggregate_class, name, ...)))
    for name, (event_class, handler) in handlers.items():
        yield from ("handler", name, _type_text(event_class), str(event_class.event_version), _function_text(handler))
    for name, handler in erased.items():
        yield from ("erased", name, _function_text(handler))
    for upcaster in event_types.upcasters_to({*handlers, *erased}):
        yield from ("upcaster", upcaster.stored_type, str(upcaster.version), repr(upcaster.places))
        yield _function_text(upcaster.function)


def _type_text(annotation: Any, around: tuple[str, ...] = ()) -> str:
    """
    An annotation as text: with the fields of the records that it names, and the members of the enums.
    """
    if not isinstance(annotation, type) or isinstance(annotation, types.GenericAlias):
        parts = [_type_text(part, around) for part in get_args(annotation)]
        origin = getattr(annotation, "__origin__", None)
        name = _type_text(origin, around) if isinstance(origin, type) else _annotation_name(annotation)
        return f"{name}[{', '.join(parts)}]" if parts else name
    name = f"{annotation.__module__}.{annotation.__qualname__}"
    if name in around:
        return name
    if issubclass(annotation, enum.Enum):
        return f"{name}{[(member.name, _value_text(member.value)) for member in annotation]}"
    return name + "".join(
        f" {field}: {_type_text(kind, (*around, name))} = {default}" for field, kind, default in _fields(annotation)
    )


def _annotation_name(annotation: object) -> str:
    # A member of Literal and what `Annotated` adds are values; the rest are forms of typing.
    return _value_text(annotation) if isinstance(annotation, _PLAIN) else type(annotation).__qualname__


def _fields(cls: Any) -> Iterator[tuple[str, Any, str]]:
    if issubclass(cls, BaseModel):
        for name, field in cls.model_fields.items():
            yield name, field.annotation, f"{_value_text(field.default)} {field.alias} {field.metadata!r}"
    elif dataclasses.is_dataclass(cls):
        for each in dataclasses.fields(cls):
            yield each.name, each.type, _value_text(each.default)
    elif attrs.has(cls):
        for attribute in attrs.fields(cls):
            yield attribute.name, attribute.type, _value_text(attribute.default)


def _value_text(value: Any, around: tuple[object, ...] = ()) -> str:
    """
    A value as text, the same in each process: one of another kind than those of Python counts by its class alone.
    """
    kind: Any = value.__class__
    if isinstance(value, _PLAIN) or value is ...:
        text = repr(value)
    elif isinstance(value, (set, frozenset)):
        text = f"{kind.__name__}{sorted(_value_text(each, around) for each in _items(value))}"
    elif isinstance(value, (list, tuple)):
        text = f"{kind.__name__}{[_value_text(each, around) for each in _items(value)]}"
    elif isinstance(value, dict):
        text = f"dict{[_value_text(pair, around) for pair in _items(value.items())]}"
    elif isinstance(value, types.CodeType):
        text = _code_text(value)
    elif isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
        text = _function_text(value, around)
    elif isinstance(value, type):
        text = f"{value.__module__}.{value.__qualname__}"
    else:
        text = f"{kind.__module__}.{kind.__qualname__}"
        if kind.__repr__ is not object.__repr__:
            # Decimals, dates, members of enums; an address is another one in each process.
            text += f" {value!r}".partition(" at 0x")[0]
    return text


def _items(values: Any) -> tuple[Any, ...]:
    return tuple(values)


def _function_text(function: Any, around: tuple[object, ...] = ()) -> str:
    """
    The code of a function with its defaults and what it encloses: a decorator's arguments, and what it decorates.
    """
    if isinstance(function, functools.partial):
        parts = (function.func, function.args, function.keywords)
        return f"partial {[_value_text(part, around) for part in parts]}"
    plain: Any = getattr(function, "__func__", function)
    if not isinstance(plain, types.FunctionType) or plain in around:
        return _value_text(type(plain))
    inner = (*around, plain)
    kept = [_cell_text(cell, inner) for cell in plain.__closure__ or ()]
    defaults = (_value_text(plain.__defaults__, inner), _value_text(plain.__kwdefaults__, inner))
    return "\n".join((_code_text(plain.__code__, plain.__doc__), *defaults, *kept))


def _cell_text(cell: types.CellType, around: tuple[object, ...]) -> str:
    try:
        return _value_text(cell.cell_contents, around)
    except ValueError:
        return "nothing yet"


def _code_text(code: types.CodeType, docstring: str | None = None) -> str:
    # Neither its lines nor its file nor its docstring: a comment changes nothing.
    constants = [_value_text(each) for each in code.co_consts if docstring is None or each != docstring]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_flags} {constants}"
