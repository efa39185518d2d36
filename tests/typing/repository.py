"""
The repository as type checkers see it.
"""

from typing import assert_type

from eventsource import EventStore, Precondition, RecordedEvent, Repository, SubjectExists, select_events
from tests.typing.bank import Account, AccountOpened, Customer, transfer


async def aggregates_have_their_class(store: EventStore) -> None:
    """
    A repository of accounts gives accounts.
    """
    accounts = Repository(Account, store)
    assert_type(accounts, Repository[Account])
    assert_type(await accounts.load("1"), Account)
    async with accounts.create("1") as created:
        assert_type(created, Account)
    async with accounts.change("1") as changed:
        assert_type(changed, Account)
    Repository(str, store)  # type: ignore[type-var]
    Repository(Account, "store")  # type: ignore[arg-type]


async def saving_gives_what_was_recorded(accounts: Repository[Account], account: Account, customer: Customer) -> None:
    """
    Aggregates of any class can be saved together, and nothing else.
    """
    assert_type(await accounts.save(account, customer), tuple[RecordedEvent, ...])
    await accounts.save("account")  # type: ignore[arg-type]


async def executing_gives_the_commands_result(accounts: Repository[Account]) -> None:
    """
    The result is the command's, of a method or of any other function.
    """
    assert_type(await accounts.execute("1", Account.withdraw, 5), int)
    assert_type(await accounts.execute("1", Account.withdraw, 5, fee_cents=1), int)
    assert_type(await accounts.execute("1", Account.withdraw, cents=5), int)
    assert_type(await accounts.execute("1", lambda account: account.cents), int)
    assert_type(await accounts.execute("1", lambda account: account), Account)
    assert_type(await accounts.execute_across(["1", "2"], transfer, 5), tuple[int, int])


async def arguments_of_commands_are_checked(accounts: Repository[Account]) -> None:
    """
    The arguments are those of the command: a wrong, missing or unknown one is found.
    """
    await accounts.execute("1", Account.open, "Ada")
    await accounts.execute("1", Account.open, 5)  # type: ignore[arg-type]
    await accounts.execute("1", Account.withdraw)  # type: ignore[call-arg]
    await accounts.execute("1", Account.withdraw, 5, 6)  # type: ignore[call-arg]
    await accounts.execute("1", Account.withdraw, 5, fee_cents="1")  # type: ignore[arg-type]
    await accounts.execute("1", Account.withdraw, 5, tip_cents=1)  # type: ignore[call-arg]


async def commands_belong_to_the_aggregate(accounts: Repository[Account]) -> None:
    """
    A command of another aggregate, or what is no command, is found.
    """
    await accounts.execute("1", Customer.greet)  # type: ignore[arg-type]
    await accounts.execute("1", "withdraw")  # type: ignore[arg-type]
    await accounts.execute(1, Account.withdraw, 5)  # type: ignore[arg-type]


def rules_of_an_event_are_preconditions(account: Account) -> None:
    """
    What guards an event is any number of preconditions, guards among them.
    """
    opened = AccountOpened(owner="Ada")
    account.emit(opened, rules=[SubjectExists("/customers/1"), select_events(AccountOpened).count() == 0])
    account.emit(opened, unversioned=True)
    assert_type(account.preconditions, tuple[Precondition, ...])
    account.emit(opened, rules=select_events(AccountOpened).exists())  # type: ignore[arg-type]
    account.emit(opened, rules=["funds"])  # type: ignore[list-item]
