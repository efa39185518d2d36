"""
Rules over several subjects under concurrent writers: each writer's own view would allow what the rule forbids.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from eventsource import EventStore, NewEvent, QueryHolds
from eventsource.errors import PreconditionFailedError
from tests.store.query_stores import STORES, happened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Batches = Callable[[Callable[[EventStore, range], Awaitable[None]]], Awaitable[None]]

WRITERS = 16
ROUNDS = 10_000 if os.environ.get("EVENTSOURCE_LONG") == "1" else 1_000


# A store in memory reads its whole log for each rule: there a store serves a few rounds only.
ROUNDS_PER_STORE = {"memory": 5, "embedded": ROUNDS}


@pytest.fixture(params=STORES)
def batches(request: pytest.FixtureRequest, tmp_path: Path) -> Batches:
    """
    A function that plays all rounds on stores of each kind, some rounds at a time.
    """

    async def play(some_rounds: Callable[[EventStore, range], Awaitable[None]]) -> None:
        per_store = ROUNDS_PER_STORE[request.param]
        for first in range(0, ROUNDS, per_store):
            async with STORES[request.param](tmp_path) as store:
                at_once = min(per_store, 20)
                for start in range(first, first + per_store, at_once):
                    await some_rounds(store, range(start, start + at_once))

    return play


async def attempt(store: EventStore, event: NewEvent, rule: str) -> bool:
    """
    Commit under a rule; whether it held.
    """
    try:
        await store.commit([event], [QueryHolds(rule)])
    except PreconditionFailedError:
        return False
    return True


async def test_one_doctor_stays_on_call(batches: Batches) -> None:
    """
    All doctors of a shift ask to leave at once: all but one may.
    """

    async def some_shifts(store: EventStore, shifts: range) -> None:
        await store.commit([happened(f"/shifts/{shift}/{n}", "came", on=1) for shift in shifts for n in range(WRITERS)])

        left = await asyncio.gather(
            *[
                attempt(
                    store,
                    happened(f"/shifts/{shift}/{n}", "left", on=-1),
                    f"STREAM e FROM events WHERE e.subject UNDER '/shifts/{shift}' MAP SUM(e.data.on) >= 2",
                )
                for shift in shifts
                for n in range(WRITERS)
            ]
        )

        assert sum(left) == len(shifts) * (WRITERS - 1)

    await batches(some_shifts)


async def test_email_stays_unique(batches: Batches) -> None:
    """
    Of all who register one e-mail address at once, one succeeds.
    """

    async def some_addresses(store: EventStore, addresses: range) -> None:
        await store.create_index("registered", "data.email")

        done = await asyncio.gather(
            *[
                attempt(
                    store,
                    happened(f"/customers/{address}-{n}", "registered", email=f"a{address}@example.com"),
                    f"STREAM e FROM events WHERE e.type == 'registered' AND e.data.email == 'a{address}@example.com' "
                    "MAP COUNT() == 0",
                )
                for address in addresses
                for n in range(WRITERS)
            ]
        )

        assert sum(done) == len(addresses)

    await batches(some_addresses)


async def test_sum_of_withdrawals_stays_within_the_limit(batches: Batches) -> None:
    """
    Withdrawals from several accounts of one customer never exceed the limit together.
    """

    async def some_customers(store: EventStore, customers: range) -> None:
        done = await asyncio.gather(
            *[
                attempt(
                    store,
                    happened(f"/customers/{customer}/accounts/{n % 4}", "withdrawn", cents=30),
                    f"STREAM e FROM events WHERE e.subject UNDER '/customers/{customer}' AND e.type == 'withdrawn' "
                    "MAP SUM(e.data.cents) + 30 <= 100",
                )
                for customer in customers
                for n in range(WRITERS)
            ]
        )

        assert sum(done) == 3 * len(customers)

    await batches(some_customers)
