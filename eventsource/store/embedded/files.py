"""
The files of a store while it is open: whether they are still those at the path, and whole.

The writer asks after each fsync, and before each write whether the log is whole. So what a commit has
confirmed is in the files that the next program opens.

A commit does not ask for the times of the log or of its index: where they were asked for, Linux (6.13 and later,
"multigrain timestamps") writes the inode anew at the next change, which costs a fifth of a small commit. The times
of the folder tell as much: they change with each name in it.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from eventsource.log import get_logger
from eventsource.store.embedded.open_files import attach, check_kind, detach, exclusively, hold, inode_of, release
from eventsource.wire.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

    import apsw

    from eventsource.store.embedded.open_files import OpenFile

log = get_logger(__name__)

# Source: SQLite, wal.c: WalIndexHdr, its copy, and WalCkptInfo. Size of a page, number of frames, salts; how many
# frames were moved into the database.
_INDEX_HEADER: Final = struct.Struct("=14xHI12x8s56xI")
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_SALTS_AT: Final = 16

# The same in bytes: the salts, and the page and frames before them.
_INDEX_SALTS: Final = slice(32, 40)
_INDEX_EXTENT: Final = struct.Struct("=14xHI")

# A folder that was changed as recently as this may change once more without its times showing it: a kernel counts
# them in ticks of up to 10 ms, and some file systems in seconds, two at a time.
_TICK_NS, _COARSE_TICK_NS, _SECOND_NS = 20_000_000, 2_000_000_000, 1_000_000_000

# The parts compared of a file that may have been written to: its beginning and its end.
_FIRST_BYTES, _LAST_BYTES = 4096, 65_536


class _LogState(NamedTuple):
    """
    The state of a write-ahead log by its index: size of a page as noted, frames, salts, frames moved.
    """

    page: int
    frames: int
    salts: bytes
    moved: int

    def was_moved_since(self, before: _LogState) -> bool:
        """
        True if frames were moved into the database file since *before*, by any program.
        """
        if self.salts == before.salts:
            return self.moved > before.moved
        # The log was started over, which it is only once all frames are moved.
        return before.moved < before.frames


_NO_LOG: Final = _LogState(0, 0, b"", 0)


class StoreFiles:
    """
    The files of one store object, from before its first connection is opened until after its last is closed.

    Args:
        named: The path as it was given, made absolute; it may contain symbolic links.

        path: The same, resolved.

        writing: Open for writing; a missing file is created.

        is_store: True if it is a store. For another file that deserves the same care the caller has already checked
            the kind.

    Raises:
        NotAStoreError: The file is not a store.
        StoreLockedError: The file has a writer.
        StoreForkedError: The file was open in the process that this one was forked from.
        StoreUnavailableError: The file cannot be used by this name.
        OSError: The file cannot be opened.
    """

    def __init__(self, named: Path, path: Path, *, writing: bool, is_store: bool = True) -> None:
        self.named = named
        self.path = path
        self.log_path = path.with_name(f"{path.name}-wal")
        self.index_path = path.with_name(f"{path.name}-shm")
        self._is_writing = writing
        self._size = 0
        self._written_ns = 0
        self._digest = 0
        self._index = b""
        self._log_bytes = 0
        self._is_second_name_told = False
        # The folder as it was when the files in it were last looked at; None if that says nothing of them.
        self._folder = os.path.dirname(named)  # noqa: PTH120  half the time of Path.parent
        self._folder_state: tuple[int, int, int, int] | None = None
        if is_store:
            check_kind(path, writing=writing)
        with exclusively():
            self._file = attach(path, writing=writing, is_store=is_store)

    @property
    def is_held(self) -> bool:
        """
        True if the locks of the connections are held a second time; not of a file that is not in WAL mode yet.
        """
        return self._file.is_held

    def opened(self, connection: apsw.Connection, *, has_log: bool = True) -> None:
        """
        Hold a second time what *connection* holds, which has read from the file. Doing so again is fine.

        Args:
            has_log: True if it reads a write-ahead log, too.

        Raises:
            StoreUnavailableError: Another program holds the file for itself, or it was replaced meanwhile.
            OSError: The files cannot be opened.
        """
        file = self._file
        with exclusively():
            file.connections.add(connection)
            if not file.is_held:
                if file.index is None and has_log:
                    self._open_log(file)
                hold(file)
            if what := self.misplaced():
                raise StoreUnavailableError(str(self.named), f"{what} while it was being opened")
        if self._is_writing:
            self.note()

    @contextmanager
    def closing(self, connection: apsw.Connection) -> Generator[None]:
        """
        While the writer's *connection* is closed in the block, let it be the last that has the file open.
        """
        with exclusively():
            if self._file.is_held:
                release(self._file)
            try:
                yield
            finally:
                self._file.connections.discard(connection)
                if self._file.users > 1:
                    with suppress(OSError, StoreUnavailableError):
                        hold(self._file)

    def detach(self) -> None:
        """
        Let go of the files, after the last connection is closed.
        """
        detach(self._file, writing=self._is_writing)

    def misplaced(self) -> str | None:
        """
        Describe the problem, in words, if the files at the path are not those that are open.
        """
        try:
            # Before the files, or what changes meanwhile would count as looked at.
            folder = self._read_folder()
            if folder == self._folder_state:
                return None
            self._folder_state = None
            if what := self._misplaced(os.stat(self.named)):  # noqa: PTH116  half the time of Path.stat
                return what
        except OSError as error:
            return self._gone(error)
        if self._is_settled(folder):
            self._folder_state = folder
        return None

    def _read_folder(self) -> tuple[int, int, int, int]:
        found = os.stat(self._folder)  # noqa: PTH116
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns

    def _is_settled(self, folder: tuple[int, int, int, int]) -> bool:
        """
        True if each later change of a name in the folder shows in its times, and the files are in it.
        """
        changed = max(folder[2:])
        tick = _TICK_NS if changed % _SECOND_NS else _COARSE_TICK_NS
        # The target of a symbolic link is in another folder.
        return time.time_ns() - changed > tick and not os.path.islink(self.named)  # noqa: PTH114

    def _misplaced(self, database: os.stat_result) -> str | None:
        file = self._file
        if database.st_ino != file.inode[1] or database.st_dev != file.inode[0]:
            return "another file was put in the place of its own"
        if file.log_inode is not None:
            for path, inode, name in (
                (self.log_path, file.log_inode, "write-ahead log"),
                (self.index_path, file.index_inode, "index of its log"),
            ):
                try:
                    found = os.stat(path)  # noqa: PTH116
                except OSError as error:
                    if not isinstance(error, FileNotFoundError):
                        return f"its {name} {path.name} cannot be found ({error.strerror})"
                    return f"its {name} {path.name} was deleted or moved"
                if (found.st_dev, found.st_ino) != inode:
                    return f"another file was put in the place of its {name} {path.name}"
        return None

    def cut_log(self) -> str | None:
        """
        Describe the problem, in words, if the write-ahead log lacks something written to it. Asked before writing.
        """
        if self._file.log is None:
            return None
        if os.lseek(self._file.log, 0, os.SEEK_END) >= self._log_bytes:
            return None
        # Another program may have moved the log into the file, as is its right.
        self._log_bytes = _log_bytes(self._read_index())
        if os.lseek(self._file.log, 0, os.SEEK_END) < self._log_bytes:
            return f"its write-ahead log {self.log_path.name} was cut short"
        return None

    def broken(self) -> str | None:
        """
        Describe the problem, in words, if the last commit is not in the files at the path.

        Asked by the writer, in its turn, after writing.
        """
        if what := self.misplaced():
            return what
        file = self._file
        header = self._read_index()
        if what := self._overwritten(os.fstat(file.descriptor), header):
            return what
        self._index = header
        self._log_bytes = size = _log_bytes(header)
        if file.log is not None and size and os.pread(file.log, 8, _SALTS_AT) != header[_INDEX_SALTS]:
            return f"another program has written into its write-ahead log {self.log_path.name}"
        return None

    def note(self) -> None:
        """
        Remember how the database file is after this process has written to it: the log was moved into it.
        """
        status = os.fstat(self._file.descriptor)
        self._size = status.st_size
        self._written_ns = status.st_mtime_ns
        self._digest = self._ends(status.st_size)
        self._index = header = self._read_index()
        self._log_bytes = _log_bytes(header)

    @property
    def whereabouts(self) -> Path | None:
        """
        The present path of the open database file; None if it was deleted, or the system does not tell.
        """
        if os.fstat(self._file.descriptor).st_nlink == 0:
            return None
        with suppress(OSError):
            now = Path(os.readlink(f"/proc/self/fd/{self._file.descriptor}"))  # noqa: PTH115  no file of ours
            if now.exists():
                return now
        return None

    def _gone(self, error: OSError) -> str:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return f"its file cannot be found any more ({error.strerror})"
        now = self.whereabouts
        return f"its file was moved to {now}" if now else "its file was deleted"

    def _overwritten(self, database: os.stat_result, header: bytes) -> str | None:
        if database.st_nlink > 1 and not self._is_second_name_told:
            self._is_second_name_told = True
            log.warning("store.second_name", path=str(self.named), names=database.st_nlink)
        if database.st_size < self._size:
            return "its file was cut short"
        if database.st_mtime_ns == self._written_ns:
            return None
        # Another program may have moved the log into the file, as is its right, or a tool has touched the file.
        was_moved = _log_state(header).was_moved_since(_log_state(self._index))
        if not was_moved and self._ends(self._size) != self._digest:
            return "another program has written into its file"
        self.note()
        return None

    def _ends(self, size: int) -> int:
        descriptor = self._file.descriptor
        first = zlib.crc32(os.pread(descriptor, _FIRST_BYTES, 0))
        return zlib.crc32(os.pread(descriptor, _LAST_BYTES, max(0, size - _LAST_BYTES)), first)

    def _read_index(self) -> bytes:
        return b"" if self._file.index is None else os.pread(self._file.index, _INDEX_HEADER.size, 0)

    def _open_log(self, file: OpenFile) -> None:
        if not self.log_path.exists() or not self.index_path.exists():
            # A copy that was made without write-ahead logging, and is read.
            return
        file.index = os.open(self.index_path, os.O_RDONLY)
        file.index_inode = inode_of(os.fstat(file.index))
        file.log = os.open(self.log_path, os.O_RDONLY)
        file.log_inode = inode_of(os.fstat(file.log))

    def unchanged_since(self) -> tuple[int, int] | None:
        """
        Size and time of the last change of a file without a log; None if there is something in a log beside it.
        """
        with suppress(OSError):
            if self.log_path.stat().st_size:
                return None
        status = os.fstat(self._file.descriptor)
        return status.st_size, status.st_mtime_ns

    def sync(self) -> None:
        """
        Have what was written to a new database file on the disk.
        """
        os.fsync(self._file.descriptor)


def _log_state(header: bytes) -> _LogState:
    return _LogState._make(_INDEX_HEADER.unpack(header)) if len(header) == _INDEX_HEADER.size else _NO_LOG


def _log_bytes(header: bytes) -> int:
    """
    Length of the log by its index, in bytes; 0 if it is empty.
    """
    if len(header) < _INDEX_HEADER.size:
        return 0
    page: int
    frames: int
    page, frames = _INDEX_EXTENT.unpack_from(header)
    # A page of 65,536 bytes does not fit into the field and is noted as 1.
    return frames and _LOG_HEADER_BYTES + frames * ((65_536 if page == 1 else page) + _FRAME_HEADER_BYTES)
