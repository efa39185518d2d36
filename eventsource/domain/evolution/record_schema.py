"""
How pydantic writes and reads attrs classes and dataclasses field by field, without making them anew.
"""

from __future__ import annotations

import dataclasses
import types
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from pydantic import BaseModel
from pydantic_core import core_schema

from eventsource.domain.snapshots.sameness import is_any_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetCoreSchemaHandler

# How bytes and infinities are written and read.
CORE_CONFIG: Final = core_schema.CoreConfig(
    ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)


def with_records(annotation: Any, *, around: tuple[type, ...] = ()) -> Any:
    """
    The annotation with each attrs class and dataclass in it marked as a record.

    What a record's `__init__` computes or refuses has happened; what is read is what was written. A class that
    holds itself is left as it is.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        is_ours = _is_record(annotation) and annotation not in around
        return (
            Annotated[annotation, _Record(_field_types(annotation), (*around, annotation))] if is_ours else annotation
        )
    if origin is Annotated:
        return Annotated[(with_records(arguments[0], around=around), *arguments[1:])]
    if origin is Literal:
        return annotation
    marked = tuple(with_records(each, around=around) for each in arguments)
    if marked == arguments:
        return annotation
    if origin is types.UnionType:
        return Union[marked]  # noqa: UP007  there is no bar for a tuple of types
    # Only those of `typing` have it; their origin may be another class: `List` and `list`.
    copy: Callable[[tuple[Any, ...]], Any] | None = getattr(annotation, "copy_with", None)
    return origin[marked] if copy is None else copy(marked)


def _is_record(kind: Any) -> bool:
    if not is_any_of(kind, (type,)) or issubclass(kind, BaseModel) or hasattr(kind, "__pydantic_validator__"):
        return False
    return attrs.has(kind) or dataclasses.is_dataclass(kind)


@attrs.frozen(eq=False)
class _Record:
    types: Mapping[str, Any]
    around: tuple[type, ...]

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        fields = {
            name: core_schema.typed_dict_field(
                handler.generate_schema(with_records(annotation, around=self.around)), required=False
            )
            for name, annotation in self.types.items()
        }
        members = core_schema.typed_dict_schema(fields, extra_behavior="forbid", config=CORE_CONFIG)

        def take_apart(record: object, write: core_schema.SerializerFunctionWrapHandler) -> Any:
            if type(record) is not source:
                msg = f"a {type(record).__name__} in place of a {source.__name__}"
                raise ValueError(msg)
            return write({name: getattr(record, name) for name in self.types if hasattr(record, name)})

        def put_together(values: dict[str, Any]) -> Any:
            record = object.__new__(source)
            for name, value in values.items():
                object.__setattr__(record, name, value)
            return record

        return core_schema.no_info_after_validator_function(
            put_together,
            members,
            serialization=core_schema.wrap_serializer_function_ser_schema(take_apart, schema=members),
        )


def _field_types(cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    if attrs.has(cls):
        return {field.name: hints.get(field.name, Any) for field in attrs.fields(cls)}
    return {field.name: hints.get(field.name, Any) for field in dataclasses.fields(cls)}
