"""
The bank as a whole: a store, its read models, and what one can ask of them.

This is the layer that a web page, a command line or a test talks to.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import TypeVar

import attrs
from sqlalchemy import Connection

from eventsource import (
    AggregateExistsError,
    AggregateNotFoundError,
    EventStore,
    EventStream,
    InvalidSubjectError,
    Projector,
    Repository,
    Worker,
)
from examples.bank import balances, ledger, statements
from examples.bank.account import Account, account_of, transfer
from examples.bank.balances import Balance
from examples.bank.customer import Customer
from examples.bank.ledger import LedgerTotal
from examples.bank.refusals import NoSuchAccountError
from examples.bank.statements import StatementLine

# Accounts opened here are numbered from here on, so that the numbers of imported ones stay free.
FIRST_NUMBER = 100_001

# How long a caller waits until the read models show what they wrote, in seconds.
_PATIENCE_S = 10.0

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

        worker: Runs *projectors*, on the database where the read models are.

        today: The date of what is booked now.
    """

    def __init__(
        self,
        store: EventStore,
        worker: Worker,
        projectors: Sequence[Projector],
        *,
        today: Callable[[], date],
    ) -> None:
        self.store = store
        self.accounts = Repository(Account, store)
        self.customers = Repository(Customer, store)
        self._worker = worker
        self._projectors = projectors
        self._today = today

    async def open_account(self, owner_name: str, overdraft_limit_cents: int = 0) -> str:
        """
        Open an account for a new customer.

        Returns:
            Its number.

        Raises:
            RefusedError: The name or the limit will not do.
        """
        number = max(FIRST_NUMBER, await self.ask(balances.highest_number) + 1)
        while True:
            customer, account = Customer(str(number)), Account(str(number))
            customer.register(owner_name, on=self._today())
            account.open(customer.id, on=self._today(), overdraft_limit_cents=overdraft_limit_cents)
            try:
                # Two subjects, one commit: no account without its owner.
                recorded = await self.accounts.save(customer, account)
            except AggregateExistsError:
                # Somebody took the number a moment ago. The store noticed; the next one then.
                number += 1
            else:
                await self.seen(recorded[-1].id)
                return account.id

    async def deposit(self, account: str, cents: int) -> None:
        """
        Put cash into an account.

        Raises:
            RefusedError: The account or the amount will not do.
        """
        with _refusing_unknown_accounts(account):
            await self.accounts.execute(account, Account.deposit, cents, on=self._today())
        await self._show(account)

    async def withdraw(self, account: str, cents: int) -> None:
        """
        Take cash out of an account.

        Raises:
            RefusedError: The account or the amount will not do, or the account does not have it.
        """
        with _refusing_unknown_accounts(account):
            await self.accounts.execute(account, Account.withdraw, cents, on=self._today())
        await self._show(account)

    async def transfer(self, sender: str, receiver: str, cents: int) -> None:
        """
        Move money from one account to another, in one commit.

        Raises:
            RefusedError: An account or the amount will not do, or *sender* does not have it.
        """
        with _refusing_unknown_accounts(sender, receiver):
            await self.accounts.execute_across([sender, receiver], transfer, cents, on=self._today())
        await self._show(receiver)

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
        return await self._worker.database.read(question)

    async def seen(self, event_id: str, *, timeout_s: float = _PATIENCE_S) -> None:
        """
        Wait until all read models hold everything up to this event.

        Raises:
            ProjectionError: They do not get there, or not in time.
        """
        for projector in self._projectors:
            await projector.seen(event_id, timeout_s)

    def caught_up_so_far(self) -> tuple[int, int]:
        """
        How many events the read models have taken, and how many they were to take; of all of them together.
        """
        running = self._worker.progress.values()
        return sum(progress.checkpoint.events for progress in running), sum(progress.total for progress in running)

    async def _show(self, account: str) -> None:
        # `execute` answers with what the command returned. The account itself knows its last event: the one just
        # committed, or one that came after it.
        loaded = await self.accounts.load(account)
        if loaded.last_event_id:
            await self.seen(loaded.last_event_id)


@contextmanager
def _refusing_unknown_accounts(*accounts: str) -> Generator[None]:
    """
    Say "there is no account 99" as the bank's own refusal.
    """
    for account in accounts:
        try:
            Account.subject_of(account)
        except InvalidSubjectError as error:
            # A text that cannot stand in a path was never the number of an account.
            raise NoSuchAccountError(account) from error
    try:
        yield
    except AggregateNotFoundError as error:
        raise NoSuchAccountError(account_of(error.subject)) from error
