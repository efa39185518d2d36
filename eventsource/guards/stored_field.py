"""
Fields of event classes as paths in their stored data, through all stored versions.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, NewType, TypeGuard, Union, cast, get_args, get_origin

import attrs
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaSerializer, SchemaValidator, core_schema

from eventsource.events.event_types import event_types
from eventsource.gdbql import Path, walk
from eventsource.guards.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic_core import CoreSchema

    from eventsource.events.event import Event
    from eventsource.events.upcast_plan import OlderForm
    from eventsource.gdbql import Expression


class JsonKind(Enum):
    """
    What a value is stored as.
    """

    NULL = "null"
    BOOLEAN = "a boolean"
    NUMBER = "a number"
    TEXT = "a text"
    DATE = "a date as text, ordered like the days"
    TIME = "a time as text, with its offset if it has one"
    CODE = "a text whose order means nothing"
    LIST = "a list"
    OBJECT = "an object"
    ANY = "any JSON"


@attrs.frozen(eq=False)
class StoredField:
    """
    One place in stored data, and what can stand there.

    Attributes:
        label: What messages call it, such as "MoneyDeposited.cents".

        annotation: Its type in Python.

        forms: What it is stored as; more than one for a union.

        encode: From a value in Python to the value that is stored.
    """

    label: str
    annotation: Any
    forms: frozenset[JsonKind]
    encode: Callable[[object], object] = attrs.field(repr=False)

    @functools.cached_property
    def types(self) -> tuple[Any, ...]:
        """
        The types in Python that a value can have, None for NoneType.
        """
        return tuple(_alternatives(self.annotation))

    def member(self, name: str) -> Iterator[tuple[str, StoredField]]:
        """
        The field *name* of each model that can stand here, and what it is called in stored data.

        Raises:
            GuardError: Something else can stand here, or a model has no such field.
        """
        for kind in self.types:
            if kind is None:
                continue
            if not _is_model(kind):
                msg = f"{self.label} is {_name_of(kind)} and has no field {name!r} that is stored"
                raise GuardError(msg)
            yield stored_field(kind, name)

    def element(self, key: int | str) -> Iterator[StoredField]:
        """
        The element at an index of each list, or under a key of each mapping, that can stand here.

        Raises:
            GuardError: Something else can stand here.
        """
        for kind in self.types:
            if kind is None:
                continue
            items = _item_types(kind, key)
            if items is None:
                wanted = "a list" if isinstance(key, int) else "a mapping with texts as keys"
                msg = f"{self.label} is {_name_of(kind)}, not {wanted}, so it has no element {key!r}"
                raise GuardError(msg)
            yield _element(f"{self.label}[{key!r}]", items)


def root(model: type[BaseModel]) -> StoredField:
    """
    The data of an event as a whole.
    """
    return StoredField(model.__name__, model, frozenset({JsonKind.OBJECT}), _refuse)


@functools.cache
def stored_field(model: type[BaseModel], name: str) -> tuple[str, StoredField]:
    """
    The field *name* of *model*, computed ones included, and what it is called in stored data.

    Raises:
        GuardError: There is none, or it is not stored in a form that a query could compare.
    """
    label = f"{model.__name__}.{name}"
    if name in model.model_computed_fields:
        computed = model.model_computed_fields[name]
        return computed.alias or name, _element(label, computed.return_type)
    if name not in model.model_fields:
        raise GuardError(_unknown_field(model, name))
    fields, definitions, config = _field_schemas(model, label)
    field = fields[name]
    if field.get("serialization_exclude"):
        msg = f"{label} is left out of the stored data"
        raise GuardError(msg)
    annotation = model.model_fields[name].annotation
    forms = _checked_forms(label, annotation, _with_definitions(field["schema"], definitions))
    wire = field.get("serialization_alias", name)
    only = core_schema.model_schema(_Holder, core_schema.model_fields_schema({name: field}), config=config)
    schema = _with_definitions(only, definitions)
    validator, serializer = SchemaValidator(schema), SchemaSerializer(schema)

    def encode(value: object) -> object:
        holder = validator.validate_python({name: value}, strict=True, by_alias=False, by_name=True)
        return serializer.to_python(holder, mode="json", by_alias=True)[wire]

    return wire, StoredField(label, annotation, forms, encode)


class _Holder:
    """
    Holds the value of one field, in place of the model with all of its fields.
    """

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")


def _field_schemas(
    model: type[BaseModel], label: str
) -> tuple[dict[str, core_schema.ModelField], list[CoreSchema], core_schema.CoreConfig | None]:
    """
    The schemas of the fields of *model*, the definitions they refer to, and the model's configuration.
    """
    if not model.__pydantic_complete__:
        try:
            model.model_rebuild()
        except (PydanticUserError, NameError) as error:
            msg = f"{model.__name__} is not defined to the end: {str(error).partition(chr(10))[0]}"
            raise GuardError(msg) from None
    schema: Any = model.__pydantic_core_schema__
    definitions: list[CoreSchema] = []
    config: core_schema.CoreConfig | None = None
    # Validators of the whole model are wrapped around its fields.
    while schema["type"] != "model-fields":
        # A serializer of the whole model can store anything, and a root model is no object.
        if "serialization" in schema or schema.get("root_model"):
            msg = f"{label} is stored in a form of the model's own, which a guard does not know"
            raise GuardError(msg)
        if schema["type"] == "definitions":
            definitions = schema["definitions"]
        elif schema["type"] == "model":
            config = schema.get("config")
        if schema["type"] == "definition-ref":
            schema = next(known for known in definitions if cast("Any", known).get("ref") == schema["schema_ref"])
        else:
            schema = schema["schema"]
    return schema["fields"], definitions, config


def _with_definitions(schema: CoreSchema, definitions: list[CoreSchema]) -> CoreSchema:
    return core_schema.definitions_schema(schema, definitions) if definitions else schema


def _element(label: str, annotation: Any) -> StoredField:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        forms = _checked_forms(label, annotation, adapter.core_schema)
    except PydanticUserError:
        raise GuardError(_without_form(label)) from None

    def encode(value: object) -> object:
        return adapter.dump_python(adapter.validate_python(value, strict=True), mode="json", by_alias=True)

    return StoredField(label, annotation, forms, encode)


def _refuse(value: object) -> object:  # noqa: ARG001 - the signature of `encode`
    msg = "an event as a whole is compared with nothing"
    raise GuardError(msg)


# --- Forms, read from the JSON schema of what is written ---


def _checked_forms(label: str, annotation: Any, schema: CoreSchema) -> frozenset[JsonKind]:
    try:
        described = GenerateJsonSchema(by_alias=True).generate(cast("Any", schema), mode="serialization")
    except PydanticUserError:
        raise GuardError(_without_form(label)) from None
    forms = frozenset(_forms(described, described.get("$defs", {})))
    # A union with a number stores it as text all the same; a serializer that writes numbers leaves no text.
    if forms - {JsonKind.NUMBER, JsonKind.NULL} and any(
        isinstance(kind, type) and issubclass(kind, Decimal) for kind in _alternatives(annotation)
    ):
        msg = (
            f"{label} is a Decimal, stored as text: '10' and '10.0' would differ, and '9' be more than '10'; "
            "store an integer of the smallest unit, such as cents"
        )
        raise GuardError(msg)
    return forms


def _forms(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[JsonKind]:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            for alternative in schema[several]:
                yield from _forms(alternative, definitions)
            return
    kind = schema.get("type")
    if kind == "string":
        yield _form_of_text(schema)
    elif kind in _FORMS:
        yield _FORMS[kind]
    elif "const" in schema or "enum" in schema:
        yield from {_form_of_constant(value) for value in schema.get("enum", [schema.get("const")])}
    else:
        yield JsonKind.ANY


_FORMS: Final[Mapping[Any, JsonKind]] = {
    "null": JsonKind.NULL,
    "boolean": JsonKind.BOOLEAN,
    "integer": JsonKind.NUMBER,
    "number": JsonKind.NUMBER,
    "array": JsonKind.LIST,
    "object": JsonKind.OBJECT,
}


def _form_of_text(schema: Mapping[str, Any]) -> JsonKind:
    if schema.get("format") == "password":
        msg = "a secret is stored as asterisks, so there is nothing to compare"
        raise GuardError(msg)
    if schema.get("format") == "date":
        return JsonKind.DATE
    if schema.get("format") in {"date-time", "time"}:
        return JsonKind.TIME
    has_order = not {"format", "enum", "const", "contentMediaType", "contentEncoding"} & schema.keys()
    return JsonKind.TEXT if has_order else JsonKind.CODE


def _form_of_constant(value: object) -> JsonKind:
    if value is None:
        return JsonKind.NULL
    if isinstance(value, bool):
        return JsonKind.BOOLEAN
    return JsonKind.NUMBER if isinstance(value, (int, float)) else JsonKind.CODE


# --- Types in Python ---


def _alternatives(annotation: Any) -> Iterator[Any]:
    """
    The types a value can have: unions and wrappers taken apart, None for NoneType.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin is Union or origin is types.UnionType:
        for alternative in get_args(annotation):
            yield from _alternatives(alternative)
    elif isinstance(annotation, NewType):
        yield from _alternatives(annotation.__supertype__)
    elif hasattr(annotation, "__value__"):
        # `type Name = ...`, which Python has from 3.12 on.
        yield from _alternatives(annotation.__value__)
    else:
        yield None if annotation is types.NoneType else annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _item_types(kind: Any, key: int | str) -> Any:
    """
    The type of the element at *key*, or None if there is none.
    """
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if not isinstance(origin, type):
        return None
    if isinstance(key, str):
        texts_as_keys = not arguments or (issubclass(origin, Mapping) and arguments[0] is str)
        return (arguments[1] if arguments else Any) if issubclass(origin, Mapping) and texts_as_keys else None
    if key < 0 or issubclass(origin, (str, bytes)) or not issubclass(origin, Sequence):
        return None
    if issubclass(origin, tuple) and arguments and arguments[-1] is not Ellipsis:
        return arguments[key] if key < len(arguments) else None
    return arguments[0] if arguments else Any


def _name_of(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)


def _unknown_field(model: type[BaseModel], name: str) -> str:
    names = [*model.model_fields, *model.model_computed_fields]
    msg = f"{model.__name__} has no field {name!r}"
    for known, field in model.model_fields.items():
        if name in {field.alias, field.serialization_alias}:
            return f"{msg}; in Python it is called {known!r}"
    similar = get_close_matches(name, names, n=1)
    hint = f"did you mean {similar[0]!r}?" if similar else f"its fields are {', '.join(names) or 'none at all'}"
    return f"{msg} that is stored; {hint}"


def _without_form(label: str) -> str:
    return f"{label} has a type that pydantic cannot describe as JSON, so a guard cannot compare it"


def stored_types(event_classes: tuple[type[Event], ...]) -> tuple[str, ...]:
    """
    The type names that events of these classes may be stored with, in order.
    """
    return tuple(sorted({name for event_class in event_classes for name in event_types.stored_types_of(event_class)}))


def check_members(event_classes: Iterable[type[Event]], nodes: Iterable[Expression]) -> None:
    """
    Refuse to ask for members that events stored in an older form may not have.

    Raises:
        GuardError: An upcaster does not say that it keeps one.
    """
    forms = list(_older_forms(event_classes))
    if not forms:
        return
    members = dict.fromkeys(str(part.steps[1]) for node in nodes for part in walk(node) if _is_member(part))
    for event_class, form in forms:
        for member in members:
            if member not in form.keeps:
                msg = (
                    f"{event_class.__name__} is also read from version {form.version} of {form.stored_type!r}, and the "
                    f"upcaster {form.upcaster} does not say that it keeps {member!r}, so the store may not find it "
                    f"there: declare keeps=[{member!r}] on it if name and meaning are the same, decide by a state "
                    "that is read, or say .as_stored() first, where the rule is not about such events"
                )
                raise GuardError(msg)


def check_each_is_one(event_classes: Iterable[type[Event]]) -> None:
    """
    Refuse to count what an older event may be none, one or several of.

    Raises:
        GuardError: An upcaster gives pairs, so that only running it tells.
    """
    for event_class, form in _older_forms(event_classes):
        if not form.is_one:
            msg = (
                f"version {form.version} of {form.stored_type!r} is read by {form.upcaster} as {event_class.__name__} "
                "or as others, which the store cannot tell: decide by a state that is read, or say .as_stored() "
                "where the rule is not about such events"
            )
            raise GuardError(msg)


def _older_forms(event_classes: Iterable[type[Event]]) -> Iterator[tuple[type[Event], OlderForm]]:
    for event_class in event_classes:
        for form in event_types.older_forms(event_class):
            yield event_class, form


def _is_member(part: Expression) -> TypeGuard[Path]:
    return isinstance(part, Path) and len(part.steps) > 1 and part.steps[0] == "data"
