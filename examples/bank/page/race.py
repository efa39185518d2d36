"""
The race on an account's page.
"""

from nicegui import ui

from examples.bank.bank import Bank
from examples.bank.money import format_cents, parse_cents
from examples.bank.page.forms import CommandForm, Field
from examples.bank.race import RUNNERS, Race, race


class RaceView:
    """
    A button that starts a race, and how each of its withdrawals ended.
    """

    def __init__(self, bank: Bank, account: str) -> None:
        self._bank = bank
        self._account = account
        with ui.element("section").classes("race").props('aria-label="Race"'):
            CommandForm(
                "Race",
                f"Withdraw {RUNNERS} times at once",
                [Field("Amount of each withdrawal", "amount", "10.00")],
                self._start,
            )
            self._runs = ui.element("ol").classes("runs").props('aria-label="How each ended"')
        self._runs.set_visibility(False)

    async def _start(self, id: str, amount: str) -> str:  # noqa: ARG002  each withdrawal has an id of its own
        cents = parse_cents(amount)
        ended = await race(self._bank, self._account, cents)
        self._draw(ended)
        balance = await self._bank.balance(self._account)
        refused = "; ".join(f"{count} refused by “{rule}”" for rule, count in sorted(ended.refused.items()))
        return (
            f"{ended.admitted} of {len(ended.runs)} withdrawals of {format_cents(cents)} were admitted"
            f"{f', {refused}' if refused else ''}. "
            f"The account holds {format_cents(balance.balance_cents)}."
        )

    def _draw(self, ended: Race) -> None:
        self._runs.clear()
        self._runs.set_visibility(True)
        with self._runs:
            for run in ended.runs:
                how = "admitted" if run.refused_by is None else f"refused by “{run.refused_by}”"
                with ui.element("li").classes("admitted" if run.refused_by is None else "refused") as mark:
                    ui.label(str(run.number))
                mark.props(f'title="{run.number}: {how}" aria-label="{run.number}: {how}"')
