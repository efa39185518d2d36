"""
Workers that are killed: whatever the moment, every event has its effect exactly once.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from eventsource import EventStore, ProjectionWorker, ReadModelDatabase, connect
from eventsource.projections import rebuild
from eventsource.testing.contract.chance import seeded_random
from tests.projections.bank import Balances, assert_applied_exactly_once, dump, greeted, letter, moved, opened, query
from tests.projections.worker_nursery import ANYWHERE, POINTS, SUPERSEDED

ROOT = Path(__file__).parents[2]
IS_LONG = os.environ.get("EVENTSOURCE_LONG") == "1"
KILLS_AT_EACH_POINT = 30 if IS_LONG else 3
KILLS_AT_RANDOM = 500 if IS_LONG else 25
# A worker is killed so many statements and commits into its work at the most. Starting takes some thirty, and the
# history some thousands.
LONGEST_LIFE = 5_000


@attrs.frozen
class Scene:
    """
    A store that somebody writes to, and workers in other processes that read it and are killed.
    """

    store: EventStore
    store_path: Path
    read_path: Path
    nursery: "subprocess.Popen[str]"
    source: random.Random

    async def kill_a_worker(self, **order: Any) -> None:
        """
        Run a worker until it is dead, and write meanwhile.
        """
        assert await self._write_during(order) == f"died {signal.SIGKILL:d}"

    async def kill_a_worker_anywhere(self) -> None:
        """
        Run a worker until it is dead, early or late in its work, and write meanwhile.
        """
        longest = self.source.choice([60, 300, LONGEST_LIFE])
        await self.kill_a_worker(point=ANYWHERE, times=self.source.randint(1, longest))

    @asynccontextmanager
    async def running_worker(self) -> AsyncGenerator[None]:
        """
        Within the block a worker runs, and is killed at its end.
        """
        answer = asyncio.create_task(asyncio.to_thread(self._ask, {}))
        try:
            yield
        finally:
            assert self.nursery.stdin
            self.nursery.stdin.write("kill\n")
            self.nursery.stdin.flush()
            assert await answer == f"died {signal.SIGKILL:d}"

    async def freeze_a_worker(self, **order: Any) -> None:
        """
        Run a worker until it is frozen, and write meanwhile.
        """
        assert await self._write_during(order | {"signal": signal.SIGSTOP}) == f"frozen {signal.SIGSTOP:d}"

    async def resume_the_worker(self) -> str:
        """
        Let the frozen worker go on; gives how it ended.
        """
        return await asyncio.to_thread(self._ask, {"resume": True})

    async def check(self) -> None:
        """
        Let a last worker catch up; then check the read model, and that rebuilding it changes nothing.
        """
        url = f"sqlite:///{self.read_path}"
        async with ProjectionWorker(self.store, url, [Balances()]) as worker:
            await worker.caught_up()
        await assert_applied_exactly_once(self.store, self.read_path)
        incremental = dump(self.read_path)

        await rebuild(Balances(), self.store, url)

        assert dump(self.read_path) == incremental

    async def _write_during(self, order: dict[str, Any]) -> str:
        answer = asyncio.create_task(asyncio.to_thread(self._ask, order))
        while not answer.done():
            await self._write()
            await asyncio.sleep(0.005)
        return await answer

    async def _write(self) -> None:
        accounts = [str(self.source.randrange(5)) for _ in range(self.source.randrange(1, 12))]
        events = [moved(account, self.source.randrange(-99, 100)) for account in accounts]
        await self.store.commit([*events, letter(accounts[0]), greeted("7")])

    def _ask(self, order: dict[str, Any]) -> str:
        assert self.nursery.stdin
        assert self.nursery.stdout
        paths = {"store": str(self.store_path), "database": str(self.read_path)}
        self.nursery.stdin.write(json.dumps(paths | order) + "\n")
        self.nursery.stdin.flush()
        return self.nursery.stdout.readline().strip()


@pytest.fixture(scope="module")
def nursery() -> Generator["subprocess.Popen[str]"]:
    """
    The program that runs workers and kills them.
    """
    command = [sys.executable, "-m", "tests.projections.worker_nursery"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
async def scene(tmp_path: Path, nursery: "subprocess.Popen[str]") -> AsyncGenerator[Scene]:
    """
    A store with some accounts and some history.
    """
    store_path = tmp_path / "store.db"
    async with connect(f"sqlite:{store_path}") as store:
        await store.commit([opened(str(account)) for account in range(5)])
        await store.commit([moved("1", 1)] * 1_500)
        yield Scene(store, store_path, tmp_path / "read.db", nursery, seeded_random())


@pytest.mark.parametrize("point", POINTS)
async def test_worker_killed_at_any_point_of_a_transaction(scene: Scene, point: str) -> None:
    """
    Killed again and again at the same point, in long and short transactions, each event is applied once.
    """
    for _ in range(KILLS_AT_EACH_POINT):
        times = scene.source.randrange(1, 40) if "handler" in point else scene.source.randrange(1, 4)
        await scene.kill_a_worker(point=point, times=times)

    await scene.check()


async def test_worker_killed_at_any_moment(scene: Scene) -> None:
    """
    Killed between any two statements, early and late, each event is applied once.
    """
    for _ in range(KILLS_AT_RANDOM):
        await scene.kill_a_worker_anywhere()

    await scene.check()


@pytest.mark.parametrize("point", ["after begin", "before checkpoint", "before commit", "after page"])
async def test_rebuild_killed_at_any_point(scene: Scene, point: str) -> None:
    """
    A rebuild that is killed is gone on with by the next worker, or started anew by the next rebuild.
    """
    for times in range(1, KILLS_AT_EACH_POINT + 1):
        await scene.kill_a_worker(rebuild=True, point=point, times=times)
        await scene.kill_a_worker_anywhere()

    await scene.check()


async def test_worker_in_another_process_can_be_watched(scene: Scene) -> None:
    """
    Whoever writes here waits for the read model that another process keeps up to date.
    """
    projector = Balances()
    async with ReadModelDatabase(f"sqlite:///{scene.read_path}") as database:
        projector.watch(scene.store, database)
        async with scene.running_worker():
            for _ in range(3):
                (recorded,) = await scene.store.commit([moved("1", 1)])
                await projector.seen(recorded.id)

                assert (recorded.id,) in query(scene.read_path, "SELECT event_id FROM applied")


@pytest.mark.parametrize("point", ["before begin", "after commit", "after page"])
async def test_frozen_worker_cannot_go_on_after_another_took_over(scene: Scene, point: str) -> None:
    """
    A worker frozen between two transactions, and resumed when another one has gone on, stops and applies nothing.
    """
    await scene.freeze_a_worker(point=point, times=scene.source.randrange(2, 5))
    async with ProjectionWorker(scene.store, f"sqlite:///{scene.read_path}", [Balances()]) as worker:
        await scene.store.commit([moved("1", 1)])
        await worker.caught_up()
        await scene.store.commit([moved("1", 1)])
        await worker.caught_up()

    ended = await scene.resume_the_worker()

    assert ended == f"ended {SUPERSEDED}"
    await scene.check()
