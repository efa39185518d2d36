"""
Schemas: registered once, followed by every later commit, in both of their forms.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.errors import InvalidSchemaError, SchemaExistsError, SchemaViolationError
from eventsource.testing.contract.samples import NOTED, noted, read

if TYPE_CHECKING:
    from eventsource import EventStore

# As the vendor's own tool sends it.
CUSTOMER: dict[str, Any] = {
    "properties": {
        "firstName": {"type": "string", "required": True},
        "age": {"type": "integer"},
        "address": {"properties": {"city": {"type": "string", "required": True}}, "allowAdditionalProperties": False},
        "tags": {"items": {"type": "string"}},
    },
    "allowAdditionalProperties": False,
}
CUSTOMER_AS_JSON_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "firstName": {"type": "string"},
        "age": {"type": "integer"},
        "address": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["firstName"],
    "additionalProperties": False,
}
BOTH_FORMS = pytest.mark.parametrize("schema", [CUSTOMER, CUSTOMER_AS_JSON_SCHEMA], ids=["own", "json-schema"])

VIOLATIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing": ({"age": 3}, "$.firstName", "required"),
    "type": ({"firstName": 3}, "$.firstName", "type"),
    "no integer": ({"firstName": "a", "age": 1.5}, "$.age", "type"),
    "a boolean is no integer": ({"firstName": "a", "age": True}, "$.age", "type"),
    "unknown member": ({"firstName": "a", "password": "secret"}, "$", "additionalProperties"),
    "inside": ({"firstName": "a", "address": {"city": 1}}, "$.address.city", "type"),
    "missing inside": ({"firstName": "a", "address": {}}, "$.address.city", "required"),
    "in a list": ({"firstName": "a", "tags": ["x", "y", None]}, "$.tags[2]", "type"),
}


@BOTH_FORMS
@pytest.mark.parametrize(("data", "path", "rule"), VIOLATIONS.values(), ids=list(VIOLATIONS))
async def test_data_that_breaks_the_schema_is_refused(
    store: EventStore, schema: dict[str, Any], data: dict[str, Any], path: str, rule: str
) -> None:
    """
    Nothing of the commit is written, and the error tells which event, where and which rule.
    """
    await store.register_schema(NOTED, schema)
    fine = noted("/a", data={"firstName": "Ada"})

    with pytest.raises(SchemaViolationError) as failure:
        await store.commit([fine, noted("/b", data=data)])

    assert (failure.value.event_index, failure.value.event_type, failure.value.subject) == (1, NOTED, "/b")
    assert (failure.value.path, failure.value.rule) == (path, rule)
    assert await store.count() == 0


@BOTH_FORMS
async def test_data_that_follows_the_schema_is_written(store: EventStore, schema: dict[str, Any]) -> None:
    """
    Data of the form asked for is stored as ever; events of other types are of any form.
    """
    await store.register_schema(NOTED, schema)
    ada: dict[str, object] = {"firstName": "Ada", "age": 10**30, "address": {"city": "Wien"}, "tags": []}

    recorded = await store.commit(
        [noted("/a", data=ada), noted("/a", data={"firstName": "", "age": 1.0}), noted("/a", type="io.example.other")]
    )

    assert await read(store.stream()) == list(recorded)
    assert recorded[0].data == ada


async def test_additional_members_are_allowed_unless_forbidden(store: EventStore) -> None:
    """
    A schema speaks of the members it names.
    """
    await store.register_schema(NOTED, {"properties": {"name": {"type": "string"}}})

    await store.commit([noted("/a", data={"anything": [1, {"else": None}]})])

    assert await store.count() == 1


async def test_an_error_quotes_neither_values_nor_names_of_members(store: EventStore) -> None:
    """
    Both may be personal: a name that the schema does not have is left out.
    """
    await store.register_schema(
        NOTED,
        {
            "type": "object",
            "properties": {"phone": {"pattern": "^[0-9]+$"}, "kind": {"enum": ["a", "b"]}},
            "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    )
    secrets: list[dict[str, object]] = [
        {"phone": "secret"},
        {"kind": "secret"},
        {"secret@example.com": "secret"},
        {"secret@example.com": {"secret": 4711}},
    ]

    errors: list[SchemaViolationError] = []
    for data in secrets:
        with pytest.raises(SchemaViolationError) as failure:
            await store.commit([noted("/a", data=data)])
        errors.append(failure.value)

    assert [(error.path, error.rule) for error in errors] == [
        ("$.phone", "pattern"),
        ("$.kind", "enum"),
        ("$.…", "type"),
        ("$.….…", "type"),
    ]
    for error in errors:
        assert "secret" not in f"{error} {vars(error)}"
        assert error.__cause__ is None
        assert error.__context__ is None


async def test_existing_events_are_not_checked(store: EventStore) -> None:
    """
    A schema says nothing about what is there already.
    """
    await store.commit([noted("/a")])

    await store.register_schema(NOTED, CUSTOMER)

    assert await store.count() == 1
    with pytest.raises(SchemaViolationError):
        await store.commit([noted("/a")])


async def test_a_type_has_one_schema_for_ever(store: EventStore) -> None:
    """
    Registering again is refused, the same schema too, and the first one stays.
    """
    await store.register_schema(NOTED, CUSTOMER)

    schemas: list[dict[str, Any]] = [CUSTOMER, {"properties": {}}]
    for schema in schemas:
        with pytest.raises(SchemaExistsError) as failure:
            await store.register_schema(NOTED, schema)
        assert failure.value.event_type == NOTED

    assert await store.schemas() == {NOTED: CUSTOMER}


async def test_of_two_registrations_at_once_one_wins(store: EventStore) -> None:
    """
    The schema of the one that succeeded is the one that holds.
    """
    schemas = [{"properties": {f"p{number}": {"type": "string"}}} for number in range(5)]

    outcomes = await asyncio.gather(
        *(store.register_schema(NOTED, schema) for schema in schemas), return_exceptions=True
    )

    assert sum(outcome is None for outcome in outcomes) == 1
    assert {type(outcome) for outcome in outcomes} == {type(None), SchemaExistsError}
    assert await store.schemas() == {NOTED: schemas[outcomes.index(None)]}


async def test_schemas_are_listed_as_they_were_given(store: EventStore) -> None:
    """
    In the order of their types; changing what was given, or the list, changes nothing.
    """
    schema: dict[str, Any] = {"properties": {"a": {"type": "string"}}}
    assert await store.schemas() == {}

    await store.register_schema("io.example.z", schema)
    await store.register_schema("io.example.a", CUSTOMER_AS_JSON_SCHEMA)
    schema["properties"]["a"]["type"] = "null"
    (await store.schemas())["io.example.z"].clear()

    assert list(await store.schemas()) == ["io.example.a", "io.example.z"]
    assert await store.schemas() == {
        "io.example.a": CUSTOMER_AS_JSON_SCHEMA,
        "io.example.z": {"properties": {"a": {"type": "string"}}},
    }


INVALID: dict[str, tuple[object, str]] = {
    "no object": ([], "JSON object"),
    "empty": ({}, "no properties"),
    "no JSON": ({"properties": {"a": {"enum": [float("nan")]}}}, "no JSON"),
    "own: unknown member": ({"properties": {}, "additionalProperties": False}, r"\$\.additionalProperties"),
    "own: unknown keyword": ({"properties": {"a": {"pattern": "x"}}}, r"\$\.properties\.a\.pattern"),
    "own: unknown type": ({"properties": {"a": {"type": "text"}}}, "none of array, boolean"),
    "own: type list": ({"properties": {"a": {"type": ["string"]}}}, "none of array, boolean"),
    "own: required text": ({"properties": {"a": {"required": "yes"}}}, "neither true nor false"),
    "own: properties list": ({"properties": ["a"]}, "no object"),
    "own: property is a text": ({"properties": {"a": "string"}}, "no object"),
    "own: members of a text": ({"properties": {"a": {"type": "string", "items": {}}}}, "do not belong"),
    "own: enum": ({"properties": {"a": {"enum": "x"}}}, "no list"),
    "both": ({"type": "object", "allowAdditionalProperties": False}, "additionalProperties"),
    "unknown type": ({"type": "object", "properties": {"a": {"type": "text"}}}, "text"),
    "boolean required": ({"type": "object", "properties": {"a": {"required": True}}}, "array"),
    "pattern": ({"type": "object", "properties": {"a": {"pattern": "("}}}, "regex"),
    "look-ahead": ({"type": "object", "properties": {"a": {"pattern": "(?=a)b"}}}, "regex"),
    "back-reference": ({"type": "object", "properties": {"a": {"pattern": r"(a)\1"}}}, "regex"),
    "dangling reference": ({"type": "object", "$ref": "#/$defs/a"}, "does not exist"),
    "reference to the network": ({"type": "object", "$ref": "http://127.0.0.1:9/schema"}, "http://127.0.0.1:9"),
    "reference to a file": ({"type": "object", "$ref": "file:///etc/hostname"}, "file:///etc/hostname"),
    "relative reference": ({"type": "object", "$ref": "other.json"}, "other.json"),
    "unknown dialect": ({"$schema": "http://127.0.0.1:9/dialect"}, "http://127.0.0.1:9"),
    "too large": ({"properties": {f"p{number}": {} for number in range(10_000)}}, "limit is 65536"),
}


@pytest.mark.parametrize(("schema", "reason"), INVALID.values(), ids=list(INVALID))
async def test_what_is_no_schema_is_refused(store: EventStore, schema: Any, reason: str) -> None:
    """
    The error tells the type and the reason, and the type has no schema then.
    """
    with pytest.raises(InvalidSchemaError, match=reason) as failure:
        await store.register_schema(NOTED, schema)

    assert failure.value.event_type == NOTED
    assert await store.schemas() == {}
    await store.register_schema(NOTED, CUSTOMER)


@pytest.mark.parametrize("event_type", ["", "two words", "x" * 257])
async def test_what_is_no_event_type_has_no_schema(store: EventStore, event_type: str) -> None:
    """
    A schema for a type that no event can have is a mistake.
    """
    with pytest.raises(ValueError, match="no event type"):
        await store.register_schema(event_type, CUSTOMER)


async def test_known_formats_are_checked_and_unknown_ones_are_not(store: EventStore) -> None:
    """
    A date has to be one; a format nobody knows says nothing.
    """
    await store.register_schema(
        NOTED,
        {
            "type": "object",
            "properties": {
                "date": {"format": "date"},
                "email": {"format": "email"},
                "id": {"format": "uuid"},
                "code": {"format": "house-number"},
            },
        },
    )

    await store.commit([noted("/a", data={"date": "2026-02-28", "email": "a@example.com", "code": "x"})])

    for data in ({"date": "2026-02-30"}, {"email": "nobody"}, {"id": "1"}):
        with pytest.raises(SchemaViolationError) as failure:
            await store.commit([noted("/a", data=data)])
        assert failure.value.rule == "format"


@pytest.mark.parametrize("draft", ["draft-04", "draft-06", "draft-07"])
async def test_older_drafts_are_known(store: EventStore, draft: str) -> None:
    """
    `$schema` tells which edition of JSON Schema it is.
    """
    await store.register_schema(
        NOTED, {"$schema": f"http://json-schema.org/{draft}/schema#", "required": ["a"], "definitions": {}}
    )

    with pytest.raises(SchemaViolationError):
        await store.commit([noted("/a")])


async def test_recursive_schemas_end(store: EventStore) -> None:
    """
    A schema may refer to itself: data of any depth is checked, and a circle without end allows everything.
    """
    tree: dict[str, Any] = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name"],
    }
    await store.register_schema(NOTED, tree)
    await store.register_schema("io.example.circle", {"type": "object", "$ref": "#"})
    data: dict[str, Any] = {}
    for _ in range(20):
        data = {"name": "x", "children": [data]}

    await store.commit([noted("/a", type="io.example.circle")])
    with pytest.raises(SchemaViolationError) as failure:
        await store.commit([noted("/a", data=data)])

    assert failure.value.path == "$" + ".children[0]" * 20 + ".name"


async def test_commits_sent_before_and_after_a_registration_are_told_apart(store: EventStore) -> None:
    """
    In the log no event that breaks a schema comes after one that was sent when the schema was there.
    """
    broken = noted("/broken")
    fine = noted("/fine", data={"firstName": "Ada"})

    async def register() -> None:
        await store.register_schema(NOTED, CUSTOMER)

    outcomes = await asyncio.gather(
        *(store.commit([broken]) for _ in range(20)),
        register(),
        *(store.commit([event]) for event in [broken, fine] * 20),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, tuple) for outcome in outcomes[:20])
    assert {type(outcome) for outcome in outcomes[21::2]} == {SchemaViolationError}
    subjects = [event.subject for event in await read(store.stream())]
    assert subjects == ["/broken"] * 20 + ["/fine"] * 20
