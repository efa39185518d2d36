"""
Tampering for real: files are changed by those who can, and each change is found and given its right name.
"""

from __future__ import annotations

import asyncio
import shutil
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from eventsource.notary import EmbeddedLedger, Notary, NotaryBook, verify
from eventsource.notary.comparison import read_store
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.notary.notary_nursery import OpaqueStore
from tests.notary.scene import make_scene, moved
from tests.notary.tampering import endless

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = rounds(500, 10_000)
CLEAN_ROUNDS = rounds(200, 2_000)
# One test of many seconds would keep the others of its worker waiting.
PARTS = 5


@pytest.mark.parametrize("part", range(PARTS))
async def test_every_tampering_is_found_and_named(tmp_path: Path, part: int) -> None:
    """
    Whatever is done to store or log, the findings are those that name it, and no others.
    """
    chance = seeded_random()
    chance.seed(chance.random() + part)
    scene = await make_scene(tmp_path / "made")
    for number, tamper in enumerate(islice(endless(chance), ROUNDS // PARTS)):
        copy = scene.copied(tmp_path / "copy")

        right = tamper(copy, chance)

        verdict = await copy.verify()
        named = {(finding.place, finding.kind) for finding in verdict.findings}
        assert right.required <= named <= right.allowed, (number, tamper.__name__, verdict.findings)
        shutil.rmtree(copy.folder)


async def test_what_nobody_touched_raises_no_alarm(tmp_path: Path) -> None:
    """
    However a store is committed to, erased from and notarised, a verification finds nothing.
    """
    chance = seeded_random()
    scene = await make_scene(tmp_path / "made")
    number = 100
    for _ in range(CLEAN_ROUNDS):
        match chance.choice(["commit", "erase", "notarise", "nothing"]):
            case "commit":
                count = chance.randint(1, 9)
                await scene.commit([moved(number + index) for index in range(count)])
                number += count
            case "erase":
                await scene.erase(f"/accounts/{chance.randrange(4)}")
            case "notarise":
                await scene.notarise()
            case _:
                pass

        verdict = await scene.verify()

        assert verdict.is_intact, verdict.findings
        assert verdict.events == verdict.notarised + verdict.behind


@pytest.mark.parametrize("kind", [EmbeddedEventStore, OpaqueStore], ids=["own", "as over HTTP"])
async def test_what_is_at_work_raises_no_alarm(tmp_path: Path, kind: type[EmbeddedEventStore]) -> None:
    """
    Verified while events are committed and notarised, everything is intact at each time.
    """
    is_over = False

    async def commit(store: EmbeddedEventStore) -> None:
        number = 0
        while not is_over:
            await store.commit([moved(number + index) for index in range(5)])
            number += 5
            await asyncio.sleep(0)

    async with (
        EmbeddedEventStore(tmp_path / "store.db") as store,
        kind(tmp_path / "store.db", read_only=True) as reading,
        EmbeddedLedger(tmp_path / "notary.db") as ledger,
        EmbeddedLedger(tmp_path / "notary.db", read_only=True) as looking,
        NotaryBook(tmp_path / "book") as book,
        NotaryBook(tmp_path / "book", read_only=True) as opening,
        Notary(reading, ledger, book, name="bank", batch_events=7, linger_s=0.0) as notary,
    ):
        committing = asyncio.create_task(commit(store))
        checked = 0
        while checked < rounds(10, 100) or notary.status.events < 200:
            verdict = await verify(reading, looking, opening, name="bank")
            assert verdict.is_intact, verdict.findings
            checked += 1
        is_over = True
        await committing


@pytest.mark.parametrize("kind", [EmbeddedEventStore, OpaqueStore], ids=["own", "as over HTTP"])
async def test_what_is_committed_meanwhile_is_read_too(tmp_path: Path, kind: type[EmbeddedEventStore]) -> None:
    """
    A comparison reads on to what was committed after it began: that may be in the ledger already.
    """
    async with kind(tmp_path / "store.db") as store:
        await store.commit([moved(1)])
        pages = read_store(store)
        found = list(await anext(pages))
        await store.commit([moved(2), moved(3)])
        async for page in pages:
            found += page

        assert [entry.event.id for entry in found] == [event.id async for event in store.stream()]
