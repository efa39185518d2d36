"""
What is true or false, never null: comparisons, and logic over them.

The operands of logic count by their truth, see `values.is_truthy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs

from eventsource.errors import QueryStructureError
from eventsource.gdbql.instants import to_instant
from eventsource.gdbql.lexer import shortened
from eventsource.gdbql.tree.node import Branch
from eventsource.gdbql.tree.operands import Call, Constant, ListOf, Path, is_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventsource.gdbql.tree.expression import Expression

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
    Whether the operand equals an element of a list. NOT IN is `Not` of it.

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
    Whether the operand is neither less than *low* nor greater than *high*.

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
    Whether the operand is null or not there. IS NOT NULL is `Not` of it.
    """

    operand: Expression

    def _children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@attrs.frozen
class Like(Branch):
    """
    Whether the operand is a text that the pattern covers; see `matching.like`.

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
    Whether the operand is a subject, or lies below it: UNDER. With *strictly*: DESCENDANTS.

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
    Whether the operand does not hold.
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
    Whether all operands hold; two or more in one node, so that a long chain is not deep.
    """


@attrs.frozen
class Or(_Junction):
    """
    Whether one operand holds or more; two or more in one node, as in `And`.
    """


@attrs.frozen
class Xor(Branch):
    """
    Whether one of the two operands holds, and the other does not.
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
