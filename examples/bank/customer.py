"""
Customers: the people and firms that own accounts.
"""

from datetime import date

from eventsource import Aggregate, SubjectIsNew, handles
from examples.bank import rules
from examples.bank.email_address import email_key, is_email, normal_email
from examples.bank.events import CustomerNamed, CustomerRegistered, EmailGiven
from examples.bank.refusals import AlreadyRegisteredError, EmailRefusedError, NameRefusedError

LONGEST_NAME = 100


class Customer(Aggregate, subject="/customers/{id}"):
    """
    Somebody the bank knows.
    """

    is_registered: bool = False

    def register(self, name: str, *, on: date, email: str | None = None) -> None:
        """
        Become a customer.

        It is refused unless the id is new and `rules.is_unique_email` holds: whether others have the
        address no aggregate can know, since it sees its own events only.

        Raises:
            AlreadyRegisteredError: They are one.
            NameRefusedError: The name is empty or too long.
            EmailRefusedError: The address is none.
        """
        if self.is_registered:
            raise AlreadyRegisteredError(self.id)
        name = name.strip()
        if not 0 < len(name) <= LONGEST_NAME:
            raise NameRefusedError(longest=LONGEST_NAME)
        if email is not None and not is_email(normal_email(email)):
            raise EmailRefusedError
        key = None if email is None else email_key(email)
        guards = [] if key is None else [rules.is_unique_email(key)]
        self.emit(CustomerRegistered(registered_on=on, email_key=key), rules=[SubjectIsNew(self.subject), *guards])
        self.emit(CustomerNamed(name=name))
        if email is not None:
            self.emit(EmailGiven(email=email))

    @handles
    def _registered(self, _: CustomerRegistered) -> None:
        self.is_registered = True

    @handles
    def _described(self, _: CustomerNamed | EmailGiven) -> None:
        # No rule asks for what is personal, so the aggregate does not keep it.
        pass
