"""
From tree to text.
"""

from __future__ import annotations

import pytest

from eventsource.errors import QueryLimitError
from eventsource.gdbql import (
    Arithmetic,
    Comparison,
    Constant,
    ListOf,
    Negate,
    Not,
    Path,
    Query,
    parse,
    print_expression,
    print_query,
)

IDENTITY = """
STREAM e FROM events
STREAM e FROM events WHERE e.subject == '/accounts/42' MAP COUNT() == 7
STREAM e FROM events WHERE e.data.email == 'john.doe@example.com' MAP COUNT() == 0
STREAM e FROM events WHERE e.subject UNDER '/user/123' AND e.type == 'x' MAP SUM(e.data.amount) + 500 <= 10000
STREAM e FROM events GROUP BY e.data.kind HAVING e.data.kind == 'premium' MAP COUNT() < 50
STREAM e FROM events ORDER BY e.time DESC, e.id SKIP 1 LIMIT 20 MAP { subject: e.subject, 'a b': [1, 2.5, -3] }
STREAM e FROM events WHERE e.subject DESCENDANTS '/a' OR e.data.a NOT LIKE 'x%' XOR e.data.b IS NOT NULL
STREAM e FROM events WHERE (e.data.a OR e.data.b) AND NOT e.data.c == 1 AND NOT (e.data.d AND true)
STREAM e FROM events WHERE e.data.a NOT BETWEEN 1 AND 2 AND e.data.b NOT IN [1, null] AND e.subject NOT UNDER '/x'
STREAM e FROM events WHERE (e.data.a == 1) == (NOT e.data.b) AND (e.data.a IN [1]) IS NULL
STREAM e FROM events WHERE e.data.a - (e.data.b - 1) * 2 - 3 == -e.data.c / -(1) % - -e.data.d
STREAM e FROM events WHERE e.data.tags[0]['first-name'].order == 'it\\'s "x"' AND e.data.a == "it's"
STREAM e FROM events WHERE e.data.a - (e.data.b - e.data.c) + (e.data.a XOR (e.data.b XOR e.data.c))
STREAM e FROM events WHERE e.data.a AND (e.data.b AND e.data.c) OR (e.data.a OR e.data.b)
STREAM e FROM events MAP DISTINCT UPPER(COALESCE(e.data.a, 'x' + 1))
STREAM e FROM events MAP [COUNT(), COUNT(DISTINCT e.type), AVG(e.data.n), {}, []]
STREAM event FROM events WHERE event.data.größe == 0.000001 AND event.data.x == 1e-07 MAP event
""".strip().splitlines()


@pytest.mark.parametrize("text", IDENTITY)
def test_query_in_its_plainest_form_prints_as_itself(text: str) -> None:
    """
    Brackets appear where they are needed and nowhere else, keywords in upper case.
    """
    assert print_query(parse(text)) == text


def test_classic_dialect_says_the_same_in_its_own_words() -> None:
    """
    Source, limit and projection have other words before autumn 2025.
    """
    query = parse("STREAM e FROM events LIMIT 5 MAP DISTINCT e.id")

    assert print_query(query, dialect="classic") == "FROM e IN events TOP 5 PROJECT INTO DISTINCT e.id"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "'plain'"),
        ("it's", '"it\'s"'),
        ('say "x"', "'say \"x\"'"),
        ('it\'s "x"', "'it\\'s \"x\"'"),
        ("back\\slash", "'back\\\\slash'"),
        ("\n\r\t\x01\x1f", "'\\n\\r\\t\\u0001\\u001f'"),
        ("ü 😀 \u2028 \x7f", "'ü 😀 \u2028 \x7f'"),
        ("' OR TRUE // ", '"\' OR TRUE // "'),
        ("", "''"),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (2**70, "1180591620717411303424"),
        (1.0, "1.0"),
        (-0.0, "0.0"),
        (0.1, "0.1"),
        (1e16, "10000000000000000.0"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (5e-324, "5e-324"),
    ],
    ids=repr,
)
def test_constant_is_printed_so_that_it_is_read_as_itself(value: str | float | None, text: str) -> None:
    """
    Plain values look as in public examples, all others are escaped; none can end the text it is in.
    """
    assert print_expression(Constant(value)) == text
    assert parse(f"STREAM e FROM events MAP {text}").projection == Constant(value)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Negate(Constant(1)), "-(1)"),
        (Negate(Constant(-1)), "-(-1)"),
        (Negate(Negate(Path(("data",)))), "- -e.data"),
        (Arithmetic("-", Constant(1), Constant(-1)), "1 - -1"),
        (Not(Not(Constant(value=True))), "NOT NOT true"),
        (Comparison("==", Not(Constant(1)), Negate(Not(Constant(1)))), "(NOT 1) == -(NOT 1)"),
    ],
    ids=repr,
)
def test_brackets_keep_apart_what_would_run_together(expression: Constant, text: str) -> None:
    """
    Signs, negations and comparisons stay what they are.
    """
    assert print_expression(expression) == text


def test_query_too_long_to_be_parsed_is_not_printed() -> None:
    """
    What could not be read back is refused by the printer.
    """
    query = Query(projection=ListOf(tuple(Constant("x" * 100) for _ in range(200))))

    with pytest.raises(QueryLimitError):
        print_query(query)
