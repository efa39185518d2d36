"""
The union of all nodes an expression is made of.
"""

from __future__ import annotations

from typing import TypeAlias

from eventsource.gdbql.tree.conditions import (
    And,
    Between,
    Comparison,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Under,
    Xor,
)
from eventsource.gdbql.tree.operands import (
    Aggregate,
    Arithmetic,
    Call,
    Constant,
    ListOf,
    Negate,
    ObjectOf,
    Path,
)

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
