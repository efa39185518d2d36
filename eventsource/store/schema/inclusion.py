"""
Compares the data a program writes with a schema that is registered already, from the two schemas alone.

It knows the part of JSON Schema that is made from event classes. What it cannot compare counts as a
misfit, so it is never wrong about what fits; it may be wrong about what does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.store.schema.generated import Schema

Node: TypeAlias = "Schema | bool"

_ALL_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_NUMBERS: Final = frozenset({"number", "integer"})

# Keywords with a limit: the types they are about, and whether a written value must not be lower or not be higher.
_TEXT: Final = frozenset({"string"})
_ARRAY: Final = frozenset({"array"})
_OBJECT: Final = frozenset({"object"})
_LOWEST: Final = {"minLength": _TEXT, "minItems": _ARRAY, "minProperties": _OBJECT}
_HIGHEST: Final = {"maxLength": _TEXT, "maxItems": _ARRAY, "maxProperties": _OBJECT}
_EQUAL: Final = {"pattern": _TEXT, "format": _TEXT, "multipleOf": _NUMBERS}

_UNDERSTOOD: Final = frozenset(
    {
        "$schema", "$defs", "$ref", "$id", "$comment", "title", "description", "default", "examples", "readOnly",
        "deprecated", "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "required",
        "additionalProperties", "items", "prefixItems", "uniqueItems", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", *_LOWEST, *_HIGHEST, *_EQUAL,
    }
)  # fmt: skip


def misfits(written: Schema, registered: Schema) -> tuple[str, ...]:
    """
    Where data of the schema *written* may break *registered*, each as a place and what is wrong there.
    """
    return tuple(dict.fromkeys(_Comparison(written, registered).compare(written, registered, "$")))


class _Comparison:
    def __init__(self, written: Schema, registered: Schema) -> None:
        self._written = written
        self._registered = registered
        # Schemas may refer to themselves: what is being compared already fits as far as this place is concerned.
        self._under_way: set[tuple[int, int]] = set()

    def compare(self, one: Node, other: Node, path: str) -> Iterator[str]:
        written, registered = _resolved(one, self._written), _resolved(other, self._registered)
        pair = (id(written), id(registered))
        if written is False or registered is True or pair in self._under_way:
            return
        if isinstance(registered, bool):
            yield f"{path}: it must not be there"
            return
        self._under_way.add(pair)
        yield from self._compare({} if isinstance(written, bool) else written, registered, path)
        self._under_way.discard(pair)

    def _compare(self, written: Schema, registered: Schema, path: str) -> Iterator[str]:
        if unknown := sorted(registered.keys() - _UNDERSTOOD):
            yield f"{path}: {unknown[0]!r} is registered, which cannot be compared"
            return
        choices = written.get("anyOf") or written.get("oneOf")
        if choices is not None:
            for choice in choices:
                yield from self.compare(choice, registered, path)
            return
        for part in registered.get("allOf", ()):
            yield from self.compare(written, part, path)
        registered_choices = registered.get("anyOf") or registered.get("oneOf")
        if registered_choices is not None:
            yield from self._one_of(written, registered_choices, path)
        yield from self._values(written, registered, path)

    def _one_of(self, written: Schema, choices: list[Node], path: str) -> Iterator[str]:
        found = [list(self.compare(written, choice, path)) for choice in choices]
        if all(found):
            yield min(found, key=len)[0] if len(found) == 1 else f"{path}: it fits none of what is registered there"

    def _values(self, written: Schema, registered: Schema, path: str) -> Iterator[str]:
        types, allowed = _types(written), _types(registered)
        if missing := sorted(kind for kind in types - allowed if not (kind == "integer" and "number" in allowed)):
            yield f"{path}: {' or '.join(missing)} is written, {' or '.join(sorted(allowed))} is registered"
            return
        if (values := _choices(registered)) is not None:
            own = _choices(written)
            if own is None or any(value not in values for value in own):
                yield f"{path}: other values are written than those registered"
            return
        yield from _limits(written, registered, types, path)
        if "object" in types:
            yield from self._object(written, registered, path)
        if "array" in types:
            yield from self._array(written, registered, path)

    def _object(self, written: Schema, registered: Schema, path: str) -> Iterator[str]:
        for name in registered.get("required", ()):
            if name not in written.get("required", ()):
                yield f"{path}.{name}: it is required, and not always written"
        own, known = written.get("properties", {}), registered.get("properties", {})
        more: Node = written.get("additionalProperties", True)
        others: Node = registered.get("additionalProperties", True)
        for name, part in own.items():
            if name not in known and others is False and part is not False:
                yield f"{path}.{name}: it is no registered member, and others must not be there"
            else:
                yield from self.compare(part, known.get(name, others), f"{path}.{name}")
        for name in known.keys() - own.keys():
            yield from self.compare(more, known[name], f"{path}.{name}")
        yield from self.compare(more, others, f"{path}.…")

    def _array(self, written: Schema, registered: Schema, path: str) -> Iterator[str]:
        own, known = written.get("prefixItems", []), registered.get("prefixItems", [])
        rest: Node = written.get("items", True)
        others: Node = registered.get("items", True)
        longest = written.get("maxItems")
        for index in range(max(len(own), len(known))):
            one = own[index] if index < len(own) else rest
            other = known[index] if index < len(known) else others
            yield from self.compare(one, other, f"{path}[{index}]")
        if longest is None or longest > max(len(own), len(known)):
            yield from self.compare(rest, others, f"{path}[…]")
        if registered.get("uniqueItems") and not written.get("uniqueItems"):
            yield f"{path}: one item may be written twice"


def _resolved(node: Node, root: Schema) -> Node:
    """
    The target of a reference.
    """
    # A reference that leads to itself never ends.
    for _ in range(len(root.get("$defs", ())) + 1):
        if isinstance(node, bool) or "$ref" not in node:
            return node
        node = _at(str(node["$ref"]), root)
    return {}


def _at(reference: str, root: Schema) -> Node:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if step:
            found = cast("Schema", found).get(name, {}) if isinstance(found, dict) else {}
    return cast("Node", found)


def _types(schema: Schema) -> frozenset[str]:
    declared: Any = schema.get("type")
    if isinstance(declared, str):
        return frozenset({declared})
    if declared is not None:
        return frozenset(declared)
    values = _choices(schema)
    return _ALL_TYPES if values is None else frozenset(_type_of(value) for value in values)


def _choices(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _type_of(value: object) -> str:
    names: dict[type, str] = {
        str: "string",
        bool: "boolean",
        int: "integer",
        float: "number",
        list: "array",
        type(None): "null",
    }
    return names.get(type(value), "object")


def _limits(written: Schema, registered: Schema, types: frozenset[str], path: str) -> Iterator[str]:
    for keyword, kinds in (_LOWEST | _HIGHEST).items():
        limit, own = registered.get(keyword), written.get(keyword)
        if (
            limit is not None
            and types & kinds
            and (own is None or (own < limit if keyword in _LOWEST else own > limit))
        ):
            yield f"{path}: {keyword} {limit} is registered, and other values may be written"
    for keyword, kinds in _EQUAL.items():
        if keyword in registered and types & kinds and written.get(keyword) != registered[keyword]:
            yield f"{path}: {keyword} {registered[keyword]!r} is registered, and other values may be written"
    if types & _NUMBERS:
        yield from _bounds(written, registered, path)


def _bounds(written: Schema, registered: Schema, path: str) -> Iterator[str]:
    for keyword, exclusive, sign in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        own, own_open = written.get(keyword), written.get(exclusive)
        for name, is_open in ((keyword, False), (exclusive, True)):
            limit = registered.get(name)
            if limit is None:
                continue
            if isinstance(limit, bool):
                yield f"{path}: {name!r} is registered in the form of draft 4, which cannot be compared"
                continue
            closed_fits = own is not None and (
                sign * own > sign * limit or (sign * own == sign * limit and not is_open)
            )
            open_fits = own_open is not None and sign * own_open >= sign * limit
            if not (closed_fits or open_fits):
                yield f"{path}: {name} {limit} is registered, and other numbers may be written"
