"""
Guards: what they print, and that the store finds what Python would.
"""

import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import count
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import pytest
from pydantic import (
    BaseModel,
    Field,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from eventsource import Event, Guard, QueryHolds, SubjectIsAtVersion, select_events
from eventsource.errors import GuardError, QueryValueError
from eventsource.gdbql import is_true, parse
from eventsource.guards import all_of, one_of
from tests.guards.guard_events import (
    Address,
    City,
    Deposited,
    Line,
    OwnerId,
    Priority,
    Registered,
    Tier,
    Withdrawn,
    registration,
    rows,
)

Value = TypeVar("Value")


def rule_of(guard: Guard) -> str:
    """
    The text behind the choice of the event's type.
    """
    return guard.query.split("'io.example.test.guard.registered'", 1)[1].removeprefix(" AND ")


def registered(*conditions: Callable[[Registered], bool], **values: object) -> str:
    """
    How conditions on a registration are printed.
    """
    guard = select_events(Registered).where(*conditions, **values).exists()
    return rule_of(guard).removesuffix(" MAP COUNT() > 0")


# --- What is printed ---


def test_documented_example() -> None:
    """
    The example of Genesis DB's own documentation can be said.
    """
    spent = (
        select_events(Withdrawn).under("/user/123").since(datetime(2024, 1, 1, tzinfo=UTC)).sum(lambda e: e.fee_cents)
    )

    guard = spent + 500 <= 10_000

    assert guard.query == (
        "STREAM e FROM events WHERE e.subject UNDER '/user/123' AND e.type == 'io.example.test.guard.withdrawn' "
        "AND e.time >= '2024-01-01T00:00:00Z' MAP SUM(e.data.feeCents) + 500 <= 10000"
    )


def test_balance_over_two_event_types() -> None:
    """
    A figure that events of two types make is the sum of a field they share.
    """
    balance = select_events(Withdrawn, Deposited).at("/accounts/42").sum(lambda e: e.delta_cents)

    assert (balance >= 5_00).query == (
        "STREAM e FROM events WHERE e.subject == '/accounts/42' AND e.type IN "
        "['io.example.test.guard.deposited', 'io.example.test.guard.withdrawn'] MAP SUM(e.data.deltaCents) >= 500"
    )


@pytest.mark.parametrize(
    ("condition", "printed"),
    [
        (lambda e: e.full_name == "Ada", "e.data.fullName == 'Ada'"),
        (lambda e: e.full_name != "Ada", "e.data.fullName != 'Ada'"),
        (lambda e: e.full_name < "B", "e.data.fullName < 'B'"),
        (lambda e: e.age_years <= 5, "e.data.ageYears <= 5"),
        (lambda e: e.age_years > 0, "e.data.ageYears > 0"),
        (lambda e: e.age_years >= 1.5, "e.data.ageYears >= 1.5"),
        (lambda e: 18 < e.age_years, "e.data.ageYears > 18"),  # noqa: SIM300 - this order is tested
        (lambda e: e.is_admin, "e.data.isAdmin == true"),
        (lambda e: e.is_admin == False, "e.data.isAdmin == false"),  # noqa: E712 - a field, not a boolean
        (lambda e: e.note == None, "e.data.note IS NULL"),  # noqa: E711 - a field, not a value
        (lambda e: e.note != None, "e.data.note IS NOT NULL"),  # noqa: E711 - likewise
        (lambda e: e.second_home == None, "e.data.secondHome IS NULL"),  # noqa: E711 - likewise
        (lambda e: e.tier == Tier.GOLD, "e.data.tier == 'gold'"),
        (lambda e: e.priority == Priority.HIGH, "e.data.priority == 2"),
        (lambda e: e.language == "de", "e.data.language == 'de'"),
        (lambda e: e.owner == OwnerId("x"), "e.data.owner == 'x'"),
        (lambda e: e.customer_id == UUID(int=5), "e.data.customerId == '00000000-0000-0000-0000-000000000005'"),
        (lambda e: e.born < date(2000, 2, 29), "e.data.born < '2000-02-29'"),
        (lambda e: e.seen_at == datetime(2000, 1, 1, 12), "e.data.seenAt == '2000-01-01T12:00:00'"),  # noqa: DTZ001 - has one text
        (lambda e: e.wake == time(12), "e.data.wake == '12:00:00'"),
        (lambda e: e.pause == timedelta(hours=1), "e.data.pause == 'PT1H'"),
        (lambda e: e.score == 2, "e.data.score == 2.0"),
        (lambda e: e.mixed == "x", "e.data.mixed == 'x'"),
        (lambda e: e.anything == 5, "e.data.anything == 5"),
        (lambda e: e.home.street == "Ring 1", "e.data.home.street == 'Ring 1'"),
        (lambda e: e.home.city.postal_code == "1010", "e.data.home.city.zip == '1010'"),
        (lambda e: e.home.former.former.street == None, "e.data.home.former.former.street IS NULL"),  # noqa: E711
        (lambda e: e.second_home.city.name == "Wien", "e.data.secondHome.city.name == 'Wien'"),
        (lambda e: e.lines[0].item_cents > 5, "e.data.lines[0].item_cents > 5"),
        (lambda e: e.lines[2].tags["colour"] == "red", "e.data.lines[2].tags.colour == 'red'"),
        (lambda e: e.labels["a-b"] == 5, "e.data.labels['a-b'] == 5"),
        (lambda e: e.pair[1] == "x", "e.data.pair[1] == 'x'"),
        (lambda e: one_of(e.full_name, ["B", "A", "B"]), "e.data.fullName IN ['A', 'B']"),
        (lambda e: one_of(e.tier, (Tier.GOLD, Tier.BASIC)), "e.data.tier IN ['basic', 'gold']"),
        (lambda e: e.full_name == e.home.street, "e.data.fullName == e.data.home.street"),
        (lambda e: e.age_years * 2 + 1 == e.score, "e.data.ageYears * 2 + 1 == e.data.score"),
        (lambda e: (10 - e.age_years) * 2 < 5, "(10 - e.data.ageYears) * 2 < 5"),
        (lambda e: 100 / e.age_years < e.credit_cents / 2, "100 / e.data.ageYears < e.data.creditCents / 2"),
        (lambda e: 1 + 2 * e.age_years - e.score > 0, "1 + 2 * e.data.ageYears - e.data.score > 0"),
        (lambda e: (e.age_years < 3) | e.is_admin, "(e.data.ageYears < 3 OR e.data.isAdmin == true)"),
        (lambda e: e.is_admin & (e.age_years < 3), "e.data.ageYears < 3 AND e.data.isAdmin == true"),
        (lambda e: e.is_admin | (e.age_years < 3), "(e.data.isAdmin == true OR e.data.ageYears < 3)"),
    ],
    ids=count(1),
)
def test_conditions(condition: Callable[[Any], bool], printed: str) -> None:
    """
    A condition is printed with the names and values that are stored.
    """
    assert registered(condition) == printed


def test_keywords() -> None:
    """
    A keyword asks for a field equal to a value, or null.
    """
    assert registered(full_name="Ada", note=None) == "e.data.fullName == 'Ada' AND e.data.note IS NULL"


def test_paths_as_text() -> None:
    """
    A path as text says the same as the function.
    """
    people = select_events(Registered)

    assert registered(**{"home.city.postal_code": "1010"}) == "e.data.home.city.zip == '1010'"
    assert (people.sum("lines[0].item_cents") > 1) == (people.sum(lambda e: e.lines[0].item_cents) > 1)
    assert (people.max("born") < date(2020, 1, 1)) == (people.max(lambda e: e.born) < date(2020, 1, 1))


def test_what_is_computed() -> None:
    """
    Each function over events, and calculations with what it gives.
    """
    people = select_events(Registered)
    count, total = people.count(), people.sum(lambda e: e.age_years * 2)

    assert rule_of(people.exists()) == " MAP COUNT() > 0"
    assert rule_of(count == 0) == " MAP COUNT() == 0"
    assert rule_of(count != 0) == " MAP COUNT() != 0"
    assert rule_of(count < 1) == " MAP COUNT() < 1"
    assert rule_of(total / count <= 2.5) == " MAP SUM(e.data.ageYears * 2) / COUNT() <= 2.5"
    assert rule_of(1 + count * 2 - 3 > 4) == " MAP 1 + COUNT() * 2 - 3 > 4"
    assert rule_of(2 * (10 - count) >= 0) == " MAP 2 * (10 - COUNT()) >= 0"
    assert rule_of(60 / (count + 1) >= 1) == " MAP 60 / (COUNT() + 1) >= 1"
    assert rule_of(people.avg(lambda e: e.score) > 0.5) == " MAP AVG(e.data.score) > 0.5"
    assert rule_of(people.min(lambda e: e.full_name) >= "A") == " MAP MIN(e.data.fullName) >= 'A'"
    assert rule_of(people.max(lambda e: e.born) == date(2000, 1, 1)) == " MAP MAX(e.data.born) == '2000-01-01'"
    assert rule_of(people.max("age_years") <= people.max("credit_cents")) == (
        " MAP MAX(e.data.ageYears) <= MAX(e.data.creditCents)"
    )


def test_subjects() -> None:
    """
    One subject, several, a subtree, or all.
    """
    deposits = select_events(Deposited)

    assert "e.subject == '/a' AND" in deposits.at("/a").exists().query
    assert "e.subject IN ['/a', '/b'] AND" in deposits.at("/b", "/a", "/b").exists().query
    assert "e.subject UNDER '/a' AND" in deposits.under("/a").exists().query
    assert "e.subject" not in deposits.under("/").exists().query


def test_times() -> None:
    """
    A period begins with a time and ends before another, both in UTC; of several the tightest counts.
    """
    vienna = timezone(timedelta(hours=2))

    guard = (
        select_events(Deposited)
        .since(datetime(2026, 5, 31, tzinfo=vienna))
        .since(datetime(2020, 1, 1, tzinfo=UTC))
        .until(datetime(2026, 6, 1, 0, 0, 0, 250_000, tzinfo=vienna))
        .until(datetime(2030, 1, 1, tzinfo=UTC))
        .exists()
    )

    assert "e.time >= '2026-05-30T22:00:00Z' AND e.time < '2026-05-31T22:00:00.250000Z' MAP" in guard.query


def test_equal_guards_print_equal_text() -> None:
    """
    The order in which a rule is written changes neither the guard nor its text.
    """
    one = (
        select_events(Deposited, Withdrawn)
        .at("/b", "/a")
        .where(lambda e: e.delta_cents > 1, lambda e: e.delta_cents < 9)
    )
    other = (
        select_events(Withdrawn, Deposited, Withdrawn)
        .where(lambda e: (e.delta_cents < 9) & (e.delta_cents > 1))
        .where(lambda e: e.delta_cents > 1)
        .at("/a", "/b")
    )

    assert one.exists() == other.exists()
    assert hash(one.exists()) == hash(other.exists())
    assert one.exists().query == other.exists().query
    assert one.exists() != one.count().__gt__(1)


def test_guard_is_a_query_precondition() -> None:
    """
    A guard can stand wherever a query can, and its text reads back to its tree.
    """
    guard = select_events(Deposited).exists().named("something is there")

    assert isinstance(guard, QueryHolds)
    assert guard.name == "something is there"
    assert parse(guard.query) == guard.tree
    assert guard.query in repr(guard)
    assert "something is there" in repr(guard)
    assert pickle.loads(pickle.dumps(guard)) == guard  # noqa: S301 - our own bytes


def test_guard_differs_from_version_check() -> None:
    """
    A guard names its event types, so it is never mistaken for a check of the version.
    """
    guard = select_events(Deposited).at("/accounts/42").count() == 7

    assert guard.query != SubjectIsAtVersion("/accounts/42", 7).query


@pytest.mark.parametrize("name", ["", " ", "two\nlines"])
def test_name_can_be_read(name: str) -> None:
    """
    A name ends up in errors and logs.
    """
    with pytest.raises(GuardError, match="needs a name"):
        select_events(Deposited).exists().named(name)


def test_all_of() -> None:
    """
    Several guards remain several preconditions, flat, in order, each once.
    """
    one, other = select_events(Deposited).exists().named("one"), select_events(Withdrawn).count() == 0

    assert all_of() == ()
    assert all_of(one, [other, one], iter([one.named("named")])) == (one, other, one.named("named"))


# --- What is stored is what is compared ---


def test_value_goes_through_validators() -> None:
    """
    A field that is stored in lower case is compared in lower case, or uniqueness would have a hole.
    """
    unique = select_events(Registered).where(email="ADA@Example.com").count() == 0

    assert not is_true(unique.tree, rows(registration(email="Ada@example.COM")))


def test_validators_and_serializers_of_the_class() -> None:
    """
    Those declared in the class count too, whatever validators the whole model has.
    """

    class Tagged(Event, type="io.example.test.guard.tagged"):
        tag: str
        code: int
        at_least: int = 0

        @field_validator("tag")
        @classmethod
        def _strip(cls, tag: str) -> str:
            return tag.strip()

        @field_serializer("code")
        def _pad(self, code: int) -> str:
            return f"{code:04d}"

        @model_validator(mode="after")
        def _check(self) -> "Tagged":
            assert self.code >= self.at_least
            return self

    guard = select_events(Tagged).where(tag=" x ", code=7).exists()

    assert "e.data.code == '0007' AND e.data.tag == 'x'" in guard.query
    assert is_true(guard.tree, rows(Tagged(tag="x ", code=7)))


def test_computed_field() -> None:
    """
    A computed field is stored, so it can be summed.
    """

    class Paid(Event, type="io.example.test.guard.paid"):
        cents: int

        @computed_field  # type: ignore[prop-decorator] # mypy does not know it
        @property
        def delta_cents(self) -> int:
            return -self.cents

    guard = select_events(Deposited, Paid).sum(lambda e: e.delta_cents) >= 0

    assert is_true(guard.tree, rows(Deposited(delta_cents=5), Paid(cents=5)))
    assert not is_true(guard.tree, rows(Deposited(delta_cents=5), Paid(cents=6)))
    assert "e.data.deltaCents == -5 " in select_events(Paid).where(delta_cents=-5).exists().query


def test_generic_event() -> None:
    """
    The fields of a class made from a generic one have the types it was made with.
    """

    class Changed(Event, Generic[Value], abstract=True):
        new_value: Value

    class NameChanged(Changed[str], type="io.example.test.guard.name-changed"):
        pass

    assert "e.data.newValue < 'b'" in select_events(NameChanged).where(lambda e: e.new_value < "b").exists().query
    with pytest.raises(GuardError, match="abstract"):
        select_events(Changed[str])


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        '"',
        'it\'s "both"',
        "\\",
        "\\'",
        "a\nb\r\t",
        "\x01\x1f\x7f",
        "' OR TRUE OR '",
        "//",
        "/* */",
        "\U0001f600",
        "é",
    ],
)
def test_hostile_texts(text: str) -> None:
    """
    A text is compared as it is, whatever it looks like.
    """
    guard = select_events(Registered).where(full_name=text).exists()

    tree = parse(guard.query)

    assert tree == guard.tree
    assert is_true(tree, rows(registration(full_name=text)))
    assert not is_true(tree, rows(registration(full_name=text + "x")))


def test_text_that_no_store_has() -> None:
    """
    A NUL character cannot be stored, so it cannot be asked for.
    """
    with pytest.raises(QueryValueError, match="NUL"):
        select_events(Registered).where(full_name="a\0b")
    with pytest.raises(QueryValueError, match="surrogate"):
        select_events(Registered).where(full_name="\ud800")


def test_integers_are_exact() -> None:
    """
    Beyond 2**53, too.
    """
    guard = select_events(Deposited).where(delta_cents=2**53 + 1).exists()

    assert is_true(guard.tree, rows(Deposited(delta_cents=2**53 + 1)))
    assert not is_true(guard.tree, rows(Deposited(delta_cents=2**53)))


def test_over_no_events() -> None:
    """
    Counts and sums are 0; there is no lowest or highest value, and none compares with it.
    """
    people = select_events(Registered)

    assert is_true((people.count() == 0).tree, [])
    assert is_true((people.sum(lambda e: e.age_years) <= 0).tree, [])
    assert not is_true((people.max(lambda e: e.age_years) <= 10).tree, [])
    assert is_true((people.max(lambda e: e.age_years) != 10).tree, [])


def test_other_shapes() -> None:
    """
    Unions of models, mappings with fixed keys, models inside themselves, named and mixed constants.
    """

    class Circle(BaseModel):
        kind: Literal["circle"]
        size: int

    class Square(BaseModel):
        kind: Literal["square"]
        size: int

    class Sizes(TypedDict):
        big: int

    class Drawn(Event, type="io.example.test.guard.drawn"):
        shape: Annotated[Circle | Square, Field(discriminator="kind")]
        sizes: Sizes
        mixed: Literal["a", 1, True] | None
        raw: bytes
        plain: list = Field(default=[])  # type: ignore[type-arg] # a list of anything

    def printed(condition: Callable[[Drawn], bool]) -> str:
        return (
            select_events(Drawn).where(condition).exists().query.partition(" AND ")[2].removesuffix(" MAP COUNT() > 0")
        )

    assert printed(lambda e: e.shape.size > 1) == "e.data.shape.size > 1"
    assert printed(lambda e: e.shape.kind == "square") == "e.data.shape.kind == 'square'"
    assert printed(lambda e: e.sizes["big"] == 1) == "e.data.sizes.big == 1"
    assert printed(lambda e: e.mixed == "a") == "e.data.mixed == 'a'"
    assert printed(lambda e: e.mixed == None) == "e.data.mixed IS NULL"  # noqa: E711 - a field, not a value
    assert printed(lambda e: e.raw == b"x") == "e.data.raw == 'x'"
    assert printed(lambda e: e.plain[0] == "x") == "e.data.plain[0] == 'x'"


def test_stand_ins_are_harmless() -> None:
    """
    Debuggers and copies ask for special attributes; a stand-in has those of its own only.
    """
    seen: list[Any] = []

    def look(event: Registered) -> bool:
        seen.append(event)
        return event.is_admin

    select_events(Registered).where(look)

    assert repr(seen[0]) == "<Registered>"
    assert repr(seen[0].home.city) == "<Address.city>"
    assert not hasattr(seen[0], "__deepcopy__")
    assert repr(select_events(Registered).sum("age_years") + 1) == "<the sum of Registered.age_years + a number>"


def test_conditions_over_stored_events() -> None:
    """
    The reference evaluator finds with a guard what Python finds in the decoded events.
    """
    people: Sequence[Registered] = [
        registration(full_name="Ada", second_home=Address(street="x", city=City(name="Graz", zip="8010"))),
        registration(full_name="Bob", note="hm", lines=[Line(item_cents=5, tags={"colour": "red"})]),
    ]

    def count(condition: Callable[[Any], bool]) -> int:
        guard = select_events(Registered).where(condition).count()
        return next(number for number in range(3) if is_true((guard == number).tree, rows(*people)))

    assert count(lambda e: e.second_home.city.name == "Graz") == 1
    assert count(lambda e: e.lines[0].tags["colour"] == "red") == 1
    assert count(lambda e: e.lines[0].tags["colour"] == None) == 1  # noqa: E711 - a field, not a value
    assert count(lambda e: e.home.city.postal_code == "1010") == 2
    assert count(lambda e: one_of(e.full_name, ["Bob", "Eve"])) == 1
