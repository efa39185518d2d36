"""
What happens in the bank.

An event is named in the past tense, and its type is stored with it: the name in quotes never
changes, the class may. Amounts are whole cents.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, NegativeInt, PositiveInt

from eventsource import Event
from examples.bank.email_address import normal_email

# The bank's own accounts: where money that a customer gets comes from, and where what a customer pays goes.
BankAccount = Literal["cash", "clearing", "interest", "fees"]


class CustomerRegistered(Event, type="io.example.bank.customer-registered"):
    """
    Somebody became a customer.

    Attributes:
        email_key: Stands for their e-mail (`email_key`); None for those who gave none. A rule asks for
            it, and a rule may not depend on what can be erased: so it is not the address itself.
    """

    registered_on: date
    email_key: str | None = None


class CustomerNamed(Event, type="io.example.bank.customer-named", personal=True):
    """
    A customer's name is known.

    What is personal has an event of its own, so that it can be erased one day and all that was done
    with the money stays.
    """

    name: str


class EmailGiven(Event, type="io.example.bank.email-given", personal=True):
    """
    A customer's e-mail is known.
    """

    email: Annotated[str, AfterValidator(normal_email)]


class AccountOpened(Event, type="io.example.bank.account-opened"):
    """
    An account exists from now on. *owner* is the id of a customer.
    """

    owner: str
    opened_on: date


class AccountClosed(Event, type="io.example.bank.account-closed"):
    """
    Nothing is booked on the account any more.
    """

    closed_on: date


class FundsChanged(Event, abstract=True):
    """
    What may leave an account changed: its balance and its overdraft limit together.

    One signed field in all of these events, so the store can add them up: that sum is what may leave
    the account now.

    Attributes:
        delta_cents: By how much; negative for less.
    """

    delta_cents: int


class OverdraftGranted(FundsChanged, type="io.example.bank.overdraft-granted"):
    """
    From now on the balance may go *limit_cents* below zero.
    """

    limit_cents: int


class Booking(FundsChanged, abstract=True):
    """
    What all bookings on an account tell. They change its balance by *delta_cents*.

    Attributes:
        booked_on: The day that counts for the customer.

        text: What the statement says.

        reference: What the one who asked calls it, such as the number of a transaction elsewhere;
            the same reference is booked once. Empty for none.
    """

    booked_on: date
    text: str = ""
    reference: str = ""


class MoneyDeposited(Booking, type="io.example.bank.money-deposited"):
    """
    Money came into the account, from the bank's own account *against*.
    """

    delta_cents: PositiveInt
    against: BankAccount


class MoneyWithdrawn(Booking, type="io.example.bank.money-withdrawn"):
    """
    Money left the account, to the bank's own account *against*.

    Attributes:
        allowance: Whose allowance for which day it uses up, such as ``21/2024-02-29``: one text, so
            that one index finds the customer's withdrawals of that day, on whichever accounts. None
            where no limit applies.
    """

    delta_cents: NegativeInt
    against: BankAccount
    allowance: str | None = None


class TransferSent(Booking, type="io.example.bank.transfer-sent"):
    """
    Money left for another account of this bank. Its `TransferReceived` is in the same commit.
    """

    delta_cents: NegativeInt
    to_account: str


class TransferReceived(Booking, type="io.example.bank.transfer-received"):
    """
    Money came from another account of this bank. Its `TransferSent` is in the same commit.
    """

    delta_cents: PositiveInt
    from_account: str


class MonthOpened(Event, type="io.example.bank.month-opened"):
    """
    The books of a month begin.

    Attributes:
        total_cents: What all accounts hold together at its beginning.
    """

    total_cents: int


class MonthClosed(Event, type="io.example.bank.month-closed"):
    """
    Nothing is booked any more on a day of this month.

    Attributes:
        total_cents: What all accounts held together at its end.
    """

    total_cents: int


# --- Standing orders ---


class OrderTerms(Event, abstract=True):
    """
    What a standing order is about: *cents* from one account to another, each month from *first_on* on.
    """

    sender: str
    receiver: str
    cents: PositiveInt
    first_on: date


class StandingOrderPlaced(OrderTerms, type="io.example.bank.standing-order-placed"):
    """
    A customer wants it to be paid.
    """


class StandingOrderStopped(Event, type="io.example.bank.standing-order-stopped"):
    """
    A customer wants it to be paid no more.
    """


class OrderNoted(OrderTerms, type="io.example.bank.order-noted"):
    """
    What the process of a standing order has to remember: it sees its own events only.
    """


class PaymentDue(Event, type="io.example.bank.payment-due"):
    """
    A day of a standing order has come: the first is number 1.
    """

    number: int


class PaymentMade(Event, type="io.example.bank.payment-made"):
    """
    A standing order was paid.
    """


class PaymentMissed(Event, type="io.example.bank.payment-missed"):
    """
    A standing order was not paid this month, since *rule* refused it.
    """

    rule: str


class OrderEnded(Event, type="io.example.bank.order-ended"):
    """
    A standing order cannot be paid ever again, since *rule* refuses it.
    """

    rule: str


# --- Loans ---


class LoanTerms(Event, abstract=True):
    """
    What a loan is about: *cents* for an account.
    """

    account: str
    cents: PositiveInt


class LoanRequested(LoanTerms, type="io.example.bank.loan-requested"):
    """
    A customer wants to borrow.
    """

    requested_on: date


class LoanGranted(Event, type="io.example.bank.loan-granted"):
    """
    The money is on the account.
    """


class LoanRefused(Event, type="io.example.bank.loan-refused"):
    """
    There will be no loan, since *rule* refuses it.
    """

    rule: str


class LoanNoted(LoanTerms, type="io.example.bank.loan-noted"):
    """
    What the process of a loan has to remember: it sees its own events only.
    """


class LendingChanged(Event, abstract=True):
    """
    What is lent or set aside to be lent changed, by *delta_cents*: the store adds them up.
    """

    loan: str
    delta_cents: int


class FundsReserved(LendingChanged, type="io.example.bank.funds-reserved"):
    """
    Money is set aside for a loan.
    """

    delta_cents: PositiveInt


class FundsReleased(LendingChanged, type="io.example.bank.funds-released"):
    """
    Money that was set aside for a loan can be lent to others.
    """

    delta_cents: NegativeInt
