"""
What is done about each command.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Protocol

from eventsource import Dispatcher, EventStore, Precondition, SubjectExists, UnitOfWork
from examples.bank import rules
from examples.bank.account import Account, transfer
from examples.bank.commands import (
    CloseAccount,
    Deposit,
    EndOrder,
    GrantLoan,
    NoteMissedPayment,
    NotePayment,
    OpenAccount,
    OpenAnotherAccount,
    PayOutLoan,
    PlaceStandingOrder,
    RefuseLoan,
    ReleaseFunds,
    RequestLoan,
    ReserveFunds,
    StopStandingOrder,
    Transfer,
    Withdraw,
    id_made_by,
)
from examples.bank.customer import Customer
from examples.bank.events import FundsReleased, FundsReserved
from examples.bank.loans import Loan
from examples.bank.standing_orders import Order


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

    _handle_orders(dispatcher)
    _handle_loans(dispatcher)
    return dispatcher


def _handle_orders(dispatcher: Dispatcher) -> None:
    @dispatcher.handles
    def place(command: PlaceStandingOrder, work: UnitOfWork, today: Callable[[], date]) -> None:
        order = work.create(Order, id_made_by(command))
        order.place(command.sender, command.receiver, command.cents, first_on=command.first_on, today=today())
        for account in (command.sender, command.receiver):
            work.require(_is_there(account), rules.is_open(Account.subject_of(account)))

    @dispatcher.handles
    async def stop(command: StopStandingOrder, work: UnitOfWork) -> None:
        (await work.load_or_new(Order, command.order)).stop()

    @dispatcher.handles
    async def note_payment(command: NotePayment, work: UnitOfWork) -> None:
        (await work.load(Order, command.order)).note_payment()

    @dispatcher.handles
    async def note_missed_payment(command: NoteMissedPayment, work: UnitOfWork) -> None:
        (await work.load(Order, command.order)).note_missed_payment(command.rule)

    @dispatcher.handles
    async def end(command: EndOrder, work: UnitOfWork) -> None:
        (await work.load(Order, command.order)).end(command.rule)


def _handle_loans(dispatcher: Dispatcher) -> None:
    @dispatcher.handles
    def request(command: RequestLoan, work: UnitOfWork, today: Callable[[], date]) -> None:
        loan = work.create(Loan, id_made_by(command))
        loan.request(command.account, command.cents, on=today())
        work.require(_is_there(command.account))

    @dispatcher.handles
    def reserve(command: ReserveFunds) -> FundsReserved:
        return FundsReserved(loan=command.loan, delta_cents=command.cents)

    @dispatcher.handles
    def release(command: ReleaseFunds) -> FundsReleased:
        return FundsReleased(loan=command.loan, delta_cents=-command.cents)

    @dispatcher.handles
    def pay_out(command: PayOutLoan, work: UnitOfWork, today: Callable[[], date]) -> None:
        work.add(Account(command.account)).take_loan(command.cents, loan=command.loan, on=today())

    @dispatcher.handles
    async def grant(command: GrantLoan, work: UnitOfWork) -> None:
        (await work.load(Loan, command.loan)).grant()

    @dispatcher.handles
    async def refuse(command: RefuseLoan, work: UnitOfWork) -> None:
        (await work.load(Loan, command.loan)).refuse(command.rule)


def _is_there(account: str) -> Precondition:
    return SubjectExists(Account.subject_of(account))
