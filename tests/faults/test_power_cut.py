"""
Power cuts: of whatever a disk has kept, the store makes a log with everything that was acknowledged.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventsource import StoreError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.outcomes import commit_of
from tests.faults.power_cut import Acknowledged, PowerCut, Step, recorded_disk

if TYPE_CHECKING:
    import random

    from eventsource import RecordedEvent

# Crash states to look at: spread over a run, a few of each moment.
STATES = rounds(600, 60_000)


@pytest.fixture(autouse=True)
def early_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have the log moved into the file, started over and cut many times in a short run.
    """
    monkeypatch.setattr("eventsource.store.embedded.writer._CHECKPOINT_PAGES", 12)
    monkeypatch.setattr("eventsource.store.embedded.writer._TRUNCATE_PAGES", 60)


async def record(path: Path, *, synchronous: str | None) -> tuple[list[Step], list[RecordedEvent]]:
    """
    Make a store and commit to it, alone and in groups, large and small; close it and go on.

    Args:
        synchronous: How SQLite is to sync; None leaves that to the store.

    Returns:
        What was done to the files, and the log in the end.
    """
    with recorded_disk() as steps:
        for opening in range(2):
            async with EmbeddedEventStore(path) as store:
                if synchronous and store._writer:
                    store._writer._connection.pragma("synchronous", synchronous)

                async def commit(name: str, size: int, text: str = "", store: EmbeddedEventStore = store) -> None:
                    recorded = await store.commit(commit_of(name, size, text=text))
                    # Those of a group are all durable when the first is answered.
                    steps.append(Acknowledged(recorded[-1].position))

                for number in range(12):
                    await commit(f"{opening}-alone-{number}", number % 4 + 1)
                    await asyncio.gather(*(commit(f"{opening}-{number}-{each}", 2) for each in range(number)))
                await commit(f"{opening}-large", 60, "x" * 600)
                await commit(f"{opening}-last", 1)
    async with EmbeddedEventStore(path, read_only=True) as store:
        return steps, [event async for event in store.stream()]


async def what_is_wrong(folder: Path, files: dict[str, bytes], log: list[RecordedEvent], acknowledged: int) -> str:
    """
    Open what a power cut has left, and compare it with the log as it was to be; empty if all is well.
    """
    path = folder / "store.db"
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / Path(name).name).write_bytes(content)
    try:
        async with EmbeddedEventStore(path) as store:
            report = await store.audit()
            found = [event async for event in store.stream()]
            await store.commit(commit_of("afterwards", 1))
    except StoreError as error:
        return repr(error)
    if not report.is_intact:
        return repr(report.problems)
    if found != log[: len(found)]:
        return "another log"
    if found and found[-1].data["index"] != found[-1].data["size"] - 1:
        return "a torn commit"
    if len(found) < acknowledged:
        return f"{acknowledged - len(found)} acknowledged events are lost"
    return ""


async def violations(
    folder: Path, rng: random.Random, *, states: int, synchronous: str | None = None, sqlite_syncs_folders: bool = True
) -> list[str]:
    """
    What is wrong in so many crash states of one run.
    """
    (made := folder / "made").mkdir()
    (left := folder / "left").mkdir()
    steps, log = await record(made / "store.db", synchronous=synchronous)
    # Where SQLite cannot sync the folder, a file may be lost while it is made: nothing is promised before the first
    # answer then.
    first = 0 if sqlite_syncs_folders else steps.index(Acknowledged(1))
    chosen = sorted(rng.choices(range(first, len(steps)), k=states))
    cut, done, found = PowerCut(sqlite_syncs_folders=sqlite_syncs_folders), 0, list[str]()
    for place in chosen:
        for step in steps[done : place + 1]:
            cut.follow(step)
        done = max(done, place + 1)
        problem = await what_is_wrong(left, cut.left(rng), log, cut.acknowledged)
        if problem:
            found.append(f"after step {place}: {problem}")
    return found


async def test_no_power_cut_loses_what_was_acknowledged(quick_folder: Path, rng: random.Random) -> None:
    """
    Whatever unsynced writes a power cut leaves out, tears or reorders, the file opens with all that was acknowledged.
    """
    found = await violations(quick_folder, rng, states=STATES)

    assert found == []


async def test_names_of_files_do_not_depend_on_sqlite(quick_folder: Path, rng: random.Random) -> None:
    """
    Where SQLite fails to make the names of its files durable, which it tells nobody, nothing is lost either.
    """
    found = await violations(quick_folder, rng, states=STATES // 3, sqlite_syncs_folders=False)

    assert found == []


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
async def test_the_test_can_fail(quick_folder: Path, rng: random.Random, synchronous: str) -> None:
    """
    With less syncing the same cuts do lose events: so the test above would show it.
    """
    found = await violations(quick_folder, rng, synchronous=synchronous, states=80)

    assert any("acknowledged events are lost" in problem for problem in found)
