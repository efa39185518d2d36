"""
The aggregate functions, as one table of accumulators.

An accumulator takes one value after the other and tells the result at the end; null is never given
to it. The order of the values changes no result, only which of equal values MIN and MAX give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from eventsource.gdbql.arithmetic import checked, divide, is_number
from eventsource.gdbql.values import Json, Kind, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Accumulator(Protocol):
    """
    An aggregate while it is being computed.
    """

    def add(self, value: Json) -> None:
        """
        Take one more value, never null.
        """

    def result(self) -> Json:
        """
        The aggregate of the values taken so far.
        """


@attrs.frozen
class AggregateFunction:
    """
    One function: the values of many events in, one value out.

    Attributes:
        name: As it is printed, upper case; a query may write it in any case.

        kinds: What its result can be. Empty if it is one of the values taken, or null.

        summary: What it gives, in one line.

        start: A new accumulator.
    """

    name: str
    kinds: frozenset[Kind]
    summary: str
    start: Callable[[], Accumulator] = attrs.field(eq=False, repr=False)


class Count:
    """
    The number of values there were.
    """

    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Json) -> None:  # noqa: ARG002 - one interface
        """
        Count one more.
        """
        self._count += 1

    def result(self) -> int:
        """
        The number so far.
        """
        return self._count


class Sum:
    """
    The exact sum of all numbers among the values, rounded once at the end.

    It is an integer if all of them are, 0 if there are none, else the float nearest to the exact sum;
    null if that is beyond the floats, or an integer has too many digits.
    """

    # Every float is an integer times 2**-1074, the smallest float above zero.
    _UNIT_BITS = 1074

    def __init__(self) -> None:
        self._integers = 0
        self._units = 0
        self._has_floats = False
        self.numbers = 0

    def add(self, value: Json) -> None:
        """
        Add a number; skip anything else.
        """
        if not is_number(value):
            return
        self.numbers += 1
        if isinstance(value, int):
            self._integers += value
        else:
            numerator, denominator = value.as_integer_ratio()
            self._units += numerator << (self._UNIT_BITS + 1 - denominator.bit_length())
            self._has_floats = True

    def result(self) -> Json:
        """
        The sum so far.
        """
        if not self._has_floats:
            return checked(self._integers)
        exact = (self._integers << self._UNIT_BITS) + self._units
        try:
            # Python divides integers correctly rounded.
            return checked(exact / (1 << self._UNIT_BITS))
        except OverflowError:
            return None


class Average:
    """
    The sum divided by how many numbers there were; null if there were none.
    """

    def __init__(self) -> None:
        self._sum = Sum()

    def add(self, value: Json) -> None:
        """
        Take a number; skip anything else.
        """
        self._sum.add(value)

    def result(self) -> Json:
        """
        The average so far.
        """
        return divide(self._sum.result(), self._sum.numbers)


class Extreme:
    """
    The lowest or highest value in the order of all values, the first of equal ones; null for none.
    """

    def __init__(self, *, highest: bool) -> None:
        self._highest = highest
        self._value: Json = None
        self._place: tuple[Any, ...] | None = None

    def add(self, value: Json) -> None:
        """
        Keep the value if it lies further out than all before.
        """
        place = canonical(value)
        if self._place is None or (place > self._place if self._highest else place < self._place):
            self._value, self._place = value, place

    def result(self) -> Json:
        """
        The value kept.
        """
        return self._value


class Distinct:
    """
    Gives another accumulator only the first of equal values.
    """

    def __init__(self, accumulator: Accumulator) -> None:
        self._accumulator = accumulator
        self._seen: set[tuple[Any, ...]] = set()

    def add(self, value: Json) -> None:
        """
        Pass the value on unless an equal one came before.
        """
        place = canonical(value)
        if place not in self._seen:
            self._seen.add(place)
            self._accumulator.add(value)

    def result(self) -> Json:
        """
        What the other accumulator tells.
        """
        return self._accumulator.result()


_COUNT: Final = frozenset({Kind.NUMBER})
_NUMBER: Final = frozenset({Kind.NUMBER, Kind.NULL})
_VALUE: Final[frozenset[Kind]] = frozenset()

_TABLE: Final = (
    ("COUNT", _COUNT, "the events; with an argument, its values that are not null", Count),
    ("SUM", _NUMBER, "the exact sum of the numbers; 0 if there are none", Sum),
    ("AVG", _NUMBER, "the sum of the numbers divided by their count", Average),
    ("MIN", _VALUE, "the lowest value that is not null", lambda: Extreme(highest=False)),
    ("MAX", _VALUE, "the highest value that is not null", lambda: Extreme(highest=True)),
)

AGGREGATE_FUNCTIONS: Final[Mapping[str, AggregateFunction]] = {
    name: AggregateFunction(name, kinds, summary, start) for name, kinds, summary, start in _TABLE
}
"""
Every aggregate function by its name.
"""
