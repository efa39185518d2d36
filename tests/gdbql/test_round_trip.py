"""
Generated trees: printing and parsing give them back, and evaluating them keeps the laws of the language.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventsource.gdbql import (
    Comparison,
    Constant,
    Expression,
    Kind,
    Not,
    Query,
    canonical,
    conjunction,
    conjuncts,
    evaluate,
    is_equal,
    is_true,
    kind_of,
    kinds,
    parse,
    print_query,
    row_reader,
)
from tests.gdbql.strategies import json_values, logs, operator_expressions, plain_queries, queries, row_expressions

if TYPE_CHECKING:
    from tests.gdbql.case_files import Event

LONG = os.environ.get("EVENTSOURCE_LONG") == "1"
# Trees take a while to draw: 300 of them some five seconds.
many = settings(
    max_examples=3_000 if LONG else 300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@many
@given(query=queries, dialect=st.sampled_from(["modern", "classic"]))
def test_printed_tree_parses_to_itself(query: Query, dialect: Any) -> None:
    """
    A tree that is printed and parsed is the same tree, and prints the same text again.
    """
    text = print_query(query, dialect=dialect)

    parsed = parse(text)

    assert parsed == query
    assert print_query(parsed, dialect=dialect) == text


@many
@given(condition=operator_expressions)
def test_operators_keep_their_operands(condition: Expression) -> None:
    """
    Brackets are printed wherever another reading would be possible.
    """
    query = Query(where=condition)

    assert parse(print_query(query)) == query


@many
@given(query=queries, log=logs)
def test_any_query_has_a_result_of_json(query: Query, log: list[Event]) -> None:
    """
    Every tree can be evaluated over every log, twice with the same result, which JSON can carry.
    """
    first = [json.dumps(row, allow_nan=False) for row in evaluate(query, log)]
    again = [json.dumps(row, allow_nan=False) for row in evaluate(parse(print_query(query)), log)]

    assert first == again
    assert isinstance(is_true(query, log), bool)


@many
@given(query=plain_queries, log=logs, order=st.randoms(use_true_random=False))
def test_conditions_may_be_split_and_decided_in_any_order(query: Query, log: list[Event], order: Any) -> None:
    """
    Filtering by some of the conjuncts first, in any order, and by the others later changes no result.
    """
    parts = list(conjuncts(query.where))
    order.shuffle(parts)
    half = len(parts) // 2

    chosen = [event for event in log if all(row_reader(part)(event) for part in parts[:half])]
    rest = attrs.evolve(query, where=conjunction(tuple(parts[half:])))

    assert list(evaluate(rest, chosen)) == list(evaluate(query, log))


@many
@given(query=queries, log=logs)
def test_skip_and_limit_cut_the_whole_result(query: Query, log: list[Event]) -> None:
    """
    Keeping only what is asked for while sorting gives the same rows as cutting the whole result.
    """
    whole = list(evaluate(attrs.evolve(query, skip=0, limit=None), log))
    stop = None if query.limit is None else query.skip + query.limit

    assert list(evaluate(query, log)) == whole[query.skip : stop]


@many
@given(expression=row_expressions, log=logs)
def test_value_is_of_a_kind_that_was_foretold(expression: Expression, log: list[Event]) -> None:
    """
    What `kinds` says of an expression holds for its value on every event.
    """
    possible = kinds(expression)
    read = row_reader(expression)

    assert all(kind_of(read(event)) in possible for event in log)


@many
@given(left=row_expressions, right=row_expressions, log=logs)
def test_unequal_is_the_negation_of_equal(left: Expression, right: Expression, log: list[Event]) -> None:
    """
    For all values `a != b` is `NOT (a == b)`, null and unlike ones included.
    """
    if {Kind.INSTANT} in (kinds(left), kinds(right)):
        left = Constant(1)
    unequal, equal = Comparison("!=", left, right), Comparison("==", left, right)

    results = list(evaluate(Query(projection=unequal), log))

    assert results == list(evaluate(Query(projection=Not(equal)), log))


@many
@given(left=json_values, right=json_values)
def test_equality_and_the_order_of_all_values_agree(left: Any, right: Any) -> None:
    """
    Two values are equal exactly if neither comes before the other.
    """
    before, after = canonical(left) < canonical(right), canonical(right) < canonical(left)

    assert is_equal(left, right) is (not before and not after)
    assert not (before and after)
    assert (canonical(left) == canonical(right)) is is_equal(left, right)
