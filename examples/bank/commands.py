"""
What one can ask of the bank: commands, and what is done about each.

A command has an id. Whoever sends it again with that id, since the button was clicked twice or no answer
came, gets the answer of the first time, and nothing is booked twice.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Protocol

from eventsource import Command, Dispatcher, EventStore, UnitOfWork
from examples.bank.account import Account, transfer
from examples.bank.customer import Customer


class OpenAccount(Command, subject="/accounts"):
    """
    Become a customer, with a first account.
    """

    owner_name: str
    email: str | None = None
    overdraft_limit_cents: int = 0


class OpenAnotherAccount(Command, subject="/accounts"):
    """
    Give the customer *owner* one more account.
    """

    owner: str
    overdraft_limit_cents: int = 0


class Deposit(Command, subject="/accounts/{account}"):
    """
    Put cash in.
    """

    account: str
    cents: int


class Withdraw(Command, subject="/accounts/{account}"):
    """
    Take cash out, as its owner *customer* does.
    """

    account: str
    customer: str
    cents: int


class Transfer(Command, subject="/accounts/{sender}"):
    """
    Move money from one account to another.
    """

    sender: str
    receiver: str
    cents: int


class CloseAccount(Command, subject="/accounts/{account}"):
    """
    Book nothing on an account any more.
    """

    account: str


class FreeNumber(Protocol):
    """
    Tells a number that no account has, as far as one knows.
    """

    def __call__(self) -> Awaitable[str]:
        """
        Somebody may take it at the same moment: the store notices.
        """
        ...


def make_dispatcher(store: EventStore, *, today: Callable[[], date], free_number: FreeNumber) -> Dispatcher:
    """
    The handlers of all commands.

    Most read nothing: the account is added to the unit of work as it is not known, and the store decides
    by the rules. So a deposit costs the same on an account with a million bookings, and meets no conflict.
    """
    dispatcher = Dispatcher(store, dependencies={"today": today, "free_number": free_number})

    @dispatcher.handles
    async def open_account(
        command: OpenAccount, work: UnitOfWork, today: Callable[[], date], free_number: FreeNumber
    ) -> None:
        number = await free_number()
        customer, account = work.create(Customer, number), work.create(Account, number)
        customer.register(command.owner_name, on=today(), email=command.email)
        # Two subjects, one commit: no account without its owner.
        account.open(customer.id, on=today(), overdraft_limit_cents=command.overdraft_limit_cents)

    @dispatcher.handles
    async def open_another(
        command: OpenAnotherAccount, work: UnitOfWork, today: Callable[[], date], free_number: FreeNumber
    ) -> None:
        customer = await work.load(Customer, command.owner)
        account = work.create(Account, await free_number())
        account.open(customer.id, on=today(), overdraft_limit_cents=command.overdraft_limit_cents)

    @dispatcher.handles
    def deposit(command: Deposit, work: UnitOfWork, today: Callable[[], date]) -> None:
        work.add(Account(command.account)).deposit(command.cents, on=today())

    @dispatcher.handles
    def withdraw(command: Withdraw, work: UnitOfWork, today: Callable[[], date]) -> None:
        work.add(Account(command.account)).withdraw(command.cents, customer=command.customer, on=today())

    @dispatcher.handles
    def transfer_money(command: Transfer, work: UnitOfWork, today: Callable[[], date]) -> None:
        sender = work.add(Account(command.sender))
        receiver = sender if command.receiver == command.sender else work.add(Account(command.receiver))
        transfer(sender, receiver, command.cents, on=today())

    @dispatcher.handles
    def close(command: CloseAccount, work: UnitOfWork, today: Callable[[], date]) -> None:
        work.add(Account(command.account)).close(on=today())

    return dispatcher
