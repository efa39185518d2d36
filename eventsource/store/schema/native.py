"""
Genesis DB's own form of a schema, and JSON Schema made of it.

Public sources show ``properties`` with ``type`` "string" and a boolean ``required``, and
``allowAdditionalProperties``. The rest is our choice: JSON Schema's types, nested ``properties``,
``items``, ``enum`` and ``description``; additional properties are allowed unless it says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from eventsource.root_error import shortened
from eventsource.wire.errors import InvalidSchemaError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})

_OBJECT: Final = frozenset({"properties", "allowAdditionalProperties"})
_TOP: Final = _OBJECT | {"description"}
_PROPERTY: Final = _OBJECT | {"type", "required", "items", "enum", "description"}


def is_json_schema(schema: dict[str, Any]) -> bool:
    """
    True if a schema is JSON Schema: it says so, or has members at its top that only JSON Schema has.
    """
    return "$schema" in schema or schema.get("type") == "object" or isinstance(schema.get("required"), list)


def to_json_schema(event_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """
    A schema as JSON Schema, in whichever of the two forms it is.

    Raises:
        InvalidSchemaError: It is neither, or both.
    """
    if not is_json_schema(schema):
        translation = _Translation(event_type)
        if "properties" not in schema and schema.keys() <= _TOP:
            translation.refuse("it has no properties")
        return translation.object_schema(schema, "$", _TOP)
    if "allowAdditionalProperties" in schema:
        _Translation(event_type).refuse("allowAdditionalProperties is no JSON Schema; write additionalProperties")
    return schema


class _Translation:
    def __init__(self, event_type: str) -> None:
        self._event_type = event_type

    def refuse(self, reason: str) -> None:
        # It names members, which may be as long as the schema.
        raise InvalidSchemaError(self._event_type, shortened(reason))

    def object_schema(self, schema: dict[str, Any], path: str, known: AbstractSet[str]) -> dict[str, Any]:
        self._check_names(schema, path, known)
        properties = self._mapping(schema.get("properties", {}), f"{path}.properties")
        parts = {name: self._mapping(part, f"{path}.properties.{name}") for name, part in properties.items()}
        return {
            "type": "object",
            "properties": {name: self._property(part, f"{path}.properties.{name}") for name, part in parts.items()},
            "required": [
                name
                for name, part in parts.items()
                if self._boolean(part.get("required", False), f"{path}.properties.{name}.required")
            ],
            "additionalProperties": self._boolean(
                schema.get("allowAdditionalProperties", True), f"{path}.allowAdditionalProperties"
            ),
        }

    def _property(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        self._check_names(schema, path, _PROPERTY)
        kind = self._kind(schema, path)
        result: dict[str, Any] = {} if kind is None else {"type": kind}
        if kind == "object":
            result = self.object_schema({name: schema[name] for name in _OBJECT & schema.keys()}, path, _OBJECT)
        if "items" in schema:
            result["items"] = self._property(self._mapping(schema["items"], f"{path}.items"), f"{path}.items")
        if "enum" in schema:
            if not isinstance(schema["enum"], list):
                self.refuse(f"{path}.enum is no list")
            result["enum"] = schema["enum"]
        return result

    def _kind(self, schema: dict[str, Any], path: str) -> str | None:
        implied = "object" if _OBJECT & schema.keys() else "array" if "items" in schema else None
        kind = schema.get("type", implied)
        if kind is not None and (not isinstance(kind, str) or kind not in TYPES):
            self.refuse(f"{path}.type is none of {', '.join(sorted(TYPES))}")
        if (_OBJECT & schema.keys() and kind != "object") or ("items" in schema and kind != "array"):
            self.refuse(f"{path} has members that do not belong to its type")
        return kind

    def _check_names(self, schema: dict[str, Any], path: str, known: AbstractSet[str]) -> None:
        for name in schema:
            if name not in known:
                self.refuse(f'{path}.{name} is not known in Genesis DB\'s own form; a JSON Schema names its "$schema"')

    def _mapping(self, value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.refuse(f"{path} is no object")
        return cast("dict[str, Any]", value)

    def _boolean(self, value: object, path: str) -> bool:
        if not isinstance(value, bool):
            self.refuse(f"{path} is neither true nor false")
        return value is True
