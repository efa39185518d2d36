"""
Accumulators against exact models.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.gdbql import AGGREGATE_FUNCTIONS, canonical
from eventsource.gdbql.aggregates import Distinct
from tests.gdbql.strategies import json_values

some_values = st.lists(json_values.filter(lambda value: value is not None), max_size=8)
numbers = st.lists(st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False), max_size=8)


def aggregate(name: str, values: list[Any], *, distinct: bool = False) -> Any:
    """
    The result of an aggregate over the values.
    """
    accumulator = AGGREGATE_FUNCTIONS[name].start()
    if distinct:
        accumulator = Distinct(accumulator)
    for value in values:
        accumulator.add(value)
    return accumulator.result()


@given(numbers)
def test_sum_is_the_exact_sum_rounded_once(values: list[int | float]) -> None:
    """
    It is what fractions give, rounded to the nearest float if any number was one.
    """
    exact = sum(map(Fraction, values), start=Fraction(0))

    result = aggregate("SUM", values)

    if all(isinstance(value, int) for value in values):
        assert result == exact
        assert isinstance(result, int)
    else:
        try:
            expected = float(exact)
        except OverflowError:
            expected = None
        assert result == expected


@given(numbers, st.randoms(use_true_random=False))
def test_order_of_numbers_changes_no_sum(values: list[int | float], order: Any) -> None:
    """
    So another plan of the same query gives the same result to the last bit.
    """
    shuffled = list(values)
    order.shuffle(shuffled)

    for name in ("SUM", "AVG"):
        assert repr(aggregate(name, shuffled)) == repr(aggregate(name, values))


@given(some_values)
def test_extremes_are_those_of_the_order_of_all_values(values: list[Any]) -> None:
    """
    MIN and MAX give the first of the lowest and of the highest.
    """
    assert aggregate("MIN", values) is (min(values, key=canonical) if values else None)
    assert aggregate("MAX", values) is (max(values, key=canonical) if values else None)


@given(some_values)
def test_distinct_takes_the_first_of_equal_values(values: list[Any]) -> None:
    """
    Equal is what is equal in the order of all values.
    """
    first = list({canonical(value): value for value in reversed(values)}.values())

    assert aggregate("COUNT", values, distinct=True) == len(first)
    assert aggregate("SUM", values, distinct=True) == aggregate("SUM", first)


@given(numbers)
def test_average_lies_between_the_extremes(values: list[int | float]) -> None:
    """
    As far as floats can tell.
    """
    average = aggregate("AVG", values)

    if not values:
        assert average is None
    elif average is not None:
        slack = math.ulp(float(max(map(abs, values))))
        assert min(values) - slack <= average <= max(values) + slack


@pytest.mark.parametrize(("name", "empty"), [("COUNT", 0), ("SUM", 0), ("AVG", None), ("MIN", None), ("MAX", None)])
def test_aggregate_of_nothing(name: str, empty: int | None) -> None:
    """
    COUNT and SUM start at 0, the others have nothing to give.
    """
    assert aggregate(name, []) == empty
    assert aggregate(name, [], distinct=True) == empty
