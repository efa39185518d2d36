"""
Forms: a command to the bank, and its answer in words beside the button.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import attrs
from nicegui import ui

from eventsource import EventSourceError
from eventsource.commands import CommandResult
from examples.bank.bank import Bank
from examples.bank.money import format_cents, parse_cents
from examples.bank.refusals import RefusedError, RuleBrokenError

_KEPT = ("account", "id", "day")

# Stored with the events, and for ever.
_LONGEST_ID = 100


@attrs.frozen
class Field:
    """
    One input of a form.

    Attributes:
        label: What stands on it.

        kind: An amount is typed with digits; an account, an id and a day stay when the form was successful.

        hint: Shown while it is empty.
    """

    label: str
    kind: Literal["account", "amount", "name", "email", "id", "day"]
    hint: str = ""


class CommandForm:
    """
    A form that gives one command.

    It is a real HTML form: Tab goes from field to field, and Enter in any of them submits. However often
    that is done before the answer is there, the command is one and the same: it keeps its id until it
    is carried out.

    Args:
        title: Its heading.

        button: What the button says.

        fields: Its inputs, in order.

        command: Gets the command's id and the fields' texts and answers in a sentence; what it refuses
            is told, too.
    """

    def __init__(
        self, title: str, button: str, fields: Sequence[Field], command: Callable[..., Awaitable[str]]
    ) -> None:
        self._fields = fields
        self._command = command
        self._is_busy = False
        self._id = _new_id()
        with ui.element("form").classes("card form").props("novalidate").on("submit.prevent", self._submit) as form:
            form.props(f'aria-label="{title}"')
            ui.html(title, tag="h2", sanitize=False)
            self._inputs = [_make_input(field) for field in fields]
            ui.button(button).props("type=submit unelevated no-caps").classes("submit")
            # Read aloud when it changes.
            self._answer = ui.label().classes("answer").props('role="status" aria-live="polite"')

    async def _submit(self) -> None:
        if self._is_busy:
            return
        self._is_busy = True
        try:
            answer = await self._command(self._id, *(str(field.value or "").strip() for field in self._inputs))
        except RuleBrokenError as error:
            self._say(f"Refused by the rule “{error.rule}”: {error}", "refused")
        except (RefusedError, ValueError) as error:
            self._say(f"Refused: {error}", "refused")
        except EventSourceError as error:
            self._say(f"Something is wrong: {error}", "refused")
        else:
            self._say(f"Done: {answer}", "done")
            self._id = _new_id()
            self._make_ready_for_the_next()
        finally:
            self._is_busy = False

    def _make_ready_for_the_next(self) -> None:
        cleared = [shown for field, shown in zip(self._fields, self._inputs, strict=True) if field.kind not in _KEPT]
        for shown in cleared:
            shown.value = ""
        if cleared:
            cleared[0].run_method("focus")

    def _say(self, text: str, kind: Literal["done", "refused"]) -> None:
        self._answer.set_text(text)
        self._answer.classes(kind, remove="done refused")


def make_forms(bank: Bank) -> None:
    """
    What one can do with customers and accounts.
    """

    async def open_account(id: str, owner: str, email: str, limit: str) -> str:
        account = await bank.open_account(owner, parse_cents(limit or "0"), email=email or None, command_id=id)
        return f"account {account} is open."

    async def open_another_account(id: str, account: str, limit: str) -> str:
        another = await bank.open_another_account(account, parse_cents(limit or "0"), command_id=id)
        return f"account {another} is open, for the owner of {account}."

    async def close_account(id: str, account: str) -> str:
        await bank.close_account(account, command_id=id)
        return f"account {account} is closed."

    async def deposit(id: str, account: str, amount: str) -> str:
        cents = parse_cents(amount)
        await bank.deposit(account, cents, command_id=id)
        return f"{format_cents(cents)} deposited. {await _holds(bank, account)}"

    async def withdraw(id: str, account: str, amount: str) -> str:
        cents = parse_cents(amount)
        await bank.withdraw(account, cents, command_id=id)
        return f"{format_cents(cents)} withdrawn. {await _holds(bank, account)}"

    async def transfer(id: str, source: str, target: str, amount: str, own_id: str) -> str:
        cents = parse_cents(amount)
        result = await bank.transfer(source, target, cents, command_id=_command_id(own_id) if own_id else id)
        booked = _booked_before(result) if result.is_repeat else f"{format_cents(cents)} transferred."
        return f"{booked} {await _holds(bank, source)}"

    async def erase(id: str, account: str) -> str:  # noqa: ARG001  erasing twice is erasing once
        await bank.erase_customer(account)
        return f"the owner of account {account} is erased. What was booked stays."

    account, amount = Field("Account", "account", "100001"), Field("Amount", "amount", "0.00")
    limit = Field("Overdraft limit (optional)", "amount", "0.00")
    CommandForm(
        "Open an account",
        "Open",
        [Field("Owner's name", "name"), Field("E-mail (optional)", "email", "ada@example.com"), limit],
        open_account,
    )
    CommandForm("Deposit", "Deposit", [account, amount], deposit)
    CommandForm("Withdraw", "Withdraw", [account, amount], withdraw)
    CommandForm(
        "Transfer",
        "Transfer",
        [
            Field("From account", "account", "100001"),
            Field("To account", "account", "100002"),
            amount,
            Field("Transfer id (optional)", "id", "one id is one transfer, however often it is sent"),
        ],
        transfer,
    )
    CommandForm(
        "Open another account",
        "Open another",
        [Field("Account of the same owner", "account", "100001"), limit],
        open_another_account,
    )
    CommandForm("Close an account", "Close", [account], close_account)
    CommandForm("Erase a customer", "Erase", [Field("Account of the customer", "account", "100001")], erase)


def _make_input(field: Field) -> ui.input:
    shown = ui.input(field.label, placeholder=field.hint).props("outlined dense autocomplete=off").classes("field")
    if field.kind == "amount":
        shown.props("inputmode=decimal input-class=amount")
    if field.kind == "account":
        shown.props("inputmode=numeric")
    if field.kind == "email":
        shown.props("inputmode=email")
    return shown


def _booked_before(result: CommandResult) -> str:
    return f"nothing was booked now: this transfer was booked at {result.events[0].time:%H:%M:%S} UTC."


def _command_id(text: str) -> str:
    if not (len(text) <= _LONGEST_ID and text.isascii() and text.isprintable() and " " not in text):
        msg = f"a transfer id has at most {_LONGEST_ID} letters, digits and signs, and no blanks."
        raise ValueError(msg)
    return text


def _new_id() -> str:
    return str(uuid.uuid4())


async def _holds(bank: Bank, account: str) -> str:
    balance = await bank.balance(account)
    return f"Account {account} holds {format_cents(balance.balance_cents)}."
