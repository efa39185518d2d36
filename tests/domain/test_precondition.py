"""
Preconditions: what they say, and what they look like as GDBQL.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource import (
    DeclarationError,
    InvalidSubjectError,
    QueryIsTrue,
    Subject,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
)
from eventsource.domain.precondition import quote_text


@pytest.mark.parametrize("kind", [SubjectIsNew, SubjectExists, lambda subject: SubjectIsAtVersion(subject, 1)])
def test_subject_is_checked(kind: type[SubjectIsNew]) -> None:
    """
    A precondition on what is no subject is not made.
    """
    assert isinstance(kind("/accounts/42").subject, Subject)

    with pytest.raises(InvalidSubjectError):
        kind("accounts/42")


def test_version_is_not_negative() -> None:
    """
    No subject has fewer than no events.
    """
    assert SubjectIsAtVersion("/accounts/42", 0).version == 0

    with pytest.raises(ValueError, match=">= 0"):
        SubjectIsAtVersion("/accounts/42", -1)


def test_version_as_gdbql() -> None:
    """
    Genesis DB is asked to count the subject's events.
    """
    precondition = SubjectIsAtVersion("/accounts/42", 3)

    assert precondition.query == "STREAM e FROM events WHERE e.subject == '/accounts/42' MAP COUNT() == 3"


def test_preconditions_are_values() -> None:
    """
    Two that say the same are equal.
    """
    assert SubjectIsNew("/a") == SubjectIsNew(Subject("/a"))
    assert QueryIsTrue("q", name="n") == QueryIsTrue("q", name="n")
    assert SubjectIsNew("/a") != SubjectIsNew("/b")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("plain", "'plain'"), ("", "''"), ("it's", '"it\'s"'), ('say "hi"', "'say \"hi\"'"), ("é/%", "'é/%'")],
)
def test_text_is_quoted_with_the_quote_it_lacks(text: str, quoted: str) -> None:
    """
    Text stands in single quotes, or in double ones if it has a single one itself.
    """
    assert quote_text(text) == quoted


@pytest.mark.parametrize("text", ["'\"", 'it\'s "so"', "back\\slash", "\\", "\\'"])
def test_text_that_cannot_be_quoted_is_refused(text: str) -> None:
    """
    Text that could end its own quotes is refused; nothing is escaped by guess.
    """
    with pytest.raises(DeclarationError, match="GDBQL text cannot carry it"):
        quote_text(text)


@given(st.text(st.sampled_from("'\"\\ax"), max_size=6))
def test_quoted_text_cannot_end_early(text: str) -> None:
    """
    What stands between the quotes is the text, and has neither that quote nor a backslash.
    """
    try:
        quoted = quote_text(text)
    except DeclarationError:
        assert "\\" in text or {"'", '"'} <= set(text)
        return

    assert quoted[1:-1] == text
    assert quoted[0] == quoted[-1]
    assert not {quoted[0], "\\"} & set(text)
