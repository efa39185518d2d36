"""
Scenarios of an aggregate: what they accept, and what they say where they do not.
"""

import pytest

from eventsource.testing import AggregateScenario, at
from tests.testing.lending import AlreadyLentError, Book, BookBought, BookLent, BookReturned

given = AggregateScenario(Book).given


def test_what_happened_is_what_was_expected() -> None:
    """
    A command of a new aggregate, and one of an aggregate with a history.
    """
    given().when(Book.buy, "Emma").then(BookBought(title="Emma"))
    given(BookBought(title="Emma")).when(Book.lend, "Ada").then(BookLent(reader="Ada")).then_state(reader="Ada")
    given(BookLent(reader="Ada"), BookReturned()).when(Book.lend, reader="Bob").then(BookLent(reader="Bob"))


async def test_scenarios_run_in_asynchronous_tests_as_they_are() -> None:
    """
    Nothing is awaited, so nothing can be forgotten to be.
    """
    given(BookBought(title="Emma")).when(Book.lend, "Ada").then(BookLent(reader="Ada"))
    with pytest.raises(AssertionError):
        given(BookBought(title="Emma")).when(Book.lend, "Ada").then_nothing()


def test_nothing_happens() -> None:
    """
    A command may be accepted without an event.
    """
    given(BookBought(title="Emma")).when(Book.lend, "").then_nothing()


def test_refused_by_the_aggregate() -> None:
    """
    By the class of what was raised.
    """
    given(BookLent(reader="Ada")).when(Book.lend, "Bob").then_refused(AlreadyLentError)


def test_refused_by_a_rule_of_the_store() -> None:
    """
    The store in memory decides it as every other store does, over other subjects too.
    """
    history = at("/books/7", BookLent(reader="Ada"))

    given(BookBought(title="Emma"), history).when(Book.lend_to_the_modest, "Ada").then_refused(
        "one book for each reader"
    )
    given(BookBought(title="Emma"), history).when(Book.lend_to_the_modest, "Bob").then(BookLent(reader="Bob"))


def test_difference_is_shown_line_by_line() -> None:
    """
    The field that is another one stands beside what was expected.
    """
    with pytest.raises(AssertionError) as excinfo:
        given(BookBought(title="Emma")).when(Book.lend, "Ada").then(BookLent(reader="Bob"))

    assert str(excinfo.value).splitlines() == [
        "other events happened than expected:",
        "--- expected",
        "+++ happened",
        " BookLent at /books/42",
        '-    reader = "Bob"',
        '+    reader = "Ada"',
    ]


def test_missing_event_is_shown() -> None:
    """
    Also where nothing happened at all.
    """
    with pytest.raises(AssertionError, match="- BookLent at /books/42"):
        given(BookBought(title="Emma")).when(Book.lend, "").then(BookLent(reader="Ada"))


@pytest.mark.parametrize("check", ["then", "then_nothing", "then_state"])
def test_unexpected_refusal_shows_where_it_was_raised(check: str) -> None:
    """
    With the line of the user's own code.
    """
    outcome = given(BookLent(reader="Ada")).when(Book.lend, "Bob")

    with pytest.raises(AssertionError, match=r"lending\.py.*, in lend\n"):
        getattr(outcome, check)()


@pytest.mark.parametrize("refusal", [AlreadyLentError, "one book for each reader"], ids=["exception", "rule"])
def test_expected_refusal_that_did_not_come_is_told(refusal: type[Exception] | str) -> None:
    """
    With what happened instead.
    """
    with pytest.raises(AssertionError, match=r"was to refuse it, but it was accepted:\nBookLent at /books/42"):
        given(BookBought(title="Emma")).when(Book.lend, "Ada").then_refused(refusal)


def test_refusal_by_something_else_is_told() -> None:
    """
    Another exception is not the one that was expected.
    """
    with pytest.raises(AssertionError, match="the rule 'another rule' was to refuse it, but it was refused by"):
        given(BookLent(reader="Ada")).when(Book.lend, "Bob").then_refused("another rule")


def test_wrong_state_is_told() -> None:
    """
    With both values.
    """
    with pytest.raises(AssertionError, match="reader: expected 'Bob', found 'Ada'"):
        given(BookBought(title="Emma")).when(Book.lend, "Ada").then_state(reader="Bob")
