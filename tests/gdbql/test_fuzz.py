"""
Damaged and random texts: the language accepts them or raises its declared errors, nothing else.

100,000 texts in every run; the seed is fixed, so that a failure is the same everywhere. EVENTSOURCE_LONG=1 makes it ten
times as many from a seed of the day.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from eventsource.errors import QueryError, QueryLimitError, QuerySyntaxError
from eventsource.gdbql import evaluate, is_true, kinds, parse, paths, print_query, version_guard, walk
from tests.gdbql.case_files import complete_event, load_cases

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = os.environ.get("EVENTSOURCE_LONG") == "1"
TEXTS = 1_000_000 if LONG else 100_000
SEED = int(time.time()) // 86_400 if LONG else 20_240_531

CASES = load_cases()
QUERIES = sorted({case.query for case in CASES})
WORDS = r"""
    STREAM FROM IN events e WHERE AND OR XOR NOT ! && || == = != <> < <= > >= + - * / % ( ) [ ] { } , . : ; IN BETWEEN
    IS NULL LIKE UNDER DESCENDANTS OF GROUP BY HAVING ORDER ASC DESC LIMIT TOP SKIP OFFSET MAP PROJECT INTO DISTINCT
    TRUE FALSE COUNT SUM AVG MIN MAX UPPER IF COALESCE SUBSTRING TO_TIME e.data e.time e.subject e.data.a e.data[0]
    0 1 -1 2.5 1e3 1e999 9007199254740993 'a' "b" '/a' '2024-01-01T00:00:00Z' '\n' '\u0041' '\x' '%_\\' // /* */ '
""".split()  # noqa: SIM905 - a list of these would take a page
LOG = [
    complete_event({"subject": f"/a/{index % 3}", "data": data}, index)
    for index, data in enumerate(
        [{"a": 1}, {"a": "x"}, {"a": [1, {"b": None}]}, None, [1, 2], "text", 2**70, 1e308, True, {"a": 1.0}]
    )
]


def cut(query: str, at: random.Random) -> str:
    """
    The text without a piece of it.
    """
    start, end = sorted((at.randrange(len(query) + 1), at.randrange(len(query) + 1)))
    return query[:start] + query[min(end, start + 12) :]


def insert(query: str, at: random.Random) -> str:
    """
    The text with a word or any character in it.
    """
    place = at.randrange(len(query) + 1)
    piece = at.choice(WORDS) if at.random() < 0.7 else chr(at.choice([at.randrange(128), at.randrange(0x11_0000)]))
    return f"{query[:place]} {piece} {query[place:]}" if at.random() < 0.5 else query[:place] + piece + query[place:]


def splice(query: str, at: random.Random) -> str:
    """
    The beginning of the text and the end of another.
    """
    other = at.choice(QUERIES)
    return query[: at.randrange(len(query) + 1)] + other[at.randrange(len(other) + 1) :]


def nest(query: str, at: random.Random) -> str:
    """
    The text with something opened many times, now and then closed as often.
    """
    opening, closing = at.choice(
        [("(", ")"), ("[", "]"), ("NOT ", ""), ("-", ""), ("{a:", "}"), ("ABS(", ")"), ("1+", "")]
    )
    times = at.choice([2, 30, 63, 64, 65, 96, 97, 500])
    place = query.find("MAP ") + 4 if "MAP " in query else len(query)
    inside = closing * times if at.random() < 0.7 else ""
    return query[:place] + opening * times + " " + query[place:] + inside


OPERANDS = (
    "e.data.a", "e.time", "e.subject", "e", "e.data[0]", "1", "2.5", "'a'", '"/a"', "NULL", "TRUE", "9007199254740993"
)  # fmt: skip
INFIX = (
    "AND",
    "OR",
    "XOR",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "IN",
    "LIKE",
    "UNDER",
    "NOT IN",
    "&&",
    "<>",
)
AROUND = (
    "({})", "NOT {}", "-{}", "!{}", "[{}]", "{{ a: {} }}", "ABS({})", "COUNT({})", "SUM(DISTINCT {})", "({}, 1)",
    "COALESCE({}, 1)", "IF({}, 'x', e.id)", "{} IS NULL", "{} IS NOT NULL", "{} BETWEEN 1 AND 'b'", "TO_TIME({})",
)  # fmt: skip


def compose(at: random.Random, depth: int) -> str:
    """
    An expression, most likely.
    """
    if depth == 0 or at.random() < 0.2:
        return at.choice(OPERANDS)
    if at.random() < 0.5:
        return at.choice(AROUND).format(compose(at, depth - 1))
    return f"{compose(at, depth - 1)} {at.choice(INFIX)} {compose(at, depth - 1)}"


def compose_query(at: random.Random) -> str:
    """
    A query, most likely.
    """
    clauses = [
        f"{keyword} {compose(at, at.randrange(5))}"
        for keyword in ("WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT 3 MAP", "MAP DISTINCT")
        if at.random() < 0.3
    ]
    return " ".join(["STREAM e FROM events", *clauses])


MUTATIONS: list[Callable[[str, random.Random], str]] = [cut, insert, insert, splice, nest]


def make_text(at: random.Random) -> str:
    """
    A query of random parts, a damaged one, or words in any order.
    """
    kind = at.random()
    if kind < 0.4:
        return compose_query(at)
    if kind < 0.5:
        return "STREAM e FROM events " + " ".join(at.choices(WORDS, k=at.randrange(1, 25)))
    text = at.choice(QUERIES)
    for _ in range(at.choice([1, 1, 2, 4])):
        text = at.choice(MUTATIONS)(text, at)
    return text


def check_error(error: QueryError, text: str) -> None:
    """
    The error can be shown, and its place lies in the text.
    """
    message = str(error)
    if isinstance(error, QuerySyntaxError):
        assert 0 <= error.offset <= len(text)
        assert message.endswith("^")


def use(text: str) -> bool:
    """
    Do all that can be done with a query; whether it was one.
    """
    try:
        query = parse(text)
    except (QuerySyntaxError, QueryLimitError) as error:
        check_error(error, text)
        return False
    try:
        printed = print_query(query)
        assert parse(printed) == query
        assert print_query(parse(printed)) == printed
        list(evaluate(query, LOG))
        is_true(query, LOG)
        is_true(query, [])
    except QueryLimitError:
        pass
    version_guard(query)
    paths(query)
    for part in (query.where, query.projection):
        for node in walk(part) if part is not None else ():
            kinds(node)
    return True


def test_damaged_queries_raise_only_declared_errors() -> None:
    """
    100,000 damaged and random texts are used as queries, or refused with an error that was declared.
    """
    at = random.Random(SEED)  # noqa: S311 - no secrets
    accepted = 0
    for number in range(TEXTS):
        text = make_text(at)
        try:
            accepted += use(text)
        except QueryError as error:
            pytest.fail(f"seed {SEED}, text {number}: undeclared here: {error!r} for {text!r}")
        except Exception as error:  # noqa: BLE001 - any other is what the test looks for
            pytest.fail(f"seed {SEED}, text {number}: {error!r} for {text!r}")

    # If hardly any text were a query, the printer and the evaluator would go untested.
    assert accepted > TEXTS // 10
