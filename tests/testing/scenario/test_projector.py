"""
Scenarios of a projector.
"""

import pytest

from eventsource.testing import ProjectorScenario, at
from tests.testing.lending import BookBought, BookLent, Lendings, lendings

given = ProjectorScenario(Lendings).given

HISTORY = (
    at("/books/1", BookBought(title="Emma"), BookLent(reader="Ada")),
    at("/books/2", BookLent(reader="Bob"), BookLent(reader="Ada")),
)


def test_rows_are_as_expected() -> None:
    """
    After following and after a rebuild.
    """
    given(*HISTORY).then_rows(lendings, [{"reader": "Ada", "times": 2}, {"reader": "Bob", "times": 1}])
    given().then_rows(lendings, [])


def test_only_columns_that_are_named_count() -> None:
    """
    A scenario is about what it names.
    """
    given(*HISTORY).then_rows(lendings, [{"reader": "Ada"}, {"reader": "Bob"}])


def test_other_rows_are_told() -> None:
    """
    Both sides are shown.
    """
    with pytest.raises(AssertionError, match=r"- \{'reader': 'Bob', 'times': 1\}\n\+ \{'reader': 'Ada', 'times': 1\}"):
        given(at("/books/1", BookLent(reader="Ada"))).then_rows(lendings, [{"reader": "Bob", "times": 1}])


def test_counting_does_not_stand_being_applied_twice() -> None:
    """
    Whoever needs that finds out.
    """
    once = given(at("/books/1", BookLent(reader="Ada")))

    with pytest.raises(AssertionError, match="with each event applied twice"):
        once.applied_twice().then_rows(lendings, [{"reader": "Ada", "times": 1}])


def test_event_without_a_place_is_told() -> None:
    """
    A projector of all subjects cannot guess where an event belongs; one of a subject takes that.
    """
    given(BookLent(reader="Ada")).then_rows(lendings, [{"reader": "Ada", "times": 1}])
