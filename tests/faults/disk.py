"""
The disk under a store, with somebody in between who sees each change to a file and may refuse it.

SQLite does its I/O through a VFS. This one passes everything on to the real file system, after
telling a watcher. What the watcher raises is what SQLite gets: ``apsw.IOError`` is EIO,
``apsw.FullError`` is ENOSPC.
"""

from __future__ import annotations

import itertools
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_numbers = itertools.count(1)


@attrs.frozen
class Opened:
    """
    A file was opened for writing, and made if it was not there.
    """

    path: str


@attrs.frozen
class Write:
    """
    Bytes are to be written at an offset.
    """

    path: str
    offset: int
    data: bytes = attrs.field(repr=lambda data: f"{len(data)} bytes")


@attrs.frozen
class Truncate:
    """
    A file is to be cut.
    """

    path: str
    size: int


@attrs.frozen
class Sync:
    """
    A file is to be made durable.
    """

    path: str


@attrs.frozen
class Delete:
    """
    A file is to be deleted.
    """

    path: str


Change = Opened | Write | Truncate | Sync | Delete


@contextmanager
def watched_disk(watch: Callable[[Change], None]) -> Generator[None]:
    """
    Within the block, stores that are opened tell *watch* of each change before it is made.
    """
    disk = _Disk(watch)
    try:
        yield
    finally:
        disk.unregister()


class DeadlyDisk:
    """
    A watcher that kills this process just before a change is made.

    What a killed process leaves in its files depends on nothing but how many changes it has made: with each number
    tried once, every moment is.

    Attributes:
        changes: How many there were since the last `start`.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._at = 0

    def start(self, at: int) -> None:
        """
        Count from here on, and die before change number *at*; with 0 never.
        """
        self.changes, self._at = 0, at

    def __call__(self, _: Change) -> None:
        """
        Let a change pass, or die.
        """
        self.changes += 1
        if self.changes == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class _Disk(apsw.VFS):
    def __init__(self, watch: Callable[[Change], None]) -> None:
        self.watch = watch
        super().__init__(f"watched-{next(_numbers)}", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802  SQLite's names
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001
        self.watch(Delete(filename))
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(self, disk: _Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._watch = disk.watch
        super().__init__("unix", name, flags)
        if flags[0] & apsw.SQLITE_OPEN_READWRITE:
            self._watch(Opened(self._path))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._watch(Write(self._path, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._watch(Truncate(self._path, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._watch(Sync(self._path))
        super().xSync(flags)
