"""
Errors of the language: what they know, and how they show it.
"""

from __future__ import annotations

import pickle

import pytest

from eventsource.errors import (
    EventSourceError,
    QueryError,
    QueryLimitError,
    QueryStructureError,
    QuerySyntaxError,
    QueryValueError,
)
from eventsource.gdbql import parse


def syntax_error(text: str) -> QuerySyntaxError:
    """
    The error that *text* raises.
    """
    with pytest.raises(QuerySyntaxError) as excinfo:
        parse(text)
    return excinfo.value


def test_syntax_error_shows_line_column_and_caret() -> None:
    """
    The message names the place, says what was expected, and points at it.
    """
    error = syntax_error("STREAM e FROM events\nWHERE e.subject = = '/a'")

    assert (error.line, error.column, error.offset) == (2, 19, 39)
    assert str(error) == ("line 2, column 19: expected a value, found =\nWHERE e.subject = = '/a'\n                  ^")


def test_caret_stands_behind_the_text_at_its_end() -> None:
    """
    Where something is missing at the end, the caret is one behind the last character.
    """
    error = syntax_error("STREAM e FROM events MAP")

    assert str(error).splitlines()[1:] == ["STREAM e FROM events MAP", " " * 24 + "^"]


def test_caret_keeps_tabs() -> None:
    """
    A tab before the place is a tab before the caret, so that both move alike.
    """
    error = syntax_error("STREAM e FROM events\n\tMAP ?")

    assert error.excerpt() == "\tMAP ?\n\t    ^"


def test_long_line_is_cut_around_the_place() -> None:
    """
    Of a line of 1,000 characters only what surrounds the place is shown.
    """
    error = syntax_error("STREAM e FROM events MAP [" + "1, " * 200 + "?" + ", 1" * 200 + "]")

    line, caret = error.excerpt().splitlines()

    assert len(line) < 130
    assert line[caret.index("^")] == "?"
    assert line.startswith("...")
    assert line.endswith("...")


@pytest.mark.parametrize("text", ["{0}", "e.{0}", "{0}()", "{{{0}: 1, {0}: 2}}", "e.time == '{0}'", "e {0}"])
def test_long_token_is_cut_in_the_message(text: str) -> None:
    """
    A name of 5,000 letters does not make a message of 5,000 letters.
    """
    error = syntax_error("STREAM e FROM events MAP " + text.format("x" * 5_000))

    assert len(error.reason) < 400


@pytest.mark.parametrize(
    "error",
    [
        QuerySyntaxError("expected x", query="a\nb", offset=2),
        QueryLimitError(limit="items in a list", maximum=3, query="[]", offset=1),
        QueryStructureError("no"),
        QueryValueError("no"),
    ],
    ids=lambda error: error.code,
)
def test_error_survives_pickling(error: QueryError) -> None:
    """
    An error that travels between processes keeps its message and facts.
    """
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_errors_of_queries_are_of_one_family_with_codes_of_their_own() -> None:
    """
    Whoever catches QueryError catches all of them, and each can be told from the others by its code.
    """
    family: list[type[QueryError]] = [
        QueryError,
        QuerySyntaxError,
        QueryStructureError,
        QueryValueError,
        QueryLimitError,
    ]

    assert all(issubclass(error, QueryError) for error in family)
    assert issubclass(QueryError, EventSourceError)
    assert len({error.code for error in family}) == len(family)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("'It''s'", 44, r"the quote ' is written as \', not as ''"),
        ('"a""b"', 43, r'the quote " is written as \", not as ""'),
        ("['x', 'It''s']", 50, r"the quote ' is written as \', not as ''"),
        ("'It's'", 52, r"the quote ' is written as \'"),
        (r"'C:\'", 51, r"a backslash as \\"),
        ("'never ends", 57, r"the quote ' is written as \'"),
        ("\u2018It\u2019", 40, "a text stands between two '"),
        ("\u201cIt\u201d", 40, "a text stands between two '"),
        ("`It`", 40, "a text stands between two '"),
        (r"\'It\'", 40, "only inside a text"),
    ],
)
def test_quotes_that_are_written_otherwise_are_explained(text: str, column: int, said: str) -> None:
    """
    Who writes quotes as SQL, word processors or shells do is told how they are written here.
    """
    error = syntax_error(f"STREAM e FROM events WHERE e.data.x == {text} MAP e")

    assert error.column == column
    assert said in error.reason


@pytest.mark.parametrize("text", [r"'It\'s'", r'"It\"s"', '"It\'s"', "''", "['a','b']", r"'C:\\'", "'\u2019'"])
def test_quotes_that_are_written_well_are_read(text: str) -> None:
    """
    Escaped, in quotes of the other kind, or none.
    """
    parse(f"STREAM e FROM events WHERE e.data.x == {text} MAP e")
