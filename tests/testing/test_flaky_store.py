"""
A store that fails on purpose.
"""

import asyncio

import pytest

from eventsource import CommitOutcomeUnknownError, ConflictError, NewEvent, Repository, SubjectIsNew
from eventsource.errors import PreconditionFailedError, StoreUnavailableError
from eventsource.store import InMemoryEventStore
from eventsource.testing import Fault, FlakyStore
from tests.testing.lending import Book, BookBought

EVENT = NewEvent.of(BookBought(title="Emma"), subject="/books/1")


@pytest.mark.parametrize(("fault", "made"), [(Fault.ANSWER_LOST, 1), (Fault.REQUEST_LOST, 0)])
async def test_lost_commit_may_be_made_or_not(fault: Fault, made: int) -> None:
    """
    The caller cannot tell, the test can.
    """
    inner = InMemoryEventStore()
    store = FlakyStore(inner, script=[fault])

    with pytest.raises(CommitOutcomeUnknownError):
        await store.commit([EVENT])

    assert await inner.count() == made


async def test_conflict_is_that_of_a_real_store() -> None:
    """
    A repository takes it for one; where nothing guards the commit there is nothing to conflict with.
    """
    store = FlakyStore(InMemoryEventStore(), script=[Fault.CONFLICT, Fault.NONE, Fault.CONFLICT, Fault.CONFLICT])
    books = Repository(Book, store)

    with pytest.raises(PreconditionFailedError):
        await store.commit([EVENT], [SubjectIsNew("/books/1")])
    assert await store.count() == 0
    async with books.create("1") as book:
        book.buy("Emma")
    with pytest.raises(ConflictError):
        async with books.change("1") as book:
            book.lend("Ada")
    await store.commit([EVENT])
    assert store.faults == [Fault.CONFLICT, Fault.NONE, Fault.CONFLICT, Fault.NONE]


async def test_store_that_is_away() -> None:
    """
    Commits and streams fail; nothing is written.
    """
    store = FlakyStore(InMemoryEventStore(), unavailable=1)

    with pytest.raises(StoreUnavailableError):
        await store.commit([EVENT])
    with pytest.raises(StoreUnavailableError):
        _ = [event async for event in store.stream()]


async def test_commands_survive_conflicts_by_chance() -> None:
    """
    The same seed gives the same faults, and every command is carried out once.
    """

    async def lend_all() -> list[Fault]:
        inner = InMemoryEventStore()
        store = FlakyStore(inner, conflicts=0.4, seed=7)
        books = Repository(Book, store)
        for number in range(20):
            await inner.commit([NewEvent.of(BookBought(title="Emma"), subject=f"/books/{number}")])
            await books.execute(str(number), Book.lend, "Ada")
        assert await inner.count() == 40
        return store.faults

    first, second = await asyncio.gather(lend_all(), lend_all())

    assert first == second
    assert Fault.CONFLICT in first
