"""
Round trips: whether an event comes back from the store as it was emitted.

Three steps, from cheap to certain. A class with a field that cannot come back is refused when it is declared. A class
whose fields hold nothing but plain values is proven: to look at the types of the values is enough. Every event of any
other class is written, read and compared when it is emitted.
"""

from __future__ import annotations

import enum
from datetime import date
from functools import cached_property
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, final
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.errors import UnstorableDataError, UnstorableEventError
from eventsource.events.metadata import METADATA_KEY
from eventsource.events.sameness import class_of, comes_back_as, field_names
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventsource.events.event import Event

    Schema = Mapping[str, Any]

# The members of a core schema that say nothing about values.
_IDLE: Final = frozenset({"type", "metadata", "ref", "config"})

# A value of exactly such a type, in a field of that type without a constraint, comes back as it was, and nothing in it
# can change.
_PROVEN: Final[dict[str, type]] = {
    "str": str, "int": int, "bool": bool, "float": float, "none": NoneType, "date": date, "uuid": UUID,
}  # fmt: skip
_ENUM_MEMBERS: Final = _IDLE | {"cls", "members", "sub_type"}

# What an event class itself sets. Every other setting may change a text or a number on reading.
_KNOWN_CONFIG: Final = frozenset(
    {
        *("title", "allow_inf_nan", "extra_fields_behavior", "ser_json_inf_nan"),
        *("validate_by_alias", "validate_by_name", "from_attributes", "validate_default"),
    }
)
_PLAIN_MODEL: Final = _IDLE | {"cls", "schema", "custom_init", "root_model"}

# What a value of a field is inside of, where all that is asked is whether the value can come back.
_WRAPPERS: Final = frozenset(
    {"default", "nullable", "function-after", "list", "set", "frozenset", "model", "dataclass"}
)
_RECORDS: Final = frozenset({"model-fields", "typed-dict", "dataclass-args"})
_NO_KEYS: Final = frozenset({"tuple", "list", "set", "frozenset", "dict", "model", "dataclass", "named-tuple"})

_NOTHING: Final = object()
_OTHER_VALUE: Final = "is read back as another value"

# How the data of an event begins that was committed by a command.
_WITH_METADATA: Final = f'{{"{METADATA_KEY}":{{"commandId":"1"}}'


@final
class RoundTrip:
    """
    What is known about the events of one class before there is one.

    Args:
        event_class: The class, all of its annotations resolved.

    Raises:
        DeclarationError: Events of it cannot come back as they were emitted.
    """

    def __init__(self, event_class: type[Event]) -> None:
        self._class = event_class
        schema: Any = event_class.__pydantic_core_schema__
        for problem in _Declaration(schema).problems():
            msg = f"{event_class.__qualname__} cannot be stored: {problem}"
            raise DeclarationError(msg)
        self._proven = _proven_fields(event_class, schema)

    def is_proven(self, event: Event) -> bool:
        """
        Whether the types of its values alone tell that it comes back as it is, and that nothing in it can change.
        """
        values = event.__dict__
        proven = self._proven
        if proven is None or len(values) != len(proven):
            return False
        try:
            for name, kinds in proven:
                if type(values[name]) not in kinds:
                    return False
        except KeyError:
            return False
        return True

    def check(self, event: Event, data_json: str) -> Event:
        """
        Read what was written of *event*.

        Returns:
            The event that a reader of the store will get.

        Raises:
            UnstorableEventError: It cannot be read, or is another event.
        """
        if self._sees_metadata:
            # Such a validator gets all that is stored, so that it has to do with metadata, too.
            data_json = _WITH_METADATA + ("}" if data_json == "{}" else "," + data_json[1:])
        try:
            read = self.read(data_json)
        except ValidationError as error:
            place = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
            raise self._refusal(self._field_at(place), "cannot be read back") from None
        if not comes_back_as(event, read):
            raise self._refusal(*(_first_difference(event, read) or ("", _OTHER_VALUE)))
        return read

    def read(self, data_json: str) -> Event:
        """
        The event with that data, which was written here.
        """
        event: Event = self._class.__pydantic_validator__.validate_json(
            data_json, extra="ignore", by_alias=True, by_name=False
        )
        return event

    @cached_property
    def _sees_metadata(self) -> bool:
        schema: Any = self._class.__pydantic_core_schema__
        return _model_of(schema) is None

    def _field_at(self, place: tuple[int | str, ...]) -> str:
        head = place[0] if place else None
        for name, field in self._class.model_fields.items():
            if head in (name, field.alias, field.validation_alias):
                return name
        return ""

    def _refusal(self, field: str, reason: str) -> UnstorableEventError:
        return UnstorableEventError(event_class=self._class.__qualname__, field=field, reason=reason)


def round_trip_of(event_class: type[Event]) -> RoundTrip:
    """
    What is known about a class; found once.

    Raises:
        DeclarationError: Events of it cannot come back as they were emitted; or an annotation cannot be resolved.
    """
    known: RoundTrip | None = vars(event_class).get("_round_trip")
    if known is None:
        if not event_class.__pydantic_complete__:
            event_class.model_rebuild()
        known = RoundTrip(event_class)
        type.__setattr__(event_class, "_round_trip", known)
    return known


def check_command(command: BaseModel, data: Mapping[str, Any]) -> str | None:
    """
    The field of a command that does not come back from *data*, which was written of it; None if all do.
    """
    try:
        read = type(command).model_validate_json(to_canonical_json(data))
    except (ValidationError, UnstorableDataError):
        return "data"
    if comes_back_as(command, read):
        return None
    found = _first_difference(command, read)
    return "data" if found is None else found[0]


# --- What does not come back ---


def _first_difference(one: Any, other: Any) -> tuple[str, str] | None:
    """
    The place of the first value that came back as another, and what became of it.
    """
    found = _difference_between(one, other)
    return None if found is None else (found[0].removeprefix("."), found[1])


def _difference_between(one: Any, other: Any) -> tuple[str, str] | None:
    for step, mine, theirs in _parts_of_both(one, other):
        if theirs is _NOTHING:
            return step, "is not stored"
        if mine is _NOTHING:
            return step, "has no value, and has one when it is read back"
        if (inside := _difference_between(mine, theirs)) is not None:
            return step + inside[0], inside[1]
    if comes_back_as(one, other):
        return None
    kind, read = class_of(one), class_of(other)
    return "", f"is read back as {read.__name__} and not as {kind.__name__}" if kind is not read else _OTHER_VALUE


def _parts_of_both(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """
    What two values of one class consist of, where both have a name or an index for it.
    """
    kind = class_of(one)
    if kind is not class_of(other):
        return
    names = field_names(one)
    if names is not None:
        pairs = ((f".{name}", getattr(one, name, _NOTHING), getattr(other, name, _NOTHING)) for name in names)
        yield from (pair for pair in pairs if not pair[1] is pair[2] is _NOTHING)
    elif kind in {list, tuple} and len(one) == len(other):
        yield from ((f"[{index}]", item, other[index]) for index, item in enumerate(one))


# --- What can never come back ---


class _Declaration:
    """
    Looks for fields that cannot come back. What is written or read by the user's own code is left to be tried.
    """

    def __init__(self, schema: Schema) -> None:
        self._definitions = {each["ref"]: each for each in schema.get("definitions", ())}
        self._schema = schema
        self._seen: set[str] = set()

    def problems(self) -> Iterator[str]:
        top: Any = self._schema.get("schema", self._schema) if self._schema["type"] == "definitions" else self._schema
        if top["type"] == "definition-ref":
            top = self._definitions.get(top["schema_ref"], top)
        model = top
        while model["type"] == "function-after":
            model = model["schema"]
        if model["type"] == "model" and "serialization" not in model:
            yield from self._own_problems(model)
        yield from self._problems_in(top, "")

    def _own_problems(self, model: Schema) -> Iterator[str]:
        fields: Any = model["schema"]
        if fields["type"] != "model-fields":
            return
        if model.get("config", {}).get("extra_fields_behavior") == "allow":
            yield 'it takes members that are no fields (extra="allow"), and a reader ignores these'
        for name, field in fields["fields"].items():
            if field.get("serialization_exclude"):
                yield f"its field {name!r} is excluded from what is written"

    def _problems_in(self, schema: Schema, field: str) -> Iterator[str]:
        kind = schema["type"]
        if "serialization" in schema:
            return
        if kind == "definition-ref":
            name = schema["schema_ref"]
            if name in self._definitions and name not in self._seen:
                self._seen.add(name)
                yield from self._problems_in(self._definitions[name], field)
        elif kind in _RECORDS:
            yield from self._problems_of_record(schema, field)
        elif kind == "dict":
            yield from self._problems_of_dict(schema, field)
        elif kind == "enum":
            yield from _problems_of_enum(schema["cls"], field)
        else:
            for inner in _inside(schema):
                yield from self._problems_in(inner, field)

    def _problems_of_record(self, schema: Schema, around: str) -> Iterator[str]:
        named = _named_fields(schema["fields"])
        written: dict[str, str] = {name: field.get("serialization_alias", name) for name, field in named}
        computed = {each.get("alias") or each["property_name"] for each in schema.get("computed_fields", ())}
        dot = f"{around}." if around else ""
        for name, field in named:
            own = written[name]
            others = {other: text for other, text in written.items() if other != name}
            if same := next((other for other, text in others.items() if text == own), None):
                yield f"its fields {dot}{same} and {dot}{name} are both written as {own!r}"
            if own in computed:
                yield f"its field {dot}{name} and a computed one are both written as {own!r}"
            paths = _read_from(name, field)
            if not field.get("serialization_exclude") and field.get("init", True):
                if [own] not in paths:
                    names = ", ".join(repr(".".join(map(str, path))) for path in paths)
                    yield f"its field {dot}{name} is written as {own!r} and read as {names}"
                for path in paths[: paths.index([own])] if [own] in paths else ():
                    if path[0] in others.values():
                        yield f"its field {dot}{name} is also read as {path[0]!r}, which another field is written as"
            yield from self._problems_in(field["schema"], f"{dot}{name}")

    def _problems_of_dict(self, schema: Schema, field: str) -> Iterator[str]:
        keys, values = schema.get("keys_schema"), schema.get("values_schema")
        if keys is not None and "serialization" not in keys:
            if keys["type"] in _NO_KEYS:
                yield f"its field {field} has keys of type {keys['type']}, and members of JSON have texts"
            else:
                yield from self._problems_in(keys, field)
        if values is not None:
            yield from self._problems_in(values, field)


def _inside(schema: Schema) -> list[Schema]:
    """
    The schemas of what a value consists of; none where only trying tells, as of a union.
    """
    kind = schema["type"]
    if kind == "tagged-union":
        return list(schema["choices"].values())
    if kind == "tuple":
        return list(schema["items_schema"])
    inner = schema.get("schema") or schema.get("items_schema")
    return [inner] if kind in _WRAPPERS and inner is not None else []


def _named_fields(fields: Any) -> list[tuple[str, Schema]]:
    # Those of a dataclass are a list, all others a dict.
    given: list[Any] = [*fields]
    return [(each, fields[each]) if isinstance(each, str) else (each["name"], each) for each in given]


def _read_from(name: str, field: Schema) -> list[list[Any]]:
    alias: Any = field.get("validation_alias", name)
    if isinstance(alias, str):
        return [[alias]]
    return [alias] if alias and not isinstance(alias[0], list) else list(alias)


def _problems_of_enum(kind: type[enum.Enum], field: str) -> Iterator[str]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    for member in kind:
        try:
            is_same = adapter.validate_json(adapter.dump_json(member)) is member
        except (ValidationError, PydanticSerializationError, ValueError):
            is_same = False
        if not is_same:
            yield f"its field {field} cannot be read back as {kind.__name__}.{member.name}"
            return


# --- What always comes back ---


def _model_of(schema: Schema) -> Schema | None:
    """
    The schema of the fields, if the user's own code neither writes nor reads the event as a whole.
    """
    while schema["type"] in {"definitions", "function-after"}:
        schema = schema["schema"]
    return schema["schema"] if schema["type"] == "model" and schema["schema"]["type"] == "model-fields" else None


def _proven_fields(event_class: type[Event], schema: Schema) -> tuple[tuple[str, frozenset[type]], ...] | None:
    """
    Each field and the types of values that are proven to come back; None if that cannot be told of one.
    """
    if schema["type"] != "model" or not schema.keys() <= _PLAIN_MODEL:
        return None
    fields = schema["schema"]
    if (
        schema["custom_init"]
        or schema["root_model"]
        or not schema.get("config", {}).keys() <= _KNOWN_CONFIG
        or fields["type"] != "model-fields"
        or fields.get("computed_fields")
        or event_class.__private_attributes__
    ):
        return None
    found = {name: _proven_kinds(field) for name, field in fields["fields"].items()}
    return None if None in found.values() else tuple((name, frozenset(kinds or ())) for name, kinds in found.items())


def _proven_kinds(field: Schema) -> set[type] | None:
    if not field.keys() <= _IDLE | {"schema", "validation_alias", "serialization_alias", "frozen"}:
        return None
    schema, kinds = field["schema"], set[type]()
    while schema["type"] in {"default", "nullable"}:
        if "serialization" in schema:
            return None
        if schema["type"] == "nullable":
            kinds.add(NoneType)
        schema = schema["schema"]
    kind = _PROVEN.get(schema["type"])
    if kind is not None and schema.keys() <= _IDLE:
        return kinds | {kind}
    # Its members were tried one by one. Flags have values that are no members.
    if schema["type"] == "enum" and schema.keys() <= _ENUM_MEMBERS and not issubclass(schema["cls"], enum.Flag):
        return kinds | {schema["cls"]}
    return None
