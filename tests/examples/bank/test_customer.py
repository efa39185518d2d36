"""
Customers, and their names apart.
"""

import pytest

from eventsource import EventStore, Repository
from examples.bank.customer import LONGEST_NAME, Customer
from examples.bank.events import CustomerNamed, CustomerRegistered
from examples.bank.refusals import AlreadyRegisteredError, NameRefusedError
from tests.examples.bank.scenario import DAY, last_events


async def test_name_is_an_event_of_its_own(store: EventStore) -> None:
    """
    Registering records that somebody is a customer, and beside it who.
    """
    async with Repository(Customer, store).create("21") as customer:
        customer.register(" Ada ", on=DAY)

    assert await last_events(store, "/customers/21", 2) == [
        CustomerRegistered(registered_on=DAY),
        CustomerNamed(name="Ada"),
    ]


@pytest.mark.parametrize("name", ["", "  ", "x" * (LONGEST_NAME + 1)], ids=["empty", "blank", "too-long"])
def test_names_that_are_none_are_refused(name: str) -> None:
    """
    A name has at least one character and at most a hundred.
    """
    with pytest.raises(NameRefusedError, match="at most 100 characters"):
        Customer("21").register(name, on=DAY)


def test_customer_is_registered_once() -> None:
    """
    Who is a customer cannot become one.
    """
    customer = Customer("21")
    customer.register("Ada", on=DAY)

    with pytest.raises(AlreadyRegisteredError, match="Customer 21 is registered already"):
        customer.register("Ada", on=DAY)
