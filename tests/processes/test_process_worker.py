"""
Process managers at work: loans, standing orders, on each kind of store.
"""

from eventsource.aggregates.loader import Loader
from eventsource.processes import list_processes
from eventsource.processes.instance import ProcessInstances
from tests.processes.bank import AT_ONCE, Bank, assert_exactly_once
from tests.processes.lending import (
    LoanApplication,
    LoanRejected,
    MoneyPaidIn,
    MoneyPaidOut,
    MoneyReserved,
    OfferExpired,
    PaymentDue,
    PaymentMissed,
    ReservationReleased,
    StandingOrderStopped,
    make_dispatcher,
)


async def test_loan_is_paid_out(bank: Bank) -> None:
    """
    Request, reservation, signature, payment: one step leads to the next, and each happens once.
    """
    await bank.open("1")
    await bank.request("7", "1")
    async with bank.worker() as worker:
        await worker.settle()
        await bank.sign("7")
        await worker.settle()

    assert await bank.events("/accounts/1") == [*(await bank.events("/accounts/1"))[:1], MoneyPaidIn(cents=100_00)]
    assert await bank.count(MoneyReserved) == 1
    (state,) = await list_processes(LoanApplication, bank.store)
    assert (state.standing, state.unsent, state.timers) == ("completed", 0, 0)
    await assert_exactly_once(bank.store)


async def test_refused_payment_is_compensated_for(bank: Bank) -> None:
    """
    The account is closed meanwhile: what was reserved is released, and the loan rejected.
    """
    await bank.open("1")
    await bank.request("7", "1")
    async with bank.worker() as worker:
        await worker.settle()
        await bank.close("1")
        await bank.sign("7")
        await worker.settle()

    assert (await bank.events("/pots"))[1:] == [
        MoneyReserved(loan="7", cents=100_00),
        ReservationReleased(loan="7", cents=100_00),
    ]
    assert (await bank.events("/loans/7"))[-1] == LoanRejected(reason="AccountClosedError")
    assert await bank.count(MoneyPaidIn) == 0
    (state,) = await list_processes(LoanApplication, bank.store)
    assert state.standing == "completed"
    await assert_exactly_once(bank.store)


async def test_refused_first_step_ends_it(bank: Bank) -> None:
    """
    There is not so much money: rejected, and nothing to be compensated for.
    """
    await bank.open("1")
    await bank.request("7", "1", cents=1_000_01)
    await bank.work()

    assert (await bank.events("/loans/7"))[-1] == LoanRejected(reason="PotEmptyError")
    assert await bank.count(MoneyReserved) == 0


async def test_offer_that_nobody_signs_expires(bank: Bank) -> None:
    """
    The timer is recorded when two weeks have passed, not a moment earlier, by a worker started anew.
    """
    await bank.open("1")
    await bank.request("7", "1")
    await bank.work()
    bank.clock.advance(days=14, seconds=-1)
    await bank.work()
    assert await bank.count(OfferExpired) == 0

    bank.clock.advance(seconds=2)
    await bank.work()
    await bank.work()

    assert await bank.count(OfferExpired) == 1
    assert (await bank.events("/loans/7"))[-1] == LoanRejected(reason="expired")
    assert await bank.count(ReservationReleased) == 1
    await assert_exactly_once(bank.store)


async def test_cancelled_timer_never_fires(bank: Bank) -> None:
    """
    A loan that was signed does not expire.
    """
    await bank.open("1")
    await bank.request("7", "1")
    await bank.work()
    await bank.sign("7")
    await bank.work()
    bank.clock.advance(days=400)
    await bank.work()

    assert await bank.count(OfferExpired) == 0


async def test_timer_that_is_cancelled_when_it_has_just_fired_is_not_answered(memory_bank: Bank) -> None:
    """
    Its event stands in the log, behind the signature that cancels it: the offer was taken in time.
    """
    await memory_bank.open("1")
    await memory_bank.request("7", "1")
    await memory_bank.work()
    await memory_bank.sign("7")
    (state,) = await list_processes(LoanApplication, memory_bank.store)
    assert state.next_due is not None
    instances = ProcessInstances(LoanApplication, memory_bank.store, make_dispatcher(memory_bank.store), retry=AT_ONCE)
    process = LoanApplication("7")
    await Loader(memory_bank.store).catch_up(process)
    await instances.fire("7", next(iter(process.book.timers)))
    await memory_bank.work()

    assert await memory_bank.count(OfferExpired) == 1
    assert await memory_bank.count(ReservationReleased) == 0
    assert await memory_bank.count(MoneyPaidIn) == 1


async def test_standing_order_pays_each_month(bank: Bank) -> None:
    """
    One timer sets the next; a worker that was away for two months catches up with both.
    """
    await bank.open("1", "2", cents=100_00)
    await bank.order("9", "1", "2")
    await bank.work()
    assert await bank.count(MoneyPaidOut) == 0

    bank.clock.advance(days=2)
    await bank.work()
    assert await bank.count(MoneyPaidOut) == 1

    bank.clock.advance(days=200)
    await bank.work()
    await bank.work()

    due = [event for event in await bank.events("/process/standing-order/9") if isinstance(event, PaymentDue)]
    assert due == [PaymentDue(number=1), PaymentDue(number=2), PaymentDue(number=3)]
    assert await bank.count(MoneyPaidOut, "/accounts/1") == 3
    await assert_exactly_once(bank.store)


async def test_month_without_money_is_left_out(bank: Bank) -> None:
    """
    The refusal is answered, and the order goes on.
    """
    await bank.open("1", "2", cents=15_00)
    await bank.order("9", "1", "2")
    bank.clock.advance(days=200)
    await bank.work()

    assert await bank.count(MoneyPaidOut) == 1
    assert await bank.count(PaymentMissed) == 2
    assert await bank.count(PaymentDue) == 3


async def test_stopped_order_pays_no_more(bank: Bank) -> None:
    """
    Its timer goes with it, and events that come later are passed over.
    """
    await bank.open("1", "2", cents=100_00)
    await bank.order("9", "1", "2")
    bank.clock.advance(days=2)
    await bank.work()
    await bank.commit("/standing-orders/9", StandingOrderStopped())
    await bank.work()
    before = await bank.names("/process")
    await bank.commit("/standing-orders/9", StandingOrderStopped())
    bank.clock.advance(days=200)
    await bank.work()

    assert await bank.count(MoneyPaidOut) == 1
    assert await bank.names("/process") == before
