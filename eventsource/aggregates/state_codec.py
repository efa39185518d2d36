"""
Writes the state of an aggregate as JSON for a snapshot and reads it back, or says why it cannot.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from pydantic import (
    BaseModel,
    ConfigDict,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticSerializationError, core_schema

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.errors import UnstorableStateError
from eventsource.aggregates.periods import PeriodAggregate
from eventsource.aggregates.state import is_class_variable
from eventsource.events.sameness import are_same, is_any_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetCoreSchemaHandler

    from eventsource.aggregates.snapshot import Snapshot


def own_bases(aggregate_class: type[Aggregate]) -> list[type]:
    """
    The class and those of its bases that are not the framework's, in the order in which Python looks things up.
    """
    return [base for base in aggregate_class.__mro__ if base not in _OURS]


def state_of(aggregate: Aggregate) -> dict[str, object]:
    """
    Its attributes by name: those annotated, as they are now, and whatever else was set. Nothing is copied.
    """
    cls = type(aggregate)
    names = dict.fromkeys(name for base in reversed(own_bases(cls)) for name in _annotated(base))
    declared = {name: getattr(aggregate, name) for name in names if hasattr(aggregate, name)}
    return declared | set_state_of(aggregate)


def set_state_of(aggregate: Aggregate) -> dict[str, object]:
    """
    The attributes that were set: what has its default of the class still is left out.
    """
    cls: Any = type(aggregate)
    left_out = kept_by_framework()
    return {
        name: value
        for name, value in vars(aggregate).items()
        if name not in left_out and not _is_known_without(cls, name, value)
    }


def _is_known_without(cls: Any, name: str, value: object) -> bool:
    default = inspect.getattr_static(cls, name, None)
    # What is computed from the rest is computed again. A class variable that can change is copied for each instance,
    # like a default; nothing of it is state as long as it does not change.
    return isinstance(default, cached_property) or (name in _class_variables(cls) and are_same(value, default))


@cache
def _class_variables(cls: type[Aggregate]) -> frozenset[str]:
    return frozenset(
        name
        for base in own_bases(cls)
        for name, hint in inspect.get_annotations(base).items()
        if is_class_variable(hint)
    )


def put_state(aggregate: Aggregate, state: Mapping[str, object]) -> None:
    """
    Let it have the state of another: the attributes that `set_state_of` gave.
    """
    for name in set_state_of(aggregate):
        delattr(aggregate, name)
    vars(aggregate).update(state)


def continue_at(aggregate: Aggregate, snapshot: Snapshot) -> None:
    """
    Say that what is in the state of an aggregate is what was in that of *snapshot*.
    """
    aggregate._version = snapshot.version  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    aggregate._passed_over = snapshot.passed_over  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    aggregate._last_event_id = snapshot.last_event_id  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package


def passed_over(aggregate: Aggregate) -> int:
    """
    How many of the events in its version its class has no handler for.
    """
    return aggregate._passed_over  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package


def state_types(aggregate_class: type[Aggregate]) -> dict[str, Any]:
    """
    The annotations of its attributes, resolved, with what `Annotated` adds.

    Raises:
        UnstorableStateError: One names something that cannot be found.
    """
    types: dict[str, Any] = {}
    for base in reversed(own_bases(aggregate_class)):
        if "__slots__" in vars(base) and vars(base)["__slots__"]:
            raise UnstorableStateError(
                aggregate=aggregate_class.__name__, attribute=None, reason=f"{base.__name__} has __slots__"
            )
        for name, annotation in _annotated(base).items():
            types[name] = _resolve(annotation, base, name)
    return types


def _annotated(base: type) -> dict[str, Any]:
    return {name: hint for name, hint in inspect.get_annotations(base).items() if not is_class_variable(hint)}


def _resolve(annotation: object, base: type, name: str) -> Any:
    # A class of its own with this one annotation: an attribute that cannot be resolved is told by its name.
    holder = type("Holder", (), {"__annotations__": {name: annotation}, "__module__": base.__module__})
    try:
        return get_type_hints(holder, localns=dict(vars(base)), include_extras=True)[name]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise UnstorableStateError(
            aggregate=base.__name__,
            attribute=name,
            reason=f"its annotation cannot be resolved in {base.__module__}: {error}",
        ) from None


class _Plain(Aggregate, subject="/plain/{id}"):
    """
    Nothing of its own: what an instance has is the framework's.
    """


class _PlainPeriods(PeriodAggregate, abstract=True):
    """
    Nothing of its own, in periods.
    """

    subject_template = "/plain/{id}"


_OURS = frozenset({*_Plain.__mro__, *_PlainPeriods.__mro__})


@cache
def kept_by_framework() -> frozenset[str]:
    """
    The names of the attributes that the framework gives each aggregate.
    """
    return frozenset({*vars(_Plain("1")), *vars(_PlainPeriods("1", period="1"))})


class StateCodec:
    """
    Writes the state of aggregates of one class as JSON and reads it, each attribute as it is annotated.

    What is read has to be the same as what was written, down to types and order, or it is refused; so is a state
    in which an object that can change stands twice, since two copies of it would part.

    Args:
        aggregate_class: The class.

    Raises:
        UnstorableStateError: An attribute has no annotation, or one that has no form in JSON, or its default does
            not fit.
    """

    def __init__(self, aggregate_class: type[Aggregate]) -> None:
        self._class = aggregate_class
        self._types = state_types(aggregate_class)
        self._check_declared()
        self._adapter = _adapter(self._schema_types())
        # A default may be what nothing else says: None for a text.
        self._check_defaults()

    def encode(self, aggregate: Aggregate) -> str:
        """
        The state as JSON text.

        Raises:
            UnstorableStateError: It would not come back the same; the error says which attribute.
        """
        state = set_state_of(aggregate)
        for name in state:
            if name not in self._types:
                raise self._refusal(name, "a handler sets it, and the class does not declare it")
        text = self._write(state)
        self._check_same(state, self._read(text))
        return text

    def decode_into(self, aggregate: Aggregate, text: str) -> None:
        """
        Let an aggregate of which nothing is read have a state that was written.

        Raises:
            ValueError: It is none; the message has nothing of the text.
        """
        try:
            state = self._adapter.validate_json(text, by_alias=True)
        except ValidationError as error:
            msg = f"the text is no state of {self._class.__name__}: {error.error_count()} problems"
            raise ValueError(msg) from None
        put_state(aggregate, state)

    def _check_declared(self) -> None:
        cls = self._class
        for name in cls._mutable_defaults:  # pyright: ignore[reportPrivateUsage]  of the same package
            if name in set_state_of(self._class("1")) and name not in self._types:
                raise self._refusal(name, "it has no annotation: say what it holds")

    def _schema_types(self) -> dict[str, Any]:
        types: dict[str, Any] = {}
        for name, annotation in self._types.items():
            try:
                types[name] = with_records(annotation)
                _adapter({name: types[name]})
            except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError):
                # Pydantic's text is many lines about pydantic.
                raise self._refusal(name, "pydantic has no JSON form for its annotation") from None
        return types

    def _check_defaults(self) -> None:
        defaults = state_of(self._class.__new__(self._class))
        shown = self._read(self._write(defaults))
        # As many attributes as like may share a default: it is copied for each instance.
        for name, value in defaults.items():
            if not are_same(value, shown[name]):
                raise self._refusal(name, "its default does not fit its annotation")

    def _write(self, state: dict[str, object]) -> str:
        for name in state:
            if name not in self._types:
                raise self._refusal(name, "it is set, but the class does not declare it with an annotation")
        try:
            return self._adapter.dump_json(state, by_alias=True, round_trip=True, warnings="error").decode()
        except (PydanticSerializationError, UnicodeError, ValueError):
            raise self._first_refusal(state, "its value does not fit its annotation") from None

    def _read(self, text: str) -> dict[str, Any]:
        try:
            return self._adapter.validate_json(text, by_alias=True)
        except ValidationError as error:
            # Where it happened, not what was found there.
            name = str(error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"][0])
            raise self._refusal(name, "its value cannot be read back") from None

    def _check_same(self, state: dict[str, object], shown: dict[str, Any]) -> None:
        shared: dict[int, object] = {}
        for name, value in state.items():
            if not are_same(value, shown[name], shared=shared):
                if are_same(value, shown[name]):
                    raise self._refusal(name, "an object in it that can change stands in the state twice")
                raise self._refusal(name, "what is read back is not the same")

    def _first_refusal(self, state: dict[str, object], reason: str) -> UnstorableStateError:
        for name, value in state.items():
            try:
                self._adapter.dump_json({name: value}, by_alias=True, round_trip=True, warnings="error")
            except (PydanticSerializationError, UnicodeError, ValueError):
                return self._refusal(name, reason)
        return self._refusal(None, reason)

    def _refusal(self, attribute: str | None, reason: str) -> UnstorableStateError:
        return UnstorableStateError(aggregate=self._class.__name__, attribute=attribute, reason=reason)


@attrs.frozen(eq=False)
class _Members:
    """
    A mapping whose members have types of their own. A TypedDict would do, but from Python 3.12 on only.
    """

    types: dict[str, Any]

    def __get_pydantic_core_schema__(self, _: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.typed_dict_schema(
            {
                name: core_schema.typed_dict_field(handler.generate_schema(annotation), required=False)
                for name, annotation in self.types.items()
            },
            extra_behavior="forbid",
            config=CORE_CONFIG,
        )


def _adapter(types: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    # Pydantic looks for these in two places: here when it writes, in the parts when it reads.
    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
    members: Any = Annotated[dict[str, Any], _Members(types)]
    return TypeAdapter(members, config=config)


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
