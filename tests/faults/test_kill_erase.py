"""
Killing a process while it erases or restores: either nothing happened or all of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from eventsource import NewEvent
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.eraser import TYPE, eraser

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from pathlib import Path

SECRETS = [f"<the {number}. secret of Ada {'.' * (number % 50)}>" for number in range(400)]


def has_secrets(folder: Path) -> bool:
    """
    Whether one of the secrets, or the middle of one, stands in any file of a folder.
    """
    return any(b"secret of" in file.read_bytes() for file in folder.iterdir())


def moments(changes: int, rng: random.Random, count: int) -> Sequence[int]:
    """
    Before which of so many changes of files to kill: some of each part of them, the first and the last.
    """
    if changes <= count:
        return range(1, changes + 1)
    parts = [changes * part // (count - 2) for part in range(count - 1)]
    return sorted({1, *(rng.randint(low + 1, high) for low, high in pairwise(parts)), changes})


async def make_secrets(path: Path, rng: random.Random) -> None:
    """
    Make a store with an index on the names of its people, to be erased.
    """
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


async def test_an_erase_that_is_killed_has_happened_or_not(quick_folder: Path, rng: random.Random) -> None:
    """
    After a kill at any moment all of the data is there or none; if none, opening the store removes the last byte.
    """
    outcomes = set[bool]()
    with eraser() as program:
        await make_secrets(whole := quick_folder / "whole.db", rng)
        changes = program.run("erase", whole, 0)
        assert changes

        for at in (*moments(changes, rng, rounds(14, 400)), 0):
            folder = quick_folder / str(at)
            folder.mkdir()
            await make_secrets(path := folder / "store.db", rng)

            is_done = program.run("erase", path, at) is not None

            assert not (is_done and has_secrets(folder))
            async with EmbeddedEventStore(path) as store:
                names = {event.data["name"] async for event in store.stream()}
                assert (await store.audit()).is_intact
                is_erased = names == {""}
                assert is_erased or names == set(SECRETS)
                assert is_erased or not is_done
                assert has_secrets(folder) == (not is_erased)
            outcomes.add(is_erased)
    assert outcomes == {True, False}


async def test_a_restore_that_is_killed_leaves_an_empty_store(quick_folder: Path, rng: random.Random) -> None:
    """
    After a kill at any moment the store has all events of the backup or none, and works.
    """
    counts = set[int]()
    with eraser() as program:
        changes = program.run("restore", quick_folder / "whole.db", 4_000, 0)
        assert changes

        for at in (*moments(changes, rng, rounds(6, 100)), 0):
            path = quick_folder / f"{at}.db"

            is_done = program.run("restore", path, 4_000, at) is not None

            async with EmbeddedEventStore(path) as store:
                count = await store.count()
                counts.add(count)
                assert count in ({4_000} if is_done else {0, 4_000})
                (event,) = await store.commit([NewEvent(subject="/a", type=TYPE, data={})])
                assert event.position == count + 1
                assert (await store.audit()).is_intact
    assert counts == {0, 4_000}
