"""
Customers, and their names apart.
"""

import pytest

from eventsource import AggregateExistsError, Erased, EventStore, Repository
from eventsource.errors import PreconditionFailedError
from examples.bank import rules
from examples.bank.customer import LONGEST_NAME, Customer
from examples.bank.email_address import email_key
from examples.bank.events import CustomerNamed, CustomerRegistered, EmailGiven
from examples.bank.refusals import AlreadyRegisteredError, EmailRefusedError, NameRefusedError
from tests.examples.bank.scenario import DAY, given, last_events


async def test_what_is_personal_has_events_of_its_own(store: EventStore) -> None:
    """
    Registering records that somebody is a customer, and beside it who: that can be erased.
    """
    async with Repository(Customer, store).create("21") as customer:
        customer.register(" Ada ", on=DAY, email="Ada@Example.com")
    registered = CustomerRegistered(registered_on=DAY, email_key=email_key("ada@example.com"))

    assert await last_events(store, "/customers/21", 3) == [
        registered,
        CustomerNamed(name="Ada"),
        EmailGiven(email="ada@example.com"),
    ]
    assert await store.erase("/customers/21") == 2
    assert await last_events(store, "/customers/21", 3) == [registered, Erased(CustomerNamed), Erased(EmailGiven)]


async def test_erased_customer_keeps_the_rules(store: EventStore) -> None:
    """
    Their e-mail stays theirs, and their history loads.
    """
    customers = Repository(Customer, store)
    async with customers.create("21") as customer:
        customer.register("Ada", on=DAY, email="ada@example.com")
    await store.erase("/customers/21")

    assert (await customers.load("21")).is_registered
    with pytest.raises(PreconditionFailedError) as excinfo:
        async with customers.create("22") as customer:
            customer.register("Eve", on=DAY, email="ada@example.com")
    assert excinfo.value.name == rules.UNIQUE_EMAIL


@pytest.mark.parametrize("name", ["", "  ", "x" * (LONGEST_NAME + 1)], ids=["empty", "blank", "too-long"])
def test_names_that_are_none_are_refused(name: str) -> None:
    """
    A name has at least one character and at most a hundred.
    """
    with pytest.raises(NameRefusedError, match="at most 100 characters"):
        Customer("21").register(name, on=DAY)


@pytest.mark.parametrize(
    "email",
    ["", "ada", "@example.com", "ada@", "ada@example", "a b@example.com", "a@b@c.at", "a\0@b.at", "a" * 250 + "@b.at"],
)
def test_emails_that_are_none_are_refused(email: str) -> None:
    """
    What was meant for another field is found; the refusal does not repeat it.
    """
    with pytest.raises(EmailRefusedError, match="no e-mail address"):
        Customer("21").register("Ada", on=DAY, email=email)


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@Example.COM", " ada@example.com\t"])
async def test_email_belongs_to_one_customer(store: EventStore, email: str) -> None:
    """
    However it is written, an address that somebody has is refused, and nothing is recorded.
    """
    await given(store, "/customers/21", CustomerRegistered(registered_on=DAY, email_key=email_key("Ada@example.com")))
    customer = Customer("22")
    customer.register("Bob", on=DAY, email=email)

    with pytest.raises(PreconditionFailedError) as excinfo:
        await Repository(Customer, store).save(customer)

    assert excinfo.value.name == rules.UNIQUE_EMAIL
    assert await store.count() == 1


async def test_customers_without_email_are_as_many_as_like(store: EventStore) -> None:
    """
    Who gave no address has none in common with anybody.
    """
    for number in ("21", "22"):
        async with Repository(Customer, store).create(number) as customer:
            customer.register("Ada", on=DAY)

    assert await store.count() == 4


async def test_id_that_is_taken_is_refused(store: EventStore) -> None:
    """
    The rule about the e-mail does not replace the one about the id.
    """
    await given(store, "/customers/21", CustomerRegistered(registered_on=DAY))
    customer = Customer("21")
    customer.register("Bob", on=DAY, email="bob@example.com")

    with pytest.raises(AggregateExistsError):
        await Repository(Customer, store).save(customer)


def test_customer_is_registered_once() -> None:
    """
    Who is a customer cannot become one.
    """
    customer = Customer("21")
    customer.register("Ada", on=DAY)

    with pytest.raises(AlreadyRegisteredError, match="Customer 21 is registered already"):
        customer.register("Ada", on=DAY)
