"""
From a broken rule to words, with the figures of now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from examples.bank import rules
from examples.bank.books import month_of
from examples.bank.refusals import (
    ClosedError,
    DailyLimitError,
    EmailTakenError,
    MonthClosedError,
    NotCoveredError,
    NotEmptyError,
    RefusedError,
)

if TYPE_CHECKING:
    from examples.bank.bank import Bank


@attrs.frozen
class Asked:
    """
    What a command was about.
    """

    accounts: tuple[str, ...] = ()
    cents: int = 0
    allowance: str = ""
    email: str = ""


async def explain(bank: Bank, rule: str | None, asked: Asked) -> RefusedError | None:
    """
    The rule that did not hold as the bank's own refusal; None for no rule of ours.

    Raises:
        NoSuchAccountError: That was it: an account is not there.
    """
    # What the rule saw is in the read models then.
    await bank.caught_up()
    match rule:
        case rules.UNIQUE_EMAIL:
            return EmailTakenError(asked.email)
        case rules.DAILY_LIMIT:
            return await _over_daily_limit(bank, asked)
        case rules.OPEN_MONTH:
            return MonthClosedError(month_of(bank.clock.today()))
        case _:
            return await _refusal_of_accounts(bank, rule, asked)


async def _refusal_of_accounts(bank: Bank, rule: str | None, asked: Asked) -> RefusedError | None:
    found = [await bank.balance(account) for account in asked.accounts]
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


async def _over_daily_limit(bank: Bank, asked: Asked) -> DailyLimitError:
    [change_cents] = [row async for row in bank.store.query(rules.withdrawn_of(asked.allowance))]
    return DailyLimitError(
        limit_cents=rules.DAILY_LIMIT_CENTS, withdrawn_cents=-change_cents, requested_cents=asked.cents
    )
