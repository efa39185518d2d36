"""
The rules about money, each over both kinds of store.
"""

import asyncio
from collections.abc import Callable

import pytest

from eventsource import EventStore, Repository
from examples.bank.account import MOST_CENTS, Account, account_of, transfer
from examples.bank.events import (
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
    LimitRefusedError,
    NoSuchAccountError,
    NotCoveredError,
    SameAccountError,
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
        OverdraftGranted(limit_cents=50_00),
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


async def test_deposit_adds_to_the_balance(store: EventStore, accounts: Repository[Account]) -> None:
    """
    What is deposited is recorded, and the account holds it.
    """
    await given_account(store, "7", cents=10_00)

    await accounts.execute("7", Account.deposit, 5_50, on=DAY)

    assert await last_events(store, "/accounts/7", 1) == [
        MoneyDeposited(cents=5_50, booked_on=DAY, text="Deposit", against="cash")
    ]
    assert (await accounts.load("7")).balance_cents == 15_50


async def test_withdrawal_down_to_the_overdraft_limit_goes_through(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    All that the balance and the limit cover can be withdrawn, to the last cent.
    """
    await given_account(store, "7", cents=10_00, limit_cents=50_00)

    await accounts.execute("7", Account.withdraw, 60_00, on=DAY)

    assert await last_events(store, "/accounts/7", 1) == [
        MoneyWithdrawn(cents=60_00, booked_on=DAY, text="Withdrawal", against="cash")
    ]
    assert (await accounts.load("7")).balance_cents == -50_00


async def test_withdrawal_beyond_the_overdraft_limit_is_refused(
    store: EventStore, accounts: Repository[Account]
) -> None:
    """
    One cent more than is covered is refused, with all the figures, and nothing is recorded.
    """
    await given_account(store, "7", cents=10_00, limit_cents=50_00)

    with pytest.raises(NotCoveredError) as excinfo:
        await accounts.execute("7", Account.withdraw, 60_01, on=DAY)

    assert (excinfo.value.balance_cents, excinfo.value.overdraft_limit_cents) == (10_00, 50_00)
    assert str(excinfo.value) == (
        "60.01 is not covered: account 7 holds 10.00 and may go 50.00 below zero, so at most 60.00 can leave it."
    )
    assert await store.count("/accounts/7") == 3


@pytest.mark.parametrize("cents", [0, -5, MOST_CENTS + 1], ids=["zero", "negative", "too-large"])
@pytest.mark.parametrize("command", [Account.deposit, Account.withdraw], ids=["deposit", "withdraw"])
async def test_amounts_beyond_reason_are_refused(
    store: EventStore, accounts: Repository[Account], command: Callable[..., None], cents: int
) -> None:
    """
    Nothing, less than nothing, or more than there can be is neither deposited nor withdrawn.
    """
    await given_account(store, "7", cents=10_00)

    with pytest.raises(AmountRefusedError, match=r"amount must be between 0\.01 and 10,000,000,000\.00"):
        await accounts.execute("7", command, cents, on=DAY)


@pytest.mark.parametrize("command", [Account.deposit, Account.withdraw], ids=["deposit", "withdraw"])
async def test_reference_is_booked_once(
    store: EventStore, accounts: Repository[Account], command: Callable[..., None]
) -> None:
    """
    A command whose reference is booked already changes nothing, so it may be given again.
    """
    await given_account(store, "7", cents=10_00)

    await accounts.execute("7", command, 1_00, on=DAY, reference="A-1")
    await accounts.execute("7", command, 1_00, on=DAY, reference="A-1")

    assert await store.count("/accounts/7") == 3


COMMANDS: dict[str, Callable[[Account], None]] = {
    "deposit": lambda account: account.deposit(1, on=DAY),
    "withdraw": lambda account: account.withdraw(1, on=DAY),
    "grant_overdraft": lambda account: account.grant_overdraft(1),
    "send": lambda account: account.send(1, to="8", on=DAY),
    "receive": lambda account: account.receive(1, sender="8", on=DAY),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_account_must_be_open(name: str) -> None:
    """
    Before it is opened, an account takes no command.
    """
    with pytest.raises(NoSuchAccountError, match="There is no account 7"):
        COMMANDS[name](Account("7"))


async def test_transfer_is_one_commit_on_both_accounts(store: EventStore, accounts: Repository[Account]) -> None:
    """
    Both halves of a transfer are recorded side by side, in one commit.
    """
    await given_account(store, "7", cents=10_00)
    await given_account(store, "8")

    await accounts.execute_across(["7", "8"], transfer, 4_00, on=DAY)

    [sent] = await last_events(store, "/accounts/7", 1)
    [received] = await last_events(store, "/accounts/8", 1)
    assert sent == TransferSent(cents=4_00, booked_on=DAY, text="Transfer to 8", to_account="8")
    assert received == TransferReceived(cents=4_00, booked_on=DAY, text="Transfer from 7", from_account="7")
    assert [event.subject async for event in store.stream()][-2:] == ["/accounts/7", "/accounts/8"]


async def test_refused_transfer_leaves_both_accounts_alone(store: EventStore, accounts: Repository[Account]) -> None:
    """
    A transfer that is not covered records nothing, on neither side.
    """
    await given_account(store, "7", cents=10_00)
    await given_account(store, "8")

    with pytest.raises(NotCoveredError):
        await accounts.execute_across(["7", "8"], transfer, 10_01, on=DAY)

    assert await store.count() == 3


async def test_transfer_to_the_same_account_is_refused(store: EventStore, accounts: Repository[Account]) -> None:
    """
    Money is not transferred from an account to itself.
    """
    await given_account(store, "7", cents=10_00)

    with pytest.raises(SameAccountError, match="7 is on both sides"):
        await accounts.execute_across(["7", "7"], transfer, 1_00, on=DAY)


async def test_transfers_at_the_same_time_never_overdraw(store: EventStore, accounts: Repository[Account]) -> None:
    """
    Of 16 transfers at once out of an account that covers 5, five go through and no cent is lost.
    """
    await given_account(store, "7", cents=5_00)
    await given_account(store, "8")

    outcomes = await asyncio.gather(
        *(accounts.execute_across(["7", "8"], transfer, 1_00, on=DAY) for _ in range(16)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [NotCoveredError] * 11
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
        *(accounts.execute_across(["7", "8"], transfer, 1_00, on=DAY) for _ in range(4)),
        *(accounts.execute_across(["8", "7"], transfer, 1_00, on=DAY) for _ in range(4)),
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
        MoneyWithdrawn(cents=99_00, booked_on=DAY, against="cash"),
    )

    account = await accounts.load("7")

    assert account.balance_cents == -99_00


def test_account_number_is_the_last_part_of_the_subject() -> None:
    """
    Read models take the account's number from the subject of the event.
    """
    assert account_of(Account("42").subject) == "42"
