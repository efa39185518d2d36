"""
Races: however many withdraw at once, the rules hold.
"""

import pytest

from examples.bank import rules
from examples.bank.bank import Bank
from examples.bank.race import race
from examples.bank.refusals import AmountRefusedError


async def test_exactly_the_affordable_withdrawals_are_admitted(bank: Bank) -> None:
    """
    Fifty at once on an account that covers twelve.
    """
    account = await bank.open_account("Ada", 0)
    await bank.deposit(account, 12_50)

    ended = await race(bank, account, 1_00)

    assert [run.number for run in ended.runs] == list(range(1, 51))
    assert ended.admitted == 12
    assert ended.refused == {rules.FUNDS: 38}
    assert (await bank.balance(account)).balance_cents == 50


async def test_each_rule_is_counted_by_itself(bank: Bank) -> None:
    """
    Where the account covers more than a day's allowance, that is what refuses.
    """
    account = await bank.open_account("Ada", 0)
    await bank.deposit(account, 50_000_00)

    ended = await race(bank, account, 300_00, runners=10)

    assert (ended.admitted, ended.refused) == (3, {rules.DAILY_LIMIT: 7})


async def test_amount_that_nobody_can_withdraw_is_no_race(bank: Bank) -> None:
    """
    It is refused as one withdrawal would be.
    """
    account = await bank.open_account("Ada", 0)

    with pytest.raises(AmountRefusedError):
        await race(bank, account, 0)
