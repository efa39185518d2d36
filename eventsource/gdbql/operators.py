"""
The operators of expressions, and how tightly each binds. Parser and printer read the same table.
"""

from __future__ import annotations

from enum import IntEnum


class Binding(IntEnum):
    """
    How tightly an operator holds its operands: the higher number wins.

    ``a OR b AND c`` is ``a OR (b AND c)``; ``NOT a == b`` is ``NOT (a == b)``; ``-a * b`` is
    ``(-a) * b``. Comparisons do not chain: ``a < b < c`` is refused. All others that meet their own
    kind group from the left.
    """

    OR = 1
    XOR = 2
    AND = 3
    NOT = 4
    COMPARISON = 5
    """`==`, `<` and their like, IN, BETWEEN, LIKE, UNDER, DESCENDANTS, IS NULL."""
    SUM = 6
    """`+` and `-` between two operands."""
    PRODUCT = 7
    """`*`, `/` and `%`."""
    SIGN = 8
    """`-` before an operand."""
    OPERAND = 9
    """What needs no brackets anywhere: paths, constants, calls, lists, objects."""


INFIX: dict[str, Binding] = {
    "OR": Binding.OR,
    "XOR": Binding.XOR,
    "AND": Binding.AND,
    "==": Binding.COMPARISON,
    "!=": Binding.COMPARISON,
    "<": Binding.COMPARISON,
    "<=": Binding.COMPARISON,
    ">": Binding.COMPARISON,
    ">=": Binding.COMPARISON,
    "IN": Binding.COMPARISON,
    "BETWEEN": Binding.COMPARISON,
    "LIKE": Binding.COMPARISON,
    "UNDER": Binding.COMPARISON,
    "DESCENDANTS": Binding.COMPARISON,
    "IS": Binding.COMPARISON,
    "NOT": Binding.COMPARISON,  # behind an operand: NOT IN, NOT LIKE
    "+": Binding.SUM,
    "-": Binding.SUM,
    "*": Binding.PRODUCT,
    "/": Binding.PRODUCT,
    "%": Binding.PRODUCT,
}
"""
What can stand behind an operand and continue the expression, by its token.
"""
