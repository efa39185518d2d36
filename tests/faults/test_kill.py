"""
Killing a process while it commits, opens, checkpoints or closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.committer import committer
from tests.faults.outcomes import Outcomes

if TYPE_CHECKING:
    import random
    from pathlib import Path

CYCLES = rounds(50, 2_000)
# A fresh store every so often: making one is disturbed too, and reading all of it stays quick.
CYCLES_PER_STORE = 5
# Of files, before the one at which the process dies.
MOST_CHANGES = 1_500


async def test_what_was_acknowledged_survives_kill(tmp_path: Path, rng: random.Random) -> None:
    """
    After a kill at any moment the store opens with each acknowledged event once, and with whole commits only.
    """
    stores: list[Outcomes] = []
    with committer() as program:
        for cycle in range(CYCLES):
            path = tmp_path / f"{cycle // CYCLES_PER_STORE}.db"
            if cycle % CYCLES_PER_STORE == 0:
                stores.append(Outcomes())
            outcomes = stores[-1]
            # Opening makes some twenty changes, a commit a few.
            at = rng.randint(1, rng.choice((50, MOST_CHANGES)))
            _note(outcomes, program.run(path, at, rng.randrange(10**9)))

            async with EmbeddedEventStore(path) as store:
                report = await store.audit()
                assert report.is_intact, report.problems
                outcomes.check([event async for event in store.stream()])
    acknowledged = sum(len(outcomes.acknowledged) for outcomes in stores)
    unanswered = sum(len(outcomes.unknown) for outcomes in stores)
    # Otherwise nothing was tested.
    assert acknowledged > CYCLES
    assert unanswered > CYCLES


def _note(outcomes: Outcomes, lines: list[list[str]]) -> None:
    for state, name, *ids in lines:
        if state == "stored":
            del outcomes.unknown[name]
            outcomes.acknowledged[name] = ids
        else:
            outcomes.unknown[name] = Exception("sent")
