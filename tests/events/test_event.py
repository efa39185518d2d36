"""
Events: how their classes are declared, what they hold, and how they come back from storage.
"""

import enum
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, ValidationError, create_model, field_serializer, field_validator
from pydantic_core import PydanticCustomError

from eventsource import DeclarationError, Event, NewEvent, RecordedEvent
from eventsource.errors import EventDecodingError, UnstorableDataError
from eventsource.events import event_types

Value = TypeVar("Value")


class Currency(enum.StrEnum):
    """
    A closed set of texts.
    """

    EUR = "EUR"
    CHF = "CHF"


class Priority(enum.IntEnum):
    """
    A closed set of numbers.
    """

    LOW = 1
    HIGH = 2


class Address(BaseModel):
    """
    A value inside an event.
    """

    street: str
    house_number: int | None = None


class AccountOpened(Event, type="io.example.test.domain.account-opened"):
    """
    A small event.
    """

    owner_name: str


class OrderPlaced(Event, type="io.example.test.domain.order-placed"):
    """
    An event with a field of every common kind.
    """

    order_number: int
    placed_at: datetime
    due_on: date
    takes: timedelta
    total: Decimal
    rate: float
    currency: Currency
    priority: Priority
    reference: UUID
    is_gift: bool
    address: Address
    note: str | None = None
    lines: tuple[Address, ...] = ()
    amounts: dict[str, int] = Field(default_factory=dict)


class AnythingHappened(Event, type="io.example.test.domain.anything-happened"):
    """
    An event that checks nothing when it is made.
    """

    any_value: Any


def recorded(event_type: str, data_json: str) -> RecordedEvent:
    """
    A recorded event with this type and data.
    """
    return RecordedEvent(
        position=1,
        id="e-1",
        time_ns=0,
        source="tests",
        subject="/things/1",
        type=event_type,
        data_json=data_json,
        predecessor_hash="0" * 64,
        hash="1" * 64,
    )


def as_recorded(event: Event) -> RecordedEvent:
    """
    What a store would give back for *event*.
    """
    return recorded(event.event_type, event.to_data_json())


# --- Declaring -------------------------------------------------------------------------


def test_event_class_needs_a_type() -> None:
    """
    A class without a type name is not made, and the error shows how to write it.
    """
    with pytest.raises(DeclarationError, match=r"Untyped has no event type: write class Untyped\(Event, type="):

        class Untyped(Event):
            pass


@pytest.mark.parametrize("name", ["two words", "tab\t", "", "line\n", "a" * 257, "nul\0", "\ud800"], ids=ascii)
def test_type_name_must_be_visible_characters(name: str) -> None:
    """
    A type name has 1 to 256 visible characters.
    """
    with pytest.raises(DeclarationError):

        class Misnamed(Event, type=name):
            pass


def test_two_classes_cannot_share_a_type_name() -> None:
    """
    The second class with a name is not made; the error names both.
    """
    with pytest.raises(DeclarationError, match="declared twice") as excinfo:

        class Other(Event, type="io.example.test.domain.account-opened"):
            pass

    assert "AccountOpened" in str(excinfo.value)
    assert "Other" in str(excinfo.value)
    assert event_types.find("io.example.test.domain.account-opened") is AccountOpened


def test_same_definition_run_again_takes_the_place_of_the_old() -> None:
    """
    A notebook cell that is run again gives the name to its new class.
    """

    def run_cell() -> type[Event]:
        class Reloaded(Event, type="io.example.test.domain.reloaded"):
            pass

        return Reloaded

    first, second = run_cell(), run_cell()

    assert first is not second
    assert event_types.find("io.example.test.domain.reloaded") is second


def test_abstract_base_has_no_type_and_passes_its_fields_on() -> None:
    """
    An abstract class needs no type name and is not registered; its subclasses have its fields.
    """

    class WithActor(Event, abstract=True):
        actor_id: str

    class ActorLeft(WithActor, type="io.example.test.domain.actor-left"):
        pass

    assert WithActor.event_type == ""
    assert WithActor not in set(event_types)
    assert ActorLeft(actor_id="7").to_data_json() == '{"actorId":"7"}'


def test_subclass_does_not_inherit_the_type_name() -> None:
    """
    A subclass of a concrete event is another event, so it names itself.
    """
    with pytest.raises(DeclarationError, match="AccountReopened has no event type"):

        class AccountReopened(AccountOpened):
            pass


def test_abstract_class_takes_no_type_name() -> None:
    """
    A class is either abstract or has a type name.
    """
    with pytest.raises(DeclarationError, match="is abstract"):

        class Both(Event, type="io.example.test.domain.both", abstract=True):
            pass


def test_instance_of_abstract_class_cannot_be_placed() -> None:
    """
    What has no type name cannot become a new event.
    """

    class Nameless(Event, abstract=True):
        pass

    with pytest.raises(ValueError, match="no event type"):
        NewEvent.of(Nameless(), subject="/things/1")


def test_declared_types_can_be_listed() -> None:
    """
    The registry finds a class by its name and lists all of them.
    """
    assert event_types.find("io.example.test.domain.order-placed") is OrderPlaced
    assert OrderPlaced in set(event_types)
    assert event_types.find("io.example.test.domain.nobody-declared-this") is None


# --- Making ----------------------------------------------------------------------------


def test_event_is_frozen() -> None:
    """
    What happened does not change.
    """
    event = AccountOpened(owner_name="Ada")

    with pytest.raises(ValidationError, match="frozen"):
        event.owner_name = "Eve"  # type: ignore[misc]  # the mistake under test


def test_unknown_argument_is_refused() -> None:
    """
    A misspelt field is found when the event is made.
    """
    with pytest.raises(ValidationError, match="Extra inputs"):
        AccountOpened(owner_name="Ada", onwer="Ada")  # type: ignore[call-arg]  # the mistake under test


def test_equal_fields_make_equal_events() -> None:
    """
    Events are values.
    """
    assert AccountOpened(owner_name="Ada") == AccountOpened(owner_name="Ada")
    assert AccountOpened(owner_name="Ada") != AccountOpened(owner_name="Eve")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_json_lacks_is_refused_in_a_float_field(number: float) -> None:
    """
    A float field takes finite numbers only.
    """
    with pytest.raises(ValidationError, match="finite"):
        OrderPlaced.model_validate({"rate": number})


# --- Writing ---------------------------------------------------------------------------


def test_data_is_camel_case() -> None:
    """
    Fields are snake_case in Python and camelCase as stored.
    """
    event = AccountOpened(owner_name="Ada")

    data_json = event.to_data_json()

    assert data_json == '{"ownerName":"Ada"}'


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (math.nan, "$.anyValue", "nan"),
        (math.inf, "$.anyValue", "inf"),
        ([1.0, {"x": -math.inf}], "$.anyValue[1].x", "-inf"),
        ("a\0b", "$.anyValue", "NUL"),
        ({"a\0b": 1}, "$.anyValue", "NUL"),
        ("\ud800", "$.anyValue", "surrogate"),
        ({"lines": [{"text": "\udfff"}]}, "$.anyValue.lines[0].text", "surrogate"),
        (10**4300, "$.anyValue", "4300 digits"),
        (object(), "$.anyValue", "JSON"),
    ],
    ids=["nan", "inf", "inside", "nul", "nul key", "surrogate", "surrogate inside", "digits", "object"],
)
def test_value_that_json_lacks_is_refused_with_its_path(value: object, path: str, reason: str) -> None:
    """
    What cannot be stored is refused before anything is, and never silently changed.
    """
    event = AnythingHappened(any_value=value)

    with pytest.raises(UnstorableDataError) as excinfo:
        NewEvent.of(event, subject="/things/1")

    assert excinfo.value.path == path
    assert reason in excinfo.value.reason


@pytest.mark.parametrize("levels", [64, 100, 1_000])
def test_deep_nesting_is_refused_with_its_path(levels: int) -> None:
    """
    Data nested deeper than 64 levels is refused, however deep it is.
    """
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]

    with pytest.raises(UnstorableDataError) as excinfo:
        AnythingHappened(any_value=value).to_data_json()

    assert excinfo.value.path.startswith("$.anyValue")


def test_data_that_contains_itself_is_refused() -> None:
    """
    A circle has no end to write.
    """
    circle: list[object] = []
    circle.append(circle)

    with pytest.raises(UnstorableDataError) as excinfo:
        AnythingHappened(any_value=circle).to_data_json()

    assert excinfo.value.path == "$.anyValue"


def test_refusal_to_store_carries_no_value() -> None:
    """
    A serializer of the user's own may quote the value in its error; ours does not repeat it.
    """

    class Careless(Event, type="io.example.test.domain.careless-serializer"):
        mail_address: str

        @field_serializer("mail_address")
        def _fail(self, value: str) -> str:
            msg = f"cannot write {value}"
            raise ValueError(msg)

    with pytest.raises(UnstorableDataError) as excinfo:
        Careless(mail_address="ada@example.org").to_data_json()

    assert excinfo.value.path == "$.mailAddress"
    assert "ada" not in str(excinfo.value)


# --- Reading ---------------------------------------------------------------------------


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
ADDRESSES = st.builds(Address, street=TEXTS, house_number=st.none() | st.integers())
# Not `builds`, which takes the parameters of a model for those of its stored form.
ORDERS = st.fixed_dictionaries(
    {
        "order_number": st.integers(-(10**400), 10**400),
        "placed_at": st.datetimes(timezones=st.just(UTC)),
        "due_on": st.dates(),
        "takes": st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
        "total": st.decimals(allow_nan=False, allow_infinity=False, places=2),
        "rate": st.floats(allow_nan=False, allow_infinity=False),
        "currency": st.sampled_from(Currency),
        "priority": st.sampled_from(Priority),
        "reference": st.uuids(),
        "is_gift": st.booleans(),
        "address": ADDRESSES,
        "note": st.none() | TEXTS,
        "lines": st.lists(ADDRESSES, max_size=3).map(tuple),
        "amounts": st.dictionaries(TEXTS, st.integers(), max_size=3),
    }
).map(lambda fields: OrderPlaced(**fields))


@given(ORDERS)
def test_fields_come_back_as_they_were(order: OrderPlaced) -> None:
    """
    Times, amounts, choices, nested values and all others survive storage exactly.
    """
    decoded = as_recorded(order).decode()

    assert decoded == order


def test_money_keeps_its_trailing_zeros() -> None:
    """
    A decimal is stored as text, so no digit of it is lost.
    """

    class Priced(Event, type="io.example.test.domain.priced"):
        price: Decimal

    decoded = Priced.from_recorded(as_recorded(Priced(price=Decimal("1.10"))))

    assert str(decoded.price) == "1.10"


def test_unknown_stored_members_are_ignored() -> None:
    """
    What a newer writer added does not stop an older reader, not even inside nested values.
    """

    class Strict(BaseModel, extra="forbid"):
        street: str

    class Moved(Event, type="io.example.test.domain.moved"):
        address: Strict

    decoded = Moved.from_recorded(recorded(Moved.event_type, '{"address":{"street":"Main","zip":"1"},"since":2020}'))

    assert decoded == Moved(address=Strict(street="Main"))


def test_member_removed_by_newer_writer_takes_the_default() -> None:
    """
    A field with a default may be missing in stored data.
    """

    class Greeted(Event, type="io.example.test.domain.greeted"):
        language: str = "en"

    decoded = Greeted.from_recorded(recorded(Greeted.event_type, "{}"))

    assert decoded == Greeted(language="en")


def test_stored_members_are_found_by_camel_case_only() -> None:
    """
    A stored member that happens to be called like the Python name is not taken for the field.
    """
    event = recorded(AccountOpened.event_type, '{"owner_name":"Ada"}')

    with pytest.raises(EventDecodingError) as excinfo:
        event.decode()

    assert excinfo.value.problems == ("ownerName: Field required",)


def test_misfit_names_the_event_and_every_problem() -> None:
    """
    The error has the event's type, id and subject, and one text for each misfit.
    """
    event = recorded(OrderPlaced.event_type, '{"orderNumber":"x","address":{"house_number":"y"}}')

    with pytest.raises(EventDecodingError) as excinfo:
        event.decode()

    error = excinfo.value
    assert (error.event_type, error.event_id, error.subject) == (OrderPlaced.event_type, "e-1", "/things/1")
    assert "placedAt: Field required" in error.problems
    assert "address.street: Field required" in error.problems
    assert any(
        problem.startswith("address.house_number: Input should be a valid integer") for problem in error.problems
    )


@pytest.mark.parametrize("data_json", ["{", "", '{"ownerName":"Ada"', "nonsense", "[1]", '"text"', "null"])
def test_data_that_is_no_object_is_a_misfit(data_json: str) -> None:
    """
    Damaged JSON, or JSON of another kind, is reported like any misfit.
    """
    event = recorded(AccountOpened.event_type, data_json)

    with pytest.raises(EventDecodingError) as excinfo:
        event.decode()

    assert excinfo.value.problems[0].startswith("data: ")


PERSONAL = "ada@example.org"


def refuse_with_value_error(text: str) -> str:
    """
    A careless validator of the kind everybody writes.
    """
    msg = f"{text} is not allowed"
    raise ValueError(msg)


def refuse_with_assertion(text: str) -> str:
    """
    A careless validator that asserts.
    """
    assert text == "", f"{text} is not empty"
    return text


def refuse_with_custom_error(text: str) -> str:
    """
    A careless validator with an error type of its own.
    """
    kind = "not_allowed"
    template = "{text} is not allowed"
    raise PydanticCustomError(kind, template, {"text": text})


class Card(BaseModel):
    """
    One of two ways to pay.
    """

    kind: Literal["card"]


class Cash(BaseModel):
    """
    The other.
    """

    kind: Literal["cash"]


@pytest.mark.parametrize(
    ("annotation", "stored"),
    [
        pytest.param(int, f'"{PERSONAL}"', id="int"),
        pytest.param(datetime, f'"{PERSONAL}"', id="time"),
        pytest.param(UUID, f'"{PERSONAL}"', id="uuid"),
        pytest.param(Currency, f'"{PERSONAL}"', id="enum"),
        pytest.param(Literal["a", "b"], f'"{PERSONAL}"', id="literal"),
        pytest.param(Annotated[str, Field(max_length=3)], f'"{PERSONAL}"', id="length"),
        pytest.param(Annotated[str, Field(pattern="^x$")], f'"{PERSONAL}"', id="pattern"),
        pytest.param(Annotated[str, AfterValidator(refuse_with_value_error)], f'"{PERSONAL}"', id="value error"),
        pytest.param(Annotated[str, AfterValidator(refuse_with_assertion)], f'"{PERSONAL}"', id="assertion"),
        pytest.param(Annotated[str, AfterValidator(refuse_with_custom_error)], f'"{PERSONAL}"', id="custom error"),
        pytest.param(Annotated[Card | Cash, Field(discriminator="kind")], f'{{"kind":"{PERSONAL}"}}', id="tag"),
        pytest.param(dict[str, int], f'{{"{PERSONAL}":"x"}}', id="value of a mapping"),
        pytest.param(dict[UUID, int], f'{{"{PERSONAL}":1}}', id="key of a mapping"),
        pytest.param(dict[str, Address], f'{{"{PERSONAL}":{{}}}}', id="model in a mapping"),
        pytest.param(list[dict[str, int]], f'[{{"{PERSONAL}":"x"}}]', id="mapping in a list"),
    ],
)
def test_misfit_carries_no_value(annotation: Any, stored: str) -> None:
    """
    Stored values may be personal: no part of the error repeats them, whoever's validator refused them.
    """
    checked = create_model(
        "Checked",
        __base__=Event,
        __module__=__name__,
        __cls_kwargs__={"type": "io.example.test.domain.checked"},
        some_field=(annotation, ...),
    )
    event = recorded(checked.event_type, f'{{"someField":{stored}}}')

    with pytest.raises(EventDecodingError) as excinfo:
        event.decode()

    assert "ada" not in str(excinfo.value)
    assert "ada" not in repr(excinfo.value.problems)
    assert all(problem.startswith("someField") for problem in excinfo.value.problems)
    assert excinfo.value.__cause__ is None
    assert excinfo.value.__suppress_context__


def test_refusal_by_a_validator_says_so() -> None:
    """
    The reader of a log learns which field was refused, and that a validator did it.
    """

    class Mailed(Event, type="io.example.test.domain.mailed"):
        recipient: str

        @field_validator("recipient")
        @classmethod
        def _check(cls, recipient: str) -> str:
            return refuse_with_value_error(recipient)

    event = recorded(Mailed.event_type, '{"recipient":"x"}')

    with pytest.raises(EventDecodingError) as excinfo:
        event.decode()

    assert excinfo.value.problems == ("recipient: refused by its validator",)


def test_generic_event_is_declared_per_argument() -> None:
    """
    A generic base is abstract; each event made from it names itself.
    """

    class Changed(Event, Generic[Value], abstract=True):
        value: Value

    class NameChanged(Changed[str], type="io.example.test.domain.name-changed"):
        pass

    decoded = as_recorded(NameChanged(value="Ada")).decode()

    assert decoded == NameChanged(value="Ada")
