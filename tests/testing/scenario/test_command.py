"""
Scenarios of commands.
"""

import pytest

from eventsource import Command, Dispatcher, EventStore, UnitOfWork
from eventsource.store import InMemoryEventStore
from eventsource.testing import CommandScenario, at
from tests.testing.lending import AlreadyLentError, Book, BookBought, BookLent


class LendBook(Command, subject="/books/{book}"):
    """
    Lend a book.
    """

    book: str
    reader: str


own_store = InMemoryEventStore()
dispatcher = Dispatcher(own_store)


@dispatcher.handles
async def lend(command: LendBook, work: UnitOfWork) -> None:
    """
    Lend it, if it is there.
    """
    book = await work.load(Book, command.book)
    book.lend(command.reader)


given = CommandScenario(dispatcher).given
BOUGHT = at("/books/1", BookBought(title="Emma"))


async def test_command_is_carried_out_beside_the_store_of_production() -> None:
    """
    By the same handlers, in a store of its own.
    """
    given(BOUGHT).when(LendBook(book="1", reader="Ada")).then(at("/books/1", BookLent(reader="Ada")))
    assert await own_store.count() == 0


def test_command_is_refused() -> None:
    """
    By what its handler raises.
    """
    given(at("/books/1", BookLent(reader="Ada"))).when(LendBook(book="1", reader="Bob")).then_refused(AlreadyLentError)


def test_same_command_twice_happens_once() -> None:
    """
    Two of one id are one; two of two ids are two.
    """
    click = LendBook(command_id="click", book="1", reader="Ada")

    given(BOUGHT).when([click, click]).then(at("/books/1", BookLent(reader="Ada")))
    given(BOUGHT).when([click, LendBook(book="1", reader="Ada")]).then_refused(AlreadyLentError)


def test_dispatcher_may_be_made_for_the_store() -> None:
    """
    A function makes one over the store of the scenario.
    """

    def make(store: EventStore) -> Dispatcher:
        made = Dispatcher(store)
        made.register(LendBook, lend)
        return made

    CommandScenario(make).given(BOUGHT).when(LendBook(book="1", reader="Ada")).then(
        at("/books/1", BookLent(reader="Ada"))
    )


def test_event_without_a_place_is_told() -> None:
    """
    Commands are about many subjects.
    """
    with pytest.raises(ValueError, match=r'BookBought needs a place: at\("/…", BookBought\(…\)\)'):
        given(BookBought(title="Emma"))  # type: ignore[arg-type]  # the mistake that is meant
