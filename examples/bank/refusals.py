"""
How the bank says no: a typed error for each reason, with its facts and in words for a customer.
"""

from datetime import date
from typing import ClassVar

from examples.bank import rules
from examples.bank.money import format_cents


class RefusedError(Exception):
    """
    The bank does not do what was asked. Nothing has happened.
    """


class RuleBrokenError(RefusedError):
    """
    One of the bank's rules does not allow it.

    Attributes:
        rule: What the rule is called.
    """

    rule: ClassVar[str]


class AmountRefusedError(RefusedError):
    """
    An amount is zero, negative, or larger than anything this bank moves at once.

    Attributes:
        cents: The amount.

        most_cents: The largest one taken.
    """

    def __init__(self, *, cents: int, most_cents: int) -> None:
        super().__init__(f"The amount must be between 0.01 and {format_cents(most_cents)}, not {format_cents(cents)}.")
        self.cents = cents
        self.most_cents = most_cents


class LimitRefusedError(RefusedError):
    """
    An overdraft limit is negative, or larger than this bank grants.

    Attributes:
        limit_cents: The limit.

        most_cents: The largest one granted.
    """

    def __init__(self, *, limit_cents: int, most_cents: int) -> None:
        super().__init__(
            f"The overdraft limit must be between 0.00 and {format_cents(most_cents)}, not {format_cents(limit_cents)}."
        )
        self.limit_cents = limit_cents
        self.most_cents = most_cents


class NotCoveredError(RuleBrokenError):
    """
    The balance and the overdraft limit together do not cover the amount.

    Attributes:
        account: Its number.

        balance_cents, overdraft_limit_cents: What it has.

        requested_cents: What was asked for.
    """

    rule = rules.FUNDS

    def __init__(self, *, account: str, balance_cents: int, overdraft_limit_cents: int, requested_cents: int) -> None:
        available_cents = balance_cents + overdraft_limit_cents
        overdraft = f" and may go {format_cents(overdraft_limit_cents)} below zero" if overdraft_limit_cents else ""
        at_most = f"at most {format_cents(available_cents)} can leave it" if available_cents > 0 else "it is used up"
        super().__init__(
            f"{format_cents(requested_cents)} is not covered: account {account} holds {format_cents(balance_cents)}"
            f"{overdraft}, so {at_most}."
        )
        self.account = account
        self.balance_cents = balance_cents
        self.overdraft_limit_cents = overdraft_limit_cents
        self.requested_cents = requested_cents


class DailyLimitError(RuleBrokenError):
    """
    A customer's withdrawals of one day would exceed the limit.

    Attributes:
        limit_cents: What may be withdrawn in a day.

        withdrawn_cents: What is withdrawn already, from all accounts of the customer.

        requested_cents: What was asked for.
    """

    rule = rules.DAILY_LIMIT

    def __init__(self, *, limit_cents: int, withdrawn_cents: int, requested_cents: int) -> None:
        left_cents = limit_cents - withdrawn_cents
        at_most = f"at most {format_cents(left_cents)} more can be withdrawn" if left_cents > 0 else "it is used up"
        super().__init__(
            f"{format_cents(requested_cents)} is too much for today: of {format_cents(limit_cents)} a day, "
            f"{format_cents(withdrawn_cents)} is withdrawn already from all accounts of this customer, so {at_most}."
        )
        self.limit_cents = limit_cents
        self.withdrawn_cents = withdrawn_cents
        self.requested_cents = requested_cents


class ClosedError(RuleBrokenError):
    """
    The account was closed.

    Attributes:
        account: Its number.
    """

    rule = rules.OPEN

    def __init__(self, account: str) -> None:
        super().__init__(f"Account {account} is closed.")
        self.account = account


class MonthClosedError(RuleBrokenError):
    """
    The books of the month are closed: nothing is booked in it any more.
    """

    rule = rules.OPEN_MONTH

    def __init__(self, month: str) -> None:
        super().__init__(f"The books of {month} are closed.")
        self.month = month


class MonthNotOverError(RefusedError):
    """
    The books of a month are closed when it is over.

    Attributes:
        month: The month.
    """

    def __init__(self, month: str) -> None:
        super().__init__(f"{month} is not over yet.")
        self.month = month


class NotEmptyError(RuleBrokenError):
    """
    An account was to be closed that holds money, or owes some.

    Attributes:
        account: Its number.

        balance_cents: What it holds; negative for what it owes.
    """

    rule = rules.EMPTY

    def __init__(self, *, account: str, balance_cents: int) -> None:
        super().__init__(f"Account {account} holds {format_cents(balance_cents)}; it can be closed when it holds 0.00.")
        self.account = account
        self.balance_cents = balance_cents


class EmailTakenError(RuleBrokenError):
    """
    Another customer has the e-mail address.

    Attributes:
        email: The address as it was given.
    """

    rule = rules.UNIQUE_EMAIL

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is the e-mail of another customer.")
        self.email = email


class UnsavedError(RefusedError):
    """
    An account was given a second command before the first was committed.

    Attributes:
        account: Its number.
    """

    def __init__(self, account: str) -> None:
        super().__init__(f"Account {account} has something to be committed first: one command at a time.")
        self.account = account


class SameAccountError(RefusedError):
    """
    A transfer was to end where it starts.

    Attributes:
        account: Its number.
    """

    def __init__(self, account: str) -> None:
        super().__init__(f"A transfer needs two accounts; {account} is on both sides.")
        self.account = account


class NoSuchAccountError(RefusedError):
    """
    Nobody opened this account.

    Attributes:
        account: Its number.
    """

    def __init__(self, account: str) -> None:
        super().__init__(f"There is no account {account}." if account else "Which account? Its number is missing.")
        self.account = account


class NoSuchOrderError(RefusedError):
    """
    Nobody placed this standing order.

    Attributes:
        order: Its id.
    """

    def __init__(self, order: str) -> None:
        super().__init__(
            f"There is no standing order {order}." if order else "Which standing order? The list below has their ids."
        )
        self.order = order


class OrderStoppedError(RefusedError):
    """
    A standing order was stopped before.

    Attributes:
        order: Its id.
    """

    def __init__(self, order: str) -> None:
        super().__init__(f"Standing order {order} is stopped already.")
        self.order = order


class FirstDayError(RefusedError):
    """
    A standing order was to begin in the past.

    Attributes:
        first_on: When.

        today: What day it is.
    """

    def __init__(self, *, first_on: date, today: date) -> None:
        super().__init__(f"The first day cannot be {first_on}: today is {today}.")
        self.first_on = first_on
        self.today = today


class AlreadyOpenError(RefusedError):
    """
    The account was opened before.

    Attributes:
        account: Its number.
    """

    def __init__(self, account: str) -> None:
        super().__init__(f"Account {account} is open already.")
        self.account = account


class OtherOwnerError(RefusedError):
    """
    An account belongs to somebody else than the one who is said to own it.

    Attributes:
        account: Its number.

        owner, claimed: The ids of the customer who owns it and of the other one.
    """

    def __init__(self, *, account: str, owner: str, claimed: str) -> None:
        super().__init__(f"Account {account} belongs to customer {owner}, not to {claimed}: this is another bank.")
        self.account = account
        self.owner = owner
        self.claimed = claimed


class AlreadyRegisteredError(RefusedError):
    """
    The customer was registered before.

    Attributes:
        customer: Their id.
    """

    def __init__(self, customer: str) -> None:
        super().__init__(f"Customer {customer} is registered already.")
        self.customer = customer


class NameRefusedError(RefusedError):
    """
    A name is empty or longer than a name. The error does not carry it.

    Attributes:
        longest: How many characters it may have.
    """

    def __init__(self, *, longest: int) -> None:
        super().__init__(f"A name is needed, of at most {longest} characters.")
        self.longest = longest


class EmailRefusedError(RefusedError):
    """
    A text is no e-mail address. The error does not carry it.
    """

    def __init__(self) -> None:
        super().__init__("That is no e-mail address: write it like ada@example.com, or leave it out.")
