"""
A race: many withdrawals from one account at the same moment.

Without a rule that the store decides, each would read the same balance, find it sufficient, and take the
money: fifty times. Here the rules travel with the commits, and the store decides them one after the other.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import attrs

from examples.bank.bank import Bank
from examples.bank.refusals import RuleBrokenError

RUNNERS = 50


@attrs.frozen
class Run:
    """
    How one of them ended.

    Attributes:
        number: Which one, counted from 1 in the order they were sent.

        refused_by: The rule that refused it; None if it was admitted.
    """

    number: int
    refused_by: str | None


@attrs.frozen
class Race:
    """
    How all of them ended.
    """

    runs: Sequence[Run]

    @property
    def admitted(self) -> int:
        """
        How many were carried out.
        """
        return sum(run.refused_by is None for run in self.runs)

    @property
    def refused(self) -> Counter[str]:
        """
        How many each rule refused.
        """
        return Counter(run.refused_by for run in self.runs if run.refused_by is not None)


async def race(bank: Bank, account: str, cents: int, *, runners: int = RUNNERS) -> Race:
    """
    Send *runners* withdrawals of *cents* from one account at once, and tell what became of each.

    Raises:
        RefusedError: The account or the amount will not do, whoever comes first.
    """

    async def run(number: int) -> Run:
        try:
            await bank.withdraw(account, cents)
        except RuleBrokenError as error:
            return Run(number, error.rule)
        return Run(number, None)

    return Race(await asyncio.gather(*map(run, range(1, runners + 1))))
