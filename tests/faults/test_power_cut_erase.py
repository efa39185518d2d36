"""
Power cuts while data is erased: what was told as gone is gone from the disk, and nothing else is lost.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from eventsource import NewEvent
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.disk import Sync, Write
from tests.faults.power_cut import Acknowledged, PowerCut, Step, recorded_disk

if TYPE_CHECKING:
    import random

TYPE = "io.example.faults.named"
PEOPLE = 400
# The places in the log that stand for "all is committed" and for "all of /people/1 is erased".
COMMITTED, ERASED = PEOPLE, PEOPLE + 1


def secret(number: int) -> str:
    """
    What only one event has: of a length of its own, long enough for several pages now and then.

    In the order of an index they come as by chance, so that its pages split and leave copies behind.
    """
    return f"<{number * 7919 % 1000:03d} is a secret>" * (400 if number % 90 == 0 else number % 7 + 1)


def has_secret(files: dict[str, bytes]) -> bool:
    """
    Whether something of what was erased stands in a file.
    """
    found = {text for content in files.values() for text in re.findall(rb"<\d{3} is a", content)}
    return any(secret(number)[:9].encode() in found for number in range(0, PEOPLE, 2))


async def record(path: Path) -> list[Step]:
    """
    Commit, erase every second event, commit again.
    """
    with recorded_disk() as steps:
        async with EmbeddedEventStore(path) as store:
            await store.create_index(TYPE, "data.name")
            people = [
                NewEvent(
                    subject=f"/people/{number % 2}",
                    type=TYPE,
                    data={"name": secret(number)},
                    store_data_as_reference=True,
                )
                for number in range(PEOPLE)
            ]
            for start in range(0, PEOPLE, 40):
                await store.commit(people[start : start + 40])
            steps.append(Acknowledged(COMMITTED))
            await store.erase("/people/0")
            steps.append(Acknowledged(ERASED))
            await store.commit([NewEvent(subject="/people/2", type=TYPE, data={"name": "last"})])
    return steps


async def test_pages_are_durable_before_the_erase_counts_as_finished(quick_folder: Path) -> None:
    """
    What is cleaned in the file is synced before the log, which holds the note that there is something to do, goes on.
    """
    steps = await record(quick_folder / "store.db")
    erasing = steps[steps.index(Acknowledged(COMMITTED)) : steps.index(Acknowledged(ERASED))]
    cleaned = max(i for i, step in enumerate(erasing) if isinstance(step, Write) and step.path.endswith(".db"))

    following = next(step for step in erasing[cleaned + 1 :])

    assert isinstance(following, Sync)
    assert following.path.endswith(".db")
    assert any(isinstance(step, Write) and step.path.endswith("-wal") for step in erasing[cleaned:])


async def test_no_power_cut_brings_erased_data_back(quick_folder: Path, rng: random.Random) -> None:
    """
    Whatever unsynced writes get lost or torn: the log is whole, erased as a whole or not, and without a byte left.
    """
    (made := quick_folder / "made").mkdir()
    (left := quick_folder / "left").mkdir()
    steps = await record(made / "store.db")
    first, erased = steps.index(Acknowledged(COMMITTED)), steps.index(Acknowledged(ERASED))
    # Few steps come after the erase was answered, and much has to hold there.
    chosen = sorted(
        rng.choices(range(first, erased), k=rounds(50, 5_000))
        + rng.choices(range(erased, len(steps)), k=rounds(30, 3_000))
    )
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
