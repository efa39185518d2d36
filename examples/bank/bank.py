"""
The bank as a whole: a store, its read models, and what one can ask of them.

This is the layer that a web page, a command line or a test talks to.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import TypeVar

import attrs
from sqlalchemy import Connection

from eventsource import (
    Aggregate,
    AggregateExistsError,
    AggregateNotFoundError,
    EventStore,
    EventStream,
    InvalidSubjectError,
    PreconditionFailedError,
    Projector,
    ReadModelDatabase,
    Repository,
)
from examples.bank import balances, ledger, rules, statements
from examples.bank.account import Account, account_of, transfer
from examples.bank.balances import Balance
from examples.bank.customer import Customer
from examples.bank.ledger import LedgerTotal
from examples.bank.refusals import (
    ClosedError,
    DailyLimitError,
    EmailTakenError,
    NoSuchAccountError,
    NotCoveredError,
    NotEmptyError,
    RefusedError,
)
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

        database: Where the read models are.

        projectors: What fills them: run by a worker of this program, or watched.

        today: The date of what is booked now.
    """

    def __init__(
        self,
        store: EventStore,
        database: ReadModelDatabase,
        projectors: Sequence[Projector],
        *,
        today: Callable[[], date],
    ) -> None:
        self.store = store
        self.accounts = Repository(Account, store)
        self.customers = Repository(Customer, store)
        self._database = database
        self._projectors = projectors
        self._today = today

    # --- Commands ---

    async def open_account(self, owner_name: str, overdraft_limit_cents: int = 0, *, email: str | None = None) -> str:
        """
        Open an account for a new customer.

        Returns:
            Its number.

        Raises:
            EmailTakenError: Another customer has this e-mail.
            RefusedError: The name, the e-mail or the limit will not do.
        """

        def register(number: str) -> Customer:
            customer = Customer(number)
            customer.register(owner_name, on=self._today(), email=email)
            return customer

        return await self._open(register, overdraft_limit_cents, email=email or "")

    async def open_another_account(self, account: str, overdraft_limit_cents: int = 0) -> str:
        """
        Open one more account for the customer who owns *account*.

        Returns:
            Its number.

        Raises:
            RefusedError: There is no such account, or the limit will not do.
        """
        owner = await self.customers.load((await self.balance(account)).owner)
        return await self._open(lambda _: owner, overdraft_limit_cents)

    async def _open(self, owner_of: Callable[[str], Customer], overdraft_limit_cents: int, *, email: str = "") -> str:
        number = max(FIRST_NUMBER, await self.ask(balances.highest_number) + 1)
        while True:
            account = Account(str(number))
            customer = owner_of(account.id)
            account.open(customer.id, on=self._today(), overdraft_limit_cents=overdraft_limit_cents)
            try:
                # Two subjects, one commit: no account without its owner.
                await self._commit(customer, account, asked=_Asked(email=email))
            except AggregateExistsError:
                # Somebody took the number a moment ago. The store noticed; the next one then.
                number += 1
            else:
                return account.id

    async def deposit(self, account: str, cents: int) -> None:
        """
        Put cash into an account.

        Raises:
            ClosedError: It is closed.
            RefusedError: The account or the amount will not do.
        """
        # An account of which nothing is read: the store decides, so a deposit costs the same on an account with a
        # million bookings, and never meets a conflict.
        unread = _account(account)
        unread.deposit(cents, on=self._today())
        await self._commit(unread, asked=_Asked((account,), cents))

    async def withdraw(self, account: str, cents: int) -> None:
        """
        Take cash out of an account.

        Raises:
            NotCoveredError: The account does not have it.
            DailyLimitError: Its owner withdrew too much today.
            ClosedError: It is closed.
            RefusedError: The account or the amount will not do.
        """
        # The read model may be a little behind, but an account never changes its owner.
        customer, day = (await self.balance(account)).owner, self._today()
        unread = _account(account)
        unread.withdraw(cents, customer=customer, on=day)
        await self._commit(unread, asked=_Asked((account,), cents, allowance=rules.allowance_of(customer, day)))

    async def transfer(self, sender: str, receiver: str, cents: int) -> None:
        """
        Move money from one account to another, in one commit.

        Raises:
            NotCoveredError: *sender* does not have it.
            ClosedError: One is closed.
            RefusedError: An account or the amount will not do.
        """
        unread = _account(sender), _account(receiver)
        transfer(*unread, cents, on=self._today())
        await self._commit(*unread, asked=_Asked((sender, receiver), cents))

    async def close_account(self, account: str) -> None:
        """
        Close an account that holds nothing.

        Raises:
            NotEmptyError: It holds money, or owes some.
            ClosedError: It is closed already.
            NoSuchAccountError: It is not there.
        """
        unread = _account(account)
        unread.close(on=self._today())
        await self._commit(unread, asked=_Asked((account,)))

    async def _commit(self, *aggregates: Aggregate, asked: "_Asked") -> None:
        """
        Commit what *aggregates* emitted, and wait until the read models show it.
        """
        try:
            recorded = await self.accounts.save(*aggregates)
        except AggregateNotFoundError as error:
            raise NoSuchAccountError(account_of(error.subject)) from error
        except AggregateExistsError:
            # That a number is taken is no refusal: `_open` takes the next one.
            raise
        except PreconditionFailedError as error:
            refusal = await self._refusal(error.name, asked)
            if refusal is None:
                raise
            raise refusal from error
        await self.seen(recorded[-1].id)

    async def _refusal(self, rule: str | None, asked: "_Asked") -> RefusedError | None:
        """
        The rule that did not hold as the bank's own refusal, with the figures of now; None for no rule of ours.
        """
        # What the rule saw is in the read models then.
        await self.caught_up()
        if rule == rules.UNIQUE_EMAIL:
            return EmailTakenError(asked.email)
        if rule == rules.DAILY_LIMIT:
            return await self._over_daily_limit(asked)
        found = [await self.balance(account) for account in asked.accounts]
        match rule:
            case rules.FUNDS:
                return NotCoveredError(
                    account=found[0].account,
                    balance_cents=found[0].balance_cents,
                    overdraft_limit_cents=found[0].overdraft_limit_cents,
                    requested_cents=asked.cents,
                )
            case rules.OPEN:
                return ClosedError(next(balance.account for balance in found if balance.is_closed))
            case rules.EMPTY:
                return NotEmptyError(account=found[0].account, balance_cents=found[0].balance_cents)
            case _:
                return None

    async def _over_daily_limit(self, asked: "_Asked") -> DailyLimitError:
        [change_cents] = [row async for row in self.store.query(rules.withdrawn_of(asked.allowance))]
        return DailyLimitError(
            limit_cents=rules.DAILY_LIMIT_CENTS, withdrawn_cents=-change_cents, requested_cents=asked.cents
        )

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


@attrs.frozen
class _Asked:
    """
    What a command was about, for the words of its refusal.
    """

    accounts: tuple[str, ...] = ()
    cents: int = 0
    allowance: str = ""
    email: str = ""


def _account(number: str) -> Account:
    """
    An account of which nothing is read.

    Raises:
        NoSuchAccountError: A text that cannot stand in a path was never the number of an account.
    """
    try:
        return Account(number)
    except InvalidSubjectError as error:
        raise NoSuchAccountError(number) from error
