"""
Loans: granted, refused, and taken back where a step fails.
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from eventsource import Event, RuleBrokenError
from examples.bank import rules
from examples.bank.bank import Bank
from examples.bank.commands import ReserveFunds
from examples.bank.events import FundsReleased, FundsReserved
from examples.bank.folder import open_bank
from examples.bank.refusals import AmountRefusedError, NoSuchAccountError
from examples.bank.services import Services
from tests.examples.bank.scenario import DAY


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncGenerator[Bank]:
    """
    A bank whose processes run.
    """
    async with open_bank(tmp_path / "data", today=lambda: DAY, runs_processes=True) as opened:
        yield opened


async def _lending(bank: Bank) -> list[Event]:
    found: list[Event] = []
    async for recorded in bank.store.stream(rules.LENDING):
        [event] = recorded.decode_all()
        assert isinstance(event, Event)
        found.append(event)
    return found


async def test_granted_loan_is_on_the_account(bank: Bank) -> None:
    """
    Reserved, paid out, granted; against clearing in the ledger, which still balances.
    """
    ada, services = await bank.open_account("Ada"), Services(bank)

    loan = await services.request_loan(ada, 500_00)
    await bank.settle()

    (line,) = await services.loans()
    assert (line.loan, line.account, line.cents, line.state) == (loan, ada, 500_00, "granted")
    assert [(booked.text, booked.cents) for booked in await bank.statement(ada)] == [(f"Loan {loan}", 500_00)]
    assert await _lending(bank) == [FundsReserved(loan=loan, delta_cents=500_00)]
    assert {total.account: total.cents for total in await bank.ledger()} == {"clearing": -500_00, "customers": 500_00}


async def test_loan_to_a_closed_account_is_taken_back(bank: Bank) -> None:
    """
    The money is released for others, and the customer told by which rule.
    """
    ada, services = await bank.open_account("Ada"), Services(bank)
    await bank.close_account(ada)

    loan = await services.request_loan(ada, rules.LENDING_LIMIT_CENTS)
    await bank.settle()

    (line,) = await services.loans()
    assert (line.state, line.refused_by) == ("refused", rules.OPEN)
    assert await _lending(bank) == [
        FundsReserved(loan=loan, delta_cents=rules.LENDING_LIMIT_CENTS),
        FundsReleased(loan=loan, delta_cents=-rules.LENDING_LIMIT_CENTS),
    ]
    bob = await bank.open_account("Bob")
    await services.request_loan(bob, rules.LENDING_LIMIT_CENTS)
    await bank.settle()
    assert (await bank.balance(bob)).balance_cents == rules.LENDING_LIMIT_CENTS


async def test_account_that_is_closed_meanwhile_is_compensated_for(tmp_path: Path) -> None:
    """
    The bank stops after the request, and the account is closed before it goes on.
    """
    data = tmp_path / "data"
    async with open_bank(data, today=lambda: DAY) as bank:
        ada = await bank.open_account("Ada")
        await Services(bank).request_loan(ada, 500_00)
        await bank.close_account(ada)

    async with open_bank(data, today=lambda: DAY, runs_processes=True) as bank:
        await bank.settle()

        assert [line.state for line in await Services(bank).loans()] == ["refused"]
        assert await bank.statement(ada) == []
        assert sum(event.model_dump()["delta_cents"] for event in await _lending(bank)) == 0


async def test_bank_lends_no_more_than_it_may(bank: Bank) -> None:
    """
    Many ask at the same moment: the store decides, and one cent more is refused by name.
    """
    ada, services = await bank.open_account("Ada"), Services(bank)
    each = rules.LENDING_LIMIT_CENTS // 4

    await asyncio.gather(*(services.request_loan(ada, each) for _ in range(6)))
    await bank.settle()

    lines = await services.loans()
    assert sorted(line.state for line in lines) == ["granted"] * 4 + ["refused"] * 2
    assert {line.refused_by for line in lines if line.state == "refused"} == {rules.LENDING_LIMIT}
    assert (await bank.balance(ada)).balance_cents == rules.LENDING_LIMIT_CENTS
    with pytest.raises(RuleBrokenError) as excinfo:
        await bank.dispatcher.dispatch(ReserveFunds(loan="1", cents=1))
    assert excinfo.value.name == rules.LENDING_LIMIT


async def test_loan_that_is_asked_for_twice_is_one(bank: Bank) -> None:
    """
    A duplicate click has the id of the first, also when it comes at the same moment.
    """
    ada, services = await bank.open_account("Ada"), Services(bank)

    asked = await asyncio.gather(*(services.request_loan(ada, 500_00, command_id="click") for _ in range(4)))
    await bank.settle()

    assert len(set(asked)) == 1
    assert len(await services.loans()) == 1
    assert (await bank.balance(ada)).balance_cents == 500_00


async def test_loans_that_will_not_do_are_refused_in_words(bank: Bank) -> None:
    """
    Nothing is recorded.
    """
    ada, services = await bank.open_account("Ada"), Services(bank)
    before = await bank.store.count()

    with pytest.raises(AmountRefusedError):
        await services.request_loan(ada, 0)
    for unknown in ("77", "", "a/b"):
        with pytest.raises(NoSuchAccountError):
            await services.request_loan(unknown, 1)

    assert await bank.store.count() == before
