"""
Sixteen writers at once: whatever they try, the rules hold at every place in the log, and no cent is lost or doubled.
"""

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from eventsource import AggregateNotFoundError, EventStore, RecordedEvent, Repository, connect
from eventsource.errors import PreconditionFailedError
from examples.bank import rules
from examples.bank.account import Account, account_of, transfer
from examples.bank.bank import Bank
from examples.bank.customer import Customer
from examples.bank.email_address import email_key
from examples.bank.events import (
    AccountClosed,
    Booking,
    CustomerRegistered,
    FundsChanged,
    MoneyWithdrawn,
    TransferReceived,
    TransferSent,
)
from examples.bank.refusals import DailyLimitError
from tests.aggregates.observed_store import ObservedStore
from tests.examples.bank.scenario import DAY, given_account

WRITERS = 16


async def at_once(writer: Callable[[int], Awaitable[None]]) -> list[BaseException | None]:
    """
    What each writer ended with: None, or its error.
    """
    return await asyncio.gather(*(writer(number) for number in range(WRITERS)), return_exceptions=True)


# --- Each rule by itself ---------------------------------------------------------------


async def test_one_of_sixteen_gets_the_email(store: EventStore) -> None:
    """
    However they write it, and though each is a customer of their own: one gets the address.
    """
    spellings = ["ada@example.com", "Ada@Example.com", "ADA@EXAMPLE.COM ", "\tada@EXAMPLE.com"]
    customers = Repository(Customer, store)

    async def register(number: int) -> None:
        async with customers.create(str(number)) as customer:
            customer.register("Ada", on=DAY, email=spellings[number % 4])

    outcomes = await at_once(register)

    assert outcomes.count(None) == 1
    assert {error.name for error in outcomes if isinstance(error, PreconditionFailedError)} == {rules.UNIQUE_EMAIL}
    registered = [recorded.decode() async for recorded in store.stream() if recorded.data.get("emailKey")]
    assert registered == [CustomerRegistered(registered_on=DAY, email_key=email_key("ada@example.com"))]


async def test_deposits_to_a_hot_account_never_conflict(store: EventStore) -> None:
    """
    Each of them is one commit, nothing is read for it, and all arrive, withdrawals beside them.
    """
    await given_account(store, "7", cents=WRITERS * 50)
    hot = ObservedStore(store)
    accounts = Repository(Account, hot)

    async def bank_on_it(number: int) -> None:
        for turn in range(20):
            account = Account("7")
            if turn % 2:
                account.withdraw(5, customer=str(number), on=DAY)
            else:
                account.deposit(7, on=DAY)
            await accounts.save(account)

    assert await at_once(bank_on_it) == [None] * WRITERS

    assert (hot.commits, hot.read) == (WRITERS * 20, [])
    assert (await accounts.load("7")).balance_cents == WRITERS * 50 + WRITERS * 10 * (7 - 5)


async def test_withdrawals_at_once_stop_at_zero(store: EventStore) -> None:
    """
    Of sixteen who want a coin of five, five get one, and each of the others learns which rule it was.
    """
    await given_account(store, "7", cents=5)
    observed = ObservedStore(store)
    accounts = Repository(Account, observed)

    async def withdraw(number: int) -> None:
        account = Account("7")
        account.withdraw(1, customer=str(number), on=DAY)
        await accounts.save(account)

    outcomes = await at_once(withdraw)

    assert [error.name for error in outcomes if isinstance(error, PreconditionFailedError)] == [rules.FUNDS] * 11
    assert observed.commits == WRITERS
    assert (await accounts.load("7")).balance_cents == 0


async def test_daily_limit_holds_over_accounts(bank: Bank) -> None:
    """
    Sixteen withdrawals of 100.00 from two accounts of one customer: ten make the limit, no more and no fewer.
    """
    ada = await bank.open_account("Ada", 5_000_00)
    accounts = [ada, await bank.open_another_account(ada, 5_000_00)]

    async def withdraw(number: int) -> None:
        await bank.withdraw(accounts[number % 2], 100_00)

    outcomes = await at_once(withdraw)

    assert [type(outcome) for outcome in outcomes if outcome] == [DailyLimitError] * 6
    assert sum([(await bank.balance(account)).balance_cents for account in accounts]) == -1_000_00


@pytest.mark.parametrize("closer", [0, 7, 15])
async def test_no_money_is_shut_in(store: EventStore, closer: int) -> None:
    """
    Somebody closes an empty account while fifteen pay in: either it is closed and has nothing, or has it and is open.
    """
    await given_account(store, "7")
    accounts = Repository(Account, store)

    async def deposit_or_close(number: int) -> None:
        account = Account("7")
        if number == closer:
            account.close(on=DAY)
        else:
            account.deposit(1, on=DAY)
        await accounts.save(account)

    outcomes = await at_once(deposit_or_close)

    account = await accounts.load("7")
    names = Counter(error.name for error in outcomes if isinstance(error, PreconditionFailedError))
    assert (account.is_closed, account.balance_cents, names) in [
        (True, 0, {rules.OPEN: 15}),
        (False, 15, {rules.EMPTY: 1}),
    ]


async def test_account_is_opened_once(store: EventStore) -> None:
    """
    Sixteen open the same number, each for another customer: one does.
    """
    accounts = Repository(Account, store)

    async def open_for(number: int) -> None:
        async with accounts.create("7") as account:
            account.open(str(number), on=DAY)

    outcomes = await at_once(open_for)

    assert outcomes.count(None) == 1
    assert await store.count() == 1


# --- All rules together ----------------------------------------------------------------

# Two customers with two accounts each, and what these hold at first: the first customer can reach the daily limit, the
# second mostly runs out of money. The last account may be overdrawn; 99 is none.
OWNERS = {"1": "a", "2": "a", "3": "b", "4": "b"}
CENTS = {"1": 900_00, "2": 900_00, "3": 100_00, "4": 0}
LIMITS_CENTS = {"1": 0, "2": 0, "3": 0, "4": 300_00}
NUMBERS = [*OWNERS, "99"]


@attrs.frozen
class Attempt:
    """
    What a writer tries: *account* is paid into, withdrawn from, closed, or sends to *other*.
    """

    what: str
    account: str
    cents: int
    other: str

    def emit(self) -> tuple[Account, ...]:
        """
        The accounts to save, of which nothing is read.
        """
        account, other = Account(self.account), Account(self.other)
        match self.what:
            case "deposit":
                account.deposit(self.cents, on=DAY)
            case "withdraw":
                account.withdraw(self.cents, customer=OWNERS.get(self.account, "-"), on=DAY)
            case "close":
                account.close(on=DAY)
            case _:
                transfer(account, other, self.cents, on=DAY)
                return account, other
        return (account,)


_FREELY = st.builds(
    Attempt,
    what=st.sampled_from(["deposit", "withdraw", "withdraw", "withdraw", "transfer", "close"]),
    account=st.sampled_from(NUMBERS),
    # About the size of what there is, and of the daily limit.
    cents=st.integers(1, 600_00),
    other=st.sampled_from(NUMBERS),
)
ATTEMPTS = st.lists(_FREELY.filter(lambda it: it.account != it.other), min_size=WRITERS, max_size=5 * WRITERS)


@pytest.mark.parametrize("kind", ["memory", "embedded"])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    # Which writer comes first changes from run to run: a smaller example may not fail again.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(attempts=ATTEMPTS)
def test_money_is_neither_lost_nor_doubled(kind: str, attempts: list[Attempt]) -> None:
    """
    Every prefix of the log keeps every rule, and the log holds exactly what the writers were told.
    """
    asyncio.run(_check(kind, attempts))


async def _check(kind: str, attempts: Sequence[Attempt]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with connect("memory:" if kind == "memory" else f"sqlite:{Path(folder) / 'bank.db'}") as store:
            await rules.declare_indexes(store)
            for number, customer in OWNERS.items():
                await given_account(
                    store, number, owner=customer, cents=CENTS[number], limit_cents=LIMITS_CENTS[number]
                )
            before = await store.count()
            observed = ObservedStore(store)

            committed = await _play(observed, attempts)

            # One commit each: nobody had to read, and nobody to try again.
            assert (observed.commits, observed.read) == (len(attempts), [])
            log = [recorded async for recorded in store.stream()]
            assert Counter((recorded.subject, recorded.data_json) for recorded in log[before:]) == committed
            _check_every_prefix(log)


async def _play(store: ObservedStore, attempts: Sequence[Attempt]) -> Counter[tuple[str, str]]:
    """
    Deal the attempts to the writers; gives each event that a writer was told is committed.
    """
    accounts = Repository(Account, store)
    committed: Counter[tuple[str, str]] = Counter()

    async def write(number: int) -> None:
        for attempt in attempts[number::WRITERS]:
            try:
                recorded = await accounts.save(*attempt.emit())
            except (PreconditionFailedError, AggregateNotFoundError):
                continue
            committed.update((event.subject, event.data_json) for event in recorded)

    assert await at_once(write) == [None] * WRITERS
    return committed


def _check_every_prefix(log: Sequence[RecordedEvent]) -> None:
    funds: Counter[str] = Counter()
    balance: Counter[str] = Counter()
    withdrawn: Counter[str] = Counter()
    closed: dict[str, bool] = defaultdict(bool)
    sent: TransferSent | None = None
    for recorded in log:
        what, account = recorded.decode(), account_of(recorded.subject)
        assert not closed[account]
        if isinstance(what, AccountClosed):
            assert balance[account] == 0
            closed[account] = True
        if isinstance(what, FundsChanged):
            funds[account] += what.delta_cents
            assert funds[account] >= 0
        if isinstance(what, Booking):
            balance[account] += what.delta_cents
        if isinstance(what, MoneyWithdrawn):
            assert what.allowance == rules.allowance_of(OWNERS[account], DAY)
            withdrawn[what.allowance] -= what.delta_cents
            assert withdrawn[what.allowance] <= rules.DAILY_LIMIT_CENTS
        # A transfer's halves stand side by side: what leaves arrives.
        assert (sent is not None) == isinstance(what, TransferReceived)
        if sent is not None and isinstance(what, TransferReceived):
            assert (sent.to_account, -sent.delta_cents) == (account, what.delta_cents)
        sent = what if isinstance(what, TransferSent) else None
    assert sent is None
