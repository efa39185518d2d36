"""
What lasts longer than a click: standing orders and loans, as a customer asks for them.

The answer is given at once; what was asked for is led on by processes, with the page closed as well.
"""

from datetime import date
from functools import partial

from eventsource.errors import InvalidSubjectError
from examples.bank import agreements
from examples.bank.agreements import LoanLine, OrderLine
from examples.bank.bank import Bank, check_numbers, given_id
from examples.bank.commands import PlaceStandingOrder, RequestLoan, StopStandingOrder, id_made_by
from examples.bank.explaining import Asked
from examples.bank.refusals import NoSuchOrderError
from examples.bank.standing_orders import Order


class Services:
    """
    The standing orders and loans of a bank.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    async def place_order(
        self, sender: str, receiver: str, cents: int, *, first_on: date | None = None, command_id: str | None = None
    ) -> str:
        """
        Have *cents* transferred on the first day, by default today, and on the same day of each month after it.

        Returns:
            The id of the standing order: the same if the request comes again with its *command_id*.

        Raises:
            ClosedError: An account is closed.
            RefusedError: An account, the amount or the day will not do.
        """
        check_numbers(sender, receiver)
        command = PlaceStandingOrder(
            sender=sender,
            receiver=receiver,
            cents=cents,
            first_on=first_on or self._bank.clock.today(),
            **given_id(command_id),
        )
        await self._bank.carry_out(command, asked=Asked((sender, receiver), cents))
        return id_made_by(command)

    async def stop_order(self, order: str, *, command_id: str | None = None) -> None:
        """
        Have it transferred no more.

        Raises:
            NoSuchOrderError: Nobody placed it.
            OrderStoppedError: It was stopped before.
        """
        try:
            Order.subject_of(order)
        except InvalidSubjectError as error:
            raise NoSuchOrderError(order) from error
        await self._bank.carry_out(StopStandingOrder(order=order, **given_id(command_id)), asked=Asked())

    async def request_loan(self, account: str, cents: int, *, command_id: str | None = None) -> str:
        """
        Ask the bank to lend *cents*, to be paid into the account.

        Returns:
            The id of the loan: the same if the request comes again with its *command_id*.

        Raises:
            RefusedError: The account or the amount will not do.
        """
        check_numbers(account)
        command = RequestLoan(account=account, cents=cents, **given_id(command_id))
        await self._bank.carry_out(command, asked=Asked((account,), cents))
        return id_made_by(command)

    async def orders(self, *, limit: int | None = None) -> list[OrderLine]:
        """
        All standing orders, the newest first.
        """
        return await self._bank.ask(partial(agreements.list_orders, limit=limit))

    async def loans(self, *, limit: int | None = None) -> list[LoanLine]:
        """
        All loans, the newest first.
        """
        return await self._bank.ask(partial(agreements.list_loans, limit=limit))
