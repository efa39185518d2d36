"""
The statement of one account.
"""

from collections.abc import Sequence

from nicegui import ui

from eventsource import RecordedEvent
from examples.bank.account import account_of
from examples.bank.bank import Bank
from examples.bank.money import format_cents
from examples.bank.page.live import LiveView
from examples.bank.page.paging import Pager
from examples.bank.page.tables import amount_cell, amount_column, text_column
from examples.bank.page.tape import Tape

ROWS = 50


class StatementView(LiveView):
    """
    What was booked on an account, the newest first, with the balance after each line.
    """

    def __init__(self, bank: Bank, tape: Tape, account: str) -> None:
        super().__init__(bank, tape)
        self._account = account
        with ui.element("section").classes("card statement").props('aria-label="Statement"'):
            self._owner = ui.label().classes("hint")
            self._balance = ui.label().classes("figure amount")
            self._limit = ui.label().classes("hint")
            self._table = ui.table(
                columns=[
                    text_column("day", "Day"),
                    text_column("text", "Text"),
                    amount_column("amount", "Amount"),
                    amount_column("balance", "Balance"),
                ],
                rows=[],
                row_key="line",
            ).classes("rows")
            self._table.props("flat dense")
            self._table.add_slot("no-data", '<span class="hint">Nothing is booked yet.</span>')
            self._table.add_slot("body-cell-amount", amount_cell("amount"))
            self._table.add_slot("body-cell-balance", amount_cell("balance"))
            self._pager = Pager(ROWS, "lines", self.refresh)

    async def _draw(self) -> None:
        now = await self._bank.balance(self._account)
        self._owner.set_text(f"{now.owner_name} (closed)" if now.is_closed else now.owner_name)
        self._balance.set_text(format_cents(now.balance_cents))
        self._balance.classes(**{"add" if now.balance_cents < 0 else "remove": "negative"})
        self._limit.set_text(f"Overdraft limit {format_cents(now.overdraft_limit_cents)}")
        offset = self._pager.show(await self._bank.count_lines(self._account))
        lines = await self._bank.statement(self._account, offset=offset, limit=ROWS)
        self._table.rows = [
            {
                "line": number,
                "day": line.booked_on.isoformat(),
                "text": line.text,
                "amount": format_cents(line.cents),
                "amount_is_negative": line.cents < 0,
                "balance": format_cents(line.balance_cents),
                "balance_is_negative": line.balance_cents < 0,
            }
            for number, line in enumerate(lines)
        ]

    def _concerns(self, events: Sequence[RecordedEvent]) -> bool:
        return any(account_of(event.subject) == self._account for event in events)
