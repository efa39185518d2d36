"""
Standing orders: what is paid when, over years and restarts.
"""

from collections.abc import AsyncGenerator
from datetime import date
from pathlib import Path

import pytest

from examples.bank import rules
from examples.bank.bank import Bank
from examples.bank.folder import open_bank
from examples.bank.refusals import (
    AmountRefusedError,
    ClosedError,
    FirstDayError,
    NoSuchAccountError,
    NoSuchOrderError,
    OrderStoppedError,
    SameAccountError,
)
from examples.bank.services import Services
from tests.examples.bank.scenario import DAY

NEW_YEAR = date(2024, 1, 31)


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncGenerator[Bank]:
    """
    A bank at the end of January, whose processes run.
    """
    async with open_bank(tmp_path / "data", today=lambda: NEW_YEAR, runs_processes=True) as opened:
        yield opened


async def _paid_on(bank: Bank, account: str) -> list[date]:
    lines = await bank.statement(account)
    return [line.booked_on for line in reversed(lines) if line.text.startswith("Transfer")]


async def test_order_is_paid_each_month_on_the_day_of_the_first(bank: Bank) -> None:
    """
    In a shorter month it is the last day, and in the next one the 31st again.
    """
    ada, bob = await bank.open_account("Ada", 100_00), await bank.open_account("Bob")
    services = Services(bank)
    order = await services.place_order(ada, bob, 10_00)
    await bank.settle()

    assert await _paid_on(bank, bob) == [NEW_YEAR]
    (line,) = await services.orders()
    assert (line.order, line.due, line.paid, line.state) == (order, 1, 1, "running")
    assert line.next_on == date(2024, 2, 29)
    # The clock goes from the 29th to the 29th, so the end of March comes a month later.
    assert [await bank.pass_month() for _ in range(3)] == [date(2024, 2, 29), date(2024, 3, 29), date(2024, 4, 29)]

    assert await _paid_on(bank, bob) == [NEW_YEAR, date(2024, 2, 29), date(2024, 4, 29)]
    (line,) = await services.orders()
    assert (line.due, line.next_on) == (3, date(2024, 4, 30))
    assert (await bank.balance(bob)).balance_cents == 30_00


async def test_order_waits_for_its_first_day(bank: Bank) -> None:
    """
    Nothing is paid before.
    """
    ada, bob = await bank.open_account("Ada", 100_00), await bank.open_account("Bob")
    await Services(bank).place_order(ada, bob, 10_00, first_on=date(2024, 2, 20))
    await bank.settle()
    assert await _paid_on(bank, bob) == []

    await bank.pass_month()

    assert await _paid_on(bank, bob) == [date(2024, 2, 29)]


async def test_payment_that_is_not_covered_is_tried_again_next_month(bank: Bank) -> None:
    """
    It is noted with its rule, and the order goes on.
    """
    ada, bob = await bank.open_account("Ada"), await bank.open_account("Bob")
    services = Services(bank)
    await services.place_order(ada, bob, 10_00)
    await bank.settle()

    (line,) = await services.orders()
    assert (line.due, line.paid, line.state, line.refused_by) == (1, 0, "running", rules.FUNDS)
    await bank.deposit(ada, 10_00)
    await bank.pass_month()

    (line,) = await services.orders()
    assert (line.due, line.paid, line.state, line.refused_by) == (2, 1, "running", "")


async def test_closed_account_ends_the_order(bank: Bank) -> None:
    """
    It stays closed, so nothing is tried again.
    """
    ada, bob = await bank.open_account("Ada", 100_00), await bank.open_account("Bob")
    services = Services(bank)
    await services.place_order(ada, bob, 10_00, first_on=date(2024, 2, 1))
    await bank.close_account(bob)
    for _ in range(2):
        await bank.pass_month()

    (line,) = await services.orders()
    assert (line.due, line.paid, line.state, line.refused_by) == (1, 0, "ended", rules.OPEN)
    assert line.next_on is None


async def test_stopped_order_is_paid_no_more(bank: Bank) -> None:
    """
    It cannot be stopped twice, and one that nobody placed not at all.
    """
    ada, bob = await bank.open_account("Ada", 100_00), await bank.open_account("Bob")
    services = Services(bank)
    order = await services.place_order(ada, bob, 10_00)
    await bank.settle()

    await services.stop_order(order, command_id="stop")
    await services.stop_order(order, command_id="stop")
    await bank.pass_month()

    assert await _paid_on(bank, bob) == [NEW_YEAR]
    (line,) = await services.orders()
    assert (line.state, line.next_on) == ("stopped", None)
    with pytest.raises(OrderStoppedError, match=f"{order} is stopped already"):
        await services.stop_order(order)
    for unknown in ("77", "", "a/b"):
        with pytest.raises(NoSuchOrderError):
            await services.stop_order(unknown)


async def test_order_that_is_sent_twice_is_one(bank: Bank) -> None:
    """
    A duplicate click has the id of the first.
    """
    ada, bob = await bank.open_account("Ada", 100_00), await bank.open_account("Bob")
    services = Services(bank)

    first = await services.place_order(ada, bob, 10_00, command_id="click")
    assert await services.place_order(ada, bob, 10_00, command_id="click") == first
    await bank.settle()

    assert len(await services.orders()) == 1
    assert (await bank.balance(bob)).balance_cents == 10_00


async def test_timer_fires_once_over_a_restart(tmp_path: Path) -> None:
    """
    A bank that was closed on the day pays when it opens, and what it paid it pays no second time.
    """
    data, today = tmp_path / "data", NEW_YEAR

    def calendar() -> date:
        return today

    async with open_bank(data, today=calendar, runs_processes=True) as bank:
        ada, bob = await bank.open_account("Ada", 100_00), await bank.open_account("Bob")
        await Services(bank).place_order(ada, bob, 10_00, first_on=date(2024, 2, 1))
        await bank.settle()
        assert await _paid_on(bank, bob) == []
    today = date(2024, 2, 3)
    for _ in range(3):
        async with open_bank(data, today=calendar, runs_processes=True) as bank:
            await bank.settle()
            assert await _paid_on(bank, bob) == [today]
    (data / "read-models.db").unlink()
    async with open_bank(data, today=calendar, runs_processes=True) as bank:
        await bank.settle()
        assert await _paid_on(bank, bob) == [today]


async def test_orders_that_will_not_do_are_refused_in_words(bank: Bank) -> None:
    """
    Accounts, amount and day are looked at when the order is placed; nothing is recorded.
    """
    ada, bob, gone = [await bank.open_account(name) for name in ("Ada", "Bob", "Gone")]
    await bank.close_account(gone)
    services, before = Services(bank), await bank.store.count()

    with pytest.raises(SameAccountError):
        await services.place_order(ada, ada, 1)
    with pytest.raises(AmountRefusedError):
        await services.place_order(ada, bob, 0)
    with pytest.raises(FirstDayError, match="The first day cannot be 2024-01-30: today is 2024-01-31"):
        await services.place_order(ada, bob, 1, first_on=date(2024, 1, 30))
    with pytest.raises(ClosedError, match=f"Account {gone} is closed"):
        await services.place_order(ada, gone, 1)
    for unknown in ("77", "", "a/b"):
        with pytest.raises(NoSuchAccountError):
            await services.place_order(unknown, bob, 1)
        with pytest.raises(NoSuchAccountError):
            await services.place_order(ada, unknown, 1)

    assert await bank.store.count() == before


async def test_nothing_is_paid_where_no_process_runs(tmp_path: Path) -> None:
    """
    Without processes an order is placed, and nothing is paid: import and balances book nothing of their own.
    """
    async with open_bank(tmp_path / "data", today=lambda: DAY) as bank:
        ada, bob = await bank.open_account("Ada", 100_00), await bank.open_account("Bob")
        await Services(bank).place_order(ada, bob, 10_00)
        await bank.settle()

        assert (await bank.balance(bob)).balance_cents == 0
