"""
Power cuts while data is erased: what was told as gone is gone from the disk, and nothing else is lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eventsource import EmbeddedEventStore, NewEvent
from tests.contract.chance import rounds
from tests.faults.power_cut import Acknowledged, PowerCut, Step, recorded_disk

if TYPE_CHECKING:
    import random

TYPE = "io.example.faults.named"
PEOPLE = 60
# The places in the log that stand for "all is committed" and for "all of /people/1 is erased".
COMMITTED, ERASED = PEOPLE, PEOPLE + 1


def secret(number: int) -> str:
    """
    What only one event has: of a length of its own, long enough for several pages now and then.
    """
    return f"<{number * 7919 % 1000:03d} is a secret>" * (400 if number % 9 == 0 else number % 7 + 1)


def has_secret(files: dict[str, bytes]) -> bool:
    """
    Whether something of what was erased stands in a file.
    """
    return any(secret(number)[:17].encode() in content for number in range(0, PEOPLE, 2) for content in files.values())


async def record(path: Path) -> list[Step]:
    """
    Commit, erase every second event, commit again.
    """
    with recorded_disk() as steps:
        async with EmbeddedEventStore(path) as store:
            await store.create_index(TYPE, "data.name")
            for number in range(PEOPLE):
                person = NewEvent(
                    subject=f"/people/{number % 2}",
                    type=TYPE,
                    data={"name": secret(number)},
                    store_data_as_reference=True,
                )
                await store.commit([person])
            steps.append(Acknowledged(COMMITTED))
            await store.erase("/people/0")
            steps.append(Acknowledged(ERASED))
            await store.commit([NewEvent(subject="/people/2", type=TYPE, data={"name": "last"})])
    return steps


async def test_no_power_cut_brings_erased_data_back(quick_folder: Path, rng: random.Random) -> None:
    """
    Whatever unsynced writes get lost or torn: the log is whole, erased as a whole or not, and without a byte left.
    """
    (made := quick_folder / "made").mkdir()
    (left := quick_folder / "left").mkdir()
    steps = await record(made / "store.db")
    first = steps.index(Acknowledged(COMMITTED))
    chosen = sorted(rng.choices(range(first, len(steps)), k=rounds(150, 10_000)))
    cut, done, outcomes = PowerCut(), 0, set[bool]()
    for place in chosen:
        for step in steps[done : place + 1]:
            cut.follow(step)
        done = max(done, place + 1)
        files = cut.left(rng)
        assert not (cut.acknowledged == ERASED and has_secret(files))
        for old in left.iterdir():
            old.unlink()
        for name, content in files.items():
            (left / Path(name).name).write_bytes(content)

        async with EmbeddedEventStore(left / "store.db") as store:
            assert (await store.audit()).is_intact
            names = [event.data["name"] async for event in store.stream()][:PEOPLE]
            is_erased = names[0] == ""
            outcomes.add(is_erased)
            assert names == ["" if is_erased and number % 2 == 0 else secret(number) for number in range(PEOPLE)], (
                f"after step {place}"
            )
            assert is_erased or cut.acknowledged != ERASED
            assert has_secret({file.name: file.read_bytes() for file in left.iterdir()}) == (not is_erased)
    assert outcomes == {True, False}
