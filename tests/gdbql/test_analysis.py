"""
What stores ask about a query before they evaluate it.
"""

from __future__ import annotations

import pytest

from eventsource.gdbql import (
    Aggregate,
    And,
    Comparison,
    Constant,
    Expression,
    Kind,
    Path,
    aggregates,
    conjunction,
    conjuncts,
    kinds,
    parse,
    paths,
    version_guard,
)


@pytest.mark.parametrize(
    "text",
    [
        "STREAM e FROM events WHERE e.subject == '/accounts/42' MAP COUNT() == 7",
        'stream x from events where x.subject = "/accounts/42" map count(*) = 7;',
        "STREAM e FROM events WHERE '/accounts/42' == e.subject MAP 7 == COUNT()",
        "FROM e IN events WHERE (e['subject'] == '\\u002faccounts/42') PROJECT INTO (COUNT() == 7)",
        "STREAM e FROM events MAP DISTINCT COUNT() == 7 LIMIT 1 WHERE e.subject == '/accounts/42' // the version",
    ],
)
def test_question_for_the_version_of_a_subject_is_known(text: str) -> None:
    """
    However it is written, it is one question.
    """
    assert version_guard(parse(text)) == ("/accounts/42", 7)


@pytest.mark.parametrize(
    "text",
    [
        "STREAM e FROM events MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == '/a'",
        "STREAM e FROM events WHERE e.subject UNDER '/a' MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject != '/a' MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.type == '/a' MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.data.subject == '/a' MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == '/a' AND true MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == e.subject MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == 1 MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == '/a' MAP COUNT() <= 7",
        "STREAM e FROM events WHERE e.subject == '/a' MAP COUNT() != 7",
        "STREAM e FROM events WHERE e.subject == '/a' MAP COUNT() == 7.0",
        "STREAM e FROM events WHERE e.subject == '/a' MAP COUNT() == true",
        "STREAM e FROM events WHERE e.subject == '/a' MAP COUNT(e.id) == 7",
        "STREAM e FROM events WHERE e.subject == '/a' MAP SUM(e.data.n) == 7",
        "STREAM e FROM events WHERE e.subject == '/a' MAP [COUNT() == 7]",
        "STREAM e FROM events WHERE e.subject == '/a' GROUP BY e.type MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == '/a' HAVING true MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == '/a' ORDER BY COUNT() MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == '/a' SKIP 1 MAP COUNT() == 7",
        "STREAM e FROM events WHERE e.subject == '/a' LIMIT 0 MAP COUNT() == 7",
    ],
)
def test_any_other_question_is_not_taken_for_it(text: str) -> None:
    """
    What differs in anything that could change the answer is evaluated as a query.
    """
    assert version_guard(parse(text)) is None


def where(text: str) -> Expression:
    """
    The tree of a condition.
    """
    condition = parse(f"STREAM e FROM events WHERE {text}").where
    assert condition is not None
    return condition


def test_conjuncts_are_the_conditions_that_must_all_hold() -> None:
    """
    Nested ANDs are taken apart, ORs are not.
    """
    a, b, c = (where(f"e.data.{name} == 1") for name in "abc")
    either = where("e.data.a OR e.data.b")

    assert conjuncts(And((a, And((b, either)), c))) == (a, b, either, c)
    assert conjuncts(a) == (a,)
    assert conjuncts(None) == ()


def test_conjunction_is_the_inverse() -> None:
    """
    None, one, or several conditions make one.
    """
    a, b = where("e.data.a"), where("e.data.b")

    assert conjunction(()) is None
    assert conjunction((a,)) is a
    assert conjunction((a, b)) == And((a, b))


def test_aggregates_are_told_once_each() -> None:
    """
    Those of MAP, HAVING and ORDER BY, in this order.
    """
    query = parse(
        "STREAM e FROM events GROUP BY e.type HAVING COUNT() > SUM(e.data.n) ORDER BY MAX(e.id), COUNT() "
        "MAP [SUM(e.data.n), AVG(DISTINCT e.data.n)]"
    )

    assert [(node.function, node.distinct) for node in aggregates(query)] == [
        ("SUM", False),
        ("AVG", True),
        ("COUNT", False),
        ("MAX", False),
    ]


def test_paths_are_told_once_each() -> None:
    """
    All that a query reads, so that nothing else need be fetched.
    """
    query = parse(
        "STREAM e FROM events WHERE e.type == 'x' AND e.data.a > e.data.b ORDER BY e.time MAP [e.type, e.data.a]"
    )

    assert [path.steps for path in paths(query)] == [("type",), ("data", "a"), ("data", "b"), ("time",)]


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("STREAM e FROM events", False),
        ("STREAM e FROM events MAP e.id", False),
        ("STREAM e FROM events MAP COUNT()", True),
        ("STREAM e FROM events MAP [1, IF(COUNT() > 1, 1)]", True),
        ("STREAM e FROM events GROUP BY e.type MAP 1", True),
        ("STREAM e FROM events HAVING true MAP 1", True),
        ("STREAM e FROM events ORDER BY COUNT() MAP 1", True),
    ],
)
def test_query_is_grouped_or_not(text: str, grouped: bool) -> None:  # noqa: FBT001 - parametrized
    """
    An aggregate anywhere, GROUP BY or HAVING makes rows of groups.
    """
    assert parse(text).is_grouped is grouped


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (Path(("subject",)), {Kind.TEXT}),
        (Path(("time",)), {Kind.INSTANT}),
        (Path(("data", "a")), set(Kind) - {Kind.INSTANT}),
        (Path(), {Kind.OBJECT}),
        (Constant(None), {Kind.NULL}),
        (Comparison("==", Constant(1), Constant(1)), {Kind.BOOLEAN}),
        (Aggregate("COUNT"), {Kind.NUMBER}),
        (Aggregate("MAX", Path(("time",))), {Kind.INSTANT, Kind.NULL}),
        (where("COALESCE(e.time, 'x')"), {Kind.INSTANT, Kind.TEXT, Kind.NULL}),
        (where("e.data.a + 1"), {Kind.NUMBER, Kind.TEXT, Kind.NULL}),
        (where("e.data.a * 1"), {Kind.NUMBER, Kind.NULL}),
    ],
    ids=repr,
)
def test_kinds_are_known_before_there_are_events(expression: Expression, expected: set[Kind]) -> None:
    """
    A compiler may rely on what is not among them.
    """
    assert kinds(expression) == expected
