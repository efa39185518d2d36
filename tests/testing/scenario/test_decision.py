"""
Scenarios of a decision over several subjects.
"""

from __future__ import annotations

import pytest

from eventsource import DecisionState, UnitOfWork, handles, select_events
from eventsource.testing import DecisionScenario, at
from tests.testing.lending import AlreadyLentError, Book, BookLent, BookReturned


class LentTo(DecisionState):
    """
    How many books a reader ever took.
    """

    count: int = 0

    @handles
    def _lent(self, _: BookLent) -> None:
        self.count += 1


async def swap(work: UnitOfWork, one: str, other: str) -> str:
    """
    Two readers swap their books.
    """
    first, second = await work.load_all(Book, [one, other])
    readers = first.reader, second.reader
    if None in readers or (await work.read(LentTo(select_events(BookLent).where(reader=readers[0])))).count > 1:
        raise AlreadyLentError
    work.emit(BookReturned(), at=first.subject)
    work.emit(BookReturned(), at=second.subject)
    work.emit(BookLent(reader=str(readers[1])), at=first.subject)
    work.emit(BookLent(reader=str(readers[0])), at=second.subject)
    return "swapped"


given = DecisionScenario().given
LENT = at("/books/1", BookLent(reader="Ada")), at("/books/2", BookLent(reader="Bob"))


def test_events_of_all_subjects_are_compared() -> None:
    """
    In the order of the commit, each with its place.
    """
    given(*LENT).when(swap, "1", "2").then(
        at("/books/1", BookReturned()),
        at("/books/2", BookReturned()),
        at("/books/1", BookLent(reader="Bob")),
        at("/books/2", BookLent(reader="Ada")),
    )


def test_wrong_place_is_told() -> None:
    """
    The right events at the wrong subjects are other events.
    """
    with pytest.raises(AssertionError, match=r"\+BookReturned at /books/2"):
        given(*LENT).when(swap, "1", "2").then(at("/books/1", BookReturned(), BookReturned()))


def test_refused_by_what_is_known_from_other_subjects() -> None:
    """
    A decision state reads the history too.
    """
    given(*LENT, at("/books/3", BookLent(reader="Ada"))).when(swap, "1", "2").then_refused(AlreadyLentError)
