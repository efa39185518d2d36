"""
The bank as a whole: a store, its read models, and what one can ask of them.

This is the layer that a web page, a command line or a test talks to.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from typing import TypeVar

import attrs
from sqlalchemy import Connection

from eventsource import (
    AggregateExistsError,
    AggregateNotFoundError,
    Command,
    EventStore,
    ProcessWorker,
    Projector,
    ReadModelDatabase,
    Repository,
    RetryPolicy,
    RuleBrokenError,
    UnitOfWork,
    erase_subject,
    transact,
)
from eventsource.commands import CommandResult
from eventsource.errors import InvalidSubjectError
from eventsource.store import EventStream
from examples.bank import balances, ledger, rules, statements
from examples.bank.account import Account, account_of
from examples.bank.balances import Balance
from examples.bank.books import BANK, Books, month_after, month_of
from examples.bank.clock import BankClock
from examples.bank.commands import (
    CloseAccount,
    Deposit,
    OpenAccount,
    OpenAnotherAccount,
    Transfer,
    Withdraw,
)
from examples.bank.customer import Customer
from examples.bank.dispatcher import make_dispatcher
from examples.bank.events import AccountOpened
from examples.bank.explaining import Asked, explain
from examples.bank.ledger import LedgerTotal
from examples.bank.refusals import (
    MonthNotOverError,
    NoSuchAccountError,
)
from examples.bank.statements import StatementLine

# Accounts opened here are numbered from here on, so that the numbers of imported ones stay free.
FIRST_NUMBER = 100_001

# How long a caller waits until the read models show what they wrote, in seconds.
_PATIENCE_S = 10.0

_OPENED = AccountOpened.event_type

# Closing a month adds up what all accounts hold; a booking in between makes the sum another one.
_CLOSING = RetryPolicy(attempts=100, retried_rules=[rules.BOOKS_ADD_UP])

Answer = TypeVar("Answer")


@attrs.frozen
class Totals:
    """
    The bank in four figures.
    """

    accounts: int
    transactions: int
    events: int
    total_balance_cents: int


class Bank:
    """
    Commands that answer once the read models show them, and the questions they answer.

    Get one from `examples.bank.folder.open_bank`.

    Args:
        store: Where the events are.

        database: Where the read models are.

        projectors: What fills them: run by a worker of this program, or watched.

        clock: Tells the date of what is booked now.

    Attributes:
        dispatcher: Carries commands out.

        processes: What leads standing orders and loans on; None where another program does.
    """

    def __init__(
        self,
        store: EventStore,
        database: ReadModelDatabase,
        projectors: Sequence[Projector],
        *,
        clock: BankClock,
    ) -> None:
        self.store = store
        self.clock = clock
        self.dispatcher = make_dispatcher(store, today=clock.today, free_number=self._free_number)
        self.processes: ProcessWorker | None = None
        self._highest_taken = 0
        self._database = database
        self._projectors = projectors

    # --- Commands ---

    async def open_account(
        self,
        owner_name: str,
        overdraft_limit_cents: int = 0,
        *,
        email: str | None = None,
        command_id: str | None = None,
    ) -> str:
        """
        Open an account for a new customer.

        Args:
            command_id: As of all commands here: what the request is called. A request that comes again with
                it is not carried out again, and gets the same answer.

        Returns:
            Its number.

        Raises:
            EmailTakenError: Another customer has this e-mail.
            RefusedError: The name, the e-mail or the limit will not do.
        """
        return await self._open(
            OpenAccount(
                owner_name=owner_name, email=email, overdraft_limit_cents=overdraft_limit_cents, **given_id(command_id)
            ),
            asked=Asked(email=email or ""),
        )

    async def open_another_account(
        self, account: str, overdraft_limit_cents: int = 0, *, command_id: str | None = None
    ) -> str:
        """
        Open one more account for the customer who owns *account*.

        Returns:
            Its number.

        Raises:
            RefusedError: There is no such account, or the limit will not do.
        """
        owner = (await self.balance(account)).owner
        command = OpenAnotherAccount(owner=owner, overdraft_limit_cents=overdraft_limit_cents, **given_id(command_id))
        return await self._open(command, asked=Asked())

    async def _open(self, command: Command, *, asked: Asked) -> str:
        while True:
            try:
                result = await self.carry_out(command, asked=asked)
            except AggregateExistsError as error:
                # Somebody took the number a moment ago. The store noticed; the next one then.
                self._highest_taken = max(self._highest_taken, int(account_of(error.subject or "0")))
            else:
                return next(account_of(event.subject) for event in result.events if event.type == _OPENED)

    async def _free_number(self) -> str:
        known = max(self._highest_taken, await self.ask(balances.highest_number))
        return str(max(FIRST_NUMBER, known + 1))

    async def deposit(self, account: str, cents: int, *, command_id: str | None = None) -> CommandResult:
        """
        Put cash into an account.

        Raises:
            ClosedError: It is closed.
            RefusedError: The account or the amount will not do.
        """
        check_numbers(account)
        command = Deposit(account=account, cents=cents, **given_id(command_id))
        return await self.carry_out(command, asked=Asked((account,), cents))

    async def withdraw(self, account: str, cents: int, *, command_id: str | None = None) -> CommandResult:
        """
        Take cash out of an account.

        Raises:
            NotCoveredError: The account does not have it.
            DailyLimitError: Its owner withdrew too much today.
            ClosedError: It is closed.
            RefusedError: The account or the amount will not do.
        """
        check_numbers(account)
        # The read model may be a little behind, but an account never changes its owner.
        customer = (await self.balance(account)).owner
        command = Withdraw(account=account, customer=customer, cents=cents, **given_id(command_id))
        allowance = rules.allowance_of(customer, self.clock.today())
        return await self.carry_out(command, asked=Asked((account,), cents, allowance=allowance))

    async def transfer(self, sender: str, receiver: str, cents: int, *, command_id: str | None = None) -> CommandResult:
        """
        Move money from one account to another, in one commit.

        Raises:
            NotCoveredError: *sender* does not have it.
            ClosedError: One is closed.
            RefusedError: An account or the amount will not do.
        """
        check_numbers(sender, receiver)
        command = Transfer(sender=sender, receiver=receiver, cents=cents, **given_id(command_id))
        return await self.carry_out(command, asked=Asked((sender, receiver), cents))

    async def close_account(self, account: str, *, command_id: str | None = None) -> CommandResult:
        """
        Close an account that holds nothing.

        Raises:
            NotEmptyError: It holds money, or owes some.
            ClosedError: It is closed already.
            NoSuchAccountError: It is not there.
        """
        check_numbers(account)
        return await self.carry_out(CloseAccount(account=account, **given_id(command_id)), asked=Asked((account,)))

    async def erase_customer(self, account: str) -> int:
        """
        Erase all that is personal of the customer who owns *account*, for good; what was booked stays.

        Again it does nothing, unless it was interrupted: then it goes on.

        Returns:
            How many events were emptied.

        Raises:
            NoSuchAccountError: It is not there.
            ErasureUnfinishedError: Nobody can read it any more, but bytes are left in a file: do it again.
        """
        subject = Customer.subject_of((await self.balance(account)).owner)
        erasure = await erase_subject(self.store, subject, wait_for=self._projectors, timeout_s=_PATIENCE_S)
        return erasure.emptied

    async def close_month(self) -> str:
        """
        Close the books of the last month that is over and not closed, whatever is booked meanwhile.

        The first time that is last month; after that the one behind the month that was closed last.

        Returns:
            The month.

        Raises:
            MonthNotOverError: It is not over.
        """
        today, books = self.clock.today(), Repository(Books, self.store)
        try:
            month = (await books.load(BANK)).period
        except AggregateNotFoundError:
            month = month_of(today.replace(day=1) - timedelta(days=1))
            with suppress(AggregateExistsError):
                async with books.create(BANK, period=month) as first:
                    first.begin()
        if month >= month_of(today):
            raise MonthNotOverError(month)

        async def close(work: UnitOfWork) -> Books:
            [total_cents] = [row async for row in self.store.query(rules.total_of_accounts())]
            current = await work.load(Books, BANK)
            if current.period > month:
                return current
            return work.close_period(current, month_after(month), Books.close, total_cents)

        now = await transact(self.store, close, retry=_CLOSING)
        await self.seen(now.last_event_id or "")
        return month

    # --- Carrying them out ---

    async def carry_out(self, command: Command, *, asked: Asked) -> CommandResult:
        """
        Carry out a command, and wait until the read models show it.

        Args:
            asked: What it is about, for the words of its refusal.

        Raises:
            RefusedError: What the store, or the bank, says no to.
        """
        try:
            return await self.dispatcher.dispatch(command, wait_for=self._projectors, wait_timeout_s=_PATIENCE_S)
        except AggregateNotFoundError as error:
            raise NoSuchAccountError(account_of(error.subject)) from error
        except RuleBrokenError as error:
            refusal = await explain(self, error.name, asked)
            if refusal is None:
                raise
            raise refusal from error

    async def pass_month(self) -> date:
        """
        Let a month pass, and all that is due by then be done.

        Returns:
            What day it is then.
        """
        today = self.clock.pass_month()
        await self.settle()
        return today

    async def settle(self) -> None:
        """
        Wait until standing orders and loans are led on as far as they can be by now, and the read models show it.
        """
        if self.processes is not None:
            await self.processes.settle()
        await self.caught_up()

    # --- Questions ---

    async def balances(self, *, search: str = "", offset: int = 0, limit: int | None = None) -> list[Balance]:
        """
        Accounts by number, those only whose number starts with *search* or whose owner's name has it.
        """
        return await self.ask(partial(balances.list_balances, search=search, offset=offset, limit=limit))

    async def count_balances(self, *, search: str = "") -> int:
        """
        How many accounts `balances` finds in all.
        """
        count, _ = await self.ask(partial(balances.count_balances, search=search))
        return count

    async def balance(self, account: str) -> Balance:
        """
        One account.

        Raises:
            NoSuchAccountError: It is not there.
        """
        found = await self.ask(partial(balances.find_balance, account=account))
        if found is None:
            raise NoSuchAccountError(account)
        return found

    async def statement(self, account: str, *, offset: int = 0, limit: int | None = None) -> list[StatementLine]:
        """
        What was booked on an account, the newest first.
        """
        return await self.ask(partial(statements.list_lines, account=account, offset=offset, limit=limit))

    async def count_lines(self, account: str) -> int:
        """
        How many lines the whole statement has.
        """
        return await self.ask(partial(statements.count_lines, account=account))

    async def ledger(self) -> list[LedgerTotal]:
        """
        The ledger's totals by account; they sum to zero.
        """
        return await self.ask(ledger.list_totals)

    async def totals(self) -> Totals:
        """
        The bank in four figures, as far as the read models are.
        """
        accounts, total_balance_cents = await self.ask(balances.count_balances)
        return Totals(
            accounts=accounts,
            transactions=await self.ask(statements.count_lines),
            events=await self.store.count(),
            total_balance_cents=total_balance_cents,
        )

    async def tape(self, *, bookings: int = 0) -> EventStream:
        """
        Every event from now on as it is committed, after those since the last so many bookings.

        History and what follows come from one stream: nothing is missed at the seam, and nothing comes twice.
        """
        if not bookings:
            return self.store.observe(from_now=True)
        # An empty store, or a young one, is read from its first event.
        start = await self.ask(partial(statements.event_before_last_lines, lines=bookings))
        return self.store.observe(lower_bound=start)

    async def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """
        Ask the read models anything: *question* gets a connection that only reads.
        """
        return await self._database.read(question)

    async def seen(self, event_id: str, *, timeout_s: float = _PATIENCE_S) -> None:
        """
        Wait until all read models hold everything up to this event.

        Raises:
            ProjectionError: They do not get there, or not in time.
        """
        for projector in self._projectors:
            await projector.seen(event_id, timeout_s)

    async def caught_up(self, *, timeout_s: float = _PATIENCE_S) -> None:
        """
        Wait until all read models hold everything that is in the store now.

        Raises:
            ProjectionError: They do not get there, or not in time.
        """
        newest = await self.store.last_event()
        if newest is not None:
            await self.seen(newest.id, timeout_s=timeout_s)


def check_numbers(*accounts: str) -> None:
    """
    Check that these can be the numbers of accounts.

    Raises:
        NoSuchAccountError: A text that cannot stand in a path was never the number of an account.
    """
    for number in accounts:
        try:
            Account.subject_of(number)
        except InvalidSubjectError as error:
            raise NoSuchAccountError(number) from error


def given_id(command_id: str | None) -> dict[str, str]:
    """
    The id of a command as its argument; it draws one of its own where none is given.
    """
    return {} if command_id is None else {"command_id": command_id}
