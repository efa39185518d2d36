"""
Killing a process while it erases or restores: either nothing happened or all of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventsource import EmbeddedEventStore, NewEvent
from eventsource.testing.contract.chance import rounds
from tests.faults.eraser import TYPE, eraser

if TYPE_CHECKING:
    import random
    from pathlib import Path

SECRETS = [f"<the {number}. secret of Ada {'.' * (number % 50)}>" for number in range(400)]


def has_secrets(folder: Path) -> bool:
    """
    Whether one of the secrets, or the middle of one, stands in any file of a folder.
    """
    return any(b"secret of" in file.read_bytes() for file in folder.iterdir())


async def test_an_erase_that_is_killed_has_happened_or_not(tmp_path: Path, rng: random.Random) -> None:
    """
    After a kill at any time all of the data is there or none; if none, opening the store removes the last byte.
    """
    outcomes = set[bool]()
    with eraser() as program:
        for cycle in range(rounds(15, 400)):
            folder = tmp_path / str(cycle)
            folder.mkdir()
            path = folder / "store.db"
            async with EmbeddedEventStore(path) as store:
                await store.create_index(TYPE, "data.name")
                await store.commit(
                    [
                        NewEvent(
                            subject="/people/1",
                            type=TYPE,
                            data={"name": secret, "text": secret * rng.choice([1, 300])},
                            store_data_as_reference=True,
                        )
                        for secret in SECRETS
                    ]
                )

            program.begin(f"erase {path}")
            await asyncio.sleep(rng.uniform(0, 0.1))
            is_done = program.kill()

            assert not (is_done and has_secrets(folder))
            async with EmbeddedEventStore(path) as store:
                names = {event.data["name"] async for event in store.stream()}
                assert (await store.audit()).is_intact
                is_erased = names == {""}
                assert is_erased or names == set(SECRETS)
                assert is_erased or not is_done
                assert has_secrets(folder) == (not is_erased)
            outcomes.add(is_erased)
    # Otherwise the kills came all too early or all too late.
    assert outcomes == {True, False}


async def test_a_restore_that_is_killed_leaves_an_empty_store(tmp_path: Path, rng: random.Random) -> None:
    """
    After a kill at any time the store has all events of the backup or none, and works.
    """
    counts = set[int]()
    with eraser() as program:
        for cycle in range(rounds(5, 100)):
            path = tmp_path / f"{cycle}.db"
            program.begin(f"restore {path} 4000")
            await asyncio.sleep(rng.uniform(0, 0.6))
            is_done = program.kill()

            async with EmbeddedEventStore(path) as store:
                count = await store.count()
                counts.add(count)
                assert count in ({4_000} if is_done else {0, 4_000})
                (event,) = await store.commit([NewEvent(subject="/a", type=TYPE, data={})])
                assert event.position == count + 1
                assert (await store.audit()).is_intact
    assert 0 in counts
