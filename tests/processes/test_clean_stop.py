"""
A worker that is told to stop: what is under way comes to its end, and nothing more is begun.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eventsource import Command, Dispatcher, Event, ProcessManager, ProcessWorker, RetryPolicy, starts
from eventsource.errors import ProcessManagerNotRunningError
from eventsource.processes import list_processes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .bank import Bank


class OrderPlaced(Event, type="io.example.test.stopping.order-placed"):
    """
    A customer orders.
    """


class LetterSent(Event, type="io.example.test.stopping.letter-sent"):
    """
    It is under way.
    """


class SendLetter(Command, subject="/letters/{order}"):
    """
    Send a letter.
    """

    order: str
    number: int


class Mailer(ProcessManager, name="stopping-mailer", by="/orders/{id}", sends=[SendLetter]):
    """
    Sends two letters for each order.
    """

    @starts
    def placed(self, _: OrderPlaced) -> None:
        """
        One after the other.
        """
        self.send(SendLetter(order=self.id, number=1))
        self.send(SendLetter(order=self.id, number=2))


class Post:
    """
    Sends letters; the first waits until it may go on.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.numbers: list[int] = []

    async def send(self, command: SendLetter) -> LetterSent:
        """
        Send it, with time.
        """
        self.numbers.append(command.number)
        self.begun.set()
        await self.may_go_on.wait()
        return LetterSent()


def worker_on(
    bank: Bank, send: Callable[[SendLetter], Awaitable[LetterSent]], *, within_s: float, pause_s: float = 0
) -> ProcessWorker:
    """
    A worker that sends letters like this.
    """
    dispatcher = Dispatcher(bank.store)
    dispatcher.register(SendLetter, send)
    retry = RetryPolicy(attempts=3, first_pause_s=pause_s, longest_pause_s=pause_s)
    return ProcessWorker(bank.store, dispatcher, [Mailer], clock=bank.clock, retry=retry, stop_within_s=within_s)


async def test_a_handler_that_runs_comes_to_its_end(bank: Bank) -> None:
    """
    Its events are committed with the note that it was done; the command behind it is left to the next worker.
    """
    post = Post()
    await bank.commit("/orders/9", OrderPlaced())
    async with worker_on(bank, post.send, within_s=60):
        await post.begun.wait()
        # In the next step of the loop, when the worker waits for it.
        asyncio.get_running_loop().call_soon(post.may_go_on.set)

    assert post.numbers == [1]
    assert await bank.store.count("/letters") == 1
    assert [state.unsent for state in await list_processes(Mailer, bank.store)] == [1]

    async with worker_on(bank, post.send, within_s=60) as worker:
        await worker.settle()
    assert post.numbers == [1, 2]
    assert await bank.store.count("/letters") == 2


async def test_a_cancelled_run_is_a_clean_stop(bank: Bank) -> None:
    """
    Cancelling `run` lets the handler come to its end, too.
    """
    post = Post()
    await bank.commit("/orders/9", OrderPlaced())
    running = asyncio.create_task(worker_on(bank, post.send, within_s=60).run())
    await post.begun.wait()
    running.cancel()
    asyncio.get_running_loop().call_soon(post.may_go_on.set)
    await asyncio.gather(running, return_exceptions=True)

    assert running.cancelled()
    assert await bank.store.count("/letters") == 1
    assert [state.unsent for state in await list_processes(Mailer, bank.store)] == [1]


async def test_a_handler_that_takes_too_long_is_cancelled_and_said_so(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The worker ends, nothing of the command is committed, and the next worker carries it out.
    """
    post = Post()
    await bank.commit("/orders/9", OrderPlaced())
    async with worker_on(bank, post.send, within_s=0.01):
        await post.begun.wait()

    assert "process.stopped_in_between" in caplog.text
    assert "ids=['9']" in caplog.text
    assert await bank.store.count("/letters") == 0
    post.may_go_on.set()
    async with worker_on(bank, post.send, within_s=60) as worker:
        await worker.settle()
    assert await bank.store.count("/letters") == 2


async def test_a_second_cancellation_ends_it_at_once(bank: Bank) -> None:
    """
    A worker that waits for a handler stops waiting when it is cancelled again.
    """
    post = Post()
    await bank.commit("/orders/9", OrderPlaced())
    running = asyncio.create_task(worker_on(bank, post.send, within_s=3600).run())
    await post.begun.wait()
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert running.cancelled()
    assert await bank.store.count("/letters") == 0


async def test_a_pause_between_two_tries_is_not_waited_for(bank: Bank) -> None:
    """
    A command that failed and waits for its next try is left to the next worker, and its process is not parked.
    """
    failed = asyncio.Event()

    async def fail(_: SendLetter) -> LetterSent:
        failed.set()
        raise ConnectionError

    await bank.commit("/orders/9", OrderPlaced())
    async with worker_on(bank, fail, within_s=3600, pause_s=3600):
        await failed.wait()

    (state,) = await list_processes(Mailer, bank.store)
    assert (state.unsent, state.parked) == (2, None)


async def test_nothing_is_begun_for_what_waits(bank: Bank) -> None:
    """
    Orders that wait for their turn are not begun any more, and none is lost.
    """
    post = Post()
    for order in range(5):
        await bank.commit(f"/orders/{order}", OrderPlaced())
    dispatcher = Dispatcher(bank.store)
    dispatcher.register(SendLetter, post.send)
    async with ProcessWorker(bank.store, dispatcher, [Mailer], clock=bank.clock, width=1):
        await post.begun.wait()
        asyncio.get_running_loop().call_soon(post.may_go_on.set)

    assert post.numbers == [1]
    async with worker_on(bank, post.send, within_s=60) as worker:
        await worker.settle()
    assert await bank.store.count("/letters") == 10


async def test_whoever_waits_for_a_worker_that_has_stopped_is_told(memory_bank: Bank) -> None:
    """
    `settle` on a worker that was left ends with an error, and does not wait forever.
    """
    post = Post()
    worker = worker_on(memory_bank, post.send, within_s=60)
    async with worker:
        await worker.settle()

    with pytest.raises(ProcessManagerNotRunningError):
        await worker.settle()
