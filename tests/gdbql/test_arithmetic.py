"""
Numbers: laws and edges; the table of results is in the cases.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.errors import QueryLimitError
from eventsource.gdbql.arithmetic import (
    OPERATIONS,
    add,
    checked,
    divide,
    multiply,
    negate,
    remainder,
    round_half_away,
    subtract,
    to_text,
)
from eventsource.gdbql.limits import MAX_DIGITS, MAX_VALUE_CHARACTERS

integers = st.integers(-(10**40), 10**40)
floats = st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Any] = st.one_of(
    integers,
    floats,
    st.text(max_size=3),
    st.none(),
    st.booleans(),
    st.just([1]),
    st.just({}),
    st.just(10**MAX_DIGITS - 1),
)


@given(st.sampled_from(sorted(OPERATIONS)), values, values)
def test_result_is_always_a_value_of_json(operator: str, left: Any, right: Any) -> None:
    """
    No operation on any values raises, or gives NaN, an infinity or a negative zero.
    """
    result = OPERATIONS[operator](left, right)

    assert result is None or isinstance(result, (str, int, float))
    if isinstance(result, float):
        assert math.isfinite(result)
        assert math.copysign(1, result) == 1 or result != 0
    if isinstance(result, int):
        assert abs(result) < 10**MAX_DIGITS


@given(integers, integers.filter(bool))
def test_quotient_and_remainder_belong_together(dividend: int, divisor: int) -> None:
    """
    The remainder is what is left when the divisor goes into the dividend as often as it fits.
    """
    rest: Any = remainder(dividend, divisor)
    whole: Any = divide(subtract(dividend, rest), divisor)

    assert whole * divisor + rest == dividend
    assert abs(rest) < abs(divisor)
    assert rest == 0 or (rest < 0) == (dividend < 0)


@given(integers, integers.filter(bool))
def test_quotient_of_integers_is_the_nearest_there_is(dividend: int, divisor: int) -> None:
    """
    It is the integer itself, or the float nearest to the exact quotient.
    """
    exact = Fraction(dividend, divisor)

    result = divide(dividend, divisor)

    assert result == (exact.numerator if exact.denominator == 1 else float(exact))
    assert isinstance(result, int) == (exact.denominator == 1)


@given(floats, st.integers(0, 15))
def test_rounding_goes_to_the_nearest_and_away_from_zero(value: float, digits: int) -> None:
    """
    The result is the float nearest to the exact rounding of the exact value.
    """
    scaled = abs(Fraction(value)) * 10**digits
    exact = Fraction(math.floor(scaled + Fraction(1, 2)), 10**digits)

    rounded: Any = round_half_away(value, digits)

    assert abs(rounded) == (float(exact) if digits else exact)
    assert isinstance(rounded, int) == (digits == 0)


def test_integer_has_at_most_a_thousand_digits() -> None:
    """
    A result beyond that is null, as one beyond the floats is.
    """
    most = 10**MAX_DIGITS - 1

    assert add(most, 0) == most
    assert add(most, 1) is None
    assert multiply(most, most) is None
    assert negate(-most) == most
    assert checked(-most - 1) is None


def test_integer_beyond_the_floats_meets_a_float() -> None:
    """
    Where the integer has no float near it, there is no result.
    """
    assert add(10**400, 1.0) is None
    assert divide(10**400, 3) is None
    assert divide(10**400, 10**399) == 10
    assert remainder(10**400, 1.5) is None


def test_text_that_grows_too_long_is_an_error() -> None:
    """
    A text of more than a mebibyte of characters is not made.
    """
    half = "x" * (MAX_VALUE_CHARACTERS // 2)

    assert add(half, half) is not None
    with pytest.raises(QueryLimitError) as excinfo:
        add(half, half + "x")

    assert excinfo.value.limit == "characters in a value"


def test_integer_too_long_for_python_has_no_text() -> None:
    """
    Data may hold integers that Python refuses to print; as a text they are null.
    """
    assert to_text(10**5000) is None
    assert add("n=", 10**5000) is None
