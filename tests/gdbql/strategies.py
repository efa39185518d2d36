"""
Hypothesis strategies for queries and logs: valid trees of every kind of node, and events they find something in.

Names, values and texts come from small pools, so that conditions hold now and then, groups have more than one event,
and unlike values meet.
"""

from __future__ import annotations

from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from eventsource.errors import QueryError
from eventsource.gdbql import (
    AGGREGATE_FUNCTIONS,
    FIELDS,
    SCALAR_FUNCTIONS,
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
)
from tests.gdbql.case_files import complete_event

# What JSON in UTF-8 can carry, and SQLite does not cut.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)

SUBJECTS = ("/", "/a", "/a/b", "/a/b/c", "/ab", "/b")
TIMES = (
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00.5Z",
    "2024-01-01T00:00:00.500000001Z",
    "2024-01-01T01:00:00+01:00",
    "2024-02-29T23:59:60.000Z",
)
NAMES = ("a", "b", "order", "first-name", "größe")

numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(2**53 - 1, 2**53 + 1),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 0.5, 1.0, 2.5, 2.0**53, 1e16, 1e-7, 1e300]),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    texts,
    st.sampled_from(["", "a", "A", "ab", "a%", "_b", "'", '"', "\\", 'it\'s "x"\\', *SUBJECTS, *TIMES]),
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=5,
)


_event_fields = st.fixed_dictionaries(
    {
        "subject": st.sampled_from(SUBJECTS),
        "type": st.sampled_from(["t1", "t2"]),
        "time": st.sampled_from(TIMES),
        "data": st.dictionaries(st.sampled_from(NAMES), json_values, max_size=3) | json_values,
    }
)
logs = st.lists(_event_fields, max_size=8).map(
    lambda given: [complete_event(fields, index) for index, fields in enumerate(given)]
)
"""
Logs of up to eight events.
"""


constants = scalars.map(Constant)
steps = st.lists(st.sampled_from(NAMES) | st.integers(0, 2), max_size=2).map(tuple)
paths = st.one_of(
    st.sampled_from([(field,) for field in FIELDS]).map(Path),
    steps.map(lambda below: Path(("data", *below))),
    texts.map(lambda name: Path(("data", name))),
    st.just(Path()),
)


def expressions(
    leaves: st.SearchStrategy[Expression] = constants | paths, lists: st.SearchStrategy[Expression] = paths
) -> st.SearchStrategy[Expression]:
    """
    Expressions of all kinds of nodes over the leaves given; *lists* may stand behind IN, beside lists.
    """
    return st.recursive(leaves, lambda inner: _above(inner, lists), max_leaves=8)


def _above(inner: st.SearchStrategy[Expression], lists: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        _operators(inner),
        _build(ListOf, st.lists(inner, max_size=3).map(tuple)),
        _build(ObjectOf, st.dictionaries(texts | st.sampled_from(NAMES), inner, max_size=3).map(_members)),
        _calls(inner),
        _build(In, inner, _build(ListOf, st.lists(inner, max_size=3).map(tuple)) | lists | _calls(inner)),
    )


def _operators(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """
    Only what is written between, before or behind operands: where brackets are easily forgotten.
    """
    chains = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        _build(Negate, inner),
        _build(Arithmetic, st.sampled_from(["+", "-", "*", "/", "%"]), inner, inner),
        _build(Comparison, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner, inner),
        _build(In, inner, inner.map(lambda item: ListOf((item,)))),
        _build(Between, inner, inner, inner),
        _build(IsNull, inner),
        _build(Like, inner, inner),
        _build(Under, inner, inner, st.booleans()),
        _build(Not, inner),
        _build(And, chains),
        _build(Or, chains),
        _build(Xor, inner, inner),
    )


def _members(members: dict[str, Expression]) -> tuple[tuple[str, Expression], ...]:
    return tuple(members.items())


@st.composite
def _build(draw: st.DrawFn, node: Any, *parts: st.SearchStrategy[Any]) -> Any:
    try:
        return node(*map(draw, parts))
    except QueryError:
        # Some parts do not go together, such as a time and a text that is none.
        reject()


@st.composite
def _calls(draw: st.DrawFn, inner: st.SearchStrategy[Expression]) -> Expression:
    function = draw(st.sampled_from(list(SCALAR_FUNCTIONS.values())))
    most = min(function.most, function.fewest + 2)
    arguments = draw(st.lists(inner, min_size=function.fewest, max_size=most))
    return Call(function.name, tuple(arguments))


operator_expressions = st.recursive(
    st.sampled_from([Constant(1), Constant(-1), Path(("data", "a"))]), _operators, max_leaves=12
)
"""
Expressions of operators over few operands.
"""

row_expressions = expressions()
"""
Expressions over one event.
"""

_aggregates = st.just(Aggregate("COUNT")) | _build(
    Aggregate, st.sampled_from(list(AGGREGATE_FUNCTIONS)), row_expressions, st.booleans()
)
_type, _subject, _data = Path(("type",)), Path(("subject",)), Path(("data", "a"))
_KEYS: tuple[tuple[Expression, ...], ...] = (
    (),
    (_type,),
    (_data,),
    (_subject, _data),
    (Path(("time",)),),
    (Path(("data",)),),
    (ListOf((_type, Constant(1))), Constant(1)),
    (Call("LENGTH", (_subject,)), Comparison("==", _data, Constant(1))),
)
# Made once: a strategy takes longer to make than to draw from.
_over_groups = {
    keys: expressions(_aggregates | constants | st.sampled_from([Aggregate("COUNT"), *keys]), st.nothing())
    for keys in _KEYS
}


def _order(keys: st.SearchStrategy[Expression]) -> st.SearchStrategy[tuple[OrderKey, ...]]:
    return st.lists(st.builds(OrderKey, keys, st.booleans()), max_size=2).map(tuple)


def _queries_by(keys: tuple[Expression, ...]) -> st.SearchStrategy[Query]:
    over_groups = _over_groups[keys]
    return st.builds(
        Query,
        where=st.none() | row_expressions,
        group_by=st.just(keys),
        having=st.none() | over_groups,
        order_by=_order(over_groups),
        # Without a key only an aggregate makes it a grouped query.
        projection=over_groups if keys else over_groups.map(lambda value: ListOf((Aggregate("COUNT"), value))),
        distinct=st.booleans(),
        skip=st.integers(0, 1),
        limit=st.none() | st.integers(0, 5),
    )


plain_queries = st.builds(
    Query,
    where=st.none() | row_expressions,
    order_by=_order(row_expressions),
    projection=row_expressions,
    distinct=st.booleans(),
    skip=st.integers(0, 3),
    limit=st.none() | st.integers(0, 5),
    alias=st.sampled_from(["e", "event", "Ä_1"]),
) | st.builds(
    Query, where=st.none() | row_expressions, order_by=_order(row_expressions), limit=st.none() | st.integers(0, 5)
)
"""
Queries whose rows are events, or made of one event each.
"""

grouped_queries = st.one_of([_queries_by(keys) for keys in _KEYS])
"""
Queries whose rows are made of groups of events.
"""

queries = plain_queries | grouped_queries
"""
Queries of both kinds.
"""
