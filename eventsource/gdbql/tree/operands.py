"""
What expressions are made of: constants, paths into the event, lists, objects, calls, arithmetic.
"""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from eventsource.errors import QueryLimitError, QueryStructureError, QueryValueError
from eventsource.gdbql.aggregates import AGGREGATE_FUNCTIONS
from eventsource.gdbql.arithmetic import OPERATIONS, ArithmeticOperator, checked
from eventsource.gdbql.fields import FIELDS
from eventsource.gdbql.functions import SCALAR_FUNCTIONS
from eventsource.gdbql.lexer import shortened
from eventsource.gdbql.limits import MAX_DIGITS
from eventsource.gdbql.tree.node import Branch, Leaf, check_count, check_text

if TYPE_CHECKING:
    from eventsource.gdbql.tree.expression import Expression

Scalar: TypeAlias = bool | int | float | str | None


def _upper(name: str) -> str:
    # Beyond ASCII there are letters whose upper case is an ASCII letter.
    return name.upper() if name.isascii() else name


def _plain(value: Scalar) -> Scalar:
    # Subclasses of str and int would print as themselves; minus zero would print unlike its equal.
    if type(value) is float:
        return value + 0.0
    if value is None or type(value) in _SCALARS:
        return value
    for scalar in _SCALARS:
        if isinstance(value, scalar):  # pyright: ignore[reportUnnecessaryIsInstance] # unchecked code calls this too
            return scalar(value)
    msg = f"a query has no constants of type {type(value).__name__}"
    raise QueryValueError(msg)


def _exact(value: Scalar) -> tuple[type, Scalar]:
    return type(value), value


_SCALARS: Final = (bool, int, float, str)


@attrs.frozen
class Constant(Leaf):
    """
    A value written in the query: text, number, boolean or null.

    Raises:
        QueryValueError: It cannot be written: NaN, an infinity, a text with NUL or half of a
            surrogate pair, or another type.

        QueryLimitError: An integer of more than `MAX_DIGITS` digits.
    """

    value: Scalar = attrs.field(converter=_plain, eq=_exact)

    def __attrs_post_init__(self) -> None:
        value = self.value
        if type(value) is str:
            check_text(value)
        elif type(value) is float:
            if not math.isfinite(value):
                msg = f"a query cannot write {value}"
                raise QueryValueError(msg)
        elif type(value) is int and checked(value) is None:
            raise QueryLimitError(limit="digits in a number", maximum=MAX_DIGITS)


@attrs.frozen
class Path(Leaf):
    """
    A value read from the event: ``e.data.lines[0].cents`` is ``("data", "lines", 0, "cents")``.

    No steps at all is the whole event. A text is a member of an object, a number an element of a
    list, 0 the first. What is not there is null.

    Raises:
        QueryStructureError: The first step is no field of events, or goes below a field other than
            `data`.
    """

    steps: tuple[str | int, ...] = ()

    def __attrs_post_init__(self) -> None:
        if not self.steps:
            return
        field = self.steps[0]
        if field not in FIELDS:
            reason = f"expected a field of events, found {shortened(str(field))!r}; the fields are {', '.join(FIELDS)}"
            raise QueryStructureError(reason, part=self)
        if len(self.steps) > 1 and field != "data":
            reason = f"{field} has no members, only data has"
            raise QueryStructureError(reason, part=self)
        for step in self.steps:
            if isinstance(step, str):
                check_text(step)
            elif type(step) is not int or step < 0 or checked(step) is None:
                reason = "expected an index of 0 or more"
                raise QueryStructureError(reason, part=self)


@attrs.frozen
class ListOf(Branch):
    """
    A list made of values: ``[e.id, 1]``.

    Raises:
        QueryLimitError: More than `MAX_ITEMS` elements.
    """

    items: tuple[Expression, ...]

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_count(self.items)

    def _children(self) -> tuple[Expression, ...]:
        return self.items


@attrs.frozen
class ObjectOf(Branch):
    """
    An object made of values: ``{ id: e.id }`` has the members ``(("id", Path(("id",))),)``.

    Raises:
        QueryStructureError: Two members of one name.

        QueryLimitError: More than `MAX_ITEMS` members.
    """

    members: tuple[tuple[str, Expression], ...]

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_count(self.members)
        names: set[str] = set()
        for name, _ in self.members:
            check_text(name)
            if name in names:
                reason = f"expected different names, found {shortened(name)!r} twice"
                raise QueryStructureError(reason, part=self)
            names.add(name)

    def _children(self) -> tuple[Expression, ...]:
        return tuple(value for _, value in self.members)


@attrs.frozen
class Call(Branch):
    """
    A scalar function and its arguments: ``UPPER(e.data.name)``.

    Raises:
        QueryStructureError: There is no such function, or it takes another number of arguments.
    """

    function: str = attrs.field(converter=_upper)
    arguments: tuple[Expression, ...]

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        known = SCALAR_FUNCTIONS.get(self.function)
        if known is None:
            raise QueryStructureError(_unknown_function(self.function), part=self)
        if not known.fewest <= len(self.arguments) <= known.most:
            reason = f"expected {self.function}({', '.join(known.parameters)}), found {len(self.arguments)} arguments"
            raise QueryStructureError(reason, part=self)

    def _children(self) -> tuple[Expression, ...]:
        return self.arguments


@attrs.frozen
class Aggregate(Branch):
    """
    An aggregate function over the events of a group: ``COUNT()``, ``SUM(DISTINCT e.data.cents)``.

    Raises:
        QueryStructureError: There is no such function; any but COUNT has no argument; the argument
            holds another aggregate; DISTINCT without an argument.
    """

    function: str = attrs.field(converter=_upper)
    argument: Expression | None = None
    distinct: bool = False

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.function not in AGGREGATE_FUNCTIONS:
            raise QueryStructureError(_unknown_function(self.function), part=self)
        if self.argument is None:
            if self.function != "COUNT" or self.distinct:
                reason = f"expected {self.function} of a value"
                raise QueryStructureError(reason, part=self)
        elif self.has_aggregate:
            reason = "an aggregate cannot be taken of an aggregate"
            raise QueryStructureError(reason, part=self)
        object.__setattr__(self, "has_aggregate", True)

    def _children(self) -> tuple[Expression, ...]:
        return () if self.argument is None else (self.argument,)


@attrs.frozen
class Negate(Branch):
    """
    The operand with the other sign: ``-e.data.cents``.
    """

    operand: Expression

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@attrs.frozen
class Arithmetic(Branch):
    """
    Two operands calculated with, or two texts put together with ``+``.

    Raises:
        QueryStructureError: There is no such operator.
    """

    operator: ArithmeticOperator
    left: Expression
    right: Expression

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.operator not in OPERATIONS:
            reason = f"expected an operator, found {shortened(self.operator)!r}"
            raise QueryStructureError(reason, part=self)

    def _children(self) -> tuple[Expression, ...]:
        return (self.left, self.right)


def is_time(expression: Expression) -> bool:
    """
    Whether the value is certain to be the time of an event: ``e.time``, or MIN or MAX of it.
    """
    if isinstance(expression, Aggregate) and expression.function in {"MIN", "MAX"}:
        return expression.argument is not None and is_time(expression.argument)
    return isinstance(expression, Path) and expression.steps == ("time",)


def _unknown_function(name: str) -> str:
    known = [*AGGREGATE_FUNCTIONS, *SCALAR_FUNCTIONS]
    similar = get_close_matches(name, known, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else f"; there are {', '.join(known)}"
    return f"expected a function, found {shortened(name)}{hint}"
