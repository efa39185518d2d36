"""
The accounts that these tests open, change and move money between.
"""

from eventsource import Aggregate, Event, handles


class AccountOpened(Event, type="io.example.test.commands.account-opened"):
    """
    The first event of an account.
    """

    owner: str


class MoneyMoved(Event, type="io.example.test.commands.money-moved"):
    """
    Money came in, or with a negative amount went out.
    """

    cents: int


class CardIssued(Event, type="io.example.test.commands.card-issued"):
    """
    An event below an account, not of it.
    """

    number: str


class InsufficientFundsError(Exception):
    """
    A refusal of the application's own.
    """


class Account(Aggregate, subject="/accounts/{id}"):
    """
    Knows its owner and its balance.
    """

    owner: str = ""
    cents: int = 0

    def open(self, owner: str) -> None:
        """
        Open it.
        """
        self.emit(AccountOpened(owner=owner))

    def deposit(self, cents: int) -> int:
        """
        Put money in; gives the new balance.
        """
        self.emit(MoneyMoved(cents=cents))
        return self.cents

    def withdraw(self, cents: int, *, fee_cents: int = 0) -> int:
        """
        Take money out, if there is enough; gives the new balance.
        """
        if cents + fee_cents > self.cents:
            raise InsufficientFundsError
        self.emit(MoneyMoved(cents=-cents - fee_cents))
        return self.cents

    def look(self) -> int:
        """
        Emit nothing.
        """
        return self.cents

    @handles
    def _opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @handles
    def _moved(self, event: MoneyMoved) -> None:
        self.cents += event.cents


class CustomerGreeted(Event, type="io.example.test.commands.customer-greeted"):
    """
    The only event of a customer.
    """


class Customer(Aggregate, subject="/customers/{id}"):
    """
    An aggregate of another class.
    """

    greetings: int = 0

    def greet(self) -> None:
        """
        Say hello.
        """
        self.emit(CustomerGreeted())

    @handles
    def _greeted(self, _: CustomerGreeted) -> None:
        self.greetings += 1


def transfer(source: Account, target: Account, cents: int) -> tuple[int, int]:
    """
    Move money between two accounts; gives both balances.
    """
    return source.withdraw(cents), target.deposit(cents)
