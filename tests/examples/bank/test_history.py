"""
The history of an account explains its balance.
"""

import pytest

from examples.bank.bank import Bank
from examples.bank.history import account_at, steps_of
from examples.bank.refusals import NoSuchAccountError


async def test_steps_explain_the_balance(bank: Bank) -> None:
    """
    Each with what it adds; a refused command left nothing.
    """
    account = await bank.open_account("Ada", 5_00)
    await bank.deposit(account, 10_00)
    await bank.withdraw(account, 12_00)

    steps = await steps_of(bank.store, account)

    assert [(step.text, step.cents, step.balance_cents) for step in steps] == [
        ("account opened", 0, 0),
        ("overdraft granted", 0, 0),
        ("Deposit", 10_00, 10_00),
        ("Withdrawal", -12_00, -2_00),
    ]


async def test_account_is_as_it_was_after_any_event(bank: Bank) -> None:
    """
    Any event of the store is a moment, also one before there was the account.
    """
    ada = await bank.open_account("Ada")
    bob = await bank.open_account("Bob")
    first, *_ = await steps_of(bank.store, ada)
    await bank.deposit(bob, 10_00)
    [_, deposit] = await steps_of(bank.store, bob)
    await bank.deposit(bob, 5_00)

    assert (await account_at(bank.store, bob, deposit.event.id)).balance_cents == 10_00
    with pytest.raises(NoSuchAccountError):
        await account_at(bank.store, bob, first.event.id)
