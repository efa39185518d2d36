"""
LIKE patterns and subjects, against plain models and against hostile input.
"""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.gdbql.matching import is_below, is_under, like
from tests.gdbql.steps import at_most


def model(pattern: str) -> re.Pattern[str]:
    """
    The pattern as a regular expression; right, but slow on hostile input.
    """
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(part, re.escape(part[-1])) for part in parts), re.DOTALL)


@given(st.text("ab%_\\\n", max_size=8), st.text("ab%_\\\n", max_size=10))
def test_like_agrees_with_a_regular_expression(pattern: str, text: str) -> None:
    """
    On all patterns and texts over a small alphabet the two say the same.
    """
    assert like(pattern)(text) is (model(pattern).fullmatch(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%a" * 4_000 + "b", "a" * 65_000),
        ("%_a" * 4_000 + "b", "a" * 65_000),
        ("%" * 8_000 + "b", "a" * 65_000),
        ("%" + "a" * 8_000 + "b%", "a" * 65_000),
        ("%_" + "a" * 8_000 + "b%", "a" * 65_000),
        ("%" + "ab_" * 2_500 + "%", "ab" * 32_000),
    ],
    ids=["many parts", "many parts and singles", "many runs", "long part", "long part and single", "periodic"],
)
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    """
    Patterns that make a backtracking matcher take years take a few steps for each character of the longest event.
    """
    with at_most(10 * (len(pattern) + len(text))):
        assert not like(pattern)(text)


def test_subjects_lie_under_one_another_by_segments() -> None:
    """
    For all short paths over a small alphabet the answer is that of comparing lists of segments.
    """
    segments = ["a", "aa", "a%", "_"]
    paths = [parts for length in range(4) for parts in product(segments, repeat=length)]

    for below, above in product(paths, repeat=2):
        subject, ancestor = ("/" + "/".join(parts) for parts in (below, above))
        expected = below[: len(above)] == above

        assert is_under(subject, ancestor) is expected
        assert is_below(subject, ancestor) is (expected and below != above)
        assert is_under(subject, ancestor + "/" * bool(above)) is expected


@pytest.mark.parametrize(
    ("subject", "ancestor"), [("", "/"), ("a", "/"), ("/a", ""), ("a/b", "a"), ("", ""), ("//", "/a")]
)
def test_what_begins_without_a_slash_is_no_subject(subject: str, ancestor: str) -> None:
    """
    It lies under nothing, and nothing under it.
    """
    assert not is_under(subject, ancestor)
    assert not is_below(subject, ancestor)
