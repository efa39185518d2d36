"""
The syntax tree: frozen nodes, one class for each thing a query can say.

A node checks what it is made of, so a tree that exists can be printed, parsed back to an equal tree,
and evaluated. Nodes are equal if they say the same in the same words: ``1`` is not ``1.0``. Nothing
here knows where events come from.
"""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

import attrs

from eventsource.gdbql.aggregates import AGGREGATE_FUNCTIONS
from eventsource.gdbql.arithmetic import OPERATIONS, ArithmeticOperator, checked
from eventsource.gdbql.errors import QueryLimitError, QueryStructureError, QueryValueError
from eventsource.gdbql.fields import FIELDS
from eventsource.gdbql.functions import SCALAR_FUNCTIONS
from eventsource.gdbql.instants import to_instant
from eventsource.gdbql.lexer import KEYWORDS, is_name, shortened, unstorable
from eventsource.gdbql.limits import MAX_DEPTH, MAX_DIGITS, MAX_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@attrs.frozen
class Branch:
    """
    A node above other nodes.

    Attributes:
        height: Nodes from here down to the lowest leaf, this one included.

        has_aggregate: True if an aggregate is among them.
    """

    height: int = attrs.field(init=False, eq=False, repr=False)
    has_aggregate: bool = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        height, has_aggregate = 0, False
        for child in self._children():
            height = max(height, child.height)
            has_aggregate = has_aggregate or child.has_aggregate
        if height >= MAX_DEPTH:
            raise QueryLimitError(limit="levels of nesting", maximum=MAX_DEPTH)
        object.__setattr__(self, "height", height + 1)
        object.__setattr__(self, "has_aggregate", has_aggregate)

    @property
    def children(self) -> tuple[Expression, ...]:
        """
        The nodes directly below, in the order they are written.
        """
        return self._children()

    def _children(self) -> tuple[Expression, ...]:
        raise NotImplementedError


@attrs.frozen
class Leaf:
    """
    A node above nothing.
    """

    height: ClassVar[int] = 1
    has_aggregate: ClassVar[bool] = False
    children: ClassVar[tuple[Expression, ...]] = ()


def walk(expression: Expression) -> Iterator[Expression]:
    """
    The node and all below it, each before those below it, in the order they are written.
    """
    pending: list[Expression] = [expression]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))


def check_text(text: str) -> None:
    """
    Refuse a text that JSON in UTF-8 cannot carry.

    Raises:
        QueryValueError: It has a NUL or half of a surrogate pair.
    """
    problem = unstorable(text)
    if problem:
        msg = f"a query cannot write a text with {problem}"
        raise QueryValueError(msg)


def check_count(items: tuple[Any, ...]) -> None:
    """
    Refuse more items than `MAX_ITEMS`.

    Raises:
        QueryLimitError: There are more.
    """
    if len(items) > MAX_ITEMS:
        raise QueryLimitError(limit="items in a list", maximum=MAX_ITEMS)


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
    True if the value is certain to be the time of an event: ``e.time``, or MIN or MAX of it.
    """
    if isinstance(expression, Aggregate) and expression.function in {"MIN", "MAX"}:
        return expression.argument is not None and is_time(expression.argument)
    return isinstance(expression, Path) and expression.steps == ("time",)


def _unknown_function(name: str) -> str:
    known = [*AGGREGATE_FUNCTIONS, *SCALAR_FUNCTIONS]
    similar = get_close_matches(name, known, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else f"; there are {', '.join(known)}"
    return f"expected a function, found {shortened(name)}{hint}"


ComparisonOperator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]

COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))


@attrs.frozen
class Comparison(Branch):
    """
    Two operands compared.

    Raises:
        QueryStructureError: There is no such operator; a time is compared with a text that names none.
    """

    operator: ComparisonOperator
    left: Expression
    right: Expression

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.operator not in COMPARISONS:
            reason = f"expected an operator, found {shortened(self.operator)!r}"
            raise QueryStructureError(reason, part=self)
        _check_times(self.left, (self.right,))
        _check_times(self.right, (self.left,))

    def _children(self) -> tuple[Expression, ...]:
        return (self.left, self.right)


@attrs.frozen
class In(Branch):
    """
    True if the operand equals an element of a list. NOT IN is `Not` of it.

    Raises:
        QueryStructureError: The choices are neither a list nor something that can give one; a time
            is to equal a text that names none.
    """

    operand: Expression
    choices: ListOf | Path | Call

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not isinstance(self.choices, (ListOf, Path, Call)):  # pyright: ignore[reportUnnecessaryIsInstance] # the parser calls this too
            reason = "expected a list, a path or a function behind IN"
            raise QueryStructureError(reason, part=self)
        if isinstance(self.choices, ListOf):
            _check_times(self.operand, self.choices.items)

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand, self.choices)


@attrs.frozen
class Between(Branch):
    """
    True if the operand is neither less than *low* nor greater than *high*.

    Raises:
        QueryStructureError: A time is compared with a text that names none.
    """

    operand: Expression
    low: Expression
    high: Expression

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        _check_times(self.operand, (self.low, self.high))

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand, self.low, self.high)


@attrs.frozen
class IsNull(Branch):
    """
    True if the operand is null or not there. IS NOT NULL is `Not` of it.
    """

    operand: Expression

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@attrs.frozen
class Like(Branch):
    """
    True if the operand is a text that the pattern covers; see `matching.like`.

    Raises:
        QueryStructureError: The pattern is a constant, but no text.
    """

    operand: Expression
    pattern: Expression

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if isinstance(self.pattern, Constant) and not isinstance(self.pattern.value, str):
            reason = "expected a pattern in quotes behind LIKE"
            raise QueryStructureError(reason, part=self)

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand, self.pattern)


@attrs.frozen
class Under(Branch):
    """
    True if the operand is a subject, or lies below it: UNDER. With *strictly*: DESCENDANTS.

    Raises:
        QueryStructureError: The subject is a constant that does not begin with a slash.
    """

    operand: Expression
    subject: Expression
    strictly: bool = False

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if isinstance(self.subject, Constant):
            value = self.subject.value
            if not (isinstance(value, str) and value.startswith("/")):
                reason = "expected a subject, which begins with a slash"
                raise QueryStructureError(reason, part=self)

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand, self.subject)


@attrs.frozen
class Not(Branch):
    """
    True if the operand does not hold.
    """

    operand: Expression

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@attrs.frozen
class _Junction(Branch):
    operands: tuple[Expression, ...]

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if len(self.operands) < 2:  # noqa: PLR2004
            reason = "expected two operands or more"
            raise QueryStructureError(reason, part=self)

    def _children(self) -> tuple[Expression, ...]:
        return self.operands


@attrs.frozen
class And(_Junction):
    """
    True if all operands hold; two or more in one node, so that a long chain is not deep.
    """


@attrs.frozen
class Or(_Junction):
    """
    True if one operand holds or more; two or more in one node, as in `And`.
    """


@attrs.frozen
class Xor(Branch):
    """
    True if one of the two operands holds, and the other does not.
    """

    left: Expression
    right: Expression

    def _children(self) -> tuple[Expression, ...]:
        return (self.left, self.right)


def _check_times(operand: Expression, others: Iterable[Expression]) -> None:
    # Such a comparison is false for every event, so that COUNT() == 0 would hold for ever.
    if not is_time(operand):
        return
    for other in others:
        if isinstance(other, Constant) and isinstance(other.value, str) and to_instant(other.value) is None:
            reason = f"expected a time such as '2024-05-31T00:00:00Z', found {shortened(other.value)!r}"
            raise QueryStructureError(reason, part=other)


Expression: TypeAlias = (
    Constant
    | Path
    | ListOf
    | ObjectOf
    | Call
    | Aggregate
    | Negate
    | Arithmetic
    | Comparison
    | In
    | Between
    | IsNull
    | Like
    | Under
    | Not
    | And
    | Or
    | Xor
)
"""
Any node. A `match` over it that ends in `assert_never` lets the type checker find a forgotten one.
"""


@attrs.frozen
class OrderKey:
    """
    One key to sort by; lowest first unless *descending*.
    """

    expression: Expression
    descending: bool = False


@attrs.frozen(kw_only=True)
class Query:
    """
    A query: from the events, oldest first, to its rows.

    Attributes:
        where: Which events take part; None means all.

        group_by: What the events of one group share. Without, a grouped query has one group.

        having: Which groups take part.

        order_by: By what events or groups are sorted, the first key first; equal ones keep the order
            they had. Unsorted, events are oldest first, groups in the order of their oldest events.

        projection: What a row is made of; None is the event as it is.

        distinct: True if only the first of equal rows is kept.

        skip: The number of rows that are left out at the beginning.

        limit: The number of rows there are at most; None means all.

        alias: What the text calls an event. It has no effect.

    Raises:
        QueryStructureError: An aggregate where events are chosen or grouped; in a grouped query no
            projection, or a path that is neither in a key of the groups nor in an aggregate;
            *distinct* without a projection; negative counts; an alias that is no name.

        QueryLimitError: A list of more than `MAX_ITEMS` keys, a count of more than `MAX_DIGITS`.
    """

    where: Expression | None = None
    group_by: tuple[Expression, ...] = ()
    having: Expression | None = None
    order_by: tuple[OrderKey, ...] = ()
    projection: Expression | None = None
    distinct: bool = False
    skip: int = 0
    limit: int | None = None
    alias: str = "e"

    def __attrs_post_init__(self) -> None:
        _check_alias(self.alias)
        _check_counts(self.skip, self.limit)
        check_count(self.group_by)
        check_count(self.order_by)
        if self.distinct and self.projection is None:
            msg = "expected MAP with DISTINCT"
            raise QueryStructureError(msg)
        for expression in (self.where, *self.group_by):
            _check_no_aggregate(expression)
        if self.is_grouped:
            self._check_groups()

    @property
    def is_grouped(self) -> bool:
        """
        True if rows are made of groups of events: with GROUP BY, HAVING, or any aggregate.
        """
        return bool(
            self.group_by
            or self.having is not None
            or (self.projection is not None and self.projection.has_aggregate)
            or any(key.expression.has_aggregate for key in self.order_by)
        )

    @property
    def _parts_over_groups(self) -> tuple[Expression | None, ...]:
        return (self.projection, self.having, *(key.expression for key in self.order_by))

    def _check_groups(self) -> None:
        if self.projection is None:
            msg = "expected MAP, found groups of events without one"
            raise QueryStructureError(msg)
        keys = frozenset(self.group_by)
        for part in self._parts_over_groups:
            _check_within_groups(part, keys)


def _check_alias(alias: str) -> None:
    if not is_name(alias) or (alias.isascii() and alias.upper() in KEYWORDS):
        msg = f"expected a name for the event, found {shortened(alias)!r}"
        raise QueryStructureError(msg)


def _check_counts(*counts: int | None) -> None:
    for count in counts:
        if count is None:
            continue
        if type(count) is not int or count < 0:
            msg = "expected a count of rows, 0 or more"
            raise QueryStructureError(msg)
        if checked(count) is None:
            raise QueryLimitError(limit="digits in a number", maximum=MAX_DIGITS)


def _check_no_aggregate(expression: Expression | None) -> None:
    if expression is None or not expression.has_aggregate:
        return
    aggregate = next(node for node in walk(expression) if isinstance(node, Aggregate))
    reason = f"{aggregate.function} cannot stand in WHERE or GROUP BY, where there are no groups yet"
    raise QueryStructureError(reason, part=aggregate)


def _check_within_groups(expression: Expression | None, keys: frozenset[Expression]) -> None:
    pending = [] if expression is None else [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, Aggregate) or node in keys:
            continue
        if isinstance(node, Path):
            reason = "a group has many events: expected a key of GROUP BY, or an aggregate"
            raise QueryStructureError(reason, part=node)
        pending.extend(reversed(node.children))
