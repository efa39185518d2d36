"""
Killing a process while it commits, opens, checkpoints or closes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventsource import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.committer import committer
from tests.faults.outcomes import Outcomes

if TYPE_CHECKING:
    import random
    from pathlib import Path

CYCLES = rounds(50, 2_000)
# A fresh store every so often: making one is disturbed too, and reading all of it stays quick.
CYCLES_PER_STORE = 5


async def test_what_was_acknowledged_survives_kill(tmp_path: Path, rng: random.Random) -> None:
    """
    After a kill at any time the store opens with each acknowledged event once, and with whole commits only.
    """
    stores: list[Outcomes] = []
    with committer() as program:
        for cycle in range(CYCLES):
            path = tmp_path / f"{cycle // CYCLES_PER_STORE}.db"
            if cycle % CYCLES_PER_STORE == 0:
                stores.append(Outcomes())
            outcomes = stores[-1]
            program.start(path)
            await asyncio.sleep(rng.uniform(0, 0.25))
            _note(outcomes, program.kill())

            async with EmbeddedEventStore(path) as store:
                report = await store.audit()
                assert report.is_intact, report.problems
                outcomes.check([event async for event in store.stream()])
    acknowledged = sum(len(outcomes.acknowledged) for outcomes in stores)
    unanswered = sum(len(outcomes.unknown) for outcomes in stores)
    # Otherwise nothing was tested; how many there are depends on the machine.
    assert acknowledged > CYCLES
    assert unanswered > CYCLES


def _note(outcomes: Outcomes, lines: list[list[str]]) -> None:
    for state, name, *ids in lines:
        if state == "stored":
            del outcomes.unknown[name]
            outcomes.acknowledged[name] = ids
        else:
            outcomes.unknown[name] = Exception("sent")
