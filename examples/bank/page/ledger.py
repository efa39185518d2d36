"""
The ledger's totals: every cent twice, zero in sum.
"""

from nicegui import ui

from examples.bank.bank import Bank
from examples.bank.money import format_cents
from examples.bank.page.live import LiveView
from examples.bank.page.tables import amount_column, text_column
from examples.bank.page.tape import Tape


class LedgerView(LiveView):
    """
    The bank's own accounts beside those of all its customers.
    """

    def __init__(self, bank: Bank, tape: Tape) -> None:
        super().__init__(bank, tape)
        with ui.element("section").classes("card ledger").props('aria-label="Ledger"'):
            with ui.row().classes("card-head"):
                ui.html("Ledger", tag="h2", sanitize=False)
                ui.label("every cent is booked twice").classes("hint")
            self._table = ui.table(
                columns=[
                    text_column("account", "Account"),
                    amount_column("debit", "Debit"),
                    amount_column("credit", "Credit"),
                ],
                rows=[],
                row_key="account",
            ).classes("rows")
            self._table.props("flat dense")
            self._table.add_slot("no-data", '<span class="hint">Nothing is booked yet.</span>')
            self._sum = ui.label().classes("sum")

    async def _draw(self) -> None:
        totals = await self._bank.ledger()
        self._table.rows = [
            {
                "account": total.account,
                "debit": format_cents(-total.cents) if total.cents < 0 else "",
                "credit": format_cents(total.cents) if total.cents >= 0 else "",
            }
            for total in totals
        ]
        debit = format_cents(-sum(total.cents for total in totals if total.cents < 0))
        credit = format_cents(sum(total.cents for total in totals if total.cents > 0))
        self._sum.set_text(
            f"Debit {debit} = credit {credit}: the books balance."
            if debit == credit
            else f"Debit {debit}, credit {credit}: the books are off!"
        )
