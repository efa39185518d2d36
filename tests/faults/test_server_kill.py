"""
Killing a server under writers and observers that go on.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

from eventsource import CommitOutcomeUnknownError
from eventsource.genesisdb import Limits
from eventsource.store import EmbeddedEventStore
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.outcomes import Outcomes, whole_commits
from tests.faults.server import Server, server_program

if TYPE_CHECKING:
    import random
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
    doubts = settled = acknowledged = 0
    async with server_program(TOKEN) as server:
        for number in range(CYCLES // CYCLES_PER_STORE):
            path = tmp_path / f"{number}.db"
            outcomes = Outcomes()
            doubted, found = await _disturb(server, path, outcomes, rng)
            doubts, settled, acknowledged = doubts + doubted, settled + found, acknowledged + len(outcomes.acknowledged)
            assert not outcomes.unknown

            async with EmbeddedEventStore(path) as store:
                report = await store.audit()
                assert report.is_intact, report.problems
                outcomes.check([event async for event in store.stream()])
    # Otherwise nothing was tested.
    assert acknowledged > CYCLES
    assert doubts > 0
    # Of those in doubt some were stored, and some were not.
    assert 0 < settled < doubts


async def _disturb(server: Server, path: Path, outcomes: Outcomes, rng: random.Random) -> tuple[int, int]:
    """
    Kill the server again and again, then let everybody come to their end.

    Returns:
        How many commits were in doubt, and how many of these were stored.
    """
    port = _free_port()
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
        # A server that is not there at the start is an error; later it is waited for.
        await asyncio.gather(*(observer.wait_for(1) for observer in observers))
        for cycle in range(CYCLES_PER_STORE):
            await server.wait_until_dead()
            if cycle % 3 == 0:
                # Away until it is noticed.
                refused = len(outcomes.refused)
                while len(outcomes.refused) == refused:  # noqa: ASYNC110  what is noted there wakes nobody
                    await asyncio.sleep(0.005)
            await server.start(rng.randint(1, MOST_CHANGES) if cycle < CYCLES_PER_STORE - 1 else 0, *arguments)
            for task in [*writing, *following]:
                assert not task.done(), task
        is_over.set()
        await asyncio.gather(*writing)
        doubts = len(outcomes.unknown)
        settled = await _settle(stores[1], outcomes)

        log = [event async for event in stores[0].stream()]
        for observer in observers:
            wanted = [event.id for event in log if observer.subject in {"/", event.subject}]
            await observer.wait_for(len(wanted))
            assert observer.seen == wanted
    await server.kill()
    return doubts, settled


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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
