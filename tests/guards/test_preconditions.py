"""
Preconditions: what they say, and what they look like as GDBQL.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource import QueryHolds, Subject, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import InvalidSubjectError, QuerySyntaxError
from eventsource.gdbql import VersionGuard, parse, print_query, version_guard


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


@pytest.mark.parametrize("subject", ["/accounts/42", "/a.b/c:d@e+f~g-h_i", "/o'brien", "/Zürich", '/a"b', "/a\\b"])
def test_a_version_prints_as_the_printer_prints_it(subject: str) -> None:
    """
    Whichever way the text is made, it is the one form that the query has.
    """
    text = SubjectIsAtVersion(subject, 7).query

    assert print_query(parse(text)) == text
    assert version_guard(parse(text)) == VersionGuard(subject, 7)


def test_preconditions_are_values() -> None:
    """
    Two that say the same are equal.
    """
    assert SubjectIsNew("/a") == SubjectIsNew(Subject("/a"))
    empty = "STREAM e FROM events MAP COUNT() == 0"
    assert QueryHolds(empty, name="n") == QueryHolds(empty, name="n")
    assert SubjectIsNew("/a") != SubjectIsNew("/b")


def test_query_that_is_none_is_refused() -> None:
    """
    Text that is no GDBQL is found when the precondition is made, not at the store.
    """
    with pytest.raises(QuerySyntaxError, match="line 1, column 1"):
        QueryHolds("SELECT * FROM events")


@given(st.text(st.sampled_from("'\"\\ax"), max_size=6))
def test_subject_with_quotes_survives_as_gdbql(name: str) -> None:
    """
    Whatever quotes and backslashes a subject has, the query asks for exactly that subject.
    """
    precondition = SubjectIsAtVersion(f"/accounts/x{name}", 3)

    assert version_guard(parse(precondition.query)) == (precondition.subject, 3)
