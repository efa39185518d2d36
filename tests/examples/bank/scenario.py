"""
Given these events, when that is done, then those happened: over a real store.
"""

from datetime import date
from typing import Any

from eventsource import Erased, Event, EventStore, NewEvent
from examples.bank.events import AccountOpened, MoneyDeposited, OverdraftGranted

DAY = date(2024, 2, 29)


async def given(store: EventStore, subject: str, *events: Event) -> None:
    """
    Let *events* have happened at *subject*.
    """
    await store.commit([NewEvent.of(event, subject=subject) for event in events])


async def given_account(
    store: EventStore, account: str, *, owner: str = "1", cents: int = 0, limit_cents: int = 0
) -> None:
    """
    Let there be an account that holds so much.
    """
    events: list[Event] = [AccountOpened(owner=owner, opened_on=DAY)]
    if limit_cents:
        events.append(OverdraftGranted(limit_cents=limit_cents, delta_cents=limit_cents))
    if cents:
        events.append(MoneyDeposited(delta_cents=cents, booked_on=DAY, against="cash"))
    await given(store, f"/accounts/{account}", *events)


async def last_events(store: EventStore, subject: str, count: int) -> list[Event | Erased[Any]]:
    """
    The last so many events at *subject*, oldest first.
    """
    recorded = [event async for event in store.stream(subject, recursive=False)]
    return [event for stored in recorded[len(recorded) - count :] for event in stored.decode_all()]
