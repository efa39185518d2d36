"""
Schemas made from event classes: what the stored data of an event looks like, as JSON Schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pydantic import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from eventsource.events.metadata import METADATA_KEY
from eventsource.events.round_trip import round_trip_of
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from eventsource.events.event import Event

Schema: TypeAlias = dict[str, Any]

# What later programs may do without a new type name: write other versions, which pass unchecked; add fields; nothing.
Allowance: TypeAlias = Literal["versions", "fields", "nothing"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# For people, and changed without changing the data.
_FOR_PEOPLE: Final = ("title", "description", "default", "examples", "readOnly", "deprecated", "discriminator")

# Others are stricter than what pydantic writes: times without a zone, negative durations, international e-mails.
_FORMATS: Final = frozenset({"date", "uuid"})

# Patterns are matched in linear time, so such are refused.
_UNMATCHABLE: Final = re.compile(r"\(\?[=!<]|\\[1-9]")


class _Written(GenerateJsonSchema):
    """
    What is written: the members with defaults are always there.
    """

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001  pydantic's own signature
        return field["type"] != "typed-dict-field" or super().field_is_required(field, total)


def schema_of(event_class: type[Event], *, allow: Allowance = "versions") -> Schema:
    """
    The schema for events of a class, to be registered under its type name.

    It is about the data as it is stored: camelCase members, computed fields, metadata. Texts for people
    are left out, so that they can be changed. Since a registered schema stays, *allow* says what later
    programs may do without a new type name:

    - "versions": raise the version of the class. Data that says it is of another version passes unchecked.
    - "fields": add fields. Whatever the version, the members there are now stay as they are.
    - "nothing": no other member, and no other version.

    Raises:
        DeclarationError: A field has a type without a JSON Schema, or cannot come back from the store as it was.
    """
    schema = _data_schema(event_class, GenerateJsonSchema)
    if allow == "nothing":
        _close(schema)
        _set_version(schema, event_class.event_version)
    if allow != "versions":
        return {"$schema": DIALECT, **schema}
    definitions = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
    is_first = event_class.event_version == 1
    says: Schema = {"type": "object", "required": ["version"]}
    if not is_first:
        says["properties"] = {"version": {"const": event_class.event_version}}
    return {
        "$schema": DIALECT,
        "type": "object",
        "if": {"properties": {METADATA_KEY: says}, "required": [METADATA_KEY]},
        "else" if is_first else "then": schema,
        **definitions,
    }


def written_schema(event_class: type[Event]) -> Schema:
    """
    What a program writes for a class: the same, but with all that is known about it.
    """
    schema = _data_schema(event_class, _Written)
    _close(schema)
    _set_version(schema, event_class.event_version)
    return schema


def checked_part(schema: Schema) -> tuple[Schema, int | None]:
    """
    What a schema that `schema_of` made asks for, and of which version; None is any.
    """
    match schema:
        case {
            "if": {"properties": {"_meta": {"properties": {"version": {"const": int(version)}}}}},
            "then": {} as part,
        }:
            pass
        case {"if": {"properties": {"_meta": {"required": ["version"]}}}, "else": {} as part}:
            version = 1
        case _:
            return schema, None
    asked = cast("Schema", part)
    return ({**asked, "$defs": schema["$defs"]} if "$defs" in schema else asked), version


def _data_schema(event_class: type[Event], generator: type[GenerateJsonSchema]) -> Schema:
    try:
        # A schema of what cannot be read again would only say that it is right to store it.
        round_trip_of(event_class)
        schema = event_class.model_json_schema(mode="serialization", schema_generator=generator)
    except PydanticUserError as error:
        msg = f"{event_class.__qualname__} has a field without a JSON Schema: {error.message}"
        raise DeclarationError(msg) from None
    # A class that refers to itself.
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    if name:
        schema = {**schema["$defs"][name], "$defs": schema["$defs"]}
    for part in _parts(schema):
        _clean(part)
    schema["properties"] = {**schema.get("properties", {}), METADATA_KEY: {"type": "object"}}
    return schema


def _parts(schema: object) -> list[Schema]:
    """
    All schemas inside a schema, itself first.
    """
    found: list[Schema] = []
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += cast("list[object]", part)
        if not isinstance(part, dict):
            continue
        members = cast("Schema", part)
        found.append(members)
        for keyword, value in members.items():
            # Of these the members have names of the user's, and the values are schemas; const and enum hold data.
            if keyword in {"properties", "$defs", "patternProperties"}:
                waiting += value.values()
            elif keyword not in {"const", "enum", "default", "examples"}:
                waiting.append(value)
    return found


def _clean(part: Schema) -> None:
    for keyword in _FOR_PEOPLE:
        part.pop(keyword, None)
    if part.get("format") not in _FORMATS:
        part.pop("format", None)
    if _UNMATCHABLE.search(part.get("pattern", "")):
        del part["pattern"]
    if part.get("additionalProperties") is False:
        del part["additionalProperties"]


def _close(schema: Schema) -> None:
    for part in _parts(schema):
        if "properties" in part:
            part.setdefault("additionalProperties", False)


def _set_version(schema: Schema, version: int) -> None:
    metadata: Schema = {"type": "object", "properties": {"version": False}}
    if version > 1:
        metadata = {"type": "object", "properties": {"version": {"const": version}}, "required": ["version"]}
        schema["required"] = [*schema.get("required", []), METADATA_KEY]
    schema["properties"][METADATA_KEY] = metadata
