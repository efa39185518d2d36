"""
The rules about money, each over both kinds of store.
"""

import asyncio
from collections.abc import Callable

import pytest

from eventsource import AggregateNotFoundError, EventStore, Repository, RuleBrokenError
from eventsource.errors import PreconditionFailedError
from examples.bank import rules
from examples.bank.account import MOST_CENTS, Account, account_of, transfer
from examples.bank.events import (
    AccountClosed,
    AccountOpened,
    MoneyDeposited,
    MoneyWithdrawn,
    OverdraftGranted,
    TransferReceived,
    TransferSent,
)
from examples.bank.refusals import (
    AlreadyOpenError,
    AmountRefusedError,
    ClosedError,
    LimitRefusedError,
    NoSuchAccountError,
    NotCoveredError,
    SameAccountError,
    UnsavedError,
)
from tests.examples.bank.scenario import DAY, given, given_account, last_events


@pytest.fixture
def accounts(store: EventStore) -> Repository[Account]:
    """
    The accounts in the store.
    """
    return Repository(Account, store)


async def test_opening_says_who_owns_it_and_what_overdraft_is_granted(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    An account is opened, with its overdraft limit in the same commit.
    """
    async with accounts.create("7") as account:
        account.open("21", on=DAY, overdraft_limit_cents=50_00)

    assert await last_events(store, "/accounts/7", 2) == [
        AccountOpened(owner="21", opened_on=DAY),
        OverdraftGranted(limit_cents=50_00, delta_cents=50_00),
    ]


async def test_opening_twice_is_refused(store: EventStore, accounts: Repository[Account]) -> None:
    """
    An account that is open cannot be opened.
    """
    await given_account(store, "7")

    with pytest.raises(AlreadyOpenError, match="Account 7 is open already"):
        await accounts.execute("7", Account.open, "21", on=DAY)


@pytest.mark.parametrize("limit_cents", [-1, MOST_CENTS + 1], ids=["negative", "too-large"])
def test_limits_beyond_reason_are_refused(limit_cents: int) -> None:
    """
    An overdraft limit below zero or above all measure is not granted.
    """
    account = Account("7")

    with pytest.raises(LimitRefusedError, match="overdraft limit must be between"):
        account.open("21", on=DAY, overdraft_limit_cents=limit_cents)


async def test_granted_overdraft_changes_the_funds_by_the_difference(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    The limit replaces the one before it, so the funds grow or shrink by what is between the two.
    """
    await given_account(store, "7", limit_cents=50_00)

    await accounts.execute("7", Account.grant_overdraft, 20_00)

    assert await last_events(store, "/accounts/7", 1) == [OverdraftGranted(limit_cents=20_00, delta_cents=-30_00)]


# --- Decided by the store --------------------------------------------------------------


async def test_deposit_adds_to_the_balance(store: EventStore, accounts: Repository[Account]) -> None:
    """
    What is deposited is recorded, and the account holds it.
    """
    await given_account(store, "7", cents=10_00)
    account = Account("7")
    account.deposit(5_50, on=DAY)

    await accounts.save(account)

    assert await last_events(store, "/accounts/7", 1) == [
        MoneyDeposited(delta_cents=5_50, booked_on=DAY, text="Deposit", against="cash")
    ]
    assert (await accounts.load("7")).balance_cents == 15_50


async def test_withdrawal_down_to_the_overdraft_limit_goes_through(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    All that the balance and the limit cover can be withdrawn, to the last cent.
    """
    await given_account(store, "7", cents=10_00, limit_cents=50_00)
    account = Account("7")
    account.withdraw(60_00, customer="1", on=DAY)

    await accounts.save(account)

    assert await last_events(store, "/accounts/7", 1) == [
        MoneyWithdrawn(delta_cents=-60_00, booked_on=DAY, text="Withdrawal", against="cash", allowance="1/2024-02-29")
    ]
    assert (await accounts.load("7")).balance_cents == -50_00


async def test_withdrawal_beyond_the_overdraft_limit_is_refused(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    One cent more than is covered breaks the rule, and nothing is recorded.
    """
    await given_account(store, "7", cents=10_00, limit_cents=50_00)
    account = Account("7")
    account.withdraw(60_01, customer="1", on=DAY)

    with pytest.raises(PreconditionFailedError) as excinfo:
        await accounts.save(account)

    assert (excinfo.value.name, excinfo.value.asked) == (rules.FUNDS, "SUM(e.data.deltaCents) >= 6001")
    assert await store.count("/accounts/7") == 3


COMMANDS: dict[str, Callable[[Account, int], None]] = {
    "deposit": lambda account, cents: account.deposit(cents, on=DAY),
    "withdraw": lambda account, cents: account.withdraw(cents, customer="1", on=DAY),
    "send": lambda account, cents: account.send(cents, to="8", on=DAY),
    "receive": lambda account, cents: account.receive(cents, sender="8", on=DAY),
}
ALL_COMMANDS = COMMANDS | {"close": lambda account, _: account.close(on=DAY)}


@pytest.mark.parametrize("cents", [0, -5, MOST_CENTS + 1], ids=["zero", "negative", "too-large"])
@pytest.mark.parametrize("name", COMMANDS)
def test_amounts_beyond_reason_are_refused(name: str, cents: int) -> None:
    """
    Nothing, less than nothing, or more than there can be is not moved; nobody asks the store for that.
    """
    with pytest.raises(AmountRefusedError, match=r"amount must be between 0\.01 and 10,000,000,000\.00"):
        COMMANDS[name](Account("7"), cents)


@pytest.mark.parametrize("name", ALL_COMMANDS)
async def test_account_must_be_there(store: EventStore, accounts: Repository[Account], name: str) -> None:
    """
    Before it is opened, nothing is booked on an account, and nothing is closed.
    """
    account = Account("7")
    ALL_COMMANDS[name](account, 1)

    with pytest.raises(AggregateNotFoundError):
        await accounts.save(account)

    assert await store.count() == 0


@pytest.mark.parametrize("name", ALL_COMMANDS)
async def test_account_must_not_be_closed(store: EventStore, accounts: Repository[Account], name: str) -> None:
    """
    Nothing is booked on an account that was closed, and it is closed once.
    """
    await given(store, "/accounts/7", AccountOpened(owner="1", opened_on=DAY), AccountClosed(closed_on=DAY))
    account = Account("7")
    ALL_COMMANDS[name](account, 1)

    with pytest.raises(PreconditionFailedError) as excinfo:
        await accounts.save(account)

    assert excinfo.value.name == rules.OPEN
    assert await store.count() == 2


@pytest.mark.parametrize("name", ALL_COMMANDS)
@pytest.mark.parametrize("first", COMMANDS)
def test_commands_are_committed_one_at_a_time(first: str, name: str) -> None:
    """
    A rule sees nothing of its own commit: two withdrawals in one would each have all the money.
    """
    account = Account("7")
    COMMANDS[first](account, 1)

    with pytest.raises(UnsavedError, match="one command at a time"):
        ALL_COMMANDS[name](account, 1)


@pytest.mark.parametrize("cents", [1, -1], ids=["holds", "owes"])
async def test_account_is_closed_when_it_is_empty(store: EventStore, accounts: Repository[Account], cents: int) -> None:
    """
    One that holds a cent, or owes one, is not; an overdraft limit alone is nothing it holds.
    """
    await given_account(store, "7", limit_cents=50_00)
    await accounts.execute("7", Account.book, cents, on=DAY, against="fees", text="", reference="")
    account = Account("7")
    account.close(on=DAY)

    with pytest.raises(PreconditionFailedError) as excinfo:
        await accounts.save(account)
    await accounts.execute("7", Account.book, -cents, on=DAY, against="fees", text="", reference="")
    await accounts.save(account)

    assert excinfo.value.name == rules.EMPTY
    assert (await accounts.load("7")).is_closed


# --- Decided by what was read ----------------------------------------------------------


@pytest.mark.parametrize("cents", [1_00, -1_00], ids=["in", "out"])
async def test_reference_is_booked_once(store: EventStore, accounts: Repository[Account], cents: int) -> None:
    """
    What is booked already changes nothing, so it may be asked for again.
    """
    await given_account(store, "7", cents=10_00)

    for _ in range(2):
        await accounts.execute("7", Account.book, cents, on=DAY, against="cash", text="", reference="A-1")

    assert await store.count("/accounts/7") == 3


async def test_booking_that_is_not_covered_is_refused_with_all_figures(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    What is read of the account says what it holds, and how far it may go.
    """
    await given_account(store, "7", cents=10_00, limit_cents=50_00)

    with pytest.raises(NotCoveredError) as excinfo:
        await accounts.execute("7", Account.book, -60_01, on=DAY, against="cash", text="", reference="A-1")

    assert (excinfo.value.balance_cents, excinfo.value.overdraft_limit_cents) == (10_00, 50_00)
    assert str(excinfo.value) == (
        "60.01 is not covered: account 7 holds 10.00 and may go 50.00 below zero, so at most 60.00 can leave it."
    )
    assert await store.count("/accounts/7") == 3


@pytest.mark.parametrize("cents", [0, MOST_CENTS + 1, -MOST_CENTS - 1], ids=["zero", "too-large", "too-small"])
async def test_bookings_beyond_reason_are_refused(store: EventStore, accounts: Repository[Account], cents: int) -> None:
    """
    Nothing, or more than there can be, is not booked in either direction.
    """
    await given_account(store, "7", cents=10_00)

    with pytest.raises(AmountRefusedError):
        await accounts.execute("7", Account.book, cents, on=DAY, against="cash", text="", reference="A-1")


BY_STATE: dict[str, Callable[[Account], None]] = {
    "book": lambda account: account.book(1, on=DAY, against="cash", text="", reference=""),
    "grant_overdraft": lambda account: account.grant_overdraft(1),
}


@pytest.mark.parametrize("name", BY_STATE)
def test_account_must_be_read_as_open(name: str) -> None:
    """
    Before it is opened, an account takes no command that decides by its state.
    """
    with pytest.raises(NoSuchAccountError, match="There is no account 7"):
        BY_STATE[name](Account("7"))


@pytest.mark.parametrize("name", BY_STATE)
async def test_account_must_not_be_read_as_closed(store: EventStore, accounts: Repository[Account], name: str) -> None:
    """
    After it is closed, neither.
    """
    await given(store, "/accounts/7", AccountOpened(owner="1", opened_on=DAY), AccountClosed(closed_on=DAY))

    with pytest.raises(ClosedError, match="Account 7 is closed"):
        BY_STATE[name](await accounts.load("7"))


# --- Transfers -------------------------------------------------------------------------


async def save_transfer(accounts: Repository[Account], sender: str, receiver: str, cents: int) -> None:
    """
    Transfer without reading anything.
    """
    unread = Account(sender), Account(receiver)
    transfer(*unread, cents, on=DAY)
    await accounts.save(*unread)


async def test_transfer_is_one_commit_on_both_accounts(store: EventStore, accounts: Repository[Account]) -> None:
    """
    Both halves of a transfer are recorded side by side, in one commit.
    """
    await given_account(store, "7", cents=10_00)
    await given_account(store, "8")

    await save_transfer(accounts, "7", "8", 4_00)

    [sent] = await last_events(store, "/accounts/7", 1)
    [received] = await last_events(store, "/accounts/8", 1)
    assert sent == TransferSent(delta_cents=-4_00, booked_on=DAY, text="Transfer to 8", to_account="8")
    assert received == TransferReceived(delta_cents=4_00, booked_on=DAY, text="Transfer from 7", from_account="7")
    assert [event.subject async for event in store.stream()][-2:] == ["/accounts/7", "/accounts/8"]


async def test_refused_transfer_leaves_both_accounts_alone(store: EventStore, accounts: Repository[Account]) -> None:
    """
    A transfer that is not covered records nothing, on neither side.
    """
    await given_account(store, "7", cents=10_00)
    await given_account(store, "8")

    with pytest.raises(PreconditionFailedError, match=rules.FUNDS):
        await save_transfer(accounts, "7", "8", 10_01)

    assert await store.count() == 3


async def test_transfer_to_the_same_account_is_refused(store: EventStore, accounts: Repository[Account]) -> None:
    """
    Money is not transferred from an account to itself.
    """
    await given_account(store, "7", cents=10_00)

    with pytest.raises(SameAccountError, match="7 is on both sides"):
        await save_transfer(accounts, "7", "7", 1_00)


async def test_transfers_at_the_same_time_never_overdraw(store: EventStore, accounts: Repository[Account]) -> None:
    """
    Of 16 transfers at once out of an account that covers 5, five go through and no cent is lost.
    """
    await given_account(store, "7", cents=5_00)
    await given_account(store, "8")

    outcomes = await asyncio.gather(
        *(save_transfer(accounts, "7", "8", 1_00) for _ in range(16)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [RuleBrokenError] * 11
    assert (await accounts.load("7")).balance_cents == 0
    assert (await accounts.load("8")).balance_cents == 5_00


async def test_transfers_in_both_directions_at_the_same_time_end(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    Transfers against each other neither lock each other out nor change the sum.
    """
    await given_account(store, "7", cents=5_00)
    await given_account(store, "8", cents=5_00)

    await asyncio.gather(
        *(save_transfer(accounts, "7", "8", 1_00) for _ in range(4)),
        *(save_transfer(accounts, "8", "7", 1_00) for _ in range(4)),
    )

    assert (await accounts.load("7")).balance_cents == 5_00
    assert (await accounts.load("8")).balance_cents == 5_00


async def test_history_is_not_up_for_debate(store: EventStore, accounts: Repository[Account]) -> None:
    """
    What today's rules would refuse still folds when it is history.
    """
    await given(
        store,
        "/accounts/7",
        AccountOpened(owner="1", opened_on=DAY),
        MoneyWithdrawn(delta_cents=-99_00, booked_on=DAY, against="cash"),
    )

    account = await accounts.load("7")

    assert account.balance_cents == -99_00


def test_account_number_is_the_last_part_of_the_subject() -> None:
    """
    Read models take the account's number from the subject of the event.
    """
    assert account_of(Account("42").subject) == "42"
