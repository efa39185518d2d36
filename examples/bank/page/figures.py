"""
The bank in three figures.
"""

from nicegui import ui

from examples.bank.bank import Bank
from examples.bank.money import format_cents
from examples.bank.page.live import LiveView
from examples.bank.page.tape import Tape


class Figures(LiveView):
    """
    How many accounts there are, what they hold, and how many events it took.
    """

    def __init__(self, bank: Bank, tape: Tape) -> None:
        super().__init__(bank, tape)
        with ui.element("dl").classes("figures"):
            self._accounts = _figure("accounts")
            self._balance = _figure("held for customers")
            self._events = _figure("events")

    async def _draw(self) -> None:
        totals = await self._bank.totals()
        self._accounts.set_text(f"{totals.accounts:,}")
        self._balance.set_text(format_cents(totals.total_balance_cents))
        self._events.set_text(f"{totals.events:,}")


def _figure(name: str) -> ui.label:
    with ui.element("div"):
        with ui.element("dt"):
            ui.label(name)
        with ui.element("dd"):
            return ui.label().classes("amount")
