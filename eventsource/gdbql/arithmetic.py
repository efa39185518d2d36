"""
Numbers: integers are exact, decimals are 64-bit floats, and what has no result is null.

No operation gives NaN, an infinity, or a negative zero.
"""

from __future__ import annotations

import math
import operator
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeGuard

from eventsource.gdbql.errors import QueryLimitError
from eventsource.gdbql.limits import MAX_DIGITS, MAX_VALUE_CHARACTERS
from eventsource.gdbql.values import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.gdbql.values import Json

ArithmeticOperator: TypeAlias = Literal["+", "-", "*", "/", "%"]
Number: TypeAlias = int | float

_INTEGER_BOUND: Final = 10**MAX_DIGITS

# 16 digits before the point and 15 after it.
_ROUNDING: Final = Context(prec=32, rounding=ROUND_HALF_UP)


def add(left: Json, right: Json) -> Json:
    """
    The sum of two numbers; the concatenation if either is a text. Null with null, list or object.
    """
    if isinstance(left, str) or isinstance(right, str):
        one, other = to_text(left), to_text(right)
        return None if one is None or other is None else joined((one, other))
    return _calculate(operator.add, left, right)


def subtract(left: Json, right: Json) -> Json:
    """
    The difference of two numbers; null for anything else.
    """
    return _calculate(operator.sub, left, right)


def multiply(left: Json, right: Json) -> Json:
    """
    The product of two numbers; null for anything else.
    """
    return _calculate(operator.mul, left, right)


def divide(left: Json, right: Json) -> Json:
    """
    The quotient: an integer if both are and nothing remains (6 / 2 is 3), else the nearest float.

    Null for a divisor of 0 and for anything but numbers.
    """
    return _calculate(_quotient, left, right)


def remainder(left: Json, right: Json) -> Json:
    """
    What division leaves, with the sign of the dividend: -7 % 3 is -1.

    Null for a divisor of 0 and for anything but numbers.
    """
    return _calculate(_truncated_remainder, left, right)


def negate(value: Json) -> Json:
    """
    The number with the other sign; null for anything else.
    """
    return checked(-value) if is_number(value) else None


def round_half_away(value: Number, digits: int) -> Json:
    """
    Round to *digits* decimals, halves away from zero; to an integer if *digits* is 0.

    A float is rounded as the exact binary number it is: 2.675 is a little less and gives 2.67.
    """
    if isinstance(value, int):
        return value
    if digits == 0:
        return int(Decimal(value).to_integral_value(ROUND_HALF_UP))
    # Floats of this size have no decimals that could be rounded; quantize would need 300 digits.
    if abs(value) >= 2**53:
        return value
    return checked(float(_ROUNDING.quantize(Decimal(value), Decimal(1).scaleb(-digits))))


def is_number(value: Json) -> TypeGuard[Number]:
    """
    True if the value is an integer or a float, and no boolean.
    """
    return kind_of(value) is Kind.NUMBER


def checked(number: Number) -> Number | None:
    """
    The number, or null if it is beyond `MAX_DIGITS` digits or the range of floats.
    """
    if isinstance(number, int):
        return number if -_INTEGER_BOUND < number < _INTEGER_BOUND else None
    # Adding 0.0 turns the negative zero into zero.
    return number + 0.0 if math.isfinite(number) else None


def to_text(value: Json) -> str | None:
    """
    A text, number, boolean or instant as text; null for null, lists and objects.

    Numbers look as in JSON: 7, 7.5, 7.0, 1e+16.
    """
    match kind_of(value):
        case Kind.TEXT | Kind.INSTANT:
            return str(value)
        case Kind.BOOLEAN:
            return "true" if value else "false"
        case Kind.NUMBER:
            return repr(value) if is_number(value) and checked(value) is not None else None
        case _:
            return None


def joined(texts: tuple[str, ...]) -> str:
    """
    The texts, one after the other.

    Raises:
        QueryLimitError: Together they have more than `MAX_VALUE_CHARACTERS`.
    """
    check_length(sum(map(len, texts)))
    return "".join(texts)


def check_length(characters: int) -> None:
    """
    Refuse a text of so many characters before it is made.

    Raises:
        QueryLimitError: These are more than `MAX_VALUE_CHARACTERS`.
    """
    if characters > MAX_VALUE_CHARACTERS:
        raise QueryLimitError(limit="characters in a value", maximum=MAX_VALUE_CHARACTERS)


OPERATIONS: Final[dict[str, Callable[[Json, Json], Json]]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}


def _calculate(operation: Callable[[Number, Number], Number], left: Json, right: Json) -> Json:
    if not (is_number(left) and is_number(right)):
        return None
    try:
        return checked(operation(left, right))
    except (OverflowError, ZeroDivisionError):
        # An integer beyond the floats meets a float, or the divisor is 0.
        return None


def _quotient(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


def _truncated_remainder(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    if right == 0:
        raise ZeroDivisionError
    return math.fmod(left, right)
