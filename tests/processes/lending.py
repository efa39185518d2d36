"""
A bank that lends: a loan application that is compensated for, and a standing order that waits for its days.

What a user of process managers writes, from top to bottom.
"""

from datetime import datetime, timedelta

from eventsource import (
    Aggregate,
    Command,
    Dispatcher,
    Event,
    EventStore,
    ProcessManager,
    Refusal,
    UnitOfWork,
    handles,
    on_refusal,
    on_timer,
    reacts,
    starts,
)
from eventsource.processes import own_command

OFFER_STANDS_FOR = timedelta(days=14)
A_MONTH = timedelta(days=30)


# --- Loans ---


class LoanRequested(Event, type="io.example.lending.loan-requested"):
    """
    A customer wants to borrow from a pot.
    """

    pot: str
    account: str
    cents: int


class LoanSigned(Event, type="io.example.lending.loan-signed"):
    """
    The customer has signed the offer.
    """


class LoanRejected(Event, type="io.example.lending.loan-rejected"):
    """
    There will be no loan.
    """

    reason: str


class Loan(Aggregate, subject="/loans/{id}"):
    """
    What is known of one loan.
    """

    is_over: bool = False

    def reject(self, reason: str) -> None:
        """
        Say no.
        """
        self.emit(LoanRejected(reason=reason))

    @handles
    def _requested(self, _: LoanRequested) -> None:
        pass

    @handles
    def _signed(self, _: LoanSigned) -> None:
        pass

    @handles
    def _rejected(self, _: LoanRejected) -> None:
        self.is_over = True


class RejectLoan(Command, subject="/loans/{loan}"):
    """
    Tell the customer that there will be no loan.
    """

    loan: str
    reason: str


async def reject_loan(command: RejectLoan, work: UnitOfWork) -> None:
    """
    Say no.
    """
    (await work.load(Loan, command.loan)).reject(command.reason)


# --- Pots of money to lend ---


class PotFilled(Event, type="io.example.lending.pot-filled"):
    """
    There is money to lend.
    """

    cents: int


class MoneyReserved(Event, type="io.example.lending.money-reserved"):
    """
    Money of a pot is set aside for a loan.
    """

    loan: str
    cents: int


class ReservationReleased(Event, type="io.example.lending.reservation-released"):
    """
    Money that was set aside can be lent to others.
    """

    loan: str
    cents: int


class PotEmptyError(Exception):
    """
    There is less in the pot than is asked for.
    """


class Pot(Aggregate, subject="/pots/{id}"):
    """
    Money to lend.
    """

    free_cents: int = 0

    def reserve(self, loan: str, cents: int) -> None:
        """
        Set money aside.
        """
        if cents > self.free_cents:
            raise PotEmptyError
        self.emit(MoneyReserved(loan=loan, cents=cents))

    def release(self, loan: str, cents: int) -> None:
        """
        Put it back.
        """
        self.emit(ReservationReleased(loan=loan, cents=cents))

    @handles
    def _filled(self, event: PotFilled) -> None:
        self.free_cents += event.cents

    @handles
    def _reserved(self, event: MoneyReserved) -> None:
        self.free_cents -= event.cents

    @handles
    def _released(self, event: ReservationReleased) -> None:
        self.free_cents += event.cents


class ReserveMoney(Command, subject="/pots/{pot}"):
    """
    Set money aside for a loan.
    """

    pot: str
    loan: str
    cents: int


class ReleaseMoney(Command, subject="/pots/{pot}"):
    """
    The compensation of `ReserveMoney`.
    """

    pot: str
    loan: str
    cents: int


async def reserve_money(command: ReserveMoney, work: UnitOfWork) -> None:
    """
    Set money aside, or refuse.
    """
    (await work.load(Pot, command.pot)).reserve(command.loan, command.cents)


async def release_money(command: ReleaseMoney, work: UnitOfWork) -> None:
    """
    Put it back.
    """
    (await work.load(Pot, command.pot)).release(command.loan, command.cents)


# --- Accounts ---


class AccountOpened(Event, type="io.example.lending.account-opened"):
    """
    A customer has an account.
    """


class AccountClosed(Event, type="io.example.lending.account-closed"):
    """
    Nothing more is paid in or out.
    """


class MoneyPaidIn(Event, type="io.example.lending.money-paid-in"):
    """
    Money has come. What for, it does not say.
    """

    cents: int


class MoneyPaidOut(Event, type="io.example.lending.money-paid-out"):
    """
    Money has left.
    """

    cents: int


class AccountClosedError(Exception):
    """
    The account takes part in nothing any more.
    """


class BalanceTooLowError(Exception):
    """
    The account has less than is to be paid.
    """


class Account(Aggregate, subject="/accounts/{id}"):
    """
    The account of a customer.
    """

    is_closed: bool = False
    balance_cents: int = 0

    def pay_in(self, cents: int) -> None:
        """
        Take money.
        """
        if self.is_closed:
            raise AccountClosedError
        self.emit(MoneyPaidIn(cents=cents))

    def pay_out(self, cents: int) -> None:
        """
        Give money.
        """
        if self.is_closed:
            raise AccountClosedError
        if cents > self.balance_cents:
            raise BalanceTooLowError
        self.emit(MoneyPaidOut(cents=cents))

    @handles
    def _opened(self, _: AccountOpened) -> None:
        pass

    @handles
    def _closed(self, _: AccountClosed) -> None:
        self.is_closed = True

    @handles
    def _paid_in(self, event: MoneyPaidIn) -> None:
        self.balance_cents += event.cents

    @handles
    def _paid_out(self, event: MoneyPaidOut) -> None:
        self.balance_cents -= event.cents


class PayIn(Command, subject="/accounts/{account}"):
    """
    Pay money into an account.
    """

    account: str
    cents: int


class Transfer(Command, subject="/accounts/{giver}"):
    """
    Move money from one account to another.
    """

    giver: str
    taker: str
    cents: int


async def pay_in(command: PayIn, work: UnitOfWork) -> None:
    """
    Pay, or refuse.
    """
    (await work.load(Account, command.account)).pay_in(command.cents)


async def transfer(command: Transfer, work: UnitOfWork) -> None:
    """
    Move it in one commit, or refuse.
    """
    giver, taker = await work.load(Account, command.giver), await work.load(Account, command.taker)
    giver.pay_out(command.cents)
    taker.pay_in(command.cents)


def make_dispatcher(store: EventStore) -> Dispatcher:
    """
    Everything that can be asked of this bank.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(RejectLoan, reject_loan)
    dispatcher.register(ReserveMoney, reserve_money)
    dispatcher.register(ReleaseMoney, release_money)
    dispatcher.register(PayIn, pay_in)
    dispatcher.register(Transfer, transfer)
    return dispatcher


# --- The process of a loan application ---


class ApplicationNoted(Event, type="io.example.lending.application-noted"):
    """
    What the process has to remember of an application.
    """

    pot: str
    account: str
    cents: int


class ApplicationGivenUp(Event, type="io.example.lending.application-given-up"):
    """
    The process has begun to take back what it did: a signature comes too late now.
    """


class OfferExpired(Event, type="io.example.lending.offer-expired"):
    """
    The customer has not signed in time.
    """


class LoanApplication(
    ProcessManager, name="loan-application", by="/loans/{id}", sends=[ReserveMoney, PayIn, ReleaseMoney, RejectLoan]
):
    """
    From a request to money on an account, or to none at all: money set aside is paid out or released.
    """

    pot: str = ""
    account: str = ""
    cents: int = 0
    is_given_up: bool = False

    @starts
    def requested(self, event: LoanRequested) -> None:
        """
        First the money is set aside.
        """
        self.emit(ApplicationNoted(pot=event.pot, account=event.account, cents=event.cents))
        self.send(ReserveMoney(pot=event.pot, loan=self.id, cents=event.cents))

    @on_refusal(PotEmptyError)
    def pot_is_empty(self, _: ReserveMoney, refusal: Refusal) -> None:
        """
        Nothing was done yet, so there is nothing to compensate for.
        """
        self.send(RejectLoan(loan=self.id, reason=refusal.name))

    @reacts(by="loan")
    def reserved(self, _: MoneyReserved) -> None:
        """
        The offer stands for two weeks.
        """
        self.schedule(OfferExpired(), after=OFFER_STANDS_FOR)

    @reacts
    def signed(self, _: LoanSigned) -> None:
        """
        Then it is paid out.
        """
        if not self.is_given_up:
            self.cancel(OfferExpired)
            self.send(PayIn(account=self.account, cents=self.cents))

    @reacts(by=own_command)
    def paid_in(self, _: MoneyPaidIn) -> None:
        """
        The account knows nothing of loans; whose payment it was tells the command.
        """
        self.complete()

    @on_refusal(AccountClosedError)
    def cannot_be_paid(self, _: PayIn, refusal: Refusal) -> None:
        """
        The compensation: what was set aside is released.
        """
        self._give_up(refusal.name)

    @on_timer
    def expired(self, _: OfferExpired) -> None:
        """
        Likewise.
        """
        self._give_up("expired")

    @reacts
    def rejected(self, _: LoanRejected) -> None:
        """
        It ends here.
        """
        self.complete()

    @handles
    def _noted(self, event: ApplicationNoted) -> None:
        self.pot, self.account, self.cents = event.pot, event.account, event.cents

    @handles
    def _given_up(self, _: ApplicationGivenUp) -> None:
        self.is_given_up = True

    def _give_up(self, reason: str) -> None:
        self.emit(ApplicationGivenUp())
        self.send(ReleaseMoney(pot=self.pot, loan=self.id, cents=self.cents))
        self.send(RejectLoan(loan=self.id, reason=reason))


# --- Standing orders ---


class StandingOrderGiven(Event, type="io.example.lending.standing-order-given"):
    """
    An amount is to be transferred each month, for some months.
    """

    giver: str
    taker: str
    cents: int
    first: datetime
    months: int


class StandingOrderStopped(Event, type="io.example.lending.standing-order-stopped"):
    """
    No more of it.
    """


class PaymentDue(Event, type="io.example.lending.payment-due"):
    """
    A day of the standing order has come.
    """

    number: int


class OrderNoted(Event, type="io.example.lending.order-noted"):
    """
    What the process has to remember of an order.
    """

    giver: str
    taker: str
    cents: int
    first: datetime
    months: int


class PaymentMissed(Event, type="io.example.lending.payment-missed"):
    """
    There was no money on the day.
    """


class StandingOrder(ProcessManager, name="standing-order", by="/standing-orders/{id}", sends=[Transfer]):
    """
    Pays month after month.
    """

    order: OrderNoted | None = None
    missed: int = 0

    @starts
    def given(self, event: StandingOrderGiven) -> None:
        """
        Wait for the first day.
        """
        self.emit(OrderNoted(**event.model_dump()))
        self.schedule(PaymentDue(number=1), at=event.first)

    @on_timer
    def due(self, event: PaymentDue) -> None:
        """
        Pay, and wait for the next day, counted from the first: what is late makes the next not later.
        """
        assert self.order is not None
        self.send(Transfer(giver=self.order.giver, taker=self.order.taker, cents=self.order.cents))
        if event.number < self.order.months:
            self.schedule(PaymentDue(number=event.number + 1), at=self.order.first + A_MONTH * event.number)

    @on_refusal(BalanceTooLowError)
    def no_money(self, _: Transfer) -> None:
        """
        This month is left out.
        """
        self.emit(PaymentMissed())

    @on_refusal(AccountClosedError)
    def no_account(self, _: Transfer) -> None:
        """
        There will be no next time.
        """
        self.complete()

    @reacts
    def stopped(self, _: StandingOrderStopped) -> None:
        """
        Open timers go with it.
        """
        self.complete()

    @handles
    def _noted(self, event: OrderNoted) -> None:
        self.order = event

    @handles
    def _missed(self, _: PaymentMissed) -> None:
        self.missed += 1
