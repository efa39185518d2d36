"""
What one can ask of the bank; what is done about it is in `examples.bank.dispatcher`.

A command has an id. Whoever sends it again with that id, since the button was clicked twice or no answer
came, gets the answer of the first time, and nothing is booked twice.
"""

import hashlib
from datetime import date

from eventsource import Command, Guard, rule
from examples.bank import rules


class OpenAccount(Command, subject="/accounts"):
    """
    Become a customer, with a first account.
    """

    owner_name: str
    email: str | None = None
    overdraft_limit_cents: int = 0


class OpenAnotherAccount(Command, subject="/accounts"):
    """
    Give the customer *owner* one more account.
    """

    owner: str
    overdraft_limit_cents: int = 0


class Deposit(Command, subject="/accounts/{account}"):
    """
    Put cash in.
    """

    account: str
    cents: int


class Withdraw(Command, subject="/accounts/{account}"):
    """
    Take cash out, as its owner *customer* does.
    """

    account: str
    customer: str
    cents: int


class Transfer(Command, subject="/accounts/{sender}"):
    """
    Move money from one account to another.
    """

    sender: str
    receiver: str
    cents: int


class CloseAccount(Command, subject="/accounts/{account}"):
    """
    Book nothing on an account any more.
    """

    account: str


# --- Standing orders ---


class PlaceStandingOrder(Command, subject="/orders"):
    """
    Have *cents* transferred each month, from *first_on* on.
    """

    sender: str
    receiver: str
    cents: int
    first_on: date


class StopStandingOrder(Command, subject="/orders/{order}"):
    """
    Have it transferred no more.
    """

    order: str


class NotePayment(Command, subject="/orders/{order}"):
    """
    Put on record that a standing order was paid.
    """

    order: str


class NoteMissedPayment(Command, subject="/orders/{order}"):
    """
    Put on record that a standing order was not paid this month, since *rule* refused it.
    """

    order: str
    rule: str


class EndOrder(Command, subject="/orders/{order}"):
    """
    Pay a standing order never again, since *rule* will always refuse it.
    """

    order: str
    rule: str


# --- Loans ---


class RequestLoan(Command, subject="/loans"):
    """
    Ask the bank to lend *cents*, to be paid into the account.
    """

    account: str
    cents: int


class ReserveFunds(Command, subject="/lending"):
    """
    Set money aside for a loan. Nothing is read for it: the store decides.
    """

    loan: str
    cents: int

    @rule(rules.LENDING_LIMIT)
    def is_within_limit(self) -> Guard:
        """
        The bank lends so much and no more.
        """
        return rules.is_within_lending_limit(self.cents)


class ReleaseFunds(Command, subject="/lending"):
    """
    The compensation of `ReserveFunds`: it takes that back.
    """

    loan: str
    cents: int


class PayOutLoan(Command, subject="/accounts/{account}"):
    """
    Pay a loan into an account.
    """

    account: str
    loan: str
    cents: int


class GrantLoan(Command, subject="/loans/{loan}"):
    """
    Tell the customer that the money is there.
    """

    loan: str


class RefuseLoan(Command, subject="/loans/{loan}"):
    """
    Tell the customer which rule refuses it.
    """

    loan: str
    rule: str


def id_made_by(command: Command) -> str:
    """
    The id of what a command makes: the same each time the command comes, so it makes one.
    """
    return hashlib.sha256(command.command_id.encode()).hexdigest()[:10]
