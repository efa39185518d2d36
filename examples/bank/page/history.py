"""
Time travel on an account's page: any moment of it, and the events that explain its balance then.
"""

from collections.abc import Sequence

from nicegui import ui

from eventsource import RecordedEvent
from examples.bank.account import account_of
from examples.bank.bank import Bank
from examples.bank.history import Step, account_at, steps_of
from examples.bank.money import format_cents
from examples.bank.page.live import LiveView
from examples.bank.page.paging import Pager
from examples.bank.page.tables import amount_cell, amount_column, text_column
from examples.bank.page.tape import Tape

ROWS = 25

_RECEIPT = """
<q-td :props="props">
  <a :href="`/receipts/${encodeURIComponent(props.value)}`" download
     :aria-label="`Receipt of event ${props.row.number}`">Receipt</a>
</q-td>
"""


class HistoryView(LiveView):
    """
    A slider over the events of an account, the account as it was there, and what made it so.
    """

    def __init__(self, bank: Bank, tape: Tape, account: str) -> None:
        super().__init__(bank, tape)
        self._account = account
        self._steps: list[Step] = []
        with ui.element("section").classes("card history").props('aria-label="History"'):
            ui.html("Explain this balance", tag="h2", sanitize=False)
            ui.label("Move back in time: the account is folded from its events up to there.").classes("hint")
            self._slider = ui.slider(min=1, max=1, value=1, on_change=self._moved).props(
                'aria-label="Moment" label snap'
            )
            self._moment = ui.label().classes("hint").props('role="status"')
            self._then = ui.label().classes("figure amount")
            self._limit = ui.label().classes("hint")
            self._table = ui.table(
                columns=[
                    text_column("number", "Event"),
                    text_column("time", "Committed (UTC)"),
                    text_column("text", "What happened"),
                    amount_column("amount", "Adds"),
                    amount_column("balance", "Balance"),
                    text_column("receipt", ""),
                ],
                rows=[],
                row_key="number",
            ).classes("rows")
            self._table.props("flat dense")
            self._table.add_slot("body-cell-amount", amount_cell("amount"))
            self._table.add_slot("body-cell-balance", amount_cell("balance"))
            self._table.add_slot("body-cell-receipt", _RECEIPT)
            self._pager = Pager(ROWS, "events", self._show)

    async def _draw(self) -> None:
        was_now = int(self._slider.value or 1) >= len(self._steps)
        self._steps = await steps_of(self._bank.store, self._account)
        self._slider.props(f":max={len(self._steps)}")
        if was_now:
            # Whoever looks at now goes on looking at now.
            self._slider.value = len(self._steps)
        await self._show()

    async def _moved(self) -> None:
        if self._steps:
            await self._show()

    async def _show(self) -> None:
        number = min(int(self._slider.value or 1), len(self._steps))
        made_up_of = self._steps[:number]
        step = made_up_of[-1]
        then = await account_at(self._bank.store, self._account, step.event.id)
        self._moment.set_text(f"After event {number} of {len(self._steps)}, {step.event.time:%Y-%m-%d %H:%M:%S} UTC")
        self._then.set_text(format_cents(then.balance_cents))
        self._then.classes(**{"add" if then.balance_cents < 0 else "remove": "negative"})
        self._limit.set_text(
            f"Overdraft limit {format_cents(then.overdraft_limit_cents)}, {'closed' if then.is_closed else 'open'}"
        )
        offset = self._pager.show(number)
        newest_first = list(enumerate(made_up_of, 1))[::-1]
        self._table.rows = [
            {
                "number": place,
                "time": f"{row.event.time:%Y-%m-%d %H:%M:%S}",
                "text": row.text,
                "amount": format_cents(row.cents) if row.cents else "",
                "amount_is_negative": row.cents < 0,
                "balance": format_cents(row.balance_cents),
                "balance_is_negative": row.balance_cents < 0,
                "receipt": row.event.id,
            }
            for place, row in newest_first[offset : offset + ROWS]
        ]

    def _concerns(self, events: Sequence[RecordedEvent]) -> bool:
        return any(account_of(event.subject) == self._account for event in events)
