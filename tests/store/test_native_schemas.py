"""
Genesis DB's own form of schemas against a plain Python reading of it: both take the same data.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventsource.store.schema.native import TYPES, to_json_schema
from eventsource.store.schema.validator import DataValidator
from eventsource.testing.contract.chance import rounds

NAMES = st.sampled_from(["a", "b", "c", "ä", "required", "type", "$ref", "properties"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0, 10**30, "", "a"])
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)


def optional(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """
    Objects with some of these members.
    """
    return st.fixed_dictionaries({}, optional=members)


def own_properties(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """
    Properties that are objects or lists of what *inner* makes.
    """
    of_object = st.fixed_dictionaries(
        {"properties": st.dictionaries(NAMES, inner, max_size=3)},
        optional={"type": st.just("object"), "required": st.booleans(), "allowAdditionalProperties": st.booleans()},
    )
    of_list = st.fixed_dictionaries({"items": inner}, optional={"type": st.just("array"), "required": st.booleans()})
    return of_object | of_list


PROPERTIES = st.recursive(
    optional(
        type=st.sampled_from(sorted(TYPES)),
        required=st.booleans(),
        enum=st.lists(DATA, min_size=1, max_size=3),
        description=st.text(max_size=3),
    ),
    own_properties,
    max_leaves=6,
)
# Mostly not of JSON Schema's form.
SCHEMAS = st.fixed_dictionaries(
    {"properties": st.dictionaries(NAMES, PROPERTIES, max_size=4)},
    optional={"allowAdditionalProperties": st.booleans(), "description": st.text(max_size=3)},
)


def is_of_type(value: object, name: str) -> bool:
    """
    Whether a value is of one of JSON's types.
    """
    if name == "integer":
        return is_number(value) and value == int(value)  # type: ignore[call-overload]
    if name == "number":
        return is_number(value)
    kinds = {"null": type(None), "boolean": bool, "string": str, "array": list, "object": dict}
    return isinstance(value, kinds[name])


def is_number(value: object) -> bool:
    """
    Whether it is a number, as JSON sees it.
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(one: object, other: object) -> bool:
    """
    Whether two JSON values are the same: 1 is 1.0, and neither is true.
    """
    if is_number(one) and is_number(other):
        return one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def follows(schema: dict[str, Any], value: object) -> bool:
    """
    Whether *value* is an object as *schema* wants it.
    """
    if not isinstance(value, dict):
        return False
    properties = schema.get("properties", {})
    has_all = all(name in value for name, part in properties.items() if part.get("required"))
    has_others = bool(value.keys() - properties.keys())
    if not has_all or (has_others and not schema.get("allowAdditionalProperties", True)):
        return False
    return all(fits(properties[name], member) for name, member in value.items() if name in properties)


def fits(part: dict[str, Any], value: object) -> bool:
    """
    Whether *value* is as a property wants it.
    """
    if "enum" in part and not any(equal(value, each) for each in part["enum"]):
        return False
    if "items" in part:
        return isinstance(value, list) and all(fits(part["items"], item) for item in value)
    if "properties" in part:
        return follows(part, value)
    return "type" not in part or is_of_type(value, part["type"])


@st.composite
def schemas_with_data(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    A schema, and data that has a fair chance to follow it.
    """
    schema: dict[str, Any] = draw(SCHEMAS)
    data: dict[str, Any] = draw(st.dictionaries(NAMES, DATA, max_size=4))
    for name, part in schema["properties"].items():
        if draw(st.integers(0, 4)):
            data[name] = draw(fitting(part))
    return schema, data


def fitting(part: dict[str, Any]) -> st.SearchStrategy[Any]:
    """
    Values that mostly fit a property.
    """
    if "enum" in part:
        return st.sampled_from(part["enum"])
    if "items" in part:
        return st.lists(fitting(part["items"]), max_size=2)
    if "properties" in part:
        return st.fixed_dictionaries({name: fitting(inner) for name, inner in part["properties"].items()})
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.sampled_from([1, 2.0]),
        "number": st.sampled_from([1, 2.5]),
        "string": st.text(max_size=2),
        "array": st.just([]),
        "object": st.just({}),
    }
    return kinds.get(part.get("type", ""), DATA)


@settings(max_examples=rounds(150, 20_000), deadline=None)
@given(schemas_with_data())
def test_the_translation_means_the_same(example: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """
    Data is refused by the translated schema exactly if it does not follow the original.
    """
    schema, data = example

    validator = DataValidator("io.example.test", to_json_schema("io.example.test", schema))

    assert (validator.first_problem(data) is None) == follows(schema, data)
