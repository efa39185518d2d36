"""
The scalar functions, as one table: what each takes, what it gives, and how it is computed.

All are deterministic; there is no clock. An argument of the wrong kind, null included, gives null,
unless the summary says otherwise.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, TypeGuard

import attrs

from eventsource.gdbql.arithmetic import (
    check_length,
    checked,
    is_number,
    joined,
    round_half_away,
    to_text,
)
from eventsource.gdbql.instants import Instant, to_instant, utc_date, utc_hour
from eventsource.gdbql.limits import MAX_DIGITS, MAX_ITEMS
from eventsource.gdbql.values import Json, Kind, is_equal, is_truthy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@attrs.frozen
class ScalarFunction:
    """
    One function: values in, one value out.

    Attributes:
        name: As it is printed, upper case; a query may write it in any case.

        parameters: Their names, as the documentation shows them; one in brackets may be left out,
            dots mean any number.

        kinds: What its result can be. Empty if it is one of its arguments.

        summary: What it gives, in one line.

        apply: The computation; it takes the arguments by position.
    """

    name: str
    parameters: tuple[str, ...]
    kinds: frozenset[Kind]
    summary: str
    apply: Callable[..., Json] = attrs.field(eq=False, repr=False)

    @property
    def fewest(self) -> int:
        """
        The number of arguments it needs.
        """
        return sum(not parameter.startswith(("[", "...")) for parameter in self.parameters)

    @property
    def most(self) -> int:
        """
        The number of arguments it takes.
        """
        return MAX_ITEMS if self.parameters[-1] == "..." else len(self.parameters)


# --- Texts ---


def _upper(text: Json) -> Json:
    return _not_too_long(text.upper()) if isinstance(text, str) else None


def _lower(text: Json) -> Json:
    return _not_too_long(text.lower()) if isinstance(text, str) else None


def _length(value: Json) -> Json:
    return len(value) if isinstance(value, (str, list, tuple)) else None


def _trim(text: Json) -> Json:
    return text.strip() if isinstance(text, str) else None


def _substring(text: Json, start: Json, *length: Json) -> Json:
    if not (isinstance(text, str) and _is_integer(start) and start >= 1):
        return None
    if not length:
        return text[start - 1 :]
    (count,) = length
    return text[start - 1 :][:count] if _is_integer(count) and count >= 0 else None


def _concat(*values: Json) -> Json:
    return joined(tuple(to_text(value) or "" for value in values))


def _replace(text: Json, old: Json, new: Json) -> Json:
    if not (isinstance(text, str) and isinstance(old, str) and isinstance(new, str)):
        return None
    if not old:
        return text
    check_length(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _starts_with(text: Json, start: Json) -> Json:
    return isinstance(text, str) and isinstance(start, str) and text.startswith(start)


def _ends_with(text: Json, end: Json) -> Json:
    return isinstance(text, str) and isinstance(end, str) and text.endswith(end)


def _contains(whole: Json, part: Json) -> Json:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    return isinstance(whole, (list, tuple)) and any(is_equal(item, part) for item in whole)


# --- Numbers ---


def _abs(number: Json) -> Json:
    return checked(abs(number)) if is_number(number) else None


def _round(number: Json, digits: Json = 0) -> Json:
    # 15 decimal digits are what a float holds for certain.
    if is_number(number) and _is_integer(digits) and 0 <= digits <= 15:  # noqa: PLR2004
        return round_half_away(number, digits)
    return None


def _floor(number: Json) -> Json:
    return math.floor(number) if is_number(number) else None


def _ceil(number: Json) -> Json:
    return math.ceil(number) if is_number(number) else None


# --- Times ---


def _year(time: Json) -> Json:
    instant = _instant(time)
    return None if instant is None else utc_date(instant).year


def _month(time: Json) -> Json:
    instant = _instant(time)
    return None if instant is None else utc_date(instant).month


def _day(time: Json) -> Json:
    instant = _instant(time)
    return None if instant is None else utc_date(instant).day


def _hour(time: Json) -> Json:
    instant = _instant(time)
    return None if instant is None else utc_hour(instant)


def _date(time: Json) -> Json:
    instant = _instant(time)
    return None if instant is None else utc_date(instant).isoformat()


# --- Any value ---


def _coalesce(*values: Json) -> Json:
    return next((value for value in values if value is not None), None)


def _nullif(value: Json, unwanted: Json) -> Json:
    return None if is_equal(value, unwanted) else value


def _if(condition: Json, then: Json, otherwise: Json = None) -> Json:
    return then if is_truthy(condition) else otherwise


def _to_number(value: Json) -> Json:
    if is_number(value):
        return value
    if not (isinstance(value, str) and _JSON_NUMBER.fullmatch(value)):
        return None
    if "." in value or "e" in value or "E" in value:
        return checked(float(value))
    return _integer(value)


def _integer(digits: str) -> int | None:
    # Python itself refuses to read more than 4,300.
    return int(digits) if len(digits.lstrip("-")) <= MAX_DIGITS else None


# The grammar of numbers in JSON. Source: RFC 8259, section 6.
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")


def _is_integer(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _instant(value: Json) -> Instant | None:
    return to_instant(value) if isinstance(value, str) else None


def _not_too_long(text: str) -> str:
    # One character can become three in the other case.
    check_length(len(text))
    return text


_NULL: Final = frozenset({Kind.NULL})
_TEXT: Final = frozenset({Kind.TEXT}) | _NULL
_NUMBER: Final = frozenset({Kind.NUMBER}) | _NULL
_INSTANT: Final = frozenset({Kind.INSTANT}) | _NULL
_BOOLEAN: Final = frozenset({Kind.BOOLEAN})
_ARGUMENT: Final[frozenset[Kind]] = frozenset()

_TABLE: Final = (
    ("UPPER", "text", _TEXT, "in upper case, after Unicode", _upper),
    ("LOWER", "text", _TEXT, "in lower case, after Unicode", _lower),
    ("LENGTH", "value", _NUMBER, "characters of a text, elements of a list", _length),
    ("TRIM", "text", _TEXT, "without white space at both ends", _trim),
    ("SUBSTRING", "text start [length]", _TEXT, "from a place on; 1 is the first", _substring),
    ("CONCAT", "value ...", _TEXT, "all values as one text; null counts as empty", _concat),
    ("REPLACE", "text old new", _TEXT, "every old made new, from the left", _replace),
    ("STARTS_WITH", "text start", _BOOLEAN, "false for anything but texts", _starts_with),
    ("ENDS_WITH", "text end", _BOOLEAN, "false for anything but texts", _ends_with),
    ("CONTAINS", "whole part", _BOOLEAN, "a text in a text, a value in a list", _contains),
    ("ABS", "number", _NUMBER, "without the sign", _abs),
    ("ROUND", "number [digits]", _NUMBER, "halves away from zero; 0 to 15 digits", _round),
    ("FLOOR", "number", _NUMBER, "the integer below", _floor),
    ("CEIL", "number", _NUMBER, "the integer above", _ceil),
    ("YEAR", "time", _NUMBER, "of a time or an RFC 3339 text, in UTC", _year),
    ("MONTH", "time", _NUMBER, "1 to 12, in UTC", _month),
    ("DAY", "time", _NUMBER, "1 to 31, in UTC", _day),
    ("HOUR", "time", _NUMBER, "0 to 23, in UTC", _hour),
    ("DATE", "time", _TEXT, "the day in UTC, as '2024-05-31'", _date),
    ("COALESCE", "value ...", _ARGUMENT, "the first value that is not null", _coalesce),
    ("NULLIF", "value unwanted", _ARGUMENT, "null if the two are equal, else the first", _nullif),
    ("IF", "condition then [otherwise]", _ARGUMENT, "one of two values", _if),
    ("TO_STRING", "value", _TEXT, "a number, boolean or time as text", to_text),
    ("TO_NUMBER", "value", _NUMBER, "a text that is a JSON number as number", _to_number),
    ("TO_TIME", "text", _INSTANT, "an RFC 3339 text as a time, compared as such", _instant),
)

SCALAR_FUNCTIONS: Final[Mapping[str, ScalarFunction]] = {
    name: ScalarFunction(name, tuple(parameters.split()), kinds, summary, apply)
    for name, parameters, kinds, summary, apply in _TABLE
}
"""
Every scalar function by its name.
"""
