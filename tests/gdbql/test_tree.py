"""
Trees built in code: what a node refuses to be made of.
"""

from __future__ import annotations

from typing import Any

import pytest

from eventsource.errors import QueryLimitError, QueryStructureError, QueryValueError
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
    Like,
    ListOf,
    Not,
    ObjectOf,
    Or,
    OrderKey,
    Path,
    Query,
    Under,
    walk,
)
from eventsource.gdbql.limits import MAX_DEPTH, MAX_DIGITS, MAX_ITEMS

TIME, DATA, COUNT, ONE = Path(("time",)), Path(("data", "a")), Aggregate("COUNT"), Constant(1)


class Name(str):
    """
    A text of a class of its own, such as a subject.
    """

    __slots__ = ()


@pytest.mark.parametrize(
    "value", ["a\0", "\ud800", "\udfff x", float("nan"), float("inf"), -float("inf"), b"x", 1j, [1], {}], ids=repr
)
def test_constant_that_cannot_be_written_is_refused(value: Any) -> None:
    """
    What no text of a query could say is refused by name, before it is printed.
    """
    with pytest.raises(QueryValueError) as excinfo:
        Constant(value)

    assert excinfo.value.code == "query-value"


def test_names_that_cannot_be_written_are_refused() -> None:
    """
    Members of objects and steps of paths are texts like others.
    """
    with pytest.raises(QueryValueError):
        Path(("data", "a\0"))
    with pytest.raises(QueryValueError):
        ObjectOf((("\ud800", ONE),))


def test_constants_of_unlike_types_are_unlike() -> None:
    """
    1, 1.0 and true are equal in Python, but say different things.
    """
    assert len({Constant(1), Constant(1.0), Constant(value=True), Constant("1"), Constant(None)}) == 5


def test_constant_is_of_a_plain_type() -> None:
    """
    A subclass of str, such as a subject, becomes the text it is.
    """
    value = Constant(Name("/a")).value

    assert type(value) is str
    assert Constant(Name("/a")) == Constant("/a")


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        (Path, (("subjct",),)),
        (Path, ((0,),)),
        (Path, (("subject", "a"),)),
        (Path, (("data", -1),)),
        (Path, (("data", True),)),
        (ObjectOf, ((("a", ONE), ("a", ONE)),)),
        (Call, ("NOW", ())),
        (Call, ("COUNT", ())),
        (Call, ("UPPER", ())),
        (Call, ("UPPER", (ONE, ONE))),
        (Aggregate, ("MEDIAN", ONE)),
        (Aggregate, ("SUM",)),
        (Aggregate, ("COUNT", None, True)),
        (Aggregate, ("MAX", Not(COUNT))),
        (Comparison, ("<", TIME, Constant("now"))),
        (Comparison, ("<", Constant("2024-01-01"), Aggregate("MIN", TIME))),
        (Between, (TIME, TIME, Constant(""))),
        (In, (TIME, ListOf((TIME, Constant("x"))))),
        (In, (DATA, ONE)),
        (In, (DATA, COUNT)),
        (Like, (DATA, ONE)),
        (Under, (DATA, ONE)),
        (Under, (DATA, Constant("a"))),
        (And, ((),)),
        (Or, ((ONE,),)),
    ],
    ids=repr,
)
def test_parts_that_do_not_go_together_are_refused(node: Any, parts: tuple[Any, ...]) -> None:
    """
    A node that could not be printed, or never hold, is not made.
    """
    with pytest.raises(QueryStructureError) as excinfo:
        node(*parts)

    assert excinfo.value.reason


@pytest.mark.parametrize("operator", ["~", "== 1 OR 1 ==", "", "="])
def test_operator_is_one_of_those_there_are(operator: Any) -> None:
    """
    No text gets into a query by way of an operator.
    """
    with pytest.raises(ValueError, match="operator"):
        Comparison(operator, ONE, ONE)
    with pytest.raises(ValueError, match="operator"):
        Arithmetic(operator, ONE, ONE)


@pytest.mark.parametrize(
    "parts",
    [
        {"where": COUNT},
        {"group_by": (COUNT,), "projection": ONE},
        {"group_by": (DATA,)},
        {"having": ONE},
        {"having": DATA, "projection": ONE},
        {"projection": ListOf((COUNT, DATA))},
        {"projection": COUNT, "order_by": (OrderKey(TIME),)},
        {"group_by": (DATA,), "projection": Path(("data",))},
        {"distinct": True},
        {"skip": -1},
        {"limit": -1},
        {"limit": True},
        {"skip": 1.5},
        {"alias": "a b"},
        {"alias": "order"},
        {"alias": ""},
    ],
    ids=repr,
)
def test_clauses_that_do_not_go_together_are_refused(parts: dict[str, Any]) -> None:
    """
    Events and groups of events are not mixed, counts are not negative, the event's name is a name.
    """
    with pytest.raises(QueryStructureError):
        Query(**parts)


def test_error_knows_the_part_at_fault() -> None:
    """
    The node is told, so that whoever built the tree can find it.
    """
    with pytest.raises(QueryStructureError) as excinfo:
        Query(projection=ListOf((COUNT, DATA)))

    assert excinfo.value.part is DATA


def test_tree_is_no_higher_than_the_limit() -> None:
    """
    64 nodes stand above one another, not 65.
    """
    tree: Expression = ONE
    for _ in range(MAX_DEPTH - 1):
        tree = Not(tree)

    assert tree.height == MAX_DEPTH
    with pytest.raises(QueryLimitError) as excinfo:
        Not(tree)

    assert (excinfo.value.limit, excinfo.value.maximum) == ("levels of nesting", MAX_DEPTH)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ListOf((ONE,) * (MAX_ITEMS + 1)),
        lambda: ObjectOf(tuple((str(number), ONE) for number in range(MAX_ITEMS + 1))),
        lambda: Query(group_by=(ONE,) * (MAX_ITEMS + 1), projection=ONE),
        lambda: Query(order_by=(OrderKey(ONE),) * (MAX_ITEMS + 1)),
        lambda: Constant(10**MAX_DIGITS),
        lambda: Constant(-(10**MAX_DIGITS)),
        lambda: Query(limit=10**MAX_DIGITS),
    ],
    ids=["list", "object", "group by", "order by", "digits", "negative digits", "limit"],
)
def test_size_of_a_tree_is_limited(make: Any) -> None:
    """
    1,000 items and 1,000 digits are allowed, one more is not.
    """
    with pytest.raises(QueryLimitError):
        make()


def test_walk_goes_through_a_tree_as_it_is_written() -> None:
    """
    Each node comes before those below it, from left to right.
    """
    tree = And((Comparison("==", DATA, ONE), Not(TIME)))

    assert list(walk(tree)) == [tree, tree.operands[0], DATA, ONE, tree.operands[1], TIME]
