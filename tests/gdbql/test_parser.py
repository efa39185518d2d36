"""
From text to tree.
"""

from __future__ import annotations

import pytest

from eventsource.gdbql import (
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
    parse,
)

A, B, C, D = (Path(("data", name)) for name in "abcd")


def expression(text: str) -> Expression:
    """
    The tree of an expression in which a, b, c and d are members of the data.
    """
    for name in "abcd":
        text = text.replace(f"${name}", f"e.data.{name}")
    where = parse(f"STREAM e FROM events WHERE {text}").where
    assert where is not None
    return where


def test_every_clause_has_its_place_in_the_tree() -> None:
    """
    A query with all clauses becomes a tree with all parts.
    """
    query = parse(
        "STREAM x FROM events WHERE x.type == 't' GROUP BY x.subject, x.type HAVING COUNT() > 1 "
        "ORDER BY x.subject DESC, COUNT() SKIP 2 LIMIT 3 MAP DISTINCT { s: x.subject, n: COUNT() }"
    )

    subject, kind, count = Path(("subject",)), Path(("type",)), Aggregate("COUNT")
    assert query == Query(
        where=Comparison("==", kind, Constant("t")),
        group_by=(subject, kind),
        having=Comparison(">", count, Constant(1)),
        order_by=(OrderKey(subject, descending=True), OrderKey(count)),
        projection=ObjectOf((("s", subject), ("n", count))),
        distinct=True,
        skip=2,
        limit=3,
        alias="x",
    )


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("$a OR $b AND $c", Or((A, And((B, C))))),
        ("$a AND $b OR $c", Or((And((A, B)), C))),
        ("$a OR $b XOR $c", Or((A, Xor(B, C)))),
        ("$a XOR $b AND $c", Xor(A, And((B, C)))),
        ("$a XOR $b XOR $c", Xor(Xor(A, B), C)),
        ("NOT $a AND $b", And((Not(A), B))),
        ("NOT $a == $b", Not(Comparison("==", A, B))),
        ("NOT NOT $a", Not(Not(A))),
        ("$a == $b + $c", Comparison("==", A, Arithmetic("+", B, C))),
        ("$a + $b == $c", Comparison("==", Arithmetic("+", A, B), C)),
        ("$a + $b * $c", Arithmetic("+", A, Arithmetic("*", B, C))),
        ("$a - $b - $c", Arithmetic("-", Arithmetic("-", A, B), C)),
        ("$a / $b % $c", Arithmetic("%", Arithmetic("/", A, B), C)),
        ("($a - ($b - $c))", Arithmetic("-", A, Arithmetic("-", B, C))),
        ("-$a * $b", Arithmetic("*", Negate(A), B)),
        ("- -$a", Negate(Negate(A))),
        ("$a - -1", Arithmetic("-", A, Constant(-1))),
        ("-(1)", Negate(Constant(1))),
        ("$a IN [1] AND $b", And((In(A, ListOf((Constant(1),))), B))),
        ("$a BETWEEN $b AND $c AND $d", And((Between(A, B, C), D))),
        ("$a BETWEEN $b + 1 AND $c * 2", Between(A, Arithmetic("+", B, Constant(1)), Arithmetic("*", C, Constant(2)))),
        ("$a LIKE 'x' + $b", Like(A, Arithmetic("+", Constant("x"), B))),
        ("$a UNDER '/x' OR $b", Or((Under(A, Constant("/x")), B))),
        ("$a IS NULL == false", None),
        ("$a NOT IN [] XOR $b IS NOT NULL", Xor(Not(In(A, ListOf(()))), Not(IsNull(B)))),
    ],
    ids=str,
)
def test_operators_bind_by_the_one_table(text: str, tree: Expression | None) -> None:
    """
    Arithmetic, then comparison, NOT, AND, XOR, OR; equal ones from the left; comparisons not at all.
    """
    if tree is None:
        with pytest.raises(ValueError, match="do not chain"):
            expression(text)
    else:
        assert expression(text) == tree


def test_chain_of_one_operator_is_one_node() -> None:
    """
    AND and OR keep their operands side by side; brackets keep a node of their own.
    """
    assert expression("$a AND $b AND $c") == And((A, B, C))
    assert expression("$a AND ($b AND $c)") == And((A, And((B, C))))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("e", ()),
        ("e.data.order.by", ("data", "order", "by")),
        ("e . data [ 0 ] [ 'a b' ]", ("data", 0, "a b")),
        ("e['data'].x", ("data", "x")),
        ("e.data.NULL.true", ("data", "NULL", "true")),
    ],
)
def test_path_is_its_steps(text: str, steps: tuple[str | int, ...]) -> None:
    """
    Points and brackets are two ways to write one thing; keywords are names.
    """
    assert expression(text) == Path(steps)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("COUNT()", Aggregate("COUNT")),
        ("count( * )", Aggregate("COUNT")),
        ("Sum(distinct e.data.a)", Aggregate("SUM", A, distinct=True)),
        ("upper(e.data.a)", Call("UPPER", (A,))),
    ],
)
def test_functions_are_called_in_any_case(text: str, tree: Expression) -> None:
    """
    A function is known by its name in upper case.
    """
    assert parse(f"STREAM e FROM events MAP {text}").projection == tree
