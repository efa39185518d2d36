"""
What happens in the bank.

An event is named in the past tense, and its type is stored with it: the name in quotes never
changes, the class may. Amounts are whole cents.
"""

from datetime import date
from typing import Literal

from eventsource import Event

# The bank's own accounts: where money that a customer gets comes from, and where what a customer pays goes.
BankAccount = Literal["cash", "clearing", "interest", "fees"]


class CustomerRegistered(Event, type="io.example.bank.customer-registered"):
    """
    Somebody became a customer. It says nothing about who that is.
    """

    registered_on: date


class CustomerNamed(Event, type="io.example.bank.customer-named"):
    """
    A customer's name is known.

    Personal data has an event of its own, so that it can be erased one day and all that was done
    with the money stays.
    """

    name: str


class AccountOpened(Event, type="io.example.bank.account-opened"):
    """
    An account exists from now on. *owner* is the id of a customer.
    """

    owner: str
    opened_on: date


class OverdraftGranted(Event, type="io.example.bank.overdraft-granted"):
    """
    From now on the balance may go this far below zero.
    """

    limit_cents: int


class Booking(Event, abstract=True):
    """
    What all bookings on an account tell.

    Attributes:
        cents: How much; always positive, the class says in which direction.

        booked_on: The day that counts for the customer.

        text: What the statement says.

        reference: What the one who asked calls it, such as the number of a transaction elsewhere;
            the same reference is booked once. Empty for none.
    """

    cents: int
    booked_on: date
    text: str = ""
    reference: str = ""


class MoneyDeposited(Booking, type="io.example.bank.money-deposited"):
    """
    Money came into the account, from the bank's own account *against*.
    """

    against: BankAccount


class MoneyWithdrawn(Booking, type="io.example.bank.money-withdrawn"):
    """
    Money left the account, to the bank's own account *against*.
    """

    against: BankAccount


class TransferSent(Booking, type="io.example.bank.transfer-sent"):
    """
    Money left for another account of this bank. Its `TransferReceived` is in the same commit.
    """

    to_account: str


class TransferReceived(Booking, type="io.example.bank.transfer-received"):
    """
    Money came from another account of this bank. Its `TransferSent` is in the same commit.
    """

    from_account: str
