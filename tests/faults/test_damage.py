"""
Damage to files at rest: it is found, and no wrong event passes for a right one.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from eventsource import RecordedEvent, StoreError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.outcomes import commit_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

EVENTS = 400


async def make_store(path: Path) -> list[RecordedEvent]:
    """
    A closed store of 400 events, some of them larger than a page.
    """
    ids = (f"id-{number:05}" for number in itertools.count(1))
    async with EmbeddedEventStore(path, new_id=lambda: next(ids)) as store:
        for number in range(EVENTS // 4):
            await store.commit(commit_of(f"{number}", 4, text="é" * (3_000 if number % 20 == 0 else number)))
        return [event async for event in store.stream()]


def flip_a_bit(content: bytearray, rng: random.Random) -> None:
    """
    What a cosmic ray does.
    """
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def lose_a_sector(content: bytearray, rng: random.Random) -> None:
    """
    A sector that was never written.
    """
    start = rng.randrange(len(content) // 512) * 512
    content[start : start + 512] = bytes(512)


def repeat_a_page(content: bytearray, rng: random.Random) -> None:
    """
    A page that was written to the wrong place.
    """
    pages = range(len(content) // 4096)
    source, target = rng.choice(pages) * 4096, rng.choice(pages) * 4096
    content[target : target + 4096] = content[source : source + 4096]


def lose_the_end(content: bytearray, rng: random.Random) -> None:
    """
    A file that was copied in part.
    """
    del content[rng.randrange(len(content)) :]


def garble_a_few_bytes(content: bytearray, rng: random.Random) -> None:
    """
    A few neighbouring bytes that are something else.
    """
    start = rng.randrange(len(content))
    for place in range(start, min(len(content), start + rng.randint(2, 40))):
        content[place] = rng.randrange(256)


@pytest.mark.parametrize("damage", [flip_a_bit, lose_a_sector, repeat_a_page, lose_the_end, garble_a_few_bytes])
async def test_damage_is_found_or_does_no_harm(
    quick_folder: Path, rng: random.Random, damage: Callable[[bytearray, random.Random], None]
) -> None:
    """
    A damaged file is refused, or the audit finds something, or every event is as it was.
    """
    path = quick_folder / "store.db"
    log = await make_store(path)
    sound = path.read_bytes()
    found_by = {"opening": 0, "audit": 0, "nothing": 0}

    for _ in range(rounds(60, 1_500)):
        content = bytearray(sound)
        damage(content, rng)
        path.write_bytes(content)

        try:
            async with EmbeddedEventStore(path) as store:
                report = await store.audit()
                if not report.is_intact:
                    found_by["audit"] += 1
                    continue
                found_by["nothing"] += 1
                assert [event async for event in store.stream()] == log
                for subject in ("/a/0", "/a/1", "/a/2"):
                    exact = [event async for event in store.stream(subject, recursive=False)]
                    assert exact == [event for event in log if event.subject == subject]
        except StoreError:
            found_by["opening"] += 1
    assert found_by["opening"] + found_by["audit"] > 0


async def test_a_sound_file_raises_no_false_alarm(quick_folder: Path, rng: random.Random) -> None:
    """
    Copies of an undamaged file are intact, each time.
    """
    path = quick_folder / "store.db"
    await make_store(path)
    sound = path.read_bytes()

    for _ in range(rounds(20, 1_000)):
        copy = quick_folder / f"{rng.randrange(10**9)}.db"
        copy.write_bytes(sound)

        async with EmbeddedEventStore(copy) as store:
            assert (await store.audit()).is_intact
        copy.unlink()


LEFT_OVER = {
    "an empty log": ("store.db-wal", b""),
    "a log that is none": ("store.db-wal", b"no log, by far" * 1_000),
    "a log of zeros": ("store.db-wal", bytes(100_000)),
    "an empty index of the log": ("store.db-shm", b""),
    "an index of the log that is none": ("store.db-shm", b"\xff" * 32_768),
    "an empty journal": ("store.db-journal", b""),
    "a journal that is none": ("store.db-journal", b"no journal" * 1_000),
    "a lock of a writer long dead": ("store.db-writer.lock", b"4711"),
}


@pytest.mark.parametrize("left_over", LEFT_OVER.values(), ids=list(LEFT_OVER))
async def test_what_lies_beside_a_closed_store_does_no_harm(quick_folder: Path, left_over: tuple[str, bytes]) -> None:
    """
    Files that were left beside a closed store, or put there, change nothing in it.
    """
    path = quick_folder / "store.db"
    log = await make_store(path)
    name, content = left_over
    path.with_name(name).write_bytes(content)

    async with EmbeddedEventStore(path) as store:
        assert [event async for event in store.stream()] == log
        await store.commit(commit_of("afterwards", 2))

        assert (await store.audit()).is_intact


async def test_the_log_of_another_copy_is_found(quick_folder: Path) -> None:
    """
    An old copy of a store put back beside a newer write-ahead log is refused or audited as damaged, never served.
    """
    path = quick_folder / "store.db"
    await make_store(path)
    old = path.read_bytes()
    async with EmbeddedEventStore(path) as store:
        for number in range(200):
            await store.commit(commit_of(f"newer-{number}", 3, text="x" * 500))
    async with EmbeddedEventStore(path) as store:
        await store.commit(commit_of("newest", 3))
        log = path.with_name("store.db-wal").read_bytes()
    path.write_bytes(old)
    path.with_name("store.db-wal").write_bytes(log)

    try:
        async with EmbeddedEventStore(path) as store:
            is_intact = (await store.audit()).is_intact
    except StoreError:
        is_intact = False

    assert not is_intact
