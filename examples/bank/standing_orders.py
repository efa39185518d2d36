"""
Standing orders: what a customer asked for, and the process that pays month after month.
"""

from datetime import date

from eventsource import Aggregate, ProcessManager, Refusal, handles, on_refusal, on_timer, reacts, starts
from eventsource.processes import own_command
from examples.bank import rules
from examples.bank.account import check_amount
from examples.bank.clock import beginning_of, months_later
from examples.bank.commands import EndOrder, NoteMissedPayment, NotePayment, Transfer
from examples.bank.events import (
    OrderEnded,
    OrderNoted,
    PaymentDue,
    PaymentMade,
    PaymentMissed,
    StandingOrderPlaced,
    StandingOrderStopped,
    TransferSent,
)
from examples.bank.refusals import FirstDayError, NoSuchOrderError, OrderStoppedError, SameAccountError


class Order(Aggregate, subject="/orders/{id}"):
    """
    What a customer asked for, and may take back.
    """

    is_placed: bool = False
    is_stopped: bool = False

    def place(self, sender: str, receiver: str, cents: int, *, first_on: date, today: date) -> None:
        """
        Have *cents* transferred each month, from *first_on* on.

        Raises:
            SameAccountError: Both accounts are the same.
            AmountRefusedError: The amount is not positive, or absurd.
            FirstDayError: The first day is over.
        """
        if sender == receiver:
            raise SameAccountError(sender)
        check_amount(cents)
        if first_on < today:
            raise FirstDayError(first_on=first_on, today=today)
        self.emit(StandingOrderPlaced(sender=sender, receiver=receiver, cents=cents, first_on=first_on))

    def stop(self) -> None:
        """
        Have it transferred no more.

        Raises:
            NoSuchOrderError: Nobody placed it.
            OrderStoppedError: It was stopped before.
        """
        if not self.is_placed:
            raise NoSuchOrderError(self.id)
        if self.is_stopped:
            raise OrderStoppedError(self.id)
        self.emit(StandingOrderStopped())

    def note_payment(self) -> None:
        """
        Put on record that it was paid.
        """
        self.emit(PaymentMade())

    def note_missed_payment(self, rule: str) -> None:
        """
        Put on record that *rule* refused it this month.
        """
        self.emit(PaymentMissed(rule=rule))

    def end(self, rule: str) -> None:
        """
        Put on record that *rule* will refuse it for ever.
        """
        self.emit(OrderEnded(rule=rule))

    @handles
    def _placed(self, _: StandingOrderPlaced) -> None:
        self.is_placed = True

    @handles
    def _stopped(self, _: StandingOrderStopped) -> None:
        self.is_stopped = True

    @handles
    def _noted(self, _: PaymentMade | PaymentMissed | OrderEnded) -> None:
        # For the read model; nothing is decided by it here.
        pass


class StandingOrder(
    ProcessManager, name="standing-order", by="/orders/{id}", sends=[Transfer, NotePayment, NoteMissedPayment, EndOrder]
):
    """
    Waits for the day, asks for the transfer, and waits for the next.

    Its timers are events: a bank that is closed on the day pays when it opens, once.
    """

    terms: OrderNoted | None = None

    @starts
    def placed(self, event: StandingOrderPlaced) -> None:
        """
        Wait for the first day.
        """
        self.emit(OrderNoted(**event.model_dump()))
        self.schedule(PaymentDue(number=1), at=beginning_of(event.first_on))

    @on_timer
    def due(self, event: PaymentDue) -> None:
        """
        Pay, and wait for the same day of the next month.
        """
        terms = self.terms
        assert terms is not None  # noqa: S101  a timer is set by one that has begun
        self.send(Transfer(sender=terms.sender, receiver=terms.receiver, cents=terms.cents))
        # Counted from the first: else the 31st would become the 28th in February and stay that.
        next_on = months_later(terms.first_on, event.number)
        self.schedule(PaymentDue(number=event.number + 1), at=beginning_of(next_on))

    @reacts(by=own_command)
    def paid(self, _: TransferSent) -> None:
        """
        Have it put on record; the id of the command tells whose transfer it was.
        """
        self.send(NotePayment(order=self.id))

    @on_refusal()
    def not_paid(self, _: Transfer, refusal: Refusal) -> None:
        """
        Try again next month; unless an account is closed, for closed it stays.
        """
        rule = refusal.rule or refusal.name
        if rule in {rules.FUNDS, rules.OPEN_MONTH}:
            self.send(NoteMissedPayment(order=self.id, rule=rule))
            return
        self.send(EndOrder(order=self.id, rule=rule))
        self.complete()

    @reacts
    def stopped(self, _: StandingOrderStopped) -> None:
        """
        Wait for nothing any more.
        """
        self.complete()

    @handles
    def _noted(self, event: OrderNoted) -> None:
        self.terms = event

    @handles
    def _told(self, event: PaymentMade | PaymentMissed | OrderEnded) -> None:
        # Processes of earlier releases of this bank have recorded these themselves.
        pass
