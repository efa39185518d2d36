"""
What is accepted comes back as it was; what would not is refused before it is stored.
"""

from __future__ import annotations

import enum
import ipaddress
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    PrivateAttr,
    RootModel,
    SecretStr,
    SerializeAsAny,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from eventsource import DeclarationError, Event, NewEvent
from eventsource.errors import UnstorableDataError, UnstorableEventError
from eventsource.events.canonical_json import parse_json
from eventsource.testing.golden.record import recorded_event

T = TypeVar("T")


class Tier(enum.Enum):
    """
    Values that are texts.
    """

    GOLD = "gold"
    GREY = "grey"


class Rate(enum.Enum):
    """
    Values that JSON writes as texts.
    """

    FULL = Decimal("0.19")


def _rate_named(value: object) -> object:
    return Rate[value] if isinstance(value, str) else value


RateByName = Annotated[Rate, PlainSerializer(lambda rate: rate.name), BeforeValidator(_rate_named)]


class Corner(enum.Enum):
    """
    Values that JSON writes as lists.
    """

    TOP = (0, 1)


class Level(enum.IntEnum):
    """
    Values that are numbers.
    """

    LOW = 1


class Word(str, enum.Enum):  # noqa: UP042  the older way, which many programs have
    """
    Members that are texts themselves.
    """

    YES = "yes"


class Rights(enum.Flag):
    """
    Members that are added up.
    """

    READ = enum.auto()
    WRITE = enum.auto()


class Item(BaseModel):
    """
    A model.
    """

    name: str


class Discounted(Item):
    """
    A model with more than its base.
    """

    percent: int


class Tagged(BaseModel):
    """
    A model that takes whatever it is given.
    """

    model_config = ConfigDict(extra="allow")


class Basket(RootModel[list[Item]]):
    """
    A model that is a list.
    """


class Box(BaseModel, Generic[T]):
    """
    A model of any content.
    """

    content: T


@dataclass
class Point:
    """
    A dataclass.
    """

    x: int
    y: float = 0.0


class Place(NamedTuple):
    """
    A named tuple.
    """

    row: int
    seat: str


class Cat(BaseModel):
    """
    One of two.
    """

    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    """
    The other.
    """

    kind: Literal["dog"] = "dog"


class Text(str):
    """
    A text of a class of its own.
    """

    __slots__ = ()


class DriverUuid(UUID):
    """
    An identifier as a database driver makes it.
    """


class FrozenTime(datetime):
    """
    A time as a library makes it that freezes the clock in tests.
    """


BERLIN = ZoneInfo("Europe/Berlin")
A_UUID = "12345678-1234-5678-1234-567812345678"


def event_with(annotation: Any, value: Any) -> Event:
    """
    An event with one field of that type.
    """

    class Said(Event, type="io.example.test.round-trip.said"):
        """
        One field.
        """

        __annotations__ = {"value": annotation}

    return Said(value=value)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def read_again(event: Event) -> Event:
    """
    Write the event, and read what was written.
    """
    new = NewEvent.of(event, subject="/x/1")
    return recorded_event(new.type, parse_json(new.data_json)).decode()


COMES_BACK: list[tuple[Any, Any]] = [
    (str, "Zoë 🐈"),
    (str, Text("text")),
    (int, 2**53 + 1),
    (int, -(10**400)),
    (bool, True),
    (float, -0.0),
    (float, 1e308),
    (float, 3),
    (str | None, None),
    (int | str, "1"),
    (int | float, 1.0),
    (bool | int, True),
    (Decimal, Decimal("1.00")),
    (Decimal, Decimal("1E+5")),
    (date, date(1, 1, 1)),
    (date | datetime, datetime(2026, 1, 1, 12, tzinfo=UTC)),
    (datetime, datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC)),
    (datetime, datetime(2026, 1, 1, 12)),  # noqa: DTZ001  a time without a zone
    (datetime, datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
    (datetime, datetime(2026, 10, 25, 2, 30, fold=1)),  # noqa: DTZ001  as the clock gives it in that hour
    (AwareDatetime, datetime(2026, 7, 1, 12, tzinfo=BERLIN)),
    (datetime, FrozenTime(2026, 1, 1, tzinfo=UTC)),
    (time, time(12, 30)),
    (timedelta, timedelta(days=-3, microseconds=1)),
    (UUID, UUID(A_UUID)),
    (UUID, DriverUuid(A_UUID)),
    (Path, Path("/etc")),
    (ipaddress.IPv4Address, ipaddress.IPv4Address("10.0.0.1")),
    (bytes, b"plain"),
    (Tier, Tier.GOLD),
    (Level, Level.LOW),
    (Word, Word.YES),
    (Rights, Rights.READ | Rights.WRITE),
    (Decimal | float, Decimal("1.5")),
    (Literal["a", 1], 1),
    (list[str], ["b", "a"]),
    (tuple[int, ...], (1, 2)),
    (tuple[int, str], (1, "a")),
    (set[str], {"a", "b", "c"}),
    (frozenset[int], frozenset({3, 1})),
    (deque[int], deque([1, 2], maxlen=None)),
    (dict[str, int], {"b": 1, "a": 2}),
    (dict[int, str], {10: "a", 9: "b"}),
    (dict[date, int], {date(2026, 1, 1): 1}),
    (dict[Tier, int], {Tier.GOLD: 1}),
    (Sequence[int], [1, 2]),
    (Item, Item(name="book")),
    (Discounted, Discounted(name="book", percent=5)),
    (list[Item | Discounted], [Item(name="a"), Discounted(name="a", percent=5)]),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Dog()),
    (Basket, Basket([Item(name="a")])),
    (Box[int], Box[int](content=1)),
    (Tagged, Tagged()),
    (Point, Point(1)),
    (Place, Place(1, "a")),
    (PositiveInt, 5),
    (Annotated[str, AfterValidator(str.upper)], "abc"),
    (RateByName, Rate.FULL),
    (Any, {"b": [1, "x", None, True, 1.5], "a": {}}),
    (Any, None),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), COMES_BACK, ids=map(str, range(len(COMES_BACK))))
def test_a_value_that_comes_back(annotation: Any, value: Any) -> None:
    """
    A value that JSON and the field's type hold between them is stored, and read as equal.
    """
    event = event_with(annotation, value)

    assert read_again(event) == event


class Parcel(BaseModel):
    """
    A record with defaults as they are often written.
    """

    fee: Decimal = 0  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  pydantic's users do
    weight: float = 1


def test_a_default_that_is_a_whole_number() -> None:
    """
    A field of decimals or floats whose default is written as an int comes back as the same number.
    """

    class Sent(Event, type="io.example.test.round-trip.sent"):
        """
        An event with such defaults.
        """

        total: Decimal = 0  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  likewise
        share: float = 1
        parcels: list[Parcel] = []  # noqa: RUF012

    event = Sent(parcels=[Parcel()])

    assert read_again(event) == event


def test_a_whole_number_that_a_float_cannot_say() -> None:
    """
    An int that a float has no room for is refused in a field of floats.
    """
    event = event_with(float, 1.0).model_copy(update={"value": 2**53 + 1})

    with pytest.raises(UnstorableEventError):
        NewEvent.of(event, subject="/x/1")


def test_the_hour_that_happens_twice() -> None:
    """
    A time in the hour that a clock goes back is stored with its offset, so that it is the same instant.
    """
    given_time = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)

    read: Any = read_again(event_with(AwareDatetime, given_time))

    assert read.value.astimezone(UTC) == given_time.astimezone(UTC)
    assert read.value.utcoffset() == given_time.utcoffset()


REFUSED: list[tuple[Any, Any]] = [
    (Rate, Rate.FULL),
    (Corner, Corner.TOP),
    (list[Rate], [Rate.FULL]),
    (dict[str, Rate | None], {"a": Rate.FULL}),
    (dict[tuple[int, int], str], {(1, 2): "x"}),
    (dict[Rate, str], {Rate.FULL: "x"}),
    (Item, Discounted(name="book", percent=5)),
    (list[Item], [Discounted(name="book", percent=5)]),
    (SerializeAsAny[Item], Discounted(name="book", percent=5)),
    (Tagged, Tagged(color="red")),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    (SecretStr, SecretStr("hunter2")),
    (Any, datetime(2026, 1, 1, tzinfo=UTC)),
    (Any, Decimal("1.5")),
    (Any, UUID(A_UUID)),
    (Any, (1, 2)),
    (Any, {1: "a"}),
    (Any, {"a": (1, 2)}),
    (Any, {"a"}),
    (Any, Tier.GOLD),
    (Any, Word.YES),
    (Any, Item(name="book")),
    (Any, b"bytes"),
    (object, timedelta(days=1)),
    (list, [Decimal(1)]),
    (dict, {"a": date(2026, 1, 1)}),
    (Sequence[int], (1, 2)),
    (str | Decimal, Decimal("1.5")),
    (str | datetime, datetime(2026, 1, 1, tzinfo=UTC)),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (Item | Tagged, Tagged(name="x")),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    (Annotated[int, PlainSerializer(lambda number: number + 1)], 5),
    (Annotated[str, PlainSerializer(str.upper)], "abc"),
    (Annotated[str, AfterValidator(lambda text: text + "!")], "abc"),
    (Box, Box(content=date(2026, 1, 1))),
    (Annotated[float, PlainSerializer(lambda number: round(number, 1))], 0.123),
    (Iterable[int], [1, 2]),
    (str, "\ud800"),
    (str, "a\0b"),
    (bytes, b"\xff\xfe"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), REFUSED, ids=map(str, range(len(REFUSED))))
def test_a_value_that_would_come_back_as_another(annotation: Any, value: Any) -> None:
    """
    A value that would be read as another one, or not at all, is refused by name before it is stored.
    """
    with pytest.raises((DeclarationError, UnstorableEventError, UnstorableDataError)):
        NewEvent.of(event_with(annotation, value), subject="/x/1")


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"value": "1"}, True),
        ({"value": True}, True),
        ({"value": 1.0}, True),
        ({}, True),
        ({"value": 1}, False),
    ],
)
def test_values_that_no_validator_has_seen(values: dict[str, Any], *, refused: bool) -> None:
    """
    An event made without validation is stored only if it comes back with the same types of values.
    """
    event = type(event_with(int, 1)).model_construct(**values)

    if refused:
        with pytest.raises(UnstorableEventError):
            NewEvent.of(event, subject="/x/1")
    else:
        assert read_again(event) == event


def test_a_copy_with_a_value_that_does_not_fit() -> None:
    """
    A copy is checked like any other event: what it was given may not fit.
    """
    event = event_with(PositiveInt, 5).model_copy(update={"value": -5})

    with pytest.raises(UnstorableEventError, match="value cannot be read back"):
        NewEvent.of(event, subject="/x/1")


def test_the_message_names_the_place_and_no_value() -> None:
    """
    The error says which class and which field, how the value came back, and quotes no value.
    """
    event = event_with(dict[str, list[Item]], {"ada@example.com": [Item(name="a"), Discounted(name="b", percent=5)]})

    with pytest.raises(UnstorableEventError) as refused:
        NewEvent.of(event, subject="/x/1")

    assert refused.value.field == "value"
    assert refused.value.event_class.endswith("Said")
    assert "ada@example.com" not in str(refused.value)

    with pytest.raises(UnstorableEventError) as nested:
        NewEvent.of(event_with(list[Item], [Item(name="a"), Discounted(name="b", percent=5)]), subject="/x/1")

    assert nested.value.field == "value[1]"
    assert nested.value.reason == "is read back as Item and not as Discounted"


# --- Classes ---


def test_names_that_differ() -> None:
    """
    A field that is written by one name and read by another is refused with its class, inside a model, too.
    """
    with pytest.raises(DeclarationError, match="cents is written as 'amount'"):

        class Charged(Event, type="io.example.test.round-trip.charged"):
            """
            Of the test.
            """

            cents: int = Field(0, serialization_alias="amount")

    with pytest.raises(DeclarationError, match="cents is written as 'cents' and read as 'amount'"):

        class Read(Event, type="io.example.test.round-trip.read"):
            """
            Of the test.
            """

            cents: int = Field(0, validation_alias="amount", serialization_alias="cents")

    class Part(BaseModel):
        """
        Of the test.
        """

        cents: int = Field(0, serialization_alias="amount")

    with pytest.raises(DeclarationError, match=r"parts\.cents is written as 'amount'"):

        class Inside(Event, type="io.example.test.round-trip.inside"):
            """
            Of the test.
            """

            parts: list[Part]


def test_one_name_for_two_fields() -> None:
    """
    Two fields that would be written by one name are refused with their class; so is a computed field.
    """
    with pytest.raises(DeclarationError, match="both written as 'line1'"):

        class Noted(Event, type="io.example.test.round-trip.noted"):
            """
            Of the test.
            """

            line_1: str = ""
            line1: str = ""

    with pytest.raises(DeclarationError, match="both written as 'total'"):

        class Summed(Event, type="io.example.test.round-trip.summed"):
            """
            Of the test.
            """

            total: int = 0

            @computed_field(alias="total")  # type: ignore[prop-decorator]
            @property
            def in_words(self) -> str:
                """
                Computed from the fields.
                """
                return "none"

    with pytest.raises(DeclarationError, match="also read as 'city'"):

        class Chosen(Event, type="io.example.test.round-trip.chosen"):
            """
            Of the test.
            """

            place: str = Field("", validation_alias=AliasChoices("city", "place"), serialization_alias="place")
            city: str = ""


def test_what_is_left_out() -> None:
    """
    A field that is not written, and members that no reader takes, are refused with the class.
    """
    with pytest.raises(DeclarationError, match="'hidden' is excluded"):

        class Hiding(Event, type="io.example.test.round-trip.hiding"):
            """
            Of the test.
            """

            hidden: int = Field(0, exclude=True)

    with pytest.raises(DeclarationError, match="members that are no fields"):

        class Open(Event, type="io.example.test.round-trip.open"):
            """
            Of the test.
            """

            model_config = ConfigDict(extra="allow")


def test_a_refused_class_has_no_type_name() -> None:
    """
    The type name of a class that was refused is free for the class that is put right.
    """

    def declare(name: str) -> type[Event]:
        """
        Declare it.
        """

        class Charged(Event, type="io.example.test.round-trip.mended"):
            """
            Of the test.
            """

            cents: int = Field(0, alias="amount", serialization_alias=name)

        return Charged

    with pytest.raises(DeclarationError):
        declare("cents")

    class Other(Event, type="io.example.test.round-trip.mended"):
        """
        Of the test.
        """

        cents: int

    assert read_again(Other(cents=5)) == Other(cents=5)


def test_names_that_agree() -> None:
    """
    Aliases that lead back to the field are fine, however many others are read, too.
    """

    class Charged(Event, type="io.example.test.round-trip.agreeing"):
        """
        Of the test.
        """

        cents: int = Field(0, alias="amount")
        reference: str = Field("", validation_alias=AliasChoices("reference", "ref"), serialization_alias="ref")
        city: str = Field("", validation_alias=AliasChoices("city", AliasPath("address", "city")))
        bic_code: str = ""

    event = Charged(amount=5, ref="r", city="Bonn", bic_code="X")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    assert read_again(event) == event


def test_code_that_renames_both_ways() -> None:
    """
    A class whose own code writes and reads it is tried, not guessed at.
    """

    class Mapped(Event, type="io.example.test.round-trip.mapped"):
        """
        Of the test.
        """

        cents: int = Field(0, serialization_alias="amount")

        @model_validator(mode="before")
        @classmethod
        def _rename(cls, data: Mapping[str, Any]) -> dict[str, Any]:
            return {"cents" if name == "amount" else name: value for name, value in data.items()}

    assert read_again(Mapped(cents=5)) == Mapped(cents=5)

    class Written(Event, type="io.example.test.round-trip.written"):
        """
        Of the test.
        """

        when: datetime

        @field_serializer("when")
        def _write(self, when: datetime) -> float:
            return when.timestamp()

        @field_validator("when", mode="before")
        @classmethod
        def _read(cls, when: object) -> object:
            return datetime.fromtimestamp(when, UTC) if isinstance(when, float) else when

    event = Written(when=datetime(2026, 1, 1, tzinfo=UTC))
    assert read_again(event) == event

    class Halved(Event, type="io.example.test.round-trip.halved"):
        """
        Of the test.
        """

        cents: int

        @model_serializer
        def _write(self) -> dict[str, int]:
            return {"cents": self.cents // 2}

    with pytest.raises(UnstorableEventError, match="cents is read back as another value"):
        NewEvent.of(Halved(cents=5), subject="/x/1")


def test_a_validator_that_takes_all_members() -> None:
    """
    A validator that collects what is no field would collect the stored metadata, so its events are refused.
    """

    class Collecting(Event, type="io.example.test.round-trip.collecting"):
        """
        Of the test.
        """

        rest: dict[str, Any] = Field(default_factory=dict)

        @model_validator(mode="before")
        @classmethod
        def _collect(cls, data: Mapping[str, Any]) -> dict[str, Any]:
            known = dict(data.get("rest", {}))
            return {"rest": known | {name: value for name, value in data.items() if name != "rest"}}

    with pytest.raises(UnstorableEventError, match="rest"):
        NewEvent.of(Collecting(rest={"a": 1}), subject="/x/1")


def test_what_is_computed_from_the_fields() -> None:
    """
    Computed fields and cached properties are no part of what must come back; private attributes are.
    """

    class Summed(Event, type="io.example.test.round-trip.computed"):
        """
        Of the test.
        """

        cents: int
        _note: str = PrivateAttr("")

        @computed_field  # type: ignore[prop-decorator]
        @property
        def euros(self) -> float:
            """
            Computed from the fields.
            """
            return self.cents / 100

        @cached_property
        def digits(self) -> int:
            """
            Computed from the fields.
            """
            return int(math.log10(self.cents)) + 1

    event = Summed(cents=500)
    assert event.digits == 3
    assert read_again(event) == event

    event._note = "not stored"
    with pytest.raises(UnstorableEventError, match="_note"):
        NewEvent.of(event, subject="/x/1")


def test_settings_that_change_texts() -> None:
    """
    A class that trims texts on reading refuses an event whose text was not trimmed.
    """

    class Trimmed(Event, type="io.example.test.round-trip.trimmed"):
        """
        Of the test.
        """

        model_config = ConfigDict(str_strip_whitespace=True)
        name: str

    assert read_again(Trimmed(name=" Ada ")) == Trimmed(name="Ada")
    with pytest.raises(UnstorableEventError, match="name"):
        NewEvent.of(Trimmed.model_construct(name=" Ada "), subject="/x/1")


def test_an_annotation_that_is_resolved_later() -> None:
    """
    A class that refers to a later one is looked at when its first event is placed.
    """
    namespace: dict[str, Any] = {"Event": Event, "BaseModel": BaseModel, "Field": Field, "__name__": __name__}
    exec(  # noqa: S102  a module of its own
        "class Sent(Event, type='io.example.test.round-trip.later'):\n    part: 'Part'\n"
        "class Part(BaseModel):\n    cents: int = Field(0, serialization_alias='amount')\n"
        "Sent.model_rebuild()\n",
        namespace,
    )
    event = namespace["Sent"](part=namespace["Part"](cents=5))

    with pytest.raises(DeclarationError, match=r"part\.cents is written as 'amount'"):
        NewEvent.of(event, subject="/x/1")


def test_a_class_that_holds_itself() -> None:
    """
    A recursive class is declared, and its events come back.
    """
    event = Tree(name="a", children=(Tree(name="b"),))

    assert read_again(event) == event


class Tree(Event, type="io.example.test.round-trip.tree"):
    """
    Of the test.
    """

    name: str
    children: tuple[Tree, ...] = ()


def test_reserved_members() -> None:
    """
    An event whose own code writes the member that is reserved for metadata is refused.
    """

    class Forged(Event, type="io.example.test.round-trip.forged"):
        """
        Of the test.
        """

        cents: int

        @model_serializer
        def _write(self) -> dict[str, Any]:
            return {"cents": self.cents, "_meta": {"actor": "somebody else"}}

    with pytest.raises(UnstorableDataError, match="reserved for metadata"):
        NewEvent.of(Forged(cents=1), subject="/x/1")


class Plain(Event, type="io.example.test.round-trip.plain"):
    """
    Of the test.
    """

    text: str
    number: int
    amount: float
    flag: bool
    day: date
    id: UUID
    tier: Tier | None
    note: str | None = None


@given(
    st.builds(
        Plain,
        text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        number=st.integers(),
        amount=st.floats(allow_nan=False, allow_infinity=False),
        flag=st.booleans(),
        day=st.dates(),
        id=st.uuids(),
        tier=st.none() | st.sampled_from(Tier),
        note=st.none() | st.just("x"),
    )
)
def test_plain_values_always_come_back(event: Plain) -> None:
    """
    Whatever a class of plain fields holds comes back the same, down to the bits of a number.
    """
    read = read_again(event)

    assert read == event
    assert [repr(value) for value in vars(read).values()] == [repr(value) for value in vars(event).values()]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.dates()
        | st.datetimes(timezones=st.none() | st.just(UTC)) | st.timedeltas() | st.uuids(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
        max_leaves=5,
    )
)  # fmt: skip
def test_any_value_comes_back_or_is_refused(value: object) -> None:
    """
    Whatever stands in a field without a type is read as equal, of the same type, or was refused.
    """
    event = event_with(Any, value)
    try:
        read: Any = read_again(event)
    except (UnstorableEventError, UnstorableDataError):
        return

    assert read == event
    assert type(read.value) is type(value)


def test_two_threads_declare_and_emit() -> None:
    """
    Classes may be looked at for the first time in several threads at once.
    """
    event = Tree(name="a")
    found: list[Event] = []
    threads = [threading.Thread(target=lambda: found.append(read_again(event))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [event] * 8
