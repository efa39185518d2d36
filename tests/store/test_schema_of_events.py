"""
Schemas made from event classes: they take what the classes write, and tell what they would not.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, NegativeInt, computed_field, create_model

from eventsource import DeclarationError, Event, Metadata, NewEvent
from eventsource.errors import SchemaMismatchError, SchemaViolationError
from eventsource.events.canonical_json import parse_json
from eventsource.store import InMemoryEventStore, SchemaState, diff_schemas, push_schemas, schema_of
from eventsource.store.schema.generated import Allowance, written_schema
from eventsource.store.schema.inclusion import misfits
from eventsource.store.schema.native import to_json_schema
from eventsource.store.schema.validator import DataValidator

NAME = "io.example.test.schema-of"
ALLOWANCES: list[Allowance] = ["versions", "fields", "nothing"]


class Line(BaseModel):
    """
    A part of an order.
    """

    cents: NegativeInt | None
    tags: set[str] = Field(default_factory=set)
    parts: list[Line] = Field(default_factory=list)


class Ordered(Event, type=f"{NAME}.ordered"):
    """
    Fields of many kinds.
    """

    number: int
    text: Annotated[str, Field(max_length=20, description="for people")] = ""
    on: date | None = None
    at: datetime = datetime(2026, 1, 1)  # noqa: DTZ001  without a zone, on purpose
    for_as_long: timedelta = timedelta(days=-1)
    price: Decimal = Decimal("1.10")
    kind: Literal["a", "b"] = "a"
    pair: tuple[int, str] = (1, "x")
    amounts: dict[str, float] = Field(default_factory=dict)
    lines: list[Line] = Field(default_factory=list)
    anything: Any = None
    id: UUID | None = None

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented way
    @property
    def twice(self) -> int:
        """
        Stored, too.
        """
        return self.number * 2


class Kept(Event, type=f"{NAME}.kept", version=2, personal=True):
    """
    A personal event in its second version.
    """

    name: str


def takes(schema: dict[str, Any], data: object) -> bool:
    """
    Whether data follows a schema.
    """
    return DataValidator("t", to_json_schema("t", schema)).first_problem(data) is None


def stored(event: Event, metadata: Metadata | None = None) -> Any:
    """
    The data of an event as it is stored.
    """
    return parse_json(NewEvent.of(event, subject="/x", metadata=metadata).data_json)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
TAGS = st.sets(st.sampled_from(["a", "ü"]))
LEAVES = st.builds(Line, cents=st.none() | st.integers(max_value=-1), tags=TAGS)
LINES = LEAVES | st.builds(Line, cents=st.none(), parts=st.lists(LEAVES, max_size=2))
ORDERED = st.builds(
    Ordered,
    number=st.integers(-(2**53), 2**53),
    text=TEXT,
    on=st.none() | st.dates(),
    at=st.datetimes(),
    for_as_long=st.timedeltas(),
    amounts=st.dictionaries(TEXT, st.floats(-9, 9), max_size=2),
    lines=st.lists(LINES, max_size=2),
    anything=st.none() | st.booleans() | st.lists(st.integers(0, 9), max_size=2),
    id=st.none() | st.uuids(),
)


VALIDATORS = {allow: DataValidator("t", schema_of(Ordered, allow=allow)) for allow in ALLOWANCES}


@given(event=ORDERED, metadata=st.sampled_from([None, Metadata(actor="ada", command_id="7")]))
@pytest.mark.parametrize("allow", ALLOWANCES)
def test_what_a_class_writes_follows_its_schema(allow: Allowance, event: Ordered, metadata: Metadata | None) -> None:
    """
    Whatever the fields hold, and with metadata or without.
    """
    assert VALIDATORS[allow].first_problem(stored(event, metadata)) is None


def test_what_it_does_not_write_is_refused() -> None:
    """
    Another type, a member too few.
    """
    data = stored(Ordered(number=1))
    schema = schema_of(Ordered)

    assert not takes(schema, {**data, "number": "1"})
    assert not takes(schema, {**data, "lines": [{"cents": 5}]})
    assert not takes(schema, {name: value for name, value in data.items() if name != "number"})


@pytest.mark.parametrize(
    ("allow", "other_field", "other_version"),
    [("versions", True, True), ("fields", True, False), ("nothing", False, False)],
)
def test_what_later_programs_may_do(allow: Allowance, *, other_field: bool, other_version: bool) -> None:
    """
    Add a field; write a later version, which may be of another form.
    """
    for event_class, event in ((Ordered, Ordered(number=1)), (Kept, Kept(name="x"))):
        schema, data = schema_of(event_class, allow=allow), stored(event)
        other = {"_meta": {"version": 3}, "cents": 1}

        assert takes(schema, data)
        assert takes(schema, {**data, "added": 1}) is other_field
        assert takes(schema, other) is other_version


def test_older_programs_may_go_on_writing() -> None:
    """
    During a deployment both write; a schema of version 2 lets version 1 pass.
    """
    assert takes(schema_of(Kept), {"fullName": "x"})
    assert not takes(schema_of(Kept), {"_meta": {"version": 2}, "fullName": "x"})


def test_texts_for_people_are_no_part_of_it() -> None:
    """
    A better description is no other schema.
    """
    assert "for people" not in str(schema_of(Ordered))
    assert "Fields of many kinds" not in str(schema_of(Ordered))


def test_a_field_without_a_json_schema_is_named() -> None:
    """
    With its class.
    """

    class Opaque:
        pass

    class Odd(Event, type=f"{NAME}.odd"):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        opaque: Opaque

    with pytest.raises(DeclarationError, match="Odd has a field without a JSON Schema"):
        schema_of(Odd)


# --- Registered ---


async def test_push_registers_what_is_new_and_only_that() -> None:
    """
    Again it has nothing to do; the store checks from then on.
    """
    async with InMemoryEventStore() as store:
        before = await push_schemas(store, [Ordered, Kept])
        again = await push_schemas(store, [Ordered, Kept])
        await store.commit([NewEvent.of(Ordered(number=1), subject="/x"), NewEvent.of(Kept(name="x"), subject="/x")])
        with pytest.raises(SchemaViolationError):
            await store.commit([NewEvent(subject="/x", type=Ordered.event_type, data={"number": "1"})])

        assert {each.state for each in before} == {SchemaState.NEW}
        assert {each.state for each in again} == {SchemaState.SAME}
        assert await store.schemas() == {each.event_type: schema_of(each) for each in (Kept, Ordered)}


@pytest.mark.parametrize("allow", ALLOWANCES)
async def test_a_second_version_beside_the_schema_of_the_first(allow: Allowance) -> None:
    """
    It passes unchecked, or is refused before it is deployed: nothing is registered then.
    """

    class First(Event, type=f"{NAME}.first-of-kept"):
        full_name: str

    first = schema_of(First, allow=allow)
    async with InMemoryEventStore() as store:
        await store.register_schema(Kept.event_type, first)

        [difference] = await diff_schemas(store, [Kept])

        if allow == "versions":
            assert difference.state is SchemaState.UNCHECKED
            return
        assert difference.state is SchemaState.REFUSED
        assert "$.fullName: it is required, and not always written" in difference.problems
        with pytest.raises(SchemaMismatchError, match=r"kept: .*\$\.fullName"):
            await push_schemas(store, [Kept, Ordered])
        assert list(await store.schemas()) == [Kept.event_type]


async def test_a_schema_written_by_hand_is_compared() -> None:
    """
    Also one in Genesis DB's own form.
    """
    async with InMemoryEventStore() as store:
        await store.register_schema(
            Kept.event_type,
            {"properties": {"name": {"type": "string", "required": True}}, "allowAdditionalProperties": True},
        )
        await store.register_schema(
            Ordered.event_type, {"properties": {"number": {"type": "string"}}, "allowAdditionalProperties": False}
        )

        kept, ordered = await diff_schemas(store, [Ordered, Kept])

    assert kept.state is SchemaState.FITS
    assert ordered.state is SchemaState.REFUSED
    assert "$.number: integer is written, string is registered" in ordered.problems
    assert "$._meta: it is no registered member, and others must not be there" in ordered.problems


# --- Compared ---

CASES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"type": "integer"}, {"type": "number"}, True),
    ({"type": "number"}, {"type": "integer"}, False),
    ({"type": "string"}, {}, True),
    ({}, {"type": "string"}, False),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": ["string", "null"]}, True),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string"}, False),
    ({"type": "string"}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, True),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, True),
    ({"const": "c"}, {"enum": ["a", "b"]}, False),
    ({"type": "string"}, {"const": "a"}, False),
    ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 6}, True),
    ({"type": "string"}, {"type": "string", "maxLength": 6}, False),
    ({"type": "string"}, {"type": "string", "format": "date"}, False),
    ({"type": "integer", "exclusiveMinimum": 0}, {"minimum": 0}, True),
    ({"type": "integer", "minimum": 0}, {"exclusiveMinimum": 0}, False),
    ({"type": "integer", "minimum": 1}, {"exclusiveMinimum": 0}, True),
    ({"type": "integer", "maximum": 5}, {"maximum": 4}, False),
    ({"type": "string"}, {"maximum": 4}, True),
    ({"type": "array", "items": {"type": "integer"}}, {"type": "array", "items": {"type": "number"}}, True),
    ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "number"}}, False),
    ({"type": "array"}, {"type": "array", "uniqueItems": True}, False),
    ({"type": "array", "prefixItems": [{"type": "integer"}], "maxItems": 1}, {"items": {"type": "number"}}, True),
    ({"type": "array", "items": {"type": "integer"}}, {"prefixItems": [{"type": "string"}]}, False),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"properties": {"a": {"type": "string"}}}, False),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"additionalProperties": False}, False),
    ({"type": "string"}, {"allOf": [{"type": "string"}, {"minLength": 1}]}, False),
    ({"type": "string"}, {"not": {"type": "integer"}}, False),
    ({"type": "integer"}, {"minimum": 0, "exclusiveMinimum": True}, False),
]


@pytest.mark.parametrize(("written", "registered", "fits"), CASES, ids=lambda value: str(value)[:60])
def test_what_fits_what(written: dict[str, Any], registered: dict[str, Any], *, fits: bool) -> None:
    """
    What cannot be compared does not fit.
    """
    assert (misfits(written, registered) == ()) is fits


def test_recursive_schemas_are_compared() -> None:
    """
    A line of lines ends.
    """
    assert misfits(written_schema(Ordered), schema_of(Ordered, allow="fields")) == ()


FIELDS: list[Any] = [
    int,
    float,
    str,
    bool,
    int | None,
    Literal["a", "b"],
    Literal["a"],
    list[int],
    list[float],
    tuple[int, int],
    dict[str, int],
    Annotated[int, Field(ge=0)],
    Annotated[int, Field(gt=0, le=5)],
    Annotated[str, Field(min_length=1)],
    date,
]
VALUES = (
    st.none() | st.booleans() | st.integers(-3, 7) | st.floats(-2, 2) | st.sampled_from(["", "a", "b", "2026-01-01"])
)
DATA = VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)


@given(one=st.sampled_from(FIELDS), other=st.sampled_from(FIELDS), data=st.lists(DATA, max_size=30))
def test_what_is_said_to_fit_is_never_refused(one: Any, other: Any, data: list[object]) -> None:
    """
    Whatever data follows the schema written follows the one registered.
    """
    written, registered = (_field_schema(kind) for kind in (one, other))
    if not misfits(written, registered):
        assert all(takes(registered, {"field": value}) for value in data if takes(written, {"field": value}))


@pytest.mark.parametrize("kind", FIELDS, ids=str)
def test_a_schema_fits_itself(kind: Any) -> None:
    """
    Else each deployment would be refused.
    """
    assert misfits(_field_schema(kind), _field_schema(kind)) == ()


def _field_schema(kind: Any) -> dict[str, Any]:
    return create_model("Model", field=(kind, ...)).model_json_schema(mode="serialization")
