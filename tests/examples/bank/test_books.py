"""
Closing the books at the end of a month.
"""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from eventsource import Repository, RuleBrokenError
from examples.bank import rules
from examples.bank.account import Account
from examples.bank.bank import Bank
from examples.bank.books import BANK, Books, month_after, month_of
from examples.bank.folder import open_bank
from examples.bank.refusals import MonthClosedError, MonthNotOverError
from tests.examples.bank.scenario import DAY


class Calendar:
    """
    A day that the test turns over.
    """

    today = DAY

    def __call__(self) -> date:
        """
        The day it is.
        """
        return self.today


async def test_closed_month_is_what_the_accounts_held(bank: Bank) -> None:
    """
    The next one opens with the same sum, and only it is read.
    """
    account = await bank.open_account("Ada")
    await bank.deposit(account, 10_00)

    assert await bank.close_month() == "2024-01"

    books = await Repository(Books, bank.store).load(BANK)
    assert (books.period, books.total_cents, books.version) == ("2024-02", 10_00, 1)
    with pytest.raises(MonthNotOverError, match="2024-02 is not over yet"):
        await bank.close_month()


async def test_nothing_is_booked_in_a_closed_month(tmp_path: Path) -> None:
    """
    The store refuses it by name; in the new month business goes on.
    """
    today = Calendar()
    async with open_bank(tmp_path / "data", today=today) as bank:
        account = await bank.open_account("Ada")
        today.today = date(2024, 3, 1)
        assert await bank.close_month() == "2024-02"
        today.today = DAY

        with pytest.raises(MonthClosedError, match="The books of 2024-02 are closed"):
            await bank.deposit(account, 5_00)
        today.today = date(2024, 3, 1)
        await bank.deposit(account, 5_00)

        late = await Repository(Account, bank.store).load(account)
        late.deposit(1_00, on=DAY)
        with pytest.raises(RuleBrokenError) as excinfo:
            await Repository(Account, bank.store).save(late)
        assert excinfo.value.name == rules.OPEN_MONTH


async def test_books_add_up_whatever_is_booked_meanwhile(bank: Bank) -> None:
    """
    The sum is that of the place in the log where the month was closed.
    """
    account = await bank.open_account("Ada")

    await asyncio.gather(bank.close_month(), *(bank.deposit(account, 1_00) for _ in range(10)))

    total_cents = 0
    async for event in bank.store.stream():
        if event.type.endswith("month-closed"):
            assert event.data["totalCents"] == total_cents
        elif event.subject.startswith("/accounts/"):
            total_cents += event.data.get("deltaCents", 0)
    assert total_cents == 10_00


@pytest.mark.parametrize(("month", "after"), [("2024-01", "2024-02"), ("2024-02", "2024-03"), ("2024-12", "2025-01")])
def test_months_follow_one_another(month: str, after: str) -> None:
    """
    Over the end of a year, too, and ordered as texts.
    """
    assert month_after(month) == after
    assert month < after
    assert month_of(date.fromisoformat(f"{after}-01")) == after
