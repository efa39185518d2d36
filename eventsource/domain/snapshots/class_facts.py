"""
What a class says about its instances beside its functions: fields, types, defaults, constraints.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, get_type_hints

import attrs
from pydantic import BaseModel

from eventsource.domain.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

# Where a class was written, and what is described by other means.
_NO_FACTS: Final = frozenset(
    {
        *("__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__", "__attrs_attrs__"),
        *("__attrs_props__", "__class_vars__", "__dataclass_fields__", "__dict__", "__doc__", "__firstlineno__"),
        *("__module__", "__private_attributes__", "__qualname__", "__signature__", "__static_attributes__"),
        *("__weakref__", "model_config"),
    }
)
_DESCRIPTORS: Final = (property, classmethod, staticmethod, functools.cached_property)


def is_made_by_others(cls: type[Any], name: str, value: object) -> bool:
    """
    Whether an attribute of a class says nothing that somebody wrote there.
    """
    if name in _NO_FACTS or name.startswith(("__pydantic", "_abc_")):
        return True
    if isinstance(value, FunctionType) and value.__code__.co_filename.startswith("<attrs generated"):
        # It is made of the fields; one of them has a number in it that is another one in each process.
        return True
    if callable(value) or isinstance(value, _DESCRIPTORS):
        return False
    return name.startswith("_" if issubclass(cls, enum.Enum) else "__")


def facts_of_class(cls: type[Any]) -> Iterator[object]:
    """
    Its annotations, resolved where that is possible, and its fields.
    """
    own: dict[str, object] = dict(inspect.get_annotations(cls))
    hints = own
    # A name may be there for type checkers only; then its text must do.
    with suppress(Exception):
        hints = get_type_hints(cls, include_extras=True)
    yield {name: hints.get(name, hint) for name, hint in own.items()}
    if issubclass(cls, enum.Enum):
        yield [(member.name, member.value) for member in cls]
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            yield field.name, field.default, field.default_factory, field.init, field.compare
    if attrs.has(cls):
        for attribute in attrs.fields(cls):
            default = attribute.default
            made = (default.factory, default.takes_self) if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]  # it is a class
            yield attribute.name, made, attribute.init, attribute.eq, attribute.validator, attribute.converter
    if issubclass(cls, BaseModel):
        yield dict(cls.model_config)
        yield {name: facts_of_field(field) for name, field in cls.model_fields.items()}
        for kind in dataclasses.fields(cls.__pydantic_decorators__):
            for name, decorator in getattr(cls.__pydantic_decorators__, kind.name).items():
                # Its function is among those of the class.
                yield kind.name, name, decorator.info
    if issubclass(cls, Event):
        yield cls.event_type, cls.event_version, cls.event_is_personal


def facts_of_field(field: FieldInfo) -> dict[str, object]:
    """
    What a field of a pydantic model takes, and under which names.
    """
    names = ("annotation", "alias", "validation_alias", "serialization_alias", "default", "default_factory", "metadata")
    return {name: getattr(field, name) for name in names}
