"""
Values: kinds, truth, equality, order.
"""

from __future__ import annotations

from typing import Any

import pytest

from eventsource.gdbql import Instant, Kind, canonical, compare, is_equal, is_truthy, kind_of, to_instant


def instant(text: str) -> Instant:
    """
    The instant that *text* names.
    """
    found = to_instant(text)
    assert found is not None
    return found


EARLY, SAME, LATE = (
    instant("2024-01-01T00:00:00Z"),
    instant("2024-01-01T01:00:00+01:00"),
    instant("2024-01-01T00:00:01Z"),
)


class Name(str):
    """
    A text of a class of its own.
    """

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Kind.NULL),
        (False, Kind.BOOLEAN),
        (0, Kind.NUMBER),
        (0.0, Kind.NUMBER),
        (EARLY, Kind.INSTANT),
        ("", Kind.TEXT),
        (Name("/a"), Kind.TEXT),
        ([], Kind.LIST),
        ((), Kind.LIST),
        ({}, Kind.OBJECT),
    ],
    ids=repr,
)
def test_kind_of_a_value(value: Any, kind: Kind) -> None:
    """
    A boolean is no number, an instant no mere text.
    """
    assert kind_of(value) is kind


def test_what_is_no_value_of_json_has_no_kind() -> None:
    """
    A store that hands out a date or bytes is found out.
    """
    with pytest.raises(TypeError, match="bytes"):
        kind_of(b"")


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", [], {}], ids=repr)
def test_nothing_empty_or_zero_is_truthy(value: Any) -> None:
    """
    These do not hold, all others do.
    """
    assert not is_truthy(value)


@pytest.mark.parametrize("value", [True, -1, 0.1, "false", " ", [None], {"a": None}, EARLY], ids=repr)
def test_all_others_are_truthy(value: Any) -> None:
    """
    Whatever a list or a text contains.
    """
    assert is_truthy(value)


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        (1, 2, -1),
        (1, 1.0, 0),
        (2**53 + 1, 2.0**53, 1),
        ("a", "b", -1),
        ("\ufffd", "😀", -1),
        (EARLY, SAME, 0),
        (EARLY, "2024-01-01T00:00:00.5Z", -1),
        ("2024-01-01T00:00:00.5Z", EARLY, 1),
        (EARLY, "tomorrow", None),
        (1, "1", None),
        (True, False, None),
        (True, 1, None),
        (None, None, None),
        ([1], [2], None),
        ({}, {}, None),
        (None, 1, None),
    ],
    ids=repr,
)
def test_order_of_two_values(left: Any, right: Any, order: int | None) -> None:
    """
    There is one between numbers, texts, instants, and instants and texts that name instants.
    """
    assert compare(left, right) == order


def test_instant_equals_a_text_that_names_it() -> None:
    """
    In comparisons a text counts as the instant it names; as a group or a distinct value it does not.
    """
    assert is_equal(EARLY, "2024-01-01T00:00:00.000Z")
    assert is_equal(EARLY, SAME)
    assert not is_equal(EARLY, "tomorrow")
    assert not is_equal("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.0Z")
    assert canonical(EARLY) == canonical(SAME) != canonical(str(EARLY))


def test_all_values_stand_in_one_order() -> None:
    """
    From null to objects, each value before all that follow.
    """
    values: list[Any] = [
        None, False, True, -(2**70), -1.5, 0, 0.5, 2**53, 2**53 + 1, 1e300, EARLY, LATE, "", "A", "a", "aa", "ä", "😀",
        [], [None], [0], [0, 0], [1], ["a"], [[]], {}, {"a": 0}, {"a": 0, "b": 0}, {"a": 1}, {"b": 0},
    ]  # fmt: skip

    backwards = list(reversed(values))

    backwards.sort(key=canonical)

    assert [id(value) for value in backwards] == [id(value) for value in values]
    assert len({canonical(value) for value in values}) == len(values)


def test_depth_of_data_does_not_matter() -> None:
    """
    Data nested deeper than Python can call is compared and ordered like any other.
    """
    deep: Any = 1
    other: Any = 2
    for _ in range(20_000):
        deep, other = [deep], {"a": [other]}

    assert is_equal(deep, deep)
    assert not is_equal(deep, other)
    assert canonical(deep) < canonical(other)
