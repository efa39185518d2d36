"""
Whatever happens in whatever order, with however many workers: everything once, and nobody loses money.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

import pytest

from eventsource.processes import list_processes
from eventsource.store import InMemoryEventStore
from eventsource.testing.clock import FixedClock
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.processes.bank import Bank, assert_exactly_once
from tests.processes.lending import (
    LoanApplication,
    LoanRejected,
    MoneyPaidIn,
    MoneyPaidOut,
    MoneyReserved,
    ReservationReleased,
    StandingOrder,
    StandingOrderStopped,
)
from tests.processes.shaken_store import ShakenStore

if TYPE_CHECKING:
    from eventsource import EventStore

LOANS = [str(number) for number in range(8)]
ACCOUNTS = ["1", "2", "3"]
LOAN_CENTS = 100_00


async def live(bank: Bank, source: random.Random) -> None:
    """
    Let things happen: requests, signatures, closures, orders; and time pass.
    """
    wanted = [("request", loan) for loan in LOANS] + [("order", str(number)) for number in range(3)]
    source.shuffle(wanted)
    signed = source.sample(LOANS, 5)
    for kind, id in wanted:
        if kind == "request":
            await bank.request(id, source.choice(ACCOUNTS), cents=LOAN_CENTS)
        else:
            await bank.order(id, source.choice(ACCOUNTS), "target", months=source.randrange(1, 4))
        for loan in [loan for loan in signed if source.random() < 0.3]:
            signed.remove(loan)
            await bank.sign(loan)
        if source.random() < 0.15:
            await bank.close(source.choice(ACCOUNTS))
        if source.random() < 0.1:
            await bank.commit("/standing-orders/0", StandingOrderStopped())
        bank.clock.advance(days=source.randrange(4))
        for _ in range(source.randrange(30)):
            await asyncio.sleep(0)
    for loan in signed:
        await bank.sign(loan)


async def check(bank: Bank) -> None:
    """
    Check what must be true of any history.
    """
    await assert_exactly_once(bank.store)
    for process in (LoanApplication, StandingOrder):
        states = await list_processes(process, bank.store)
        assert {state.standing for state in states} <= {"completed", "running"}
        assert not [state for state in states if state.unsent or state.timers]
    reserved = await bank.count(MoneyReserved)
    released = await bank.count(ReservationReleased)
    lent = sum(event.cents == LOAN_CENTS for event in await bank.events("/accounts") if isinstance(event, MoneyPaidIn))
    assert reserved == len(LOANS)
    assert lent + released == reserved
    assert await bank.count(LoanRejected) == released
    transfers = await bank.count(MoneyPaidOut)
    assert transfers == await bank.count(MoneyPaidIn, "/accounts/target")


@pytest.mark.parametrize("losing", [0.0, 0.1])
async def test_any_interleaving_of_workers(losing: float) -> None:
    """
    Workers come and go at any moment, three at once at times; commits are slow, and answers are lost.
    """
    source = seeded_random()
    for _ in range(rounds(2, 60)):
        clock = FixedClock()
        async with InMemoryEventStore(clock=clock) as store:
            await _round(Bank(store, clock), source, losing)


async def _round(bank: Bank, source: random.Random, losing: float) -> None:
    await bank.open("target")
    await bank.open(*ACCOUNTS, cents=25_00)
    shaken = Bank(cast("EventStore", ShakenStore(bank.store, source, losing=losing)), bank.clock)
    living = asyncio.create_task(live(bank, source))
    while not living.done():
        async with AsyncExitStack() as stack:
            for _ in range(source.randrange(1, 4)):
                await stack.enter_async_context(shaken.worker(width=source.randrange(1, 5)))
            for _ in range(source.randrange(200)):
                await asyncio.sleep(0)
    await living
    async with shaken.worker() as one, shaken.worker() as other:
        await asyncio.gather(one.settle(), other.settle())
        bank.clock.advance(days=400)
        # What one has done last may concern the other.
        await asyncio.gather(one.settle(), other.settle())
    await check(bank)
