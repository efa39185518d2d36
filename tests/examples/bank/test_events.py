"""
What is stored: names and data that never change.
"""

import pytest

from eventsource import Event
from examples.bank.events import (
    AccountOpened,
    CustomerNamed,
    CustomerRegistered,
    MoneyDeposited,
    MoneyWithdrawn,
    OverdraftGranted,
    TransferReceived,
    TransferSent,
)
from tests.examples.bank.scenario import DAY

STORED = {
    "customer-registered": (CustomerRegistered(registered_on=DAY), '{"registeredOn":"2024-02-29"}'),
    "customer-named": (CustomerNamed(name="Ada"), '{"name":"Ada"}'),
    "account-opened": (AccountOpened(owner="21", opened_on=DAY), '{"openedOn":"2024-02-29","owner":"21"}'),
    "overdraft-granted": (OverdraftGranted(limit_cents=5), '{"limitCents":5}'),
    "money-deposited": (
        MoneyDeposited(cents=1, booked_on=DAY, text="Deposit", reference="9", against="cash"),
        '{"against":"cash","bookedOn":"2024-02-29","cents":1,"reference":"9","text":"Deposit"}',
    ),
    "money-withdrawn": (
        MoneyWithdrawn(cents=1, booked_on=DAY, against="fees"),
        '{"against":"fees","bookedOn":"2024-02-29","cents":1,"reference":"","text":""}',
    ),
    "transfer-sent": (
        TransferSent(cents=1, booked_on=DAY, to_account="8"),
        '{"bookedOn":"2024-02-29","cents":1,"reference":"","text":"","toAccount":"8"}',
    ),
    "transfer-received": (
        TransferReceived(cents=1, booked_on=DAY, from_account="7"),
        '{"bookedOn":"2024-02-29","cents":1,"fromAccount":"7","reference":"","text":""}',
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_stored_form_does_not_change(name: str) -> None:
    """
    Each event keeps its type name and its data: banks out there have them in their files.
    """
    event, data_json = STORED[name]

    assert event.event_type == f"io.example.bank.{name}"
    assert event.to_data_json() == data_json


def test_every_event_of_the_bank_is_pinned() -> None:
    """
    No event class is forgotten above.
    """
    pinned = {type(event) for event, _ in STORED.values()}

    assert pinned == {
        found for found in _subclasses(Event) if found.__module__ == "examples.bank.events" and found.event_type
    }


def _subclasses(of: type[Event]) -> set[type[Event]]:
    return {of}.union(*(_subclasses(below) for below in of.__subclasses__()))
