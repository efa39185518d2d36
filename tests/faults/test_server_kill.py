"""
Killing a server under writers and observers that go on.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING

import pytest

from eventsource import CommitOutcomeUnknownError
from eventsource.genesisdb import Limits
from eventsource.store import EmbeddedEventStore
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.outcomes import Outcomes, whole_commits
from tests.faults.server import Server, server_program

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable
    from pathlib import Path

    from eventsource import EventStore, RecordedEvent

CYCLES = rounds(50, 1_000)
# A fresh store every so often, so that reading all of it stays quick.
CYCLES_PER_STORE = 25

TOKEN = "of-the-faults-1234567890"  # noqa: S105  nobody's
# Those who give up at the first lost answer have to find out later; the others repeat under their key.
IMPATIENT = Limits(connect_s=2, commit_tries=1)
PATIENT = Limits(connect_s=2, commit_tries=8)
# Of the store's files, before the one at which a server dies.
MOST_CHANGES = 600

# Linux gives out ports from 32,768 on, other systems from 49,152.
_NEVER_GIVEN_OUT = (20_000, 30_000)


class Observer:
    """
    Somebody who follows a subject through everything that happens to the server.
    """

    def __init__(self, store: EventStore, subject: str) -> None:
        self.subject = subject
        self.seen: list[str] = []
        self._stream = store.observe(subject)
        self._came = asyncio.Event()

    async def follow(self) -> None:
        """
        Note each event, without end.
        """
        async with aclosing(self._stream) as events:
            async for event in events:
                self.seen.append(event.id)
                self._came.set()

    async def wait_for(self, count: int) -> None:
        """
        Return when so many have come.
        """
        while len(self.seen) < count:
            self._came.clear()
            await self._came.wait()


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path, rng: random.Random) -> None:
    """
    Each acknowledged event is stored once, each observer has the whole log in its order, and no outcome stays unknown.
    """
    doubts = settled = acknowledged = cycles = 0
    async with server_program(TOKEN) as server:
        # Of the commits in doubt some have to be stored and some not, or nothing was tested.
        while cycles < CYCLES or not 0 < settled < doubts:
            path = tmp_path / f"{cycles}.db"
            outcomes = Outcomes()
            doubted, found = await _disturb(server, path, outcomes, rng)
            doubts, settled, acknowledged = doubts + doubted, settled + found, acknowledged + len(outcomes.acknowledged)
            cycles += CYCLES_PER_STORE
            assert not outcomes.unknown

            async with EmbeddedEventStore(path) as store:
                report = await store.audit()
                assert report.is_intact, report.problems
                outcomes.check([event async for event in store.stream()])
    assert acknowledged > cycles


async def _disturb(server: Server, path: Path, outcomes: Outcomes, rng: random.Random) -> tuple[int, int]:
    """
    Kill the server again and again, then let everybody come to their end.

    Returns:
        How many commits were in doubt, and how many of these were stored.
    """
    port = _free_port(rng)
    arguments = ("--store", f"sqlite:{path}", "--port", str(port), "--heartbeat", "0.2")
    url = f"http://127.0.0.1:{port}"
    await server.start(rng.randint(100, MOST_CHANGES), *arguments)
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(GenesisDBEventStore(url, token=TOKEN, limits=limits))
            for limits in (PATIENT, IMPATIENT)
        ]
        observers = [Observer(store, subject) for store in stores for subject in ("/", "/a/1")]
        following = [asyncio.create_task(observer.follow()) for observer in observers]
        is_over = asyncio.Event()
        writing = [
            asyncio.create_task(_write(store, f"{stores.index(store)}-{task}", outcomes, rng, is_over))
            for store in stores
            for task in range(3)
        ]
        stack.push_async_callback(_end, [*writing, *following])
        tasks = [*writing, *following]
        # A server that is not there at the start is an error; later it is waited for.
        await _while_running(tasks, asyncio.gather(*(observer.wait_for(1) for observer in observers)))
        for cycle in range(CYCLES_PER_STORE):
            await _while_running(tasks, server.wait_until_dead())
            if cycle % 3 == 0:
                await _while_running(tasks, _next_refusal(outcomes))
            at = rng.randint(1, MOST_CHANGES) if cycle < CYCLES_PER_STORE - 1 else 0
            await _while_running(tasks, server.start(at, *arguments))
        is_over.set()
        await asyncio.gather(*writing)
        doubts = len(outcomes.unknown)
        settled = await _settle(stores[1], outcomes)

        log = [event async for event in stores[0].stream()]
        for observer in observers:
            wanted = [event.id for event in log if observer.subject in {"/", event.subject}]
            await _while_running(following, observer.wait_for(len(wanted)))
            assert observer.seen == wanted
    await server.kill()
    return doubts, settled


async def _while_running(tasks: list[asyncio.Task[None]], waited_for: Awaitable[object]) -> None:
    """
    Wait for something that only comes while all *tasks* go on.

    Raises:
        Exception: A task has ended, with the exception that ended it.
    """
    waiting = asyncio.ensure_future(waited_for)
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                await task
                pytest.fail(f"{task} ended by itself")
        await waiting
    finally:
        waiting.cancel()


async def _next_refusal(outcomes: Outcomes) -> None:
    """
    Return when one more commit was refused: somebody has noticed that the server is away.
    """
    refused = len(outcomes.refused)
    while len(outcomes.refused) == refused:  # noqa: ASYNC110  a refusal wakes nobody
        await asyncio.sleep(0.005)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _write(
    store: EventStore, writer: str, outcomes: Outcomes, rng: random.Random, is_over: asyncio.Event
) -> None:
    for number in itertools.count():
        if is_over.is_set():
            return
        await outcomes.attempt(store, f"{writer}-{number}", rng.choice((1, 1, 2, 5)), text="x" * rng.randrange(400))
        if f"{writer}-{number}" in outcomes.refused:
            # Nobody is there: not so fast.
            await asyncio.sleep(0.02)


async def _settle(store: GenesisDBEventStore, outcomes: Outcomes) -> int:
    """
    Find out about each commit in doubt; returns how many had been stored all along.
    """
    before = whole_commits(_numbered([event async for event in store.stream()]))
    settled = 0
    for name, error in list(outcomes.unknown.items()):
        assert isinstance(error, CommitOutcomeUnknownError)
        events = await store.resolve(error)
        # No guard can refuse it: the store has it now, from before or for the first time.
        assert events is not None
        del outcomes.unknown[name]
        outcomes.acknowledged[name] = [event.id for event in events]
        if name in before:
            settled += 1
            assert outcomes.acknowledged[name] == before[name]
    return settled


def _numbered(events: list[RecordedEvent]) -> list[RecordedEvent]:
    # Over HTTP places have gaps.
    return [event._replace(position=place) for place, event in enumerate(events, start=1)]


def _free_port(rng: random.Random) -> int:
    """
    A port that stays free while its server is dead: no system gives it to a connection or to a server of another test.
    """
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", rng.randint(*_NEVER_GIVEN_OUT))) as free:
            port: int = free.getsockname()[1]
            return port
