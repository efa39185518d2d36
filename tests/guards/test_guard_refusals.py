"""
Guards: what they refuse to say, and where.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from eventsource import Event, select_events
from eventsource.errors import GuardError, InvalidSubjectError, QueryError
from eventsource.gdbql import is_true
from eventsource.guards import one_of
from tests.guards.guard_events import (
    Address,
    Deposited,
    Moved,
    Priority,
    Registered,
    Tier,
    Withdrawn,
    registration,
    rows,
)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (lambda e: e.fullname == "Ada", "no field 'fullname' that is stored; did you mean 'full_name'"),
        (lambda e: e.fullName == "Ada", "in Python it is called 'full_name'"),
        (lambda e: e.zzz == "Ada", "its fields are email, full_name, "),
        (lambda e: e.home.city.zip == "1010", "City has no field 'zip'; in Python it is called 'postal_code'"),
        (lambda e: e.full_name.lower() == "ada", "Registered.full_name is str and has no field 'lower'"),
        (lambda e: e.to_data_json() == "x", "no field 'to_data_json'"),
        (lambda e: e.lines.item_cents == 1, "has no field 'item_cents'"),
        (lambda e: e.lines["x"] == 1, "not a mapping"),
        (lambda e: e.lines[-1].item_cents == 1, "not a list"),
        (lambda e: e.labels[0] == 1, "not a list"),
        (lambda e: e.labels[0.5] == 1, "under an index or a text"),
        (lambda e: e.labels[True] == 1, "under an index or a text"),
        (lambda e: e.pair[2] == 1, "no element 2"),
        (lambda e: e.full_name[0] == "A", "not a list"),
        (lambda e: (e.age_years + 1).real == 1, "computed and has no field"),
        (lambda e: (e.age_years + 1)[0] == 1, "computed and has no elements"),
        (lambda e: e.full_name == 5, "never such a value of type int"),
        (lambda e: e.full_name < 5, "never compares with a value of type int"),
        (lambda e: e.full_name == e.age_years, "they never compare"),
        (lambda e: e.age_years == "5", "never such a value of type str"),
        (lambda e: e.age_years == True, "never such a value of type bool"),  # noqa: E712 - what is refused
        (lambda e: e.age_years > True, "never compares with a value of type bool"),
        (lambda e: e.age_years > Priority.HIGH, "never compares with a value of type Priority"),
        (lambda e: e.age_years > Decimal(5), "smallest unit, such as cents"),
        (lambda e: e.age_years == Decimal(5), "smallest unit, such as cents"),
        (lambda e: e.age_years == 0, "greater_than"),
        (lambda e: e.is_admin == 1, "never such a value of type int"),
        (lambda e: e.is_admin > False, "less and more mean nothing"),
        (lambda e: e.tier == "silver", "never such a value of type str"),
        (lambda e: e.tier < Tier.GOLD, "less and more mean nothing"),
        (lambda e: e.language == "fr", "literal_error"),
        (lambda e: e.customer_id > UUID(int=5), "less and more mean nothing"),
        (lambda e: e.customer_id == "5", "never such a value of type str"),
        (lambda e: e.seen_at < datetime.now(UTC), "mean nothing there; when an event was committed is asked with"),
        (lambda e: e.seen_at == datetime.now(UTC), "one instant has a text for each offset"),
        (lambda e: e.seen_at != datetime.now(UTC), "one instant has a text for each offset"),
        (lambda e: one_of(e.seen_at, [datetime.now(UTC)]), "one instant has a text for each offset"),
        (lambda e: e.seen_at == e.seen_at, "one instant has a text for each offset"),
        (lambda e: e.wake == time(1, tzinfo=UTC), "one instant has a text for each offset"),
        (lambda e: e.wake < time(1), "less and more mean nothing"),
        (lambda e: e.born < datetime.now(UTC), "never compares with a value of type datetime"),
        (lambda e: e.born == "2000-01-01", "never such a value of type str"),
        (lambda e: e.mixed < 5, "less and more mean nothing"),
        (lambda e: e.mixed == 5.5, "never such a value of type float"),
        (lambda e: e.anything == [1], "never compares with a value of type list"),
        (lambda e: e.anything < 1, "less and more mean nothing"),
        (lambda e: e.full_name == None, "is never None"),  # noqa: E711 - what is refused
        (lambda e: e.note < None, "neither less nor more than None"),
        (lambda e: e.home == None, "is never None"),  # noqa: E711 - what is refused
        (lambda e: e.home == Address, "compare what is inside"),
        (lambda e: e == e, "compare what is inside"),  # noqa: PLR0124 - what is refused
        (lambda e: e.lines == [], "compare what is inside"),
        (lambda e: e.full_name == e.home, "compare what is inside"),
        (lambda e: e.price == Decimal(5), "is a Decimal, stored as text"),
        (lambda e: e.password == SecretStr("x"), "stored as asterisks"),
        (lambda e: e.full_name, "neither true nor false"),
        (lambda e: e.home, "neither true nor false"),
        (lambda e: e.note is None, "says nothing about the event: it is False"),
        (lambda _: True, "says nothing about the event: it is True"),
        (lambda _: "x", "found a value of type str"),
        (lambda e: e.age_years == 1 or e.is_admin, "Python would decide"),
        (lambda e: e.is_admin and e.age_years == 1, "Python would decide"),
        (lambda e: not e.is_admin, "Python would decide"),
        (lambda e: not e.age_years == 1, "Python would decide"),  # noqa: SIM201 - what is refused
        (lambda e: 1 < e.age_years < 5, "Python would decide"),
        (lambda e: e.full_name in ["a", "b"], "Python would decide"),
        (lambda e: "a" in e.full_name, "Python would decide"),
        (lambda e: any(line.item_cents == 1 for line in e.lines), "has no elements before"),
        (lambda e: f"{e.full_name}x" == "x", "has no text before"),
        (lambda e: e.is_admin & 5, "found a value of type int"),
        (lambda e: (e.age_years == 1) & (e.note is None), "says nothing about the event"),
        (lambda e: (e.age_years == 1) | e.full_name, "neither true nor false"),
        (lambda e: e.full_name + "x" == "y", "expected a number to calculate with"),
        (lambda e: e.full_name + e.full_name == "y", "nothing is calculated with that"),
        (lambda e: e.age_years + True == 1, "expected a number to calculate with"),
        (lambda e: e.age_years * Decimal(2) == 1, "smallest unit, such as cents"),
        (lambda e: e.age_years / 0 == 1, "divided by 0"),
        (lambda e: e.age_years + 1 == "x", "never compares with a value of type str"),
        (lambda e: one_of(e.full_name, []), "expected a list of values"),
        (lambda e: one_of(e.full_name, "abc"), "expected a list of values"),
        (lambda e: one_of(e.note, ["a", None]), "None is no such value"),
        (lambda e: one_of(e.full_name, ["a", 5]), "never such a value of type int"),
        (lambda _: one_of("a", ["a", "b"]), "wants a field of the event"),
    ],
    ids=count(1),
)
def test_refused_conditions(condition: Callable[[Any], bool], reason: str) -> None:
    """
    What could never hold, or would not reach the store, is refused where it is written.
    """
    with pytest.raises(GuardError) as refused:
        select_events(Registered).where(condition)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"emial": "x"}, "did you mean 'email'"),
        ({"full_name": 5}, "never such a value of type int"),
        ({"full_name": None}, "is never None"),
        ({"home.": "x"}, "not a path to a field"),
        ({"home..city": "x"}, "not a path to a field"),
        ({"_private": "x"}, "not a path to a field"),
        ({"lines[x]": "x"}, "not a path to a field"),
        ({"__class__": "x"}, "not a path to a field"),
    ],
    ids=count(1),
)
def test_refused_keywords(values: Mapping[str, object], reason: str) -> None:
    """
    So is a keyword that names no field, or a value of another type.
    """
    with pytest.raises(GuardError) as refused:
        select_events(Registered).where(**values)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (lambda people: people.sum("full_name"), "has no sum; .count() counts events"),
        (lambda people: people.sum("is_admin"), "has no sum"),
        (lambda people: people.avg("tier"), "has no average"),
        (lambda people: people.sum("price"), "is a Decimal"),
        (lambda people: people.sum("agee_years"), "did you mean 'age_years'"),
        (lambda people: people.sum(5), "as a function or as text"),
        (lambda people: people.sum(lambda _: 5), "expected a field of the event, found a value of type int"),
        (lambda people: people.sum(lambda e: e.age_years > 5), "found a condition"),
        (lambda people: people.max("seen_at"), "of which none is the highest"),
        (lambda people: people.min("home"), "of which none is the lowest"),
        (lambda people: people.min("mixed"), "of which none is the lowest"),
        (lambda people: people.count() == "5", "never compares with a value of type str"),
        (lambda people: people.count() == None, "is never None"),  # noqa: E711 - what is refused
        (lambda people: people.count() > Decimal(5), "smallest unit, such as cents"),
        (lambda people: people.count() + "5", "expected a number to calculate with"),
        (lambda people: people.count() / 0, "divided by 0"),
        (lambda people: people.max("full_name") > 5, "never compares with a value of type int"),
        (lambda people: people.max("full_name") > people.count(), "they never compare"),
        (lambda people: bool(people.count()), "known to the store alone"),
        (lambda people: 1 <= people.count() <= 5, "`low <= x <= high` is two of them"),
        (lambda people: people.exists() and people.exists(), "the store decides a guard"),
        (lambda people: people.at("/a").count() - people.at("/b").count(), "one query has one source"),
        (lambda people: people.count() > people.where(is_admin=True).count(), "one query has one source"),
    ],
    ids=count(1),
)
def test_refused_computations(compute: Callable[[Any], object], reason: str) -> None:
    """
    What is computed over events is checked like their fields.
    """
    with pytest.raises(GuardError) as refused:
        compute(select_events(Registered))

    assert reason in str(refused.value)


def test_two_selections_name_the_way_out() -> None:
    """
    The difference of two sums wants one signed field; the refusal shows it.
    """
    with pytest.raises(GuardError, match=r"events\(MoneyDeposited, MoneyWithdrawn\).*delta_cents"):
        select_events(Deposited).sum("delta_cents") - select_events(Withdrawn).sum("delta_cents")


@pytest.mark.parametrize(
    ("select", "reason"),
    [
        (select_events, "at least one event class"),
        (lambda: select_events(Moved), "Moved is abstract"),
        (lambda: select_events(Event), "Event is abstract"),
        (lambda: select_events(str), "wants event classes"),  # type: ignore[type-var] # what is refused
        (lambda: select_events(Deposited(delta_cents=1)), "wants event classes"),  # type: ignore[call-overload] # likewise
        (lambda: select_events(Deposited).at("/"), "no event is at '/'"),
        (lambda: select_events(Deposited).at("/a").at("/b"), "chosen already"),
        (lambda: select_events(Deposited).at("/a").under("/a"), "chosen already"),
        (lambda: select_events(Deposited).under("/").at("/b"), "chosen already"),
        (lambda: select_events(Deposited).since(datetime(2026, 1, 1)), "with a time zone"),  # noqa: DTZ001 - what is refused
        (lambda: select_events(Deposited).until(date(2026, 1, 1)), "with a time zone"),  # type: ignore[arg-type] # likewise
        (
            lambda: select_events(Deposited).since(datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))),
            "years 1 to 9999",
        ),
    ],
    ids=count(1),
)
def test_refused_selections(select: Callable[[], object], reason: str) -> None:
    """
    A selection that would always be empty is not made.
    """
    with pytest.raises(GuardError) as refused:
        select()

    assert reason in str(refused.value)


def test_period_is_not_empty() -> None:
    """
    No event is committed since a time and before the same.
    """
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    with pytest.raises(GuardError, match="since a time and also before it"):
        select_events(Deposited).since(noon).until(noon)
    with pytest.raises(GuardError, match="since a time and also before it"):
        select_events(Deposited).until(noon).since(noon)


@pytest.mark.parametrize("choose", ["at", "under"])
def test_subjects_are_checked(choose: str) -> None:
    """
    What is no subject is refused before a query asks for it.
    """
    with pytest.raises(InvalidSubjectError):
        getattr(select_events(Deposited), choose)("accounts/42' OR TRUE")


def test_fields_must_be_in_each_class() -> None:
    """
    Over several classes only what all of them store in the same way can be asked.
    """

    class Renamed(Event, type="io.example.test.guard.renamed"):
        delta_cents: int = Field(alias="difference")

    class Texts(Event, type="io.example.test.guard.texts"):
        delta_cents: str

    class Loud(Event, type="io.example.test.guard.loud"):
        full_name: Annotated[str, AfterValidator(str.upper)]

    with pytest.raises(GuardError, match="Deposited has no field 'fee_cents'"):
        select_events(Deposited, Withdrawn).sum("fee_cents")
    with pytest.raises(GuardError, match="stored under different names"):
        select_events(Deposited, Renamed).sum("delta_cents")
    with pytest.raises(GuardError, match="stored in unlike forms"):
        select_events(Deposited, Texts).sum("delta_cents")
    with pytest.raises(GuardError, match="in different ways"):
        select_events(Registered, Loud).where(full_name="Ada")


def test_classes_may_take_different_values() -> None:
    """
    It is enough that one of several classes can have the value.
    """

    class German(Event, type="io.example.test.guard.german"):
        language: Literal["de"]

    class Scored(Event, type="io.example.test.guard.scored"):
        age_years: float

    guard = select_events(German, Registered).where(language="en").exists()
    number = select_events(Scored, Registered).where(age_years=36).exists()

    assert is_true(guard.tree, rows(registration(language="en")))
    assert is_true(number.tree, rows(registration(age_years=36)))
    assert is_true(number.tree, rows(Scored(age_years=36.0)))


def test_forms_that_are_not_known() -> None:
    """
    Where the user's own code decides what is stored, a guard does not guess.
    """

    class Whole(Event, type="io.example.test.guard.whole"):
        cents: int

        @model_serializer
        def _write(self) -> dict[str, int]:
            return {"c": self.cents}

    class Tags(RootModel[list[str]]):
        pass

    class Part(BaseModel):
        """
        With a field that is not written.
        """

        hidden: int = Field(default=0, exclude=True)

    class Odd(Event, type="io.example.test.guard.odd"):
        part: Part
        tags: Tags
        untyped: Annotated[int, PlainSerializer(lambda number: [number])]

    with pytest.raises(GuardError, match="stored in a form of the model's own"):
        select_events(Whole).where(cents=5)
    with pytest.raises(GuardError, match="left out of the stored data"):
        select_events(Odd).where(lambda e: e.part.hidden == 5)
    with pytest.raises(GuardError, match="stored in a form of the model's own"):
        select_events(Odd).where(lambda e: e.tags.root[0] == "x")
    with pytest.raises(GuardError, match="never compares"):
        select_events(Odd).where(untyped=5)


def test_no_value_in_the_message() -> None:
    """
    A refusal quotes no value: it may be personal.
    """
    with pytest.raises(GuardError) as refused:
        select_events(Registered).where(language="ada@example.com")

    assert "ada@example.com" not in str(refused.value)
    assert isinstance(refused.value, QueryError)


def test_validator_that_wants_other_fields() -> None:
    """
    A value is alone in a guard, so a validator that looks at another field cannot decide.
    """

    class Booked(Event, type="io.example.test.guard.booked"):
        first_day: int
        last_day: int

        @field_validator("last_day")
        @classmethod
        def _check(cls, last_day: int, info: ValidationInfo) -> int:
            assert last_day >= info.data["first_day"]
            return last_day

    with pytest.raises(GuardError, match="KeyError in its validator or serializer"):
        select_events(Booked).where(last_day=5)
    assert "e.data.lastDay > 5" in select_events(Booked).where(lambda e: e.last_day > 5).exists().query


def test_class_that_is_not_defined_to_the_end() -> None:
    """
    A field of a type that is nowhere defined cannot be asked for.
    """

    class Pending(Event, type="io.example.test.guard.pending"):
        cents: int
        thing: "NowhereDefined"  # type: ignore[name-defined] # noqa: F821 - what is refused

    with pytest.raises(GuardError, match="Pending is not defined to the end"):
        select_events(Pending).where(cents=5)


def test_type_that_json_cannot_have() -> None:
    """
    A field that pydantic cannot describe as JSON is refused; the others are not.
    """

    class Opaque:
        pass

    class Strange(Event, type="io.example.test.guard.strange"):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        cents: int
        thing: Opaque
        things: list[Opaque]

    with pytest.raises(GuardError, match=r"Strange\.thing has a type that pydantic cannot describe"):
        select_events(Strange).where(thing=5)
    with pytest.raises(GuardError, match=r"Strange\.things has a type that pydantic cannot describe"):
        select_events(Strange).where(**{"things[0]": 5})
    assert "e.data.cents == 5" in select_events(Strange).where(cents=5).exists().query
