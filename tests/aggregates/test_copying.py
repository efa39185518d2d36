"""
Copies of state: like those of `copy.deepcopy`, in less time.
"""

import copy
import dataclasses
import enum
from collections import OrderedDict, defaultdict, deque
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventsource.aggregates.state import copy_value
from eventsource.events.sameness import are_same


class Colour(enum.Enum):
    """
    A choice.
    """

    RED = 1


@attrs.frozen
class Line:
    """
    A record that cannot be changed, unless something in it can.
    """

    number: int
    tags: Any = ()


@attrs.define
class Order:
    """
    One that can.
    """

    lines: list[Line] = attrs.field(factory=list)


@dataclasses.dataclass(frozen=True)
class Point:
    """
    A frozen dataclass.
    """

    x: int
    y: Any = None


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.floats(), st.just(Decimal(1)), st.just(datetime.now(UTC))
)
KEYS = st.text() | st.integers() | st.tuples(st.integers())
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES | st.just(Colour.RED) | st.frozensets(st.integers()) | st.sets(KEYS),
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(deque),
        st.dictionaries(KEYS, inner),
        st.dictionaries(KEYS, inner).map(OrderedDict),
        st.builds(Line, st.integers(), inner),
        st.builds(Point, st.integers(), inner),
        st.builds(Order, st.lists(st.builds(Line, st.integers(), inner))),
    ),
    max_leaves=12,
)


def parts_that_can_change(value: Any) -> list[Any]:
    """
    Every object in it that a handler could change.
    """
    inside: list[Any] = []
    if isinstance(value, dict):
        inside = [*value.values()]
    elif isinstance(value, (list, tuple, set, deque)):
        inside = [*value]
    elif isinstance(value, (Line, Order)):
        inside = [getattr(value, field.name) for field in attrs.fields(type(value))]
    elif isinstance(value, Point):
        inside = [value.x, value.y]
    own = [value] if isinstance(value, (list, dict, set, deque, Order)) else []
    return own + [part for each in inside for part in parts_that_can_change(each)]


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_a_copy_is_the_same_and_shares_nothing_that_can_change(value: Any) -> None:
    """
    Whatever a state is made of.
    """
    twin = copy_value(value, {})

    assert are_same(twin, value)
    ids = {id(part) for part in parts_that_can_change(value)}
    assert ids.isdisjoint(id(part) for part in parts_that_can_change(twin))


def test_what_cannot_change_is_shared() -> None:
    """
    That is where the time is saved.
    """
    value = [("a", 1, (2, Line(3))), Line(4), Point(1, Colour.RED)]

    assert all(mine is theirs for mine, theirs in zip(copy_value(value, {}), value, strict=True))


def test_what_two_places_share_they_share_in_the_copy() -> None:
    """
    Within one value, and between values with one memory.
    """
    order = Order()
    memo: dict[int, Any] = {}

    one, other = copy_value([order, {"x": order}], memo), copy_value((order,), memo)

    assert one[0] is one[1]["x"] is other[0]
    assert one[0] is not order


def test_a_value_that_holds_itself_can_be_copied() -> None:
    """
    A list in itself, and a dict in one of its items.
    """
    ring: list[Any] = [1]
    ring.append(ring)
    table: dict[str, Any] = {}
    table["rows"] = [table]

    twin, other = copy_value(ring, {}), copy_value(table, {})

    assert twin[1] is twin
    assert twin is not ring
    assert other["rows"][0] is other


class Own:
    """
    Says itself how it is copied.
    """

    def __init__(self, copies: int = 0) -> None:
        self.copies = copies

    def __deepcopy__(self, memo: dict[int, Any]) -> "Own":
        return Own(self.copies + 1)


@pytest.mark.parametrize("value", [Own(), defaultdict(list, {"a": [1]})], ids=["own", "defaultdict"])
def test_the_rest_is_copied_as_python_does(value: Any) -> None:
    """
    Classes with a way of their own, and those nobody thought of here.
    """
    twin, expected = copy_value([value], {})[0], copy.deepcopy(value)

    assert type(twin) is type(value)
    assert twin is not value
    assert getattr(twin, "copies", None) == getattr(expected, "copies", None)
