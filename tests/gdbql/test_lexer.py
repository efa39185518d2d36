"""
From text to tokens.
"""

from __future__ import annotations

import pytest

from eventsource.errors import QueryLimitError, QuerySyntaxError
from eventsource.gdbql.lexer import KEYWORDS, is_name, tokenize, unquote
from eventsource.gdbql.limits import MAX_TEXT_BYTES


def kinds(text: str) -> list[str]:
    """
    The kinds of the tokens of *text*.
    """
    return [kind for kind, _, _ in tokenize(text)]


def test_token_has_kind_text_and_offset() -> None:
    """
    White space and comments are left out, offsets count them.
    """
    assert tokenize(" e /* x */ >= 'a' // end") == [
        ("name", "e", 1),
        (">=", ">=", 11),
        ("text", "'a'", 14),
        ("end", "", 24),
    ]


def test_keyword_in_any_case_is_of_one_kind() -> None:
    """
    The kind of a keyword is the keyword in upper case; the token stays as written.
    """
    assert tokenize("Where")[0] == ("WHERE", "Where", 0)
    assert {kind for word in KEYWORDS for kind in kinds(word.lower())[:1]} == KEYWORDS


@pytest.mark.parametrize("word", ["\u017ftream", "li\u212ae", "wherex", "_where"])
def test_word_that_resembles_a_keyword_is_none(word: str) -> None:
    """
    The long s and the Kelvin sign become ASCII letters in the other case; they make no keyword.
    """
    assert kinds(word) == ["name", "end"]


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [("=", "=="), ("==", "=="), ("<>", "!="), ("!=", "!="), ("&&", "AND"), ("||", "OR"), ("!", "NOT")],
)
def test_spellings_of_an_operator_are_of_one_kind(spelling: str, kind: str) -> None:
    """
    The parser sees one operator, however it is spelt.
    """
    assert kinds(f"a {spelling} b")[1] == kind


@pytest.mark.parametrize("number", ["0", "7", "12.50", "1e3", "1.5E-3", "2e+10"])
def test_number_is_one_token(number: str) -> None:
    """
    Digits, decimals and exponent belong together; the sign before them does not.
    """
    assert tokenize(number)[0] == ("number", number, 0)


@pytest.mark.parametrize("text", ["1a", "1e", "12_3", "1.5x", "1é"])
def test_number_that_runs_into_a_name_is_refused_at_its_beginning(text: str) -> None:
    """
    What begins like a number but goes on is not cut in two.
    """
    with pytest.raises(QuerySyntaxError) as excinfo:
        tokenize(text)

    assert excinfo.value.offset == 0


@pytest.mark.parametrize("escape", [r"\a", r"\0", r"\x41", r"\u12", r"\U0001F600", r"\ "])
def test_unknown_escape_is_refused_at_its_place(escape: str) -> None:
    """
    A backslash before anything but the known letters is an error, never dropped.
    """
    with pytest.raises(QuerySyntaxError) as excinfo:
        unquote(f"'ab{escape}'", query=f"  'ab{escape}'", offset=2)

    assert excinfo.value.offset == 5


def test_escapes_of_a_surrogate_pair_are_one_character() -> None:
    """
    Characters beyond U+FFFF are written as in JSON.
    """
    assert unquote(r"'\ud83d\ude00\u0041'", query="", offset=0) == "😀A"


def test_size_is_measured_in_bytes() -> None:
    """
    The limit is one of UTF-8, as on the wire, not of characters.
    """
    assert tokenize(" " * MAX_TEXT_BYTES)[0][0] == "end"
    with pytest.raises(QueryLimitError) as excinfo:
        tokenize("/*" + "€" * (MAX_TEXT_BYTES // 3) + "*/")

    assert (excinfo.value.limit, excinfo.value.maximum) == ("bytes of text", MAX_TEXT_BYTES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", True),
        ("_a1", True),
        ("größe", True),
        ("1a", False),
        ("a-b", False),
        ("", False),
        ("a b", False),
        ("a\n", False),
    ],
)
def test_name_is_letters_digits_and_underscores(text: str, expected: bool) -> None:  # noqa: FBT001 - parametrized
    """
    Anything else must be written in brackets and quotes.
    """
    assert is_name(text) is expected
