"""
GDBQL, the query language of Genesis DB: text to tree to text, and a reference evaluator.

The language knows events only as rows, mappings with the fields of a CloudEvent. What it means is
written down in ``docs/gdbql.md`` and in the cases of ``tests/gdbql/cases``.

>>> query = parse("STREAM e FROM events WHERE e.data.email == 'ada@example.com' MAP COUNT() == 0")
>>> is_true(query, [])
True
"""

from __future__ import annotations

from eventsource.gdbql.aggregates import AGGREGATE_FUNCTIONS, AggregateFunction
from eventsource.gdbql.analysis import (
    VersionGuard,
    aggregates,
    conjunction,
    conjuncts,
    kinds,
    paths,
    version_guard,
)
from eventsource.gdbql.evaluator import PreparedQuery, evaluate, is_true
from eventsource.gdbql.fields import FIELDS
from eventsource.gdbql.functions import SCALAR_FUNCTIONS, ScalarFunction
from eventsource.gdbql.instants import Instant, to_instant
from eventsource.gdbql.parser import parse
from eventsource.gdbql.printer import print_expression, print_query
from eventsource.gdbql.readers import row_reader
from eventsource.gdbql.tree import (
    Aggregate,
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Constant,
    Expression,
    In,
    IsNull,
    Like,
    ListOf,
    Negate,
    Not,
    ObjectOf,
    Or,
    OrderKey,
    Path,
    Query,
    Under,
    Xor,
    walk,
)
from eventsource.gdbql.values import Json, Kind, Row, canonical, compare, is_equal, is_truthy, kind_of

__all__ = [
    "AGGREGATE_FUNCTIONS",
    "FIELDS",
    "SCALAR_FUNCTIONS",
    "Aggregate",
    "AggregateFunction",
    "And",
    "Arithmetic",
    "Between",
    "Call",
    "Comparison",
    "Constant",
    "Expression",
    "In",
    "Instant",
    "IsNull",
    "Json",
    "Kind",
    "Like",
    "ListOf",
    "Negate",
    "Not",
    "ObjectOf",
    "Or",
    "OrderKey",
    "Path",
    "PreparedQuery",
    "Query",
    "Row",
    "ScalarFunction",
    "Under",
    "VersionGuard",
    "Xor",
    "aggregates",
    "canonical",
    "compare",
    "conjunction",
    "conjuncts",
    "evaluate",
    "is_equal",
    "is_true",
    "is_truthy",
    "kind_of",
    "kinds",
    "parse",
    "paths",
    "print_expression",
    "print_query",
    "row_reader",
    "to_instant",
    "version_guard",
    "walk",
]
