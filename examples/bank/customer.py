"""
Customers: the people and firms that own accounts.
"""

from datetime import date

from eventsource import Aggregate, handles
from examples.bank.events import CustomerNamed, CustomerRegistered
from examples.bank.refusals import AlreadyRegisteredError, NameRefusedError

LONGEST_NAME = 100


class Customer(Aggregate, subject="/customers/{id}"):
    """
    Somebody the bank knows.
    """

    is_registered: bool = False

    def register(self, name: str, *, on: date) -> None:
        """
        Become a customer.

        Raises:
            AlreadyRegisteredError: They are one.
            NameRefusedError: The name is empty or too long.
        """
        if self.is_registered:
            raise AlreadyRegisteredError(self.id)
        name = name.strip()
        if not 0 < len(name) <= LONGEST_NAME:
            raise NameRefusedError(longest=LONGEST_NAME)
        self.emit(CustomerRegistered(registered_on=on))
        self.emit(CustomerNamed(name=name))

    @handles
    def _registered(self, _: CustomerRegistered) -> None:
        self.is_registered = True

    @handles
    def _named(self, _: CustomerNamed) -> None:
        # No rule asks for the name, so the aggregate does not keep it.
        pass
