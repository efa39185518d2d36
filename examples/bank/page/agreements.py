"""
Standing orders and loans: forms to ask for them, and lists that tell how far each is.
"""

from datetime import date

from nicegui import ui

from examples.bank.agreements import LoanLine, OrderLine
from examples.bank.bank import Bank
from examples.bank.money import format_cents, parse_cents
from examples.bank.page.forms import CommandForm, Field
from examples.bank.page.live import LiveView
from examples.bank.page.tables import amount_column, text_column
from examples.bank.page.tape import Tape
from examples.bank.services import Services

# The newest; what is over long ago nobody looks for here.
ROWS = 25


def make_agreement_forms(bank: Bank) -> None:
    """
    What lasts longer than a click, and a clock to see it last.
    """
    services = Services(bank)

    async def place(id: str, source: str, target: str, amount: str, first: str) -> str:
        cents, first_on = parse_cents(amount), _parse_day(first) if first else bank.clock.today()
        order = await services.place_order(source, target, cents, first_on=first_on, command_id=id)
        return f"standing order {order}, {format_cents(cents)} on {first_on} and each month after it."

    async def stop(id: str, order: str) -> str:
        await services.stop_order(order, command_id=id)
        return f"standing order {order} is stopped."

    async def request(id: str, account: str, amount: str) -> str:
        cents = parse_cents(amount)
        loan = await services.request_loan(account, cents, command_id=id)
        return f"loan {loan} of {format_cents(cents)} is asked for. The list of loans tells what becomes of it."

    async def pass_month(id: str) -> str:  # noqa: ARG001  it asks the bank for nothing
        return f"it is {await bank.pass_month()} now, and what was due by then is done."

    async def close_month(id: str) -> str:  # noqa: ARG001  a closed month is not closed twice
        return f"the books of {await bank.close_month()} are closed."

    amount = Field("Amount", "amount", "0.00")
    CommandForm(
        "Standing order",
        "Place",
        [
            Field("From account", "account", "100001"),
            Field("To account", "account", "100002"),
            amount,
            Field("First day (optional)", "day", "2030-01-31; today if it is empty"),
        ],
        place,
    )
    CommandForm("Stop a standing order", "Stop", [Field("Standing order", "name", "its id in the list")], stop)
    CommandForm("Loan", "Ask for it", [Field("Account", "account", "100001"), amount], request)
    CommandForm("Time passes", "One month later", [], pass_month)
    CommandForm("Month-end", "Close the books", [], close_month)


class OrderList(LiveView):
    """
    The standing orders, with the day on which each is paid next.
    """

    def __init__(self, bank: Bank, tape: Tape) -> None:
        super().__init__(bank, tape)
        self._services = Services(bank)
        with ui.element("section").classes("card").props('aria-label="Standing orders"'):
            with ui.row().classes("card-head"):
                ui.html("Standing orders", tag="h2", sanitize=False)
                self._today = ui.label().classes("hint")
            self._table = ui.table(
                columns=[
                    text_column("order", "Standing order"),
                    text_column("sender", "From"),
                    text_column("receiver", "To"),
                    amount_column("amount", "Amount"),
                    text_column("state", "State"),
                ],
                rows=[],
                row_key="order",
            ).classes("rows")
            self._table.props("flat dense wrap-cells")
            self._table.add_slot("no-data", '<span class="hint">Nobody has one yet.</span>')

    async def _draw(self) -> None:
        self._today.set_text(f"today is {self._bank.clock.today()}")
        self._table.rows = [
            {
                "order": line.order,
                "sender": line.sender,
                "receiver": line.receiver,
                "amount": format_cents(line.cents),
                "state": _state_of_order(line),
            }
            for line in await self._services.orders(limit=ROWS)
        ]


class LoanList(LiveView):
    """
    The loans, with the step at which each is.
    """

    def __init__(self, bank: Bank, tape: Tape) -> None:
        super().__init__(bank, tape)
        self._services = Services(bank)
        with ui.element("section").classes("card").props('aria-label="Loans"'):
            with ui.row().classes("card-head"):
                ui.html("Loans", tag="h2", sanitize=False)
                ui.label("reserve, pay out, grant; or take it back").classes("hint")
            self._table = ui.table(
                columns=[
                    text_column("loan", "Loan"),
                    text_column("account", "Account"),
                    amount_column("amount", "Amount"),
                    text_column("state", "State"),
                ],
                rows=[],
                row_key="loan",
            ).classes("rows")
            self._table.props("flat dense wrap-cells")
            self._table.add_slot("no-data", '<span class="hint">Nobody has asked for one yet.</span>')

    async def _draw(self) -> None:
        self._table.rows = [
            {
                "loan": line.loan,
                "account": line.account,
                "amount": format_cents(line.cents),
                "state": _state_of_loan(line),
            }
            for line in await self._services.loans(limit=ROWS)
        ]


def _state_of_order(line: OrderLine) -> str:
    paid = f"paid {line.paid} of {line.due} times"
    refused = f", the last time refused by the rule “{line.refused_by}”" if line.refused_by else ""
    return f"{f'next on {line.next_on}' if line.next_on else line.state}; {paid}{refused}"


def _state_of_loan(line: LoanLine) -> str:
    return f"{line.state} by the rule “{line.refused_by}”" if line.refused_by else line.state


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is no day: write it like 2030-01-31"
        raise ValueError(msg) from error
