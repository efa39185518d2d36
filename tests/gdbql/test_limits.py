"""
Hostile texts: refused by name and quickly, never a crash.
"""

from __future__ import annotations

import contextlib
import sys

import pytest

from eventsource.errors import QueryError, QueryLimitError
from eventsource.gdbql import evaluate, parse, print_query
from eventsource.gdbql.limits import MAX_DEPTH, MAX_DIGITS, MAX_ITEMS, MAX_NESTING, MAX_TEXT_BYTES
from tests.gdbql.case_files import complete_event
from tests.gdbql.steps import at_most

START = "STREAM e FROM events MAP "
ROOM = MAX_TEXT_BYTES - len(START)


def limit_error(text: str) -> QueryLimitError:
    """
    The limit that *text* passes.
    """
    with pytest.raises(QueryLimitError) as excinfo:
        parse(text)
    return excinfo.value


@pytest.mark.parametrize(
    ("text", "limit", "maximum"),
    [
        (START + " " * ROOM + "1", "bytes of text", MAX_TEXT_BYTES),
        (START + "NOT " * MAX_DEPTH + "1", "levels of nesting", MAX_DEPTH),
        (START + "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH, "levels of nesting", MAX_DEPTH),
        (START + "(" * (MAX_NESTING + 1) + "1" + ")" * (MAX_NESTING + 1), "levels of nesting", MAX_NESTING),
        (START + "1" + " + 1" * MAX_DEPTH, "levels of nesting", MAX_DEPTH),
        (START + "[1" + ",1" * MAX_ITEMS + "]", "items in a list", MAX_ITEMS),
        (START + "1 IN (1" + ",1" * MAX_ITEMS + ")", "items in a list", MAX_ITEMS),
        (START + "1" * (MAX_DIGITS + 1), "digits in a number", MAX_DIGITS),
        ("STREAM e FROM events LIMIT " + "1" * (MAX_DIGITS + 1), "digits in a number", MAX_DIGITS),
        (START + "e.data[" + "1" * (MAX_DIGITS + 1) + "]", "digits in a number", MAX_DIGITS),
    ],
    ids=["bytes", "not", "lists", "brackets", "sum", "list", "in", "digits", "limit", "index"],
)
def test_limit_is_named(text: str, limit: str, maximum: int) -> None:
    """
    The error tells which limit, how much is allowed, and where in which text it was passed.
    """
    error = limit_error(text)

    assert (error.limit, error.maximum) == (limit, maximum)
    assert error.query == text
    assert error.offset is not None


@pytest.mark.parametrize(
    "text",
    [
        START + " " * (ROOM - 1) + "1",
        START + "NOT " * (MAX_DEPTH - 1) + "1",
        START + "(" * MAX_NESTING + "1" + ")" * MAX_NESTING,
        START + "-(NOT " * (MAX_DEPTH // 2 - 1) + "e.data" + ")" * (MAX_DEPTH // 2 - 1),
        START + "1" + " + 1" * (MAX_DEPTH - 1),
        START + "[1" + ",1" * (MAX_ITEMS - 1) + "]",
        START + "9" * MAX_DIGITS,
        START + "0" + " OR 0" * 3_000,
        START + "e.data" + ".a" * 8_000,
    ],
    ids=["bytes", "not", "brackets", "signs", "sum", "list", "digits", "chain", "path"],
)
def test_what_is_within_the_limits_works(text: str) -> None:
    """
    The largest texts are parsed, printed, parsed again and evaluated.
    """
    query = parse(text)

    assert parse(print_query(query)) == query
    assert len(list(evaluate(query, [complete_event({}, 0)]))) == 1


@pytest.mark.parametrize(
    ("piece", "end"),
    [
        ("(", ""), ("[", ""), ("{a:", ""), ("-", ""), ("NOT ", ""), ("!", ""), ("ABS(", ""), ("COUNT(", ""),
        ("1 IN (", ""), ("1+", ""), ("1 OR ", ""), ("1 AND ", "1"), ("e.a.", ""), ("e[", ""), ("'", ""), ('"', ""),
        ("\\", ""), ("'\\", ""), ("/*", ""), ("//", ""), ("9", ""), ("0.", ""), ("1e", ""), ("x", ""), ("ß", ""),
        ("x(", ""), ("xy", "("),
        ("1 BETWEEN ", ""), ("1 IS NOT NULL ", ""), (",", ""), ("DISTINCT ", ""), ("ORDER BY e.id ", ""),
        ("UPER(1)+", "1"), ("1 IN [e.data,", ""), ("MAX(e.time)<'x' OR ", "1"),
    ],
)  # fmt: skip
def test_hostile_text_is_decided_quickly(piece: str, end: str) -> None:
    """
    16 KiB of anything are refused, or read, in a few steps for each byte.
    """
    text = START + piece * (ROOM // len(piece.encode()) - 1) + end

    with at_most(30 * MAX_TEXT_BYTES), contextlib.suppress(QueryError):
        parse(text)


def test_many_keys_are_decided_quickly() -> None:
    """
    A thousand keys and a thousand paths are not compared each with each.
    """
    keys = ",".join(f"e.data.k{number}" for number in range(550))

    # Each with each would be 300,000 comparisons, of several lines.
    with at_most(250_000):
        query = parse(f"STREAM e FROM events GROUP BY {keys} MAP [{keys}]")
        list(evaluate(query, [complete_event({}, 0)]))


def test_deepest_tree_leaves_room_on_the_stack() -> None:
    """
    Parsing, printing, hashing and evaluating at full depth take less than half of the calls Python allows.
    """
    inner = "e.data"
    for _ in range((MAX_DEPTH - 2) // 2):
        inner = f"-(NOT {inner})"
    deep = f"{START}[{inner}]"
    calls = f"{START}{'ABS(' * (MAX_DEPTH - 1)}e.data{')' * (MAX_DEPTH - 1)}"
    before = sys.getrecursionlimit()
    depth = _depth()

    sys.setrecursionlimit(depth + 500)
    try:
        for text in (deep, calls, START + "(" * MAX_NESTING + "1" + ")" * MAX_NESTING):
            query = parse(text)
            assert parse(print_query(query)) == query
            assert hash(query) == hash(parse(text))
            assert repr(query)
            list(evaluate(query, [complete_event({"data": 1}, 0)]))
    finally:
        sys.setrecursionlimit(before)


def _depth() -> int:
    depth = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth
