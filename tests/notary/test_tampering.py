"""
Tampering for real: files are changed by those who can, and each change is found and given its right name.
"""

from __future__ import annotations

import shutil
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from eventsource.testing.contract.chance import rounds, seeded_random
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
