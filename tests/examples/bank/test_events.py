"""
What is stored: names and data that never change.
"""

from pathlib import Path

import pytest
from pydantic import ValidationError

from eventsource import Event
from eventsource.testing.golden import check_golden_events
from examples.bank import events
from examples.bank.events import (
    AccountClosed,
    AccountOpened,
    CustomerNamed,
    CustomerRegistered,
    EmailGiven,
    FundsReleased,
    FundsReserved,
    LoanGranted,
    LoanNoted,
    LoanRefused,
    LoanRequested,
    MoneyDeposited,
    MoneyWithdrawn,
    MonthClosed,
    MonthOpened,
    OrderEnded,
    OrderNoted,
    OverdraftGranted,
    PaymentDue,
    PaymentMade,
    PaymentMissed,
    StandingOrderPlaced,
    StandingOrderStopped,
    TransferReceived,
    TransferSent,
)
from tests.examples.bank.scenario import DAY

STORED = {
    "customer-registered": (
        CustomerRegistered(registered_on=DAY, email_key="5e1f"),
        '{"emailKey":"5e1f","registeredOn":"2024-02-29"}',
    ),
    "customer-named": (CustomerNamed(name="Ada"), '{"name":"Ada"}'),
    "email-given": (EmailGiven(email="Ada@Example.com"), '{"email":"ada@example.com"}'),
    "account-opened": (AccountOpened(owner="21", opened_on=DAY), '{"openedOn":"2024-02-29","owner":"21"}'),
    "account-closed": (AccountClosed(closed_on=DAY), '{"closedOn":"2024-02-29"}'),
    "overdraft-granted": (OverdraftGranted(limit_cents=5, delta_cents=3), '{"deltaCents":3,"limitCents":5}'),
    "money-deposited": (
        MoneyDeposited(delta_cents=1, booked_on=DAY, text="Deposit", reference="9", against="cash"),
        '{"against":"cash","bookedOn":"2024-02-29","deltaCents":1,"reference":"9","text":"Deposit"}',
    ),
    "money-withdrawn": (
        MoneyWithdrawn(delta_cents=-1, booked_on=DAY, against="fees", allowance="21/2024-02-29"),
        '{"against":"fees","allowance":"21/2024-02-29","bookedOn":"2024-02-29","deltaCents":-1,"reference":"","text":""}',
    ),
    "transfer-sent": (
        TransferSent(delta_cents=-1, booked_on=DAY, to_account="8"),
        '{"bookedOn":"2024-02-29","deltaCents":-1,"reference":"","text":"","toAccount":"8"}',
    ),
    "transfer-received": (
        TransferReceived(delta_cents=1, booked_on=DAY, from_account="7"),
        '{"bookedOn":"2024-02-29","deltaCents":1,"fromAccount":"7","reference":"","text":""}',
    ),
    "month-opened": (MonthOpened(total_cents=5), '{"totalCents":5}'),
    "month-closed": (MonthClosed(total_cents=7), '{"totalCents":7}'),
    "standing-order-placed": (
        StandingOrderPlaced(sender="7", receiver="8", cents=1, first_on=DAY),
        '{"cents":1,"firstOn":"2024-02-29","receiver":"8","sender":"7"}',
    ),
    "standing-order-stopped": (StandingOrderStopped(), "{}"),
    "order-noted": (
        OrderNoted(sender="7", receiver="8", cents=1, first_on=DAY),
        '{"cents":1,"firstOn":"2024-02-29","receiver":"8","sender":"7"}',
    ),
    "payment-due": (PaymentDue(number=1), '{"number":1}'),
    "payment-made": (PaymentMade(), "{}"),
    "payment-missed": (PaymentMissed(rule="sufficient funds"), '{"rule":"sufficient funds"}'),
    "order-ended": (OrderEnded(rule="open account"), '{"rule":"open account"}'),
    "loan-requested": (
        LoanRequested(account="7", cents=1, requested_on=DAY),
        '{"account":"7","cents":1,"requestedOn":"2024-02-29"}',
    ),
    "loan-granted": (LoanGranted(), "{}"),
    "loan-refused": (LoanRefused(rule="lending limit"), '{"rule":"lending limit"}'),
    "loan-noted": (LoanNoted(account="7", cents=1), '{"account":"7","cents":1}'),
    "funds-reserved": (FundsReserved(loan="5", delta_cents=1), '{"deltaCents":1,"loan":"5"}'),
    "funds-released": (FundsReleased(loan="5", delta_cents=-1), '{"deltaCents":-1,"loan":"5"}'),
}


@pytest.mark.parametrize("name", STORED)
def test_stored_form_does_not_change(name: str) -> None:
    """
    Each event keeps its type name and its data: banks out there have them in their files.
    """
    event, data_json = STORED[name]

    assert event.event_type == f"io.example.bank.{name}"
    assert event.to_data_json() == data_json


def test_stored_events_stay_readable() -> None:
    """
    What banks out there have in their files is read as what it was.
    """
    check_golden_events(Path(__file__).parent / "golden", [event for event, _ in STORED.values()], modules=[events])


@pytest.mark.parametrize("cents", [5, 0])
def test_money_that_leaves_has_a_minus(cents: int) -> None:
    """
    The sum of the changes is the balance, so no event may have the wrong sign.
    """
    with pytest.raises(ValidationError):
        MoneyWithdrawn(delta_cents=cents, booked_on=DAY, against="cash")
    with pytest.raises(ValidationError):
        TransferSent(delta_cents=cents, booked_on=DAY, to_account="8")
    with pytest.raises(ValidationError):
        MoneyDeposited(delta_cents=-cents, booked_on=DAY, against="cash")
    with pytest.raises(ValidationError):
        TransferReceived(delta_cents=-cents, booked_on=DAY, from_account="7")


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
