"""
The account list: a page of it at a time, however many accounts there are.
"""

from nicegui import ui

from examples.bank.bank import Bank
from examples.bank.money import format_cents
from examples.bank.page.live import LiveView
from examples.bank.page.paging import Pager
from examples.bank.page.tables import amount_cell, amount_column, text_column
from examples.bank.page.tape import Tape

ROWS = 25

_LINK = """
<q-td :props="props">
  <a :href="`/accounts/${encodeURIComponent(props.value)}`"
     :aria-label="`Account ${props.value}, statement`">{{ props.value }}</a>
</q-td>
"""


class AccountList(LiveView):
    """
    All accounts with their balances, searched and paged in the read model.
    """

    def __init__(self, bank: Bank, tape: Tape) -> None:
        super().__init__(bank, tape)
        with ui.element("section").classes("card accounts").props('aria-label="Accounts"'):
            with ui.row().classes("card-head"):
                ui.html("Accounts", tag="h2", sanitize=False)
                self._search = (
                    ui.input("Search", placeholder="number or owner", on_change=self._search_anew)
                    .props("outlined dense clearable debounce=200 autocomplete=off type=search")
                    .classes("search")
                )
            self._empty = ui.element("div").classes("empty")
            with self._empty:
                ui.label("No accounts yet.").classes("empty-title")
                ui.label("Open the first one above: a name is enough.")
                ui.html(
                    "Or stop this page and fill it with a real bank's 4,500 accounts: "
                    "<code>python -m examples.bank import DIR --data DATADIR</code>",
                    sanitize=False,
                )
            self._table = ui.table(
                columns=[
                    text_column("account", "Account"),
                    text_column("owner", "Owner"),
                    amount_column("limit", "Overdraft limit"),
                    amount_column("balance", "Balance"),
                ],
                rows=[],
                row_key="account",
            ).classes("rows")
            self._table.props("flat dense")
            self._table.add_slot("no-data", '<span class="hint">No account matches.</span>')
            self._table.add_slot("body-cell-account", _LINK)
            self._table.add_slot("body-cell-balance", amount_cell("balance"))
            self._pager = Pager(ROWS, "accounts", self.refresh)

    async def _draw(self) -> None:
        search = str(self._search.value or "").strip()
        count = await self._bank.count_balances(search=search)
        offset = self._pager.show(count)
        shown = await self._bank.balances(search=search, offset=offset, limit=ROWS)
        self._table.rows = [
            {
                "account": balance.account,
                "owner": f"{balance.owner_name} (closed)" if balance.is_closed else balance.owner_name,
                "limit": format_cents(balance.overdraft_limit_cents),
                "balance": format_cents(balance.balance_cents),
                "balance_is_negative": balance.balance_cents < 0,
            }
            for balance in shown
        ]
        is_empty = count == 0 and not search
        self._empty.set_visibility(is_empty)
        self._table.set_visibility(not is_empty)

    async def _search_anew(self) -> None:
        self._pager.restart()
        await self.refresh()
