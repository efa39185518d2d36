"""
Expressions as plain functions: from a row, or a group of rows, to a value.

Each node becomes one closure over those of its children, built once for a query and called for each
row; nothing is looked up in the tree while rows are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, assert_never

from eventsource.gdbql.analysis import kinds
from eventsource.gdbql.arithmetic import OPERATIONS, negate
from eventsource.gdbql.errors import QueryStructureError
from eventsource.gdbql.functions import SCALAR_FUNCTIONS
from eventsource.gdbql.instants import to_instant
from eventsource.gdbql.matching import is_below, is_under, like
from eventsource.gdbql.tree import (
    Aggregate,
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Constant,
    In,
    IsNull,
    Like,
    ListOf,
    Negate,
    Not,
    ObjectOf,
    Or,
    Path,
    Under,
    Xor,
)
from eventsource.gdbql.values import Json, Kind, Row, canonical, compare, is_equal, to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventsource.gdbql.tree import Expression

Reader: TypeAlias = Callable[[Any], Json]
"""
Reads a value from a row, or from whatever the builder's leaves read from.
"""

Leaves: TypeAlias = "Callable[[Expression], Reader | None]"
"""
Gives the reader of a node that is read as a whole, or None if it is built from its children.
"""


def row_reader(expression: Expression) -> Reader:
    """
    A function from a row to the value of *expression*, which has no aggregates.
    """
    return build_reader(expression, _row_leaf)


def build_reader(node: Expression, leaves: Leaves) -> Reader:  # noqa: C901, PLR0911, PLR0912 - a case per node
    """
    A function to the value of *node*, with the nodes that *leaves* knows read by its readers.
    """
    known = leaves(node)
    if known is not None:
        return known
    match node:
        case Constant(value):
            return lambda _: value
        case ListOf():
            return _list(node, leaves)
        case ObjectOf():
            return _object(node, leaves)
        case Call():
            return _call(node, leaves)
        case Negate(operand):
            read = build_reader(operand, leaves)
            return lambda row: negate(read(row))
        case Arithmetic(operator, left, right):
            return _infix(OPERATIONS[operator], left, right, leaves)
        case Comparison():
            return _comparison(node, leaves)
        case In():
            return _in(node, leaves)
        case Between():
            return _between(node, leaves)
        case IsNull(operand):
            read = build_reader(operand, leaves)
            return lambda row: read(row) is None
        case Like():
            return _like(node, leaves)
        case Under():
            return _under(node, leaves)
        case Not(operand):
            read = build_reader(operand, leaves)
            return lambda row: not read(row)
        case And(operands):
            return _and([build_reader(operand, leaves) for operand in operands])
        case Or(operands):
            return _or([build_reader(operand, leaves) for operand in operands])
        case Xor(left, right):
            return _infix(lambda a, b: bool(a) is not bool(b), left, right, leaves)
        case Path() | Aggregate():
            msg = "an aggregate is read from a group, a path from an event"
            raise QueryStructureError(msg, part=node)
        case _:
            assert_never(node)


# --- Leaves: paths into an event ---


def _row_leaf(node: Expression) -> Reader | None:
    if not isinstance(node, Path):
        return None
    if not node.steps:
        return _read_whole
    field, *steps = node.steps
    if field == "time":
        return _read_time
    if not steps:
        return lambda row: row.get(field)
    if len(steps) == 1:
        step = steps[0]
        return lambda row: _child(row.get(field), step)
    return lambda row: _descend(row.get(field), steps)


def _read_whole(row: Row) -> Json:
    return row if isinstance(row, dict) else dict(row)


def _read_time(row: Row) -> Json:
    text = row.get("time")
    # A time that is none stays the text it is.
    return (to_instant(text) or text) if isinstance(text, str) else text


def _child(value: Any, step: str | int) -> Json:
    kind: object = value.__class__
    if isinstance(step, str):
        return value.get(step) if kind is dict else None
    return value[step] if kind is list and step < len(value) else None


def _descend(value: Json, steps: Sequence[str | int]) -> Json:
    for step in steps:
        value = _child(value, step)
    return value


# --- Lists, objects, calls ---


def _list(node: ListOf, leaves: Leaves) -> Reader:
    readers = [build_reader(item, leaves) for item in node.items]
    return lambda row: [to_plain(read(row)) for read in readers]


def _object(node: ObjectOf, leaves: Leaves) -> Reader:
    readers = [(name, build_reader(value, leaves)) for name, value in node.members]
    return lambda row: {name: to_plain(read(row)) for name, read in readers}


def _call(node: Call, leaves: Leaves) -> Reader:
    apply = SCALAR_FUNCTIONS[node.function].apply
    readers = [build_reader(argument, leaves) for argument in node.arguments]
    return lambda row: apply(*[read(row) for read in readers])


def _infix(operation: Callable[[Json, Json], Json], left: Expression, right: Expression, leaves: Leaves) -> Reader:
    read_left, read_right = build_reader(left, leaves), build_reader(right, leaves)
    return lambda row: operation(read_left(row), read_right(row))


# --- Comparisons ---

# What `compare` may say for the comparison to hold; it says None where the two have no order.
_ACCEPTED: Final[Mapping[str, frozenset[int]]] = {
    "<": frozenset({-1}),
    "<=": frozenset({-1, 0}),
    ">": frozenset({1}),
    ">=": frozenset({0, 1}),
}


def compares(operator: str, left: Json, right: Json) -> bool:
    """
    True if a comparison of two values holds; a time is one already, and no text.
    """
    if operator == "==":
        return is_equal(left, right)
    if operator == "!=":
        return not is_equal(left, right)
    return compare(left, right) in _ACCEPTED[operator]


def _comparison(node: Comparison, leaves: Leaves) -> Reader:
    left = _beside(node.right, node.left, leaves)
    right = _beside(node.left, node.right, leaves)
    if node.operator == "==":
        return _equality(node, left, right)
    if node.operator == "!=":
        equal = _equality(node, left, right)
        return lambda row: not equal(row)
    accepted = _ACCEPTED[node.operator]
    return lambda row: compare(left(row), right(row)) in accepted


def _equality(node: Comparison, left: Reader, right: Reader) -> Reader:
    # Most guards ask for a subject, type or member equal to a text; Python compares these right.
    for constant, other, read in ((node.left, node.right, right), (node.right, node.left, left)):
        text = constant.value if isinstance(constant, Constant) else None
        if isinstance(text, str) and Kind.INSTANT not in kinds(other):
            return _equals_text(read, text)
    return lambda row: is_equal(left(row), right(row))


def _equals_text(read: Reader, text: str) -> Reader:
    return lambda row: read(row) == text


def _beside(other: Expression, node: Expression, leaves: Leaves) -> Reader:
    """
    The reader of *node*; if it is a text, and *other* a time, the text is read as a time only once.
    """
    if isinstance(node, Constant) and isinstance(node.value, str) and kinds(other) <= _TIME:
        instant = to_instant(node.value)
        if instant is not None:
            return lambda _: instant
    return build_reader(node, leaves)


_TIME: Final = frozenset({Kind.INSTANT, Kind.NULL})


def _in(node: In, leaves: Leaves) -> Reader:
    read = build_reader(node.operand, leaves)
    # In a group the list as a whole may be a key.
    if not isinstance(node.choices, ListOf) or leaves(node.choices) is not None:
        read_list = build_reader(node.choices, leaves)
        return lambda row: _is_among(read(row), read_list(row))
    choices = [_beside(node.operand, item, leaves) for item in node.choices.items]
    constant = all(isinstance(item, Constant) for item in node.choices.items)
    # An instant may equal a text, so only where the two cannot meet a look-up will do.
    if constant and (Kind.INSTANT not in kinds(node.operand) or kinds(node.operand) <= _TIME):
        values = frozenset(canonical(choice(None)) for choice in choices)
        return lambda row: canonical(read(row)) in values
    return lambda row: _is_among(read(row), [choice(row) for choice in choices])


def _is_among(value: Json, choices: Json) -> bool:
    return isinstance(choices, (list, tuple)) and any(is_equal(value, item) for item in choices)


def _between(node: Between, leaves: Leaves) -> Reader:
    read = build_reader(node.operand, leaves)
    low = _beside(node.operand, node.low, leaves)
    high = _beside(node.operand, node.high, leaves)
    above, below = _ACCEPTED[">="], _ACCEPTED["<="]

    def is_between(row: Any) -> bool:
        value = read(row)
        return compare(value, low(row)) in above and compare(value, high(row)) in below

    return is_between


def _like(node: Like, leaves: Leaves) -> Reader:
    read = build_reader(node.operand, leaves)
    if isinstance(node.pattern, Constant):
        matches = like(str(node.pattern.value))
        return lambda row: isinstance(text := read(row), str) and matches(text)
    read_pattern = build_reader(node.pattern, leaves)

    def is_like(row: Any) -> bool:
        text, pattern = read(row), read_pattern(row)
        return isinstance(text, str) and isinstance(pattern, str) and like(pattern)(text)

    return is_like


def _under(node: Under, leaves: Leaves) -> Reader:
    read, read_ancestor = build_reader(node.operand, leaves), build_reader(node.subject, leaves)
    test = is_below if node.strictly else is_under

    def lies_under(row: Any) -> bool:
        subject, ancestor = read(row), read_ancestor(row)
        return isinstance(subject, str) and isinstance(ancestor, str) and test(subject, ancestor)

    return lies_under


# --- Logic ---


def _and(readers: list[Reader]) -> Reader:
    # A loop: all() over a generator takes twice as long.
    def hold_all(row: Any) -> bool:
        for read in readers:  # noqa: SIM110
            if not read(row):
                return False
        return True

    return hold_all


def _or(readers: list[Reader]) -> Reader:
    def holds_any(row: Any) -> bool:
        for read in readers:  # noqa: SIM110
            if read(row):
                return True
        return False

    return holds_any
