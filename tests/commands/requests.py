"""
Commands over the accounts of these tests, and a dispatcher that handles them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from eventsource import Command, Dispatcher, Guard, UnitOfWork, rule, select_events
from tests.aggregates.accounts import Account, AccountOpened, MoneyMoved, transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource import EventStore
    from eventsource.commands import CommandResult, Middleware


class Open(Command, subject="/accounts/{account}"):
    """
    Open an account.
    """

    account: str
    owner: str = "Ada"


class Deposit(Command, subject="/accounts/{account}"):
    """
    Put money in, whatever the balance is: decided by a rule alone.
    """

    account: str
    cents: int

    @rule("the account is open")
    def _is_open(self) -> Guard:
        return select_events(AccountOpened).at(self.subject).exists()


class Withdraw(Command, subject="/accounts/{account}"):
    """
    Take money out.
    """

    account: str
    cents: int


class Transfer(Command, subject="/transfers/{transfer}"):
    """
    Move money; what it is about is the transfer, which no event is at unless the handler emits one.
    """

    transfer: str
    source: str
    target: str
    cents: int


class Look(Command, subject="/accounts/{account}"):
    """
    Change nothing.
    """

    account: str


def make_dispatcher(store: EventStore, middleware: Sequence[Middleware] = (), **options: Any) -> Dispatcher:
    """
    A dispatcher over *store* that handles all of the above.
    """
    dispatcher = Dispatcher(store, middleware=middleware, **options)

    @dispatcher.handles
    def open_account(command: Open, work: UnitOfWork) -> None:
        work.create(Account, command.account).open(command.owner)

    @dispatcher.handles
    def deposit(command: Deposit) -> MoneyMoved:
        return MoneyMoved(cents=command.cents)

    @dispatcher.handles
    async def withdraw(command: Withdraw, work: UnitOfWork) -> int:
        account = await work.load(Account, command.account)
        return account.withdraw(command.cents)

    @dispatcher.handles
    async def move(command: Transfer, work: UnitOfWork) -> None:
        source, target = await work.load_all(Account, [command.source, command.target])
        transfer(source, target, command.cents)
        work.emit(MoneyMoved(cents=command.cents), at=command.subject)

    @dispatcher.handles
    async def look(command: Look, work: UnitOfWork) -> int:
        return (await work.load(Account, command.account)).cents

    return dispatcher


class Dispatches(Protocol):
    """
    A dispatcher, or what stands before one.
    """

    async def dispatch(self, command: Command) -> CommandResult:
        """
        Carry it out.
        """
        ...


async def open_with(dispatcher: Dispatches, account: str, cents: int) -> None:
    """
    An account with money in it: two events.
    """
    await dispatcher.dispatch(Open(account=account))
    await dispatcher.dispatch(Deposit(account=account, cents=cents))
