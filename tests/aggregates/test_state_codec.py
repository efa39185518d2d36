"""
The state of an aggregate as JSON: it comes back the very same, or is refused.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import defaultdict, deque
from collections.abc import Callable  # noqa: TC003  beside imports that are read
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from eventsource import Aggregate, Event, handles
from eventsource.aggregates.state_codec import StateCodec, state_of
from eventsource.errors import UnstorableStateError
from eventsource.events.sameness import are_same


class Happened(Event, type="io.example.test.codec.happened"):
    """
    The event of the aggregates here.
    """

    number: int = 0


class Colour(enum.Enum):
    """
    A choice.
    """

    RED = "red"
    GREEN = "green"


@attrs.frozen
class Line:
    """
    A frozen record.
    """

    number: int
    at: datetime | None = None


@attrs.define
class Order:
    """
    A record that can change, with others in it, and a field that `__init__` does not take.
    """

    lines: list[Line] = attrs.field(factory=list)
    by_name: dict[str, Line] = attrs.field(factory=dict)
    total: int = attrs.field(init=False, default=0)


@dataclasses.dataclass
class Totals:
    """
    A dataclass that computes when it is made.
    """

    first: int
    doubled: int = dataclasses.field(init=False)
    lines: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        self.doubled = self.first * 2


class Address(BaseModel):
    """
    A pydantic model.
    """

    street: str


class Everything(Aggregate, subject="/everything/{id}"):
    """
    State of many kinds.
    """

    settings: ClassVar[dict[str, int]] = {"no": 1}

    number: int = 0
    ratio: float = 0.0
    text: str = ""
    raw: bytes = b""
    amount: Decimal = Decimal("1.50")
    when: datetime | None = None
    day: date | None = None
    clock: time | None = None
    lasts: timedelta = timedelta(0)
    key: UUID | None = None
    colour: Colour = Colour.RED
    names: set[str] = set()  # noqa: RUF012  copied for each instance
    kinds: frozenset[Colour] = frozenset()
    pairs: list[tuple[str, int]] = []  # noqa: RUF012
    by_number: dict[int, list[str]] = {}  # noqa: RUF012
    by_day: dict[date, Decimal] = {}  # noqa: RUF012
    counts: defaultdict[str, int] = defaultdict(int)  # noqa: RUF012
    last: deque[int] = deque()  # noqa: RUF012
    orders: dict[UUID, Order] = {}  # noqa: RUF012
    totals: Totals | None = None
    address: Address | None = None
    _hidden: int = 0

    @handles
    def _happened(self, event: Happened) -> None:
        self.number += event.number

    @property
    def doubled(self) -> int:
        """
        Computed, not kept.
        """
        return self.number * 2


CODEC = StateCodec(Everything)
KEY = UUID("9a2b6dd0-6d13-4c62-a3f5-1c9a2d8a7c55")


def full() -> Everything:
    """
    Something in every attribute.
    """
    state = Everything("1")
    state.number, state.ratio, state.text, state.raw = 7, 0.1, "a\u2028\x00ü", b"\xff\x00"
    state.when, state.day = datetime(2026, 7, 31, 23, 59, 59, 1, tzinfo=UTC), date(2026, 7, 31)
    state.clock, state.lasts, state.key, state.colour = (
        time(12, 0, 1),
        timedelta(days=-1, microseconds=1),
        KEY,
        Colour.GREEN,
    )
    state.names |= {"b", "a"}
    state.kinds = frozenset({Colour.RED})
    state.pairs += [("a", 1), ("b", 2)]
    state.by_number[2] = ["x"]
    state.by_number[1] = []
    state.by_day[date(2026, 1, 1)] = Decimal("0.10")
    state.counts["x"] += 1
    state.last.append(3)
    order = Order([Line(1, state.when)], {"z": Line(2)})
    order.total = 9
    state.orders[KEY] = order
    state.totals = Totals(3, (Line(4),))
    state.totals.doubled = 99
    state.address = Address(street="Main")
    state._hidden = 5
    return state


def restored(state: Everything) -> Everything:
    """
    What comes out of JSON.
    """
    other = Everything("1")
    CODEC.decode_into(other, CODEC.encode(state))
    return other


def test_every_attribute_comes_back_the_same() -> None:
    """
    Types, order and contents are those that were there, hidden attributes and computed fields of records included.
    """
    state, other = full(), restored(full())

    assert are_same(state_of(other), state_of(state))
    assert list(other.by_number) == [2, 1]
    assert other.orders[KEY].total == 9
    assert (other.totals.doubled if other.totals else 0) == 99
    other.counts["new"] += 1


def test_a_fresh_state_is_its_defaults() -> None:
    """
    What was never set is not written: it is what the class says.
    """
    other = restored(Everything("1"))

    assert (other.number, other.amount, other.names) == (0, Decimal("1.50"), set())


@pytest.mark.parametrize(
    "change",
    [
        lambda state: setattr(state, "number", True),
        lambda state: setattr(state, "number", "7"),
        lambda state: setattr(state, "ratio", 1),
        lambda state: setattr(state, "names", frozenset({"a"})),
        lambda state: setattr(state, "counts", {"x": 1}),
        lambda state: setattr(state, "last", deque([1], maxlen=3)),
        lambda state: setattr(state, "when", datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin"))),
        lambda state: setattr(state, "unknown", 1),
        lambda state: setattr(state, "text", "\ud800"),
        lambda state: setattr(state, "totals", Line(1)),
        lambda state: state.pairs.append(["a", 1]),
        lambda state: state.orders.update({UUID(int=1): state.orders[KEY]}),
        lambda state: setattr(state.orders[KEY], "total", None),
    ],
    ids=[
        "bool for int",
        "text for int",
        "int for float",
        "frozenset for set",
        "dict for defaultdict",
        "a length the type does not say",
        "a zone with rules",
        "an attribute nobody declared",
        "half a character",
        "another record",
        "list for tuple",
        "one object in two places",
        "None in a record",
    ],
)
def test_what_would_come_back_otherwise_is_refused(change: Callable[[Any], object]) -> None:
    """
    A state that JSON, or its annotation, would change is never saved; the error names the attribute.
    """
    state = full()
    change(state)

    with pytest.raises(UnstorableStateError) as excinfo:
        CODEC.encode(state)

    assert excinfo.value.aggregate == "Everything"
    assert excinfo.value.attribute in {*vars(state)}


@pytest.mark.parametrize(
    "value",
    [float("inf"), float("-inf"), float("nan"), -0.0, 5e-324, 1.7976931348623157e308],
    ids=["infinity", "minus infinity", "not a number", "minus zero", "smallest", "largest"],
)
def test_every_float_comes_back(value: float) -> None:
    """
    Those that JSON has no form for, too.
    """
    state = Everything("1")
    state.ratio = value

    assert repr(restored(state).ratio) == repr(value)


def test_a_fixed_offset_is_the_same_whoever_made_it() -> None:
    """
    Python's own zones come back as pydantic's, which are no others.
    """
    state = Everything("1")
    state.when = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert restored(state).when == state.when
    assert str(restored(state).when) == str(state.when)


def test_damaged_text_is_an_error_without_the_text() -> None:
    """
    The error of a text that is no state quotes nothing of it.
    """
    for text in ('{"number": "Ada"}', '{"unknown": 1}', "[]", "", '{"number": 1'):
        with pytest.raises(ValueError, match="is no state of Everything") as excinfo:
            CODEC.decode_into(Everything("1"), text)
        assert "Ada" not in str(excinfo.value)


# --- Classes that are refused when snapshots are switched on ---


class Unannotated(Aggregate, subject="/unannotated/{id}"):
    """
    Nobody says what the list holds.
    """

    lines = []  # type: ignore[var-annotated]  # noqa: RUF012

    @handles
    def _happened(self, event: Happened) -> None: ...


class Undeclared(Aggregate, subject="/undeclared/{id}"):
    """
    A handler sets what the class does not declare.
    """

    @handles
    def _happened(self, event: Happened) -> None:
        self.found = event.number


class Odd:
    """
    No record, no model: nobody knows what it consists of.
    """


class OfOddThings(Aggregate, subject="/odd/{id}"):
    """
    Its state has no form in JSON.
    """

    things: list[Odd] = []  # noqa: RUF012

    @handles
    def _happened(self, event: Happened) -> None: ...


class OfNone(Aggregate, subject="/none/{id}"):
    """
    The default is not what the annotation says.
    """

    name: str = None  # type: ignore[assignment]

    @handles
    def _happened(self, event: Happened) -> None: ...


class Unresolved(Aggregate, subject="/unresolved/{id}"):
    """
    Its annotation names nothing.
    """

    name: Nowhere | None = None  # type: ignore[name-defined]  # noqa: F821

    @handles
    def _happened(self, event: Happened) -> None: ...


def test_a_state_with_an_undeclared_attribute_is_refused() -> None:
    """
    An attribute that a handler sets and the class does not declare is named when a snapshot is taken.
    """
    aggregate = Undeclared("1")
    aggregate.found = 5

    with pytest.raises(UnstorableStateError, match=r"Undeclared\.found: a handler sets it, and the class does not"):
        StateCodec(Undeclared).encode(aggregate)


@pytest.mark.parametrize(
    ("aggregate_class", "attribute"),
    [
        (Unannotated, "lines"),
        (OfOddThings, "things"),
        (OfNone, "name"),
        (Unresolved, "name"),
    ],
)
def test_a_class_that_cannot_be_saved_is_refused_at_once(aggregate_class: type[Aggregate], attribute: str) -> None:
    """
    Before anything is loaded, with the attribute to blame.
    """
    with pytest.raises(UnstorableStateError) as excinfo:
        StateCodec(aggregate_class)

    assert excinfo.value.attribute == attribute


# --- Any state ---

_lines = st.builds(Line, st.integers(), st.none() | st.datetimes(timezones=st.just(UTC)))
_texts = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=40, deadline=None)
@given(
    number=st.integers(),
    ratio=st.floats(allow_nan=False),
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    names=st.sets(_texts),
    pairs=st.lists(st.tuples(_texts, st.integers())),
    by_number=st.dictionaries(st.integers(), st.lists(_texts)),
    lasts=st.timedeltas(),
    orders=st.dictionaries(st.uuids(), st.builds(Order, st.lists(_lines), st.dictionaries(_texts, _lines))),
)
def test_any_state_comes_back_the_same_or_is_refused(**values: Any) -> None:
    """
    There is no third: what is read back is never another state.
    """
    state = Everything("1")
    for name, value in values.items():
        setattr(state, name, value)

    try:
        text = CODEC.encode(state)
    except UnstorableStateError:
        return
    other = Everything("1")
    CODEC.decode_into(other, text)

    assert are_same(state_of(other), state_of(state))
