"""
What a power cut can leave of files, worked out from the changes that were made to them.

Of a file only what was synced is certain. Of each later write any of its sectors may have reached
the disk, and any later cut of the file; a file that was made or deleted may be there or not, until
its folder was synced. That is what a disk and a file system without write barriers of their own
may do, and SQLite is made to survive.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.faults.disk import Change, Delete, Opened, Sync, Truncate, Write, watched_disk

if TYPE_CHECKING:
    import random
    from collections.abc import Generator, Iterable

SECTOR_BYTES = 512


@attrs.frozen
class FolderSync:
    """
    The folder was made durable: which files are in it is certain.
    """


@attrs.frozen
class Acknowledged:
    """
    A commit was answered; the log now has at least this many events.
    """

    events: int


Step = Change | FolderSync | Acknowledged


@contextmanager
def recorded_disk() -> Generator[list[Step]]:
    """
    Within the block, what stores do to their files is noted in the list.
    """
    steps: list[Step] = []
    fsync = os.fsync

    def noting_fsync(descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        steps.append(FolderSync() if Path(path).is_dir() else Sync(path))
        fsync(descriptor)

    with watched_disk(steps.append), pytest.MonkeyPatch.context() as patch:
        # The package syncs a new file and its folder itself.
        patch.setattr(os, "fsync", noting_fsync)
        yield steps


@attrs.define(eq=False)
class _File:
    """
    One file, from its making on, whatever it is called later and whether or not it was deleted.
    """

    durable: bytes = b""
    current: bytearray = attrs.field(factory=bytearray)
    # Since the last sync, in order.
    unsynced: list[Write | Truncate] = attrs.field(factory=list)
    was_synced: bool = False

    def change(self, change: Write | Truncate) -> None:
        _apply(self.current, change)
        self.unsynced.append(change)

    def sync(self) -> None:
        self.durable = bytes(self.current)
        self.unsynced.clear()
        self.was_synced = True

    def left(self, share: float, rng: random.Random) -> bytes:
        content = bytearray(self.durable)
        for change in self.unsynced:
            for part in _parts(change):
                if rng.random() < share:
                    _apply(content, part)
        return bytes(content)


class PowerCut:
    """
    Follows the steps of a recording, and makes the files that a power cut at that moment may leave.

    Args:
        sqlite_syncs_folders: Whether SQLite's own syncs of the folder count. It makes one with the
            first sync of a journal or log, and tells nobody if that fails.
    """

    def __init__(self, *, sqlite_syncs_folders: bool = True) -> None:
        self._sqlite_syncs_folders = sqlite_syncs_folders
        self._folder: dict[str, _File] = {}
        self._durable_folder: dict[str, _File] = {}
        self.acknowledged = 0

    def follow(self, step: Step) -> None:
        """
        The next step was made.
        """
        match step:
            case Opened(path):
                self._folder.setdefault(path, _File())
            case Write(path) | Truncate(path):
                self._folder[path].change(step)
            case Sync(path):
                self._sync(path)
            case Delete(path):
                self._folder.pop(path, None)
            case FolderSync():
                self._durable_folder = dict(self._folder)
            case Acknowledged(events):
                self.acknowledged = events

    def left(self, rng: random.Random) -> dict[str, bytes]:
        """
        Files as a cut may leave them, by path: one of the many possibilities.
        """
        # At one end everything arrived, at the other nothing; in between each sector for itself.
        share = rng.choice([0.0, 1.0, 0.5, rng.random()])
        left: dict[str, bytes] = {}
        for path in self._folder.keys() | self._durable_folder.keys():
            folder = self._folder if rng.random() < share else self._durable_folder
            if file := folder.get(path):
                left[path] = file.left(share, rng)
        return left

    def _sync(self, path: str) -> None:
        file = self._folder[path]
        syncs_folder = self._sqlite_syncs_folders and not file.was_synced and path.endswith(("-wal", "-journal"))
        file.sync()
        if syncs_folder:
            self._durable_folder = dict(self._folder)


def _parts(change: Write | Truncate) -> Iterable[Write | Truncate]:
    """
    What of a change reaches the disk whole or not at all.
    """
    if isinstance(change, Truncate):
        yield change
        return
    offset, end = change.offset, change.offset + len(change.data)
    while offset < end:
        following = min(end, (offset // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield Write(change.path, offset, change.data[offset - change.offset : following - change.offset])
        offset = following


def _apply(content: bytearray, change: Write | Truncate) -> None:
    size = change.size if isinstance(change, Truncate) else change.offset
    if len(content) < size:
        content.extend(bytes(size - len(content)))
    if isinstance(change, Truncate):
        del content[size:]
    else:
        content[size : size + len(change.data)] = change.data
