"""
Notaries that are killed: whatever the moment, every event is notarised once.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource.notary import EmbeddedLedger, NotaryBook, SignedHead, verify
from eventsource.notary.records import event_key
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.notary.notary_nursery import POINTS, OpaqueStore
from tests.notary.scene import KEY, NAME, moved

if TYPE_CHECKING:
    import random
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
KILLS_AT_EACH_POINT = rounds(4, 100)
KILLS_AT_RANDOM = rounds(15, 500)
# A notary makes so many changes to its files before it dies, at the most; opening them takes some twenty.
MOST_CHANGES = 120


@attrs.frozen
class Nursery:
    """
    The program that runs notaries and sees them die.
    """

    process: subprocess.Popen[str]
    folder: Path
    chance: random.Random

    async def run(self, **order: Any) -> str:
        """
        Run a notary; says how it ended.
        """
        names = {name: str(self.folder / name) for name in ("store", "log", "book", "head")}
        return await asyncio.to_thread(self._ask, names | {"batch": self.chance.randint(1, 7)} | order)

    async def commit(self) -> None:
        """
        Have something to notarise.
        """
        async with EmbeddedEventStore(self.folder / "store") as store:
            number = await store.count()
            await store.commit([moved(number + index) for index in range(self.chance.randint(1, 20))])

    async def check(self) -> None:
        """
        Let a last notary catch up; then everything is notarised once, in order, and the head is the last one.
        """
        assert await self.run(point="before the ledger", times=10**6) == "done"
        async with (
            OpaqueStore(self.folder / "store", read_only=True) as store,
            EmbeddedLedger(self.folder / "log", read_only=True) as ledger,
            NotaryBook(self.folder / "book", read_only=True) as book,
        ):
            head = SignedHead.parse((self.folder / "head").read_text())
            verdict = await verify(store, ledger, book, name=NAME, heads=[head], keys=[KEY.verifying])
            assert verdict.is_intact, verdict.findings
            assert verdict.behind == 0
            assert verdict.head == head.head
            ids = [event.id async for event in store.stream()]
            assert await book.seals(ids), "nothing was sealed, so sealing was not tested"
            keys = [entry.key async for _, entry in ledger.leaves() if entry.key.startswith(b"e/")]
            assert keys == [event_key(NAME, event_id) for event_id in ids]

    def _ask(self, order: dict[str, Any]) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def process() -> Generator[subprocess.Popen[str]]:
    """
    The program, for all tests here.
    """
    command = [sys.executable, "-m", "tests.notary.notary_nursery"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield running
        assert running.stdin
        running.stdin.close()


@pytest.fixture
def nursery(tmp_path: Path, process: subprocess.Popen[str]) -> Nursery:
    """
    The program, and an empty folder.
    """
    return Nursery(process, tmp_path, seeded_random())


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_step_of_a_batch(nursery: Nursery, point: str) -> None:
    """
    Killed again and again at the same step, of the first batch and of later ones, it goes on where it was.
    """
    died = 0
    for _ in range(KILLS_AT_EACH_POINT):
        await nursery.commit()
        died += await nursery.run(point=point, times=nursery.chance.randint(1, 3)) == "died 9"

    assert died > 0
    await nursery.check()


async def test_killed_at_any_moment(nursery: Nursery) -> None:
    """
    Killed before any change of its files, it goes on where it was.
    """
    died = 0
    for _ in range(KILLS_AT_RANDOM):
        await nursery.commit()
        died += await nursery.run(change=nursery.chance.randint(1, MOST_CHANGES)) == "died 9"

    assert died > KILLS_AT_RANDOM // 2
    await nursery.check()
