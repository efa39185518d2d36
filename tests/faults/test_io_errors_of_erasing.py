"""
I/O errors while data is erased: nobody is told wrongly that it is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource import NewEvent, StoreError
from eventsource.errors import ErasureUnfinishedError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import IS_LONG
from tests.faults.disk import watched_disk
from tests.faults.test_io_errors import FailingDisk, input_output_error, no_space_left

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.disk import Change

NAME = "Ada Augusta King-Noel"


def has_secret(path: Path) -> bool:
    """
    Whether the secret stands in a store file or its log.
    """
    log = path.with_name(f"{path.name}-wal")
    return any(NAME.encode() in file.read_bytes() for file in (path, log) if file.exists())


async def names_in(store: EmbeddedEventStore) -> set[str]:
    """
    The names that readers see.
    """
    return {event.data["name"] async for event in store.stream()}


@pytest.mark.parametrize("is_lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error_for", [input_output_error, no_space_left])
async def test_what_an_erase_says_is_true_whatever_fails(
    quick_folder: Path,
    rng: random.Random,
    error_for: Callable[[Change], Exception],
    is_lasting: bool,  # noqa: FBT001
) -> None:
    """
    It returns only when no byte is left, tells when only bytes are left, and the next opening finishes what it began.
    """
    whole = FailingDisk(0, error_for, is_lasting=False)
    await erase(quick_folder / "whole.db", whole)
    places = range(1, whole.changes + 1)
    failures = 0

    for place in places if IS_LONG else sorted(rng.sample(places, min(30, len(places)))):
        path, disk = quick_folder / f"{place}.db", FailingDisk(place, error_for, is_lasting=is_lasting)

        outcome = await erase(path, disk)

        failures += disk.failures
        if outcome == "erased":
            assert not has_secret(path)
        async with EmbeddedEventStore(path) as store:
            names = await names_in(store)
            assert names in ({""}, {NAME * 300})
            assert outcome == "unknown" or names == {""}
            assert has_secret(path) == (names != {""})
            assert (await store.audit()).is_intact
            await store.erase("/people/1")
            assert not has_secret(path)
    assert failures >= 10


async def erase(path: Path, disk: FailingDisk) -> str:
    """
    Erase on a disk that fails somewhere; returns what was told: "erased", "unfinished" or "unknown".
    """
    async with EmbeddedEventStore(path) as store:
        await store.create_index("t", "data.name")
        person = NewEvent(subject="/people/1", type="t", data={"name": NAME * 300}, store_data_as_reference=True)
        await store.commit([person] * 8)
    with watched_disk(sound := Recorder()):
        async with EmbeddedEventStore(path) as store:
            sound.then = disk
            try:
                await store.erase("/people/1")
            except ErasureUnfinishedError:
                assert await names_in(store) == {""}
                return "unfinished"
            except StoreError:
                return "unknown"
            return "erased"


class Recorder:
    """
    A sound disk until it is told otherwise.
    """

    def __init__(self) -> None:
        self.then: Callable[[Change], None] | None = None

    def __call__(self, change: Change) -> None:
        """
        Let a change pass, or leave it to the other.
        """
        if self.then is not None:
            self.then(change)
