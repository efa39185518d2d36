"""
Several workers on one store, and one started after another: whoever is second finds it done.
"""

import asyncio
from pathlib import Path

import pytest

from eventsource import Dispatcher, EventStore, UnitOfWork, scoped
from eventsource.processes import list_processes
from eventsource.store import InMemoryEventStore
from tests.processes.bank import Bank, assert_exactly_once
from tests.processes.lending import (
    LoanApplication,
    LoanRejected,
    MoneyPaidIn,
    MoneyReserved,
    PayIn,
    PotEmptyError,
    RejectLoan,
    ReleaseMoney,
    ReserveMoney,
    StandingOrder,
    pay_in,
    reject_loan,
    release_money,
    reserve_money,
)


async def test_two_workers_at_once(bank: Bank) -> None:
    """
    Both read everything, and everything happens once.
    """
    await bank.open("1", "2", cents=50_00)
    async with bank.worker() as one, bank.worker() as other:
        for loan in range(4):
            await bank.request(str(loan), "1")
        await bank.order("9", "1", "2", months=2)
        await asyncio.gather(one.settle(), other.settle())
        for loan in range(4):
            await bank.sign(str(loan))
        bank.clock.advance(days=100)
        await asyncio.gather(one.settle(), other.settle())
        await asyncio.gather(one.settle(), other.settle())

    assert await bank.count(MoneyPaidIn, "/accounts/1") == 1 + 4
    assert await bank.count(MoneyPaidIn, "/accounts/2") == 1 + 2
    await assert_exactly_once(bank.store)


def dispatcher_with(store: EventStore, reserve: object) -> Dispatcher:
    """
    A dispatcher that reserves money in its own way.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(ReserveMoney, reserve)  # type: ignore[arg-type]
    dispatcher.register(ReleaseMoney, release_money)
    dispatcher.register(RejectLoan, reject_loan)
    dispatcher.register(PayIn, pay_in)
    return dispatcher


@pytest.mark.parametrize("first", ["the one that refuses", "the one that agrees"])
async def test_two_workers_cannot_refuse_and_carry_out_the_same_command(bank: Bank, first: str) -> None:
    """
    One has decided to refuse, the other to agree; what is recorded first is what happened.
    """
    both = asyncio.Barrier(2)
    other_is_done = asyncio.Event()

    async def refuse(_: ReserveMoney) -> None:
        await both.wait()
        if first == "the one that agrees":
            await other_is_done.wait()
        raise PotEmptyError

    async def agree(command: ReserveMoney, work: UnitOfWork) -> None:
        await reserve_money(command, work)
        if not other_is_done.is_set():
            await both.wait()
        if first == "the one that refuses":
            await other_is_done.wait()

    await bank.open("1")
    await bank.request("7", "1")
    refusing = bank.worker(processes=[LoanApplication], dispatcher=dispatcher_with(bank.store, refuse))
    agreeing = bank.worker(processes=[LoanApplication], dispatcher=dispatcher_with(bank.store, agree))
    async with refusing, agreeing:
        leader = refusing if first == "the one that refuses" else agreeing
        await leader.settle()
        other_is_done.set()
        await asyncio.gather(refusing.settle(), agreeing.settle())

    happened = (await bank.count(MoneyReserved), await bank.count(LoanRejected))
    assert happened == ((0, 1) if first == "the one that refuses" else (1, 0))
    await assert_exactly_once(bank.store)


async def test_place_in_the_log_is_kept_in_a_database(bank: Bank, tmp_path: Path) -> None:
    """
    What was finished is not read again; a lost database costs reading, and nothing else.
    """
    database = tmp_path / "read.db"
    await bank.open("1")
    await bank.request("7", "1")
    await bank.work(database=f"sqlite:///{database}")
    await bank.work(database=f"sqlite:///{database}")
    async with bank.worker(database=f"sqlite:///{database}") as worker:
        await bank.sign("7")
        await worker.settle()
        finished = worker.progress["loan-application"].events
    before = await bank.names()
    assert finished == len(before)

    database.unlink()
    await bank.work(database=f"sqlite:///{database}")

    assert await bank.names() == before
    await assert_exactly_once(bank.store)


async def test_place_of_another_store_is_forgotten(memory_bank: Bank, tmp_path: Path) -> None:
    """
    The log is read from its beginning: that does no harm here.
    """
    database = f"sqlite:///{tmp_path / 'read.db'}"
    async with InMemoryEventStore() as store:
        other = Bank(store, memory_bank.clock)
        await other.open("1")
        await other.work(database=database)
    await memory_bank.open("1")
    await memory_bank.request("7", "1")
    await memory_bank.work(database=database)

    assert await memory_bank.count(MoneyReserved) == 1


async def test_event_from_before_the_start_stays_passed_over(bank: Bank) -> None:
    """
    A signature that came before the request was ignored, and still is when the log is read once more.
    """
    await bank.open("1")
    await bank.sign("7")
    await bank.work()
    await bank.request("7", "1")
    await bank.work()
    await bank.work()

    assert await bank.count(MoneyReserved) == 1
    assert await bank.count(MoneyPaidIn) == 0


async def test_second_worker_takes_over(bank: Bank) -> None:
    """
    The one that answers is cancelled while a command is under way; the other finishes it.
    """
    begun = asyncio.Event()

    async def hang(_: ReserveMoney) -> None:
        begun.set()
        await asyncio.Event().wait()

    await bank.open("1")
    await bank.request("7", "1")
    hanging = dispatcher_with(bank.store, hang)
    async with bank.worker(dispatcher=hanging, processes=[LoanApplication], stop_within_s=0.1):
        await begun.wait()
        async with bank.worker(processes=[LoanApplication, StandingOrder]) as other:
            await other.settle()

    assert await bank.count(MoneyReserved) == 1
    assert [state.unsent for state in await list_processes(LoanApplication, bank.store)] == [0]


async def test_processes_of_one_tenant_know_nothing_of_another(bank: Bank) -> None:
    """
    A worker on a scope of the store answers what happens there, and writes there alone.
    """
    acme, other = (Bank(scoped(bank.store, f"/tenants/{name}"), bank.clock) for name in ("acme", "other"))
    for tenant in (acme, other):
        await tenant.open("1")
        await tenant.request("7", "1")
    await acme.work()

    assert await acme.count(MoneyReserved) == 1
    assert await other.count(MoneyReserved) == 0
    assert await bank.names("/process") == []
    bank.clock.advance(days=20)
    await acme.work()
    assert await acme.count(LoanRejected) == 1
