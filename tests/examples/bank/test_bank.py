"""
The bank as a whole: what is done shows in its read models at once.
"""

import asyncio
from datetime import date, timedelta
from pathlib import Path

import pytest

from eventsource import EventStore, Projector, Repository, connect
from eventsource.errors import StoreLockedError
from eventsource.projections import rebuild
from examples.bank import ledger, rules
from examples.bank.account import Account
from examples.bank.balances import Balance
from examples.bank.bank import FIRST_NUMBER, Bank, Totals
from examples.bank.folder import FolderError, make_projectors, open_bank, read_balances, read_model_url, store_url
from examples.bank.ledger import LedgerTotal
from examples.bank.refusals import (
    ClosedError,
    DailyLimitError,
    EmailTakenError,
    NameRefusedError,
    NoSuchAccountError,
    NotCoveredError,
    NotEmptyError,
)
from examples.bank.statements import StatementLine
from tests.examples.bank.databases import dump
from tests.examples.bank.scenario import DAY


async def test_opened_account_is_listed_with_its_owner(bank: Bank) -> None:
    """
    Once `open_account` returns, the account is in the list.
    """
    account = await bank.open_account("Ada", 50_00)

    assert await bank.balances() == [
        Balance(account=account, owner=account, owner_name="Ada", overdraft_limit_cents=50_00, balance_cents=0)
    ]


async def test_accounts_opened_at_the_same_time_get_different_numbers(bank: Bank) -> None:
    """
    Numbers count up, and nobody gets one that somebody else has.
    """
    numbers = await asyncio.gather(*(bank.open_account(f"Owner {number}") for number in range(8)))

    assert sorted(numbers) == [str(FIRST_NUMBER + number) for number in range(8)]


async def test_refused_opening_leaves_no_customer_behind(bank: Bank) -> None:
    """
    Customer and account are one commit: neither is there without the other.
    """
    with pytest.raises(NameRefusedError):
        await bank.open_account("")

    assert await bank.store.count() == 0


async def test_balance_follows_each_command(bank: Bank) -> None:
    """
    Once a command returns, the balance has it.
    """
    ada, bob = await bank.open_account("Ada", 50_00), await bank.open_account("Bob")

    await bank.deposit(ada, 10_00)
    await bank.withdraw(ada, 25_00)
    await bank.transfer(ada, bob, 5_00)

    assert (await bank.balance(ada)).balance_cents == -20_00
    assert (await bank.balance(bob)).balance_cents == 5_00


async def test_command_that_comes_again_is_carried_out_once(bank: Bank) -> None:
    """
    Its id tells, also where two come at the same moment, and where the first would refuse the second.
    """
    ada, bob = await bank.open_account("Ada", 10_00, command_id="open"), await bank.open_account("Bob")

    results = await asyncio.gather(*(bank.transfer(ada, bob, 10_00, command_id="rent") for _ in range(8)))

    assert await bank.open_account("Ada", 10_00, command_id="open") == ada
    assert sorted(result.is_repeat for result in results) == [False] + [True] * 7
    assert len({result.events for result in results}) == 1
    assert [line.cents for line in await bank.statement(ada)] == [-10_00]
    assert len(await bank.balances()) == 2


@pytest.mark.parametrize("number", ["99", "", "a/b", "..", " ", "\u0007"], ids=repr)
async def test_unknown_accounts_are_refused_in_words(bank: Bank, number: str) -> None:
    """
    Whatever is typed in place of an account's number, the answer is that there is no such account.
    """
    account = await bank.open_account("Ada", 50_00)

    for command in (
        bank.deposit(number, 1),
        bank.withdraw(number, 1),
        bank.transfer(account, number, 1),
        bank.transfer(number, account, 1),
        bank.balance(number),
    ):
        with pytest.raises(NoSuchAccountError) as excinfo:
            await command

        assert excinfo.value.account == number


async def test_another_account_has_the_same_owner(bank: Bank) -> None:
    """
    A customer can have several accounts, each with a number and an overdraft limit of its own.
    """
    first = await bank.open_account("Ada")

    second = await bank.open_another_account(first, 50_00)

    assert second != first
    assert [(found.account, found.owner, found.overdraft_limit_cents) for found in await bank.balances()] == [
        (first, first, 0),
        (second, first, 50_00),
    ]


async def test_another_account_needs_a_first_one(bank: Bank) -> None:
    """
    Who has no account is no customer yet.
    """
    with pytest.raises(NoSuchAccountError):
        await bank.open_another_account("99")


async def test_taken_email_is_refused_in_words(bank: Bank) -> None:
    """
    The refusal names the rule and the address as it was given, and there is no new account.
    """
    await bank.open_account("Ada", email="ada@example.com")

    with pytest.raises(EmailTakenError) as excinfo:
        await bank.open_account("Bob", email="ADA@example.com")

    assert (excinfo.value.rule, excinfo.value.email) == (rules.UNIQUE_EMAIL, "ADA@example.com")
    assert await bank.count_balances() == 1


async def test_uncovered_withdrawal_and_transfer_are_refused_with_all_figures(bank: Bank) -> None:
    """
    The store decides, and the read model has the figures for the words.
    """
    ada, bob = await bank.open_account("Ada", 50_00), await bank.open_account("Bob")
    await bank.deposit(ada, 10_00)

    for command in (bank.withdraw(ada, 60_01), bank.transfer(ada, bob, 60_01)):
        with pytest.raises(NotCoveredError) as excinfo:
            await command

        assert excinfo.value.rule == rules.FUNDS
        assert (excinfo.value.account, excinfo.value.balance_cents, excinfo.value.overdraft_limit_cents) == (
            ada,
            10_00,
            50_00,
        )
        assert excinfo.value.requested_cents == 60_01


async def test_daily_limit_counts_all_accounts_of_the_customer(bank: Bank) -> None:
    """
    What was taken from one account is missing from what may be taken from another; others are not concerned.
    """
    ada = await bank.open_account("Ada", 5_000_00)
    another = await bank.open_another_account(ada, 5_000_00)
    bob = await bank.open_account("Bob", 5_000_00)
    await bank.withdraw(ada, 700_00)

    with pytest.raises(DailyLimitError) as excinfo:
        await bank.withdraw(another, 300_01)
    await bank.withdraw(another, 300_00)
    await bank.withdraw(bob, 1_000_00)
    await bank.transfer(ada, bob, 2_000_00)

    assert (excinfo.value.limit_cents, excinfo.value.withdrawn_cents) == (1_000_00, 700_00)
    assert (await bank.balance(another)).balance_cents == -300_00


async def test_daily_limit_is_new_each_day(tmp_path: Path) -> None:
    """
    What was withdrawn yesterday does not count today.
    """
    days = [DAY]
    async with open_bank(tmp_path, today=lambda: days[-1]) as bank:
        ada = await bank.open_account("Ada", 5_000_00)
        await bank.withdraw(ada, 1_000_00)
        with pytest.raises(DailyLimitError, match="it is used up"):
            await bank.withdraw(ada, 1)
        days.append(DAY + timedelta(days=1))

        await bank.withdraw(ada, 1_000_00)

        assert (await bank.balance(ada)).balance_cents == -2_000_00


async def test_closed_account_refuses_by_its_number(bank: Bank) -> None:
    """
    Of a transfer's two accounts the refusal names the one that is closed; the list keeps it.
    """
    ada, bob = await bank.open_account("Ada", 50_00), await bank.open_account("Bob")

    await bank.close_account(bob)

    for command in (bank.deposit(bob, 1), bank.transfer(ada, bob, 1), bank.close_account(bob)):
        with pytest.raises(ClosedError) as excinfo:
            await command
        assert (excinfo.value.rule, excinfo.value.account) == (rules.OPEN, bob)
    assert [balance.is_closed for balance in await bank.balances()] == [False, True]


async def test_account_with_money_is_not_closed(bank: Bank) -> None:
    """
    The refusal says what is on it.
    """
    ada = await bank.open_account("Ada")
    await bank.deposit(ada, 1)

    with pytest.raises(NotEmptyError) as excinfo:
        await bank.close_account(ada)

    assert (excinfo.value.rule, excinfo.value.balance_cents) == (rules.EMPTY, 1)


async def test_statement_has_the_balance_after_each_line(bank: Bank) -> None:
    """
    The newest line comes first, and its balance is that of the account.
    """
    ada, bob = await bank.open_account("Ada", 50_00), await bank.open_account("Bob")
    await bank.deposit(ada, 10_00)
    await bank.withdraw(ada, 25_00)
    await bank.transfer(ada, bob, 5_00)

    lines = await bank.statement(ada)

    assert lines == [
        StatementLine(booked_on=DAY, text=f"Transfer to {bob}", cents=-5_00, balance_cents=-20_00),
        StatementLine(booked_on=DAY, text="Withdrawal", cents=-25_00, balance_cents=-15_00),
        StatementLine(booked_on=DAY, text="Deposit", cents=10_00, balance_cents=10_00),
    ]


async def test_statement_is_paged(bank: Bank) -> None:
    """
    Each page goes on where the one before it ends, with balances that count the older lines in.
    """
    ada = await bank.open_account("Ada")
    for cents in (1, 10, 100):
        await bank.deposit(ada, cents)

    pages = [await bank.statement(ada, offset=offset, limit=2) for offset in (0, 2)]

    assert [[(line.cents, line.balance_cents) for line in page] for page in pages] == [[(100, 111), (10, 11)], [(1, 1)]]
    assert await bank.count_lines(ada) == 3


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["Ada", "Bob 50%", "Ada B_b"]),
        ("ada", ["Ada", "Ada B_b"]),
        (str(FIRST_NUMBER + 1), ["Bob 50%"]),
        ("%", ["Bob 50%"]),
        ("_", ["Ada B_b"]),
        ("nobody", []),
    ],
    ids=repr,
)
async def test_accounts_are_found_by_number_and_by_owner(bank: Bank, search: str, found: list[str]) -> None:
    """
    The start of a number, or any part of a name, whatever characters are in it.
    """
    for owner in ("Ada", "Bob 50%", "Ada B_b"):
        await bank.open_account(owner)

    balances = await bank.balances(search=search)

    assert [balance.owner_name for balance in balances] == found
    assert await bank.count_balances(search=search) == len(found)


async def test_accounts_come_in_the_order_of_their_numbers(bank: Bank) -> None:
    """
    9 comes before 10, whatever was opened first.
    """
    for number in ("10", "9", "1"):
        async with Repository(Account, bank.store).create(number) as account:
            account.open("1", on=DAY)
    await bank.open_account("Ada")

    pages = [await bank.balances(offset=offset, limit=2) for offset in (0, 2)]

    assert [[balance.account for balance in page] for page in pages] == [["1", "9"], ["10", str(FIRST_NUMBER)]]


async def test_every_booking_is_posted_twice_with_opposite_signs(bank: Bank) -> None:
    """
    The postings of each event sum to zero, and those of an account to its balance.
    """
    ada, bob = await bank.open_account("Ada", 50_00), await bank.open_account("Bob")
    await bank.deposit(ada, 10_00)
    await bank.transfer(ada, bob, 25_00)
    await bank.withdraw(bob, 5_00)

    by_event: dict[str, list[int]] = {}
    by_account: dict[str, int] = {}
    for posting in await bank.ask(lambda tx: tx.execute(ledger.posting_table.select()).all()):
        by_event.setdefault(posting.event_id, []).append(posting.cents)
        by_account[posting.account] = by_account.get(posting.account, 0) + posting.cents

    assert len(by_event) == 4
    assert all(len(cents) == 2 and sum(cents) == 0 for cents in by_event.values())
    assert by_account == {
        f"/accounts/{ada}": -15_00,
        f"/accounts/{bob}": 20_00,
        "cash": -5_00,
        "transfers": 0,
    }


async def test_ledger_totals_sum_to_zero(bank: Bank) -> None:
    """
    What the customers hold is what the bank's own accounts hold against it.
    """
    ada, bob = await bank.open_account("Ada"), await bank.open_account("Bob")
    await bank.deposit(ada, 10_00)
    await bank.transfer(ada, bob, 4_00)

    totals = await bank.ledger()

    assert totals == [LedgerTotal("cash", -10_00), LedgerTotal("customers", 10_00), LedgerTotal("transfers", 0)]


async def test_totals_count_everything(bank: Bank) -> None:
    """
    Accounts, bookings, events, and what is held.
    """
    ada, bob = await bank.open_account("Ada"), await bank.open_account("Bob")
    await bank.deposit(ada, 10_00)
    await bank.transfer(ada, bob, 4_00)

    assert await bank.totals() == Totals(accounts=2, transactions=3, events=9, total_balance_cents=10_00)


async def test_tape_goes_from_the_last_bookings_into_the_next(bank: Bank) -> None:
    """
    The tape begins after a booking of the past and goes on with what happens, nothing twice.
    """
    ada = await bank.open_account("Ada")
    for cents in (1, 2, 3):
        await bank.deposit(ada, cents)
    tape = await bank.tape(bookings=2)
    taken: list[object] = []

    async for recorded in tape:
        taken.append(recorded.data["deltaCents"])
        if len(taken) == 2:
            await bank.deposit(ada, 4)
        if len(taken) == 3:
            break
    await tape.aclose()

    assert taken == [2, 3, 4]


async def test_tape_without_history_starts_with_the_next_event(bank: Bank) -> None:
    """
    Asked for no bookings of the past, the tape has only what is to come.
    """
    ada = await bank.open_account("Ada")
    tape = await bank.tape()
    pages = tape.pages()

    assert not (await anext(pages)).events
    await bank.deposit(ada, 7)
    page = await anext(pages)
    await tape.aclose()

    assert [event.data["deltaCents"] for event in page.events] == [7]


async def test_second_bank_in_the_same_folder_is_refused(bank: Bank, tmp_path: Path) -> None:
    """
    One process at a time runs a bank; the next one is told so.
    """
    await bank.open_account("Ada")

    with pytest.raises(StoreLockedError):
        async with open_bank(tmp_path / "data"):
            pass


async def test_balances_can_be_read_beside_a_running_bank(bank: Bank, tmp_path: Path) -> None:
    """
    While the bank runs, others read what it shows.
    """
    ada = await bank.open_account("Ada")
    await bank.deposit(ada, 10_00)

    balances = await read_balances(tmp_path / "data")

    assert [(balance.account, balance.balance_cents) for balance in balances] == [(ada, 10_00)]


async def test_balances_beside_a_bank_whose_read_model_lags_are_refused(tmp_path: Path) -> None:
    """
    Old figures are not handed out as new ones: whoever asks is told to come back.
    """
    async with open_bank(tmp_path, today=lambda: DAY) as bank:
        await bank.open_account("Ada")
    async with connect(store_url(tmp_path)) as store:
        await _deposit_unseen(store)

        with pytest.raises(FolderError, match="behind"):
            await read_balances(tmp_path, patience_s=0.1)


async def test_balances_beside_a_bank_without_read_model_are_refused(tmp_path: Path) -> None:
    """
    A bank that is just starting has no tables yet, and whoever asks is told so.
    """
    async with connect(store_url(tmp_path)):
        with pytest.raises(FolderError, match="no read model yet"):
            await read_balances(tmp_path)


async def test_balances_catch_up_when_nobody_runs_the_bank(tmp_path: Path) -> None:
    """
    Events that no read model has seen are in the balances, if nobody else is at it.
    """
    async with open_bank(tmp_path, today=lambda: DAY) as bank:
        ada = await bank.open_account("Ada")
    async with connect(store_url(tmp_path)) as store:
        await _deposit_unseen(store)

    balances = await read_balances(tmp_path)

    assert [(balance.account, balance.balance_cents) for balance in balances] == [(ada, 7_00)]


async def test_deleted_read_models_come_back_the_same(tmp_path: Path) -> None:
    """
    The read models can be thrown away: the events fill them again, byte for byte.
    """
    await _do_some_business(tmp_path)
    before = dump(tmp_path / "read-models.db")
    (tmp_path / "read-models.db").unlink()

    await read_balances(tmp_path)

    assert dump(tmp_path / "read-models.db") == before


@pytest.mark.parametrize("projector", make_projectors(), ids=lambda projector: projector.name)
async def test_rebuilt_read_model_is_the_same(tmp_path: Path, projector: Projector) -> None:
    """
    A rebuild of any read model gives the same rows.
    """
    await _do_some_business(tmp_path)
    before = dump(tmp_path / "read-models.db")

    async with connect(store_url(tmp_path)) as store:
        await rebuild(projector, store, read_model_url(tmp_path))

    assert dump(tmp_path / "read-models.db") == before


async def test_folder_name_may_have_odd_characters(tmp_path: Path) -> None:
    """
    Blanks, percent and number signs in the path of the data folder are just that.
    """
    folder = tmp_path / "a b%20#c"

    async with open_bank(folder) as bank:
        await bank.open_account("Ada")

    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".db") == ["bank.db", "read-models.db"]


async def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """
    A data folder that is a file is a clear error.
    """
    (tmp_path / "data").touch()

    with pytest.raises(FolderError, match="cannot be the data folder: File exists"):
        async with open_bank(tmp_path / "data"):
            pass


async def test_no_bank_is_made_by_asking_for_balances(tmp_path: Path) -> None:
    """
    Where there is no bank, asking does not make one.
    """
    with pytest.raises(FolderError, match="there is no bank here"):
        await read_balances(tmp_path / "data")

    assert not (tmp_path / "data").exists()


async def _deposit_unseen(store: EventStore) -> None:
    account = Account(str(FIRST_NUMBER))
    account.deposit(7_00, on=DAY)
    await Repository(Account, store).save(account)


async def _do_some_business(folder: Path) -> None:
    async with open_bank(folder, today=lambda: date(2024, 1, 1)) as bank:
        ada, bob = await bank.open_account("Ada", 50_00), await bank.open_account("Bob")
        await bank.deposit(ada, 10_00)
        await bank.transfer(ada, bob, 30_00)
        await bank.withdraw(bob, 5_00)
        with pytest.raises(NotCoveredError):
            await bank.withdraw(bob, 50_00)
