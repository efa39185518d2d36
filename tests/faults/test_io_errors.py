"""
I/O errors: whatever fails whenever, nobody is told "stored" or "not stored" wrongly.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource import CommitOutcomeUnknownError, StoreError
from eventsource.errors import StoreFullError, StoreUnavailableError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import IS_LONG
from tests.faults.disk import Change, Delete, Opened, Sync, Truncate, Write, watched_disk
from tests.faults.outcomes import Outcomes, check_reopened, commit_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

_CODES: dict[type[Change], int] = {
    Write: apsw.SQLITE_IOERR_WRITE,
    Sync: apsw.SQLITE_IOERR_FSYNC,
    Truncate: apsw.SQLITE_IOERR_TRUNCATE,
    Delete: apsw.SQLITE_IOERR_DELETE,
}


def input_output_error(change: Change) -> Exception:
    """
    What SQLite gets when the operating system says EIO.
    """
    error = apsw.IOError(f"injected: {change}")
    error.extendedresult = _CODES[type(change)]  # type: ignore[attr-defined]  # its stub lacks it
    return error


def no_space_left(change: Change) -> Exception:
    """
    What SQLite gets when the operating system says ENOSPC; deleting and cutting files need no space.
    """
    return apsw.FullError(f"injected: {change}") if isinstance(change, Write) else input_output_error(change)


class FailingDisk:
    """
    A disk whose n-th change fails, alone or with all that follow.
    """

    def __init__(self, at: int, error_for: Callable[[Change], Exception], *, is_lasting: bool) -> None:
        self._at = at
        self._error_for = error_for
        self._is_lasting = is_lasting
        self.changes = 0
        self.failures = 0

    def __call__(self, change: Change) -> None:
        """
        Let a change pass, or fail it.
        """
        if isinstance(change, Opened):
            return
        self.changes += 1
        if self.changes == self._at or (self._is_lasting and self.changes > self._at):
            self.failures += 1
            raise self._error_for(change)


async def play(path: Path, outcomes: Outcomes) -> None:
    """
    Make a store, commit alone and together, close it, open it again and go on.
    """
    for opening in range(2):
        try:
            async with EmbeddedEventStore(path) as store:
                for number in range(3):
                    await outcomes.attempt(store, f"{opening}-alone-{number}", number + 1)
                together = [
                    outcomes.attempt(store, f"{opening}-together-{number}", number % 3 + 1) for number in range(8)
                ]
                await asyncio.gather(*together)
                await outcomes.attempt(store, f"{opening}-large", 40, text="x" * 500)
                await outcomes.attempt(store, f"{opening}-last", 1)
                assert await store.count() >= sum(map(len, outcomes.acknowledged.values()))
        except StoreError:
            # It could not be opened, which says that nothing was lost.
            continue


@pytest.fixture(autouse=True)
def early_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have the log moved into the file every few pages, so that this is disturbed too.
    """
    monkeypatch.setattr("eventsource.store.embedded.writer._CHECKPOINT_PAGES", 12)
    monkeypatch.setattr("eventsource.store.embedded.writer._TRUNCATE_PAGES", 30)


@pytest.mark.parametrize("is_lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error_for", [input_output_error, no_space_left])
async def test_no_failing_change_makes_an_answer_wrong(
    quick_folder: Path,
    rng: random.Random,
    error_for: Callable[[Change], Exception],
    is_lasting: bool,  # noqa: FBT001
) -> None:
    """
    Whichever change of a file fails, what was acknowledged is stored once, and what was refused is not.
    """
    whole = FailingDisk(0, error_for, is_lasting=False)
    with watched_disk(whole):
        await play(quick_folder / "whole.db", outcomes := Outcomes())
    assert not outcomes.refused | outcomes.unknown
    places = range(1, whole.changes + 1)
    failures = 0

    for place in places if IS_LONG else sorted(rng.sample(places, 60)):
        path, outcomes = quick_folder / f"{place}.db", Outcomes()
        disk = FailingDisk(place, error_for, is_lasting=is_lasting)

        with watched_disk(disk):
            await play(path, outcomes)

        await check_reopened(path, outcomes)
        failures += disk.failures
    # Grouping differs from run to run, so the last places may not be reached; nearly all are.
    assert failures >= 50


def fail_syncs_of_the_log(change: Change) -> None:
    """
    A disk that cannot make the write-ahead log durable.
    """
    if isinstance(change, Sync) and change.path.endswith("-wal"):
        raise input_output_error(change)


class Switch:
    """
    A disk that is sound until it is told to fail.
    """

    def __init__(self, failing: Callable[[Change], None]) -> None:
        self._failing = failing
        self.is_on = False

    def __call__(self, change: Change) -> None:
        """
        Let a change pass, or fail it.
        """
        if self.is_on:
            self._failing(change)


async def test_a_failed_sync_leaves_the_outcome_unknown(quick_folder: Path) -> None:
    """
    When the sync of a commit fails, its caller is told that it may be stored or not.
    """
    with watched_disk(disk := Switch(fail_syncs_of_the_log)):
        async with EmbeddedEventStore(quick_folder / "store.db") as store:
            await store.commit(commit_of("before", 2))
            disk.is_on = True

            with pytest.raises(CommitOutcomeUnknownError):
                await store.commit(commit_of("disturbed", 2))


async def test_after_a_failed_sync_no_commit_is_taken(quick_folder: Path) -> None:
    """
    After a failed sync commits are refused although the disk is well again, until the store is reopened.
    """
    with watched_disk(disk := Switch(fail_syncs_of_the_log)):
        async with EmbeddedEventStore(quick_folder / "store.db") as store:
            await store.commit(commit_of("before", 2))
            disk.is_on = True
            with pytest.raises(CommitOutcomeUnknownError):
                await store.commit(commit_of("disturbed", 2))
            disk.is_on = False

            with pytest.raises(StoreUnavailableError):
                await store.commit(commit_of("refused", 1))

            assert await store.count() == 2
            assert (await store.audit()).is_intact


async def test_a_failed_sync_tells_all_of_its_group(quick_folder: Path) -> None:
    """
    Commits that shared the failed sync are all unknown, those behind them are refused, none is acknowledged.
    """
    outcomes = Outcomes()
    path = quick_folder / "store.db"
    with watched_disk(disk := Switch(fail_syncs_of_the_log)):
        async with EmbeddedEventStore(path) as store:
            await outcomes.attempt(store, "before", 3)
            disk.is_on = True

            await asyncio.gather(*(outcomes.attempt(store, f"{number}", 2) for number in range(700)))

    assert outcomes.acknowledged.keys() == {"before"}
    assert len(outcomes.unknown) >= 1
    assert len(outcomes.unknown) + len(outcomes.refused) == 700
    await check_reopened(path, outcomes)


async def test_reopening_ends_the_refusal(quick_folder: Path) -> None:
    """
    After a failed sync the reopened store has all that was acknowledged, an intact chain, and takes commits again.
    """
    path = quick_folder / "store.db"
    outcomes = Outcomes()
    with watched_disk(disk := Switch(fail_syncs_of_the_log)):
        async with EmbeddedEventStore(path) as store:
            await outcomes.attempt(store, "before", 3)
            disk.is_on = True
            await outcomes.attempt(store, "disturbed", 3)
            disk.is_on = False
            await outcomes.attempt(store, "behind", 3)

    await check_reopened(path, outcomes)
    assert (set(outcomes.unknown), set(outcomes.refused)) == ({"disturbed"}, {"behind"})


async def test_a_failed_checkpoint_is_not_kept_quiet(quick_folder: Path) -> None:
    """
    When the log cannot be moved into the file, acknowledged commits stay, and later ones are refused with the reason.
    """

    def fail_syncs_of_the_file(change: Change) -> None:
        if isinstance(change, Sync) and change.path.endswith(".db"):
            raise input_output_error(change)

    path = quick_folder / "store.db"
    outcomes = Outcomes()
    with watched_disk(disk := Switch(fail_syncs_of_the_file)):
        async with EmbeddedEventStore(path) as store:
            disk.is_on = True
            for number in range(40):
                await outcomes.attempt(store, f"{number}", 3)

    assert outcomes.acknowledged
    assert outcomes.refused
    assert not outcomes.unknown
    await check_reopened(path, outcomes)


async def test_a_full_disk_needs_no_reopening(quick_folder: Path) -> None:
    """
    While nothing can be written commits are refused as such and reading goes on; with space they are taken again.
    """

    def refuse_writes(change: Change) -> None:
        if isinstance(change, Write):
            raise no_space_left(change)

    path = quick_folder / "store.db"
    outcomes = Outcomes()
    with watched_disk(disk := Switch(refuse_writes)):
        async with EmbeddedEventStore(path) as store:
            await outcomes.attempt(store, "before", 3)
            disk.is_on = True
            await asyncio.gather(*(outcomes.attempt(store, f"full-{number}", 2) for number in range(20)))
            assert await store.count() == 3
            disk.is_on = False
            await outcomes.attempt(store, "after", 3)

    assert outcomes.acknowledged.keys() == {"before", "after"}
    assert {type(error) for error in outcomes.refused.values()} == {StoreFullError}
    await check_reopened(path, outcomes)
