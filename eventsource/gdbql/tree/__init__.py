"""
The syntax tree: frozen nodes, one class for each thing a query can say.

A node checks what it is made of, so a tree that exists can be printed, parsed back to an equal tree,
and evaluated. Nodes are equal if they say the same in the same words: ``1`` is not ``1.0``. Nothing
here knows where events come from.
"""

from __future__ import annotations

from eventsource.gdbql.tree.conditions import (
    COMPARISONS,
    And,
    Between,
    Comparison,
    ComparisonOperator,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Under,
    Xor,
)
from eventsource.gdbql.tree.expression import Expression
from eventsource.gdbql.tree.node import walk
from eventsource.gdbql.tree.operands import (
    Aggregate,
    Arithmetic,
    Call,
    Constant,
    ListOf,
    Negate,
    ObjectOf,
    Path,
    Scalar,
    is_time,
)
from eventsource.gdbql.tree.query import OrderKey, Query

__all__ = [
    "COMPARISONS",
    "Aggregate",
    "And",
    "Arithmetic",
    "Between",
    "Call",
    "Comparison",
    "ComparisonOperator",
    "Constant",
    "Expression",
    "In",
    "IsNull",
    "Like",
    "ListOf",
    "Negate",
    "Not",
    "ObjectOf",
    "Or",
    "OrderKey",
    "Path",
    "Query",
    "Scalar",
    "Under",
    "Xor",
    "is_time",
    "walk",
]
