"""
Decisions as type checkers see them.
"""

from typing import assert_type

from eventsource import DecisionState, EventStore, RecordedEvent, UnitOfWork, handles, select_events, transact
from tests.typing.bank import Account, AccountOpened, Customer


class AccountsOpened(DecisionState):
    """
    How many there are.
    """

    count: int = 0

    @handles
    def _opened(self, _: AccountOpened) -> None:
        self.count += 1


async def what_is_read_has_its_class(work: UnitOfWork) -> None:
    """
    Aggregates, and states too.
    """
    assert_type(await work.load(Account, "1"), Account)
    assert_type(await work.load_all(Account, ["1", "2"]), list[Account])
    assert_type(await work.load_or_new(Customer, "1"), Customer)
    assert_type(work.create(Account, "1"), Account)
    assert_type(work.add(Account("1")), Account)
    assert_type(await work.read(AccountsOpened(select_events(AccountOpened))), AccountsOpened)
    assert_type(await work.commit(), tuple[RecordedEvent, ...])


async def what_is_no_aggregate_is_not_loaded(work: UnitOfWork) -> None:
    """
    Neither is an aggregate read as a state, nor a class in place of a state.
    """
    await work.load(AccountsOpened, "1")  # type: ignore[type-var]
    await work.read(Account("1"))  # type: ignore[type-var]
    await work.read(AccountsOpened)  # type: ignore[type-var]
    work.emit(Account("1"), at="/accounts/1")  # type: ignore[arg-type]


async def deciding_gives_the_functions_result(store: EventStore) -> None:
    """
    Of an asynchronous function, and of a plain one.
    """

    async def count(work: UnitOfWork) -> int:
        return (await work.read(AccountsOpened(select_events(AccountOpened)))).count

    async def nothing(work: UnitOfWork) -> None:
        work.create(Account, "1").open("Ada")

    assert_type(await transact(store, count), int)
    assert_type(await transact(store, lambda work: work.create(Account, "1").version), int)
    await transact(store, nothing)
    await transact(store, lambda work: work.create(Account, "1").open("Ada"))
