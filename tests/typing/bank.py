"""
What the other files in this folder use.
"""

from eventsource import Aggregate, Event, handles


class AccountOpened(Event, type="io.example.test.typing.account-opened"):
    """
    An event with a required field and one with a default.
    """

    owner: str
    limit_cents: int = 0


class Account(Aggregate, subject="/accounts/{id}"):
    """
    An aggregate with commands of several shapes.
    """

    cents: int = 0

    def open(self, owner: str) -> None:
        """
        A command without a result.
        """
        self.emit(AccountOpened(owner=owner))

    def withdraw(self, cents: int, *, fee_cents: int = 0) -> int:
        """
        A command with a result.
        """
        return self.cents - cents - fee_cents

    @handles
    def _opened(self, event: AccountOpened) -> None:
        self.cents = event.limit_cents


class Customer(Aggregate, subject="/customers/{id}"):
    """
    Another aggregate.
    """

    def greet(self) -> str:
        """
        A command of that one.
        """
        return "hello"


def transfer(source: Account, target: Account, cents: int) -> tuple[int, int]:
    """
    A command across two aggregates.
    """
    return source.withdraw(cents), target.withdraw(-cents)
