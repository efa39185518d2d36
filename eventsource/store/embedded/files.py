"""
The files of a store while it is open: how they are held, and whether they are still those at the path.

SQLite works by POSIX locks, which belong to the process: when anything in it closes any descriptor of a
file (another SQLite library, or a plain ``open``), all its locks on that file are gone. Other programs, and
that other library, then take the file for one that nobody uses, move the write-ahead log into it and unlink
the log, while the writer goes on committing into the unlinked one. So two things are done here.

* What SQLite holds for as long as a connection is open, a shared lock on the database and one on the index
  of its log, is held a second time by locks of the *open file description* (Linux): those last until this
  module lets go of them. Locks of a single transaction SQLite takes anew for each.
* The writer asks after each fsync whether the files it has open are still those at the path.

A process knows the files it has open by device and inode. Descriptors of them are kept until its last
connection to them is closed, for closing one would cost the connections their POSIX locks.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
import threading
import time
import weakref
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from eventsource.errors import NotAStoreError, StoreForkedError, StoreLockedError, StoreUnavailableError
from eventsource.log import get_logger

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import apsw

log = get_logger(__name__)

Inode = tuple[int, int]

# "ESGD": tells `file` and us that the database is ours.
APPLICATION_ID: Final = 0x45534744

# Source: SQLite file format, section 1.3.
_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID: Final = slice(68, 72)
_HEADER_BYTES: Final = 100

# Source: SQLite, os.h and os_unix.c: what a connection in WAL mode holds while it is open.
_SHARED_FIRST, _SHARED_SIZE = 0x40000000 + 2, 510
_INDEX_IN_USE: Final = 128
# In the page that SQLite keeps free for locks, behind its own: the place of the writer. Unlike the lock file it is the
# same by every name of the file, and cannot be deleted.
_WRITER: Final = 0x40000000 + 1024

# How often, and how long apart in seconds, a lock is tried for that somebody holds for a moment.
_TRIES, _REST_S = 50, 0.02

# Source: SQLite, wal.c: WalIndexHdr, its copy, and WalCkptInfo. Size of a page, number of frames, salts; how many
# frames were moved into the database.
_INDEX_HEADER: Final = struct.Struct("=14xHI12x8s56xI")
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_SALTS: Final = slice(16, 24)

# What is compared of a file that something seems to have written to: its beginning and its end.
_FIRST_BYTES, _LAST_BYTES = 4096, 65_536


class _LogState(NamedTuple):
    """
    What the index of a write-ahead log says of it: size of a page as noted, frames, salts, frames moved.
    """

    page: int
    frames: int
    salts: bytes
    moved: int

    def was_moved_since(self, before: _LogState) -> bool:
        """
        Whether frames were moved into the database file since *before*, by whomever.
        """
        if self.salts == before.salts:
            return self.moved > before.moved
        # The log was started over, which it is only once all frames are moved.
        return before.moved < before.frames


_NO_LOG: Final = _LogState(0, 0, b"", 0)


@attrs.define(eq=False)
class _OpenFile:
    """
    A database file that this process has open, shared by all its stores on it.

    Attributes:
        path: The name it was opened by.

        is_store: Whether it is a store.

        inode: Which file it is.

        descriptor: Ours, kept as long as there are connections.

        users: How many stores use it.

        is_held: Whether the locks of a connection are held a second time.

        writer: A descriptor that holds the place of the writer.

        log, index: Descriptors of the write-ahead log and its index, once there are any.

        connections: Those that are open, for a forked process to leave them alone.
    """

    path: Path
    is_store: bool
    inode: Inode
    descriptor: int
    users: int = 0
    is_held: bool = False
    has_writer: bool = False
    writer: int | None = None
    log: int | None = None
    log_inode: Inode | None = None
    index: int | None = None
    index_inode: Inode | None = None
    connections: weakref.WeakSet[apsw.Connection] = attrs.field(factory=weakref.WeakSet["apsw.Connection"])

    def descriptors(self) -> list[int]:
        return [each for each in (self.descriptor, self.writer, self.log, self.index) if each is not None]


_registry = threading.RLock()
_open_files: dict[Inode, _OpenFile] = {}
# Files that were open in the process which this one was forked from.
_inherited: dict[Inode, _OpenFile] = {}


class StoreFiles:
    """
    The files of one store object, from before its first connection is opened until after its last is closed.

    Args:
        named: The path as it was given, made absolute; it may lead over symbolic links.

        path: The same, resolved.

        writing: Whether to write; a file that is not there is made then.

        is_store: Whether it is a store. Of another file that deserves the same care the caller has found out
            what it is.

    Raises:
        NotAStoreError: It is no store file.
        StoreLockedError: It has a writer.
        StoreForkedError: It was open in the process that this one was forked from.
        StoreUnavailableError: It cannot be used by this name.
        OSError: It cannot be opened.
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
        self._log_state = _NO_LOG
        self._is_second_name_told = False
        if is_store:
            _check_kind(path, writing=writing)
        with _registry:
            self._file = _attach(path, writing=writing, is_store=is_store)

    def opened(self, connection: apsw.Connection, *, has_log: bool = True) -> None:
        """
        Hold a second time what *connection* holds, which has read from the file. Doing so again is fine.

        Args:
            has_log: Whether it reads a write-ahead log, too.

        Raises:
            StoreUnavailableError: Another program holds the file for itself, or it was replaced meanwhile.
            OSError: The files cannot be opened.
        """
        file = self._file
        with _registry:
            file.connections.add(connection)
            if not file.is_held:
                if file.index is None and has_log:
                    self._open_log(file)
                _hold(file)
            if what := self.misplaced():
                raise StoreUnavailableError(str(self.named), f"{what} while it was being opened")
        if self._is_writing:
            self.note()

    @contextmanager
    def closing(self, connection: apsw.Connection) -> Generator[None]:
        """
        While the writer's *connection* is closed in the block, let it be the last that has the file open.
        """
        with _registry:
            if self._file.is_held:
                _release(self._file)
            try:
                yield
            finally:
                self._file.connections.discard(connection)
                if self._file.users > 1:
                    with suppress(OSError, StoreUnavailableError):
                        _hold(self._file)

    def detach(self) -> None:
        """
        Let go of the files, after the last connection is closed.
        """
        with _registry:
            file = self._file
            file.users -= 1
            if self._is_writing:
                file.has_writer = False
                if file.writer is not None:
                    with suppress(OSError):
                        _lock(file.writer, fcntl.F_UNLCK, _WRITER, 1)
            if file.users:
                return
            _open_files.pop(file.inode, None)
            for descriptor in file.descriptors():
                os.close(descriptor)

    def misplaced(self) -> str | None:
        """
        What is wrong if the files at the path are not those that are open, in words.
        """
        try:
            return self._misplaced(os.stat(self.named))  # noqa: PTH116  half the time of Path.stat
        except OSError as error:
            return self._gone(error)

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
        What is wrong if the write-ahead log has not all that was written to it, in words. Asked before writing.
        """
        if self._file.log is None:
            return None
        page, frames, _, _ = self._read_log_state()
        size = _LOG_HEADER_BYTES + frames * (_page_bytes(page) + _FRAME_HEADER_BYTES)
        if frames and os.fstat(self._file.log).st_size < size:
            return f"its write-ahead log {self.log_path.name} was cut short"
        return None

    def broken(self) -> str | None:
        """
        What is wrong if what was just committed is not in the files at the path, in words.

        Asked by the writer, in its turn, after writing.
        """
        try:
            database = os.stat(self.named)  # noqa: PTH116
        except OSError as error:
            return self._gone(error)
        state = self._read_log_state()
        if what := self._misplaced(database) or self._overwritten(database, state):
            return what
        self._log_state = state
        log_file = self._file.log
        if log_file is not None and state.frames and os.pread(log_file, _LOG_HEADER_BYTES, 0)[_SALTS] != state.salts:
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
        self._log_state = self._read_log_state()

    @property
    def whereabouts(self) -> Path | None:
        """
        Where the open database file is now; None if it was deleted, or the system does not tell.
        """
        from pathlib import Path  # noqa: PLC0415  annotations alone need it at other times

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

    def _overwritten(self, database: os.stat_result, state: _LogState) -> str | None:
        if database.st_nlink > 1 and not self._is_second_name_told:
            self._is_second_name_told = True
            log.warning("store.second_name", path=str(self.named), names=database.st_nlink)
        if database.st_size < self._size:
            return "its file was cut short"
        if database.st_mtime_ns == self._written_ns:
            return None
        # Another program may have moved the log into the file, as is its right, or a tool has touched the file.
        if not state.was_moved_since(self._log_state) and self._ends(self._size) != self._digest:
            return "another program has written into its file"
        self.note()
        return None

    def _ends(self, size: int) -> int:
        descriptor = self._file.descriptor
        first = zlib.crc32(os.pread(descriptor, _FIRST_BYTES, 0))
        return zlib.crc32(os.pread(descriptor, _LAST_BYTES, max(0, size - _LAST_BYTES)), first)

    def _read_log_state(self) -> _LogState:
        if self._file.index is None:
            return _NO_LOG
        header = os.pread(self._file.index, _INDEX_HEADER.size, 0)
        return _LogState._make(_INDEX_HEADER.unpack(header)) if len(header) == _INDEX_HEADER.size else _NO_LOG

    def _open_log(self, file: _OpenFile) -> None:
        if not self.log_path.exists() or not self.index_path.exists():
            # A copy that was made without write-ahead logging, and is read.
            return
        file.index = os.open(self.index_path, os.O_RDONLY)
        file.index_inode = _inode(os.fstat(file.index))
        file.log = os.open(self.log_path, os.O_RDONLY)
        file.log_inode = _inode(os.fstat(file.log))

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


def refuse_inherited(path: Path) -> None:
    """
    Refuse a file that was open in the process that this one was forked from.

    SQLite knows in memory which locks of a file its connections have, and that memory came with the fork.

    Raises:
        StoreForkedError: It was.
    """
    with suppress(OSError):
        if _inode(path.stat()) in _inherited:
            raise StoreForkedError(str(path), opened_by=os.getppid())


def is_store_file(path: Path) -> bool:
    """
    Whether a file is an event store, found without SQLite: opening it in another SQLite library could harm it.

    A store that is open in this process is known by its inode. Otherwise the header of the file is read, by a
    descriptor that the process has already if it has any, since to close one ends its locks on the file.
    """
    try:
        inode = _inode(path.stat())
    except (OSError, ValueError):
        return False
    with _registry:
        if file := _open_files.get(inode) or _inherited.get(inode):
            return file.is_store
    header = _read_header(path, inode)
    return header.startswith(_MAGIC) and header[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4)


def _check_kind(path: Path, *, writing: bool) -> None:
    """
    Refuse what is no store file before SQLite opens it: it may be another program's database, with its locks.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        if writing:
            return
        raise NotAStoreError(path, "there is no such file") from None
    if not stat.S_ISREG(status.st_mode):
        raise NotAStoreError(path, "it is a directory" if stat.S_ISDIR(status.st_mode) else "it is no regular file")
    if status.st_size == 0 or path.with_name(f"{path.name}-journal").exists():
        # It becomes a store, or was becoming one when a crash came; SQLite takes that back.
        return
    header = _read_header(path, _inode(status))
    if not header.startswith(_MAGIC):
        raise NotAStoreError(path, "it is no SQLite database")
    if header[_APPLICATION_ID] != APPLICATION_ID.to_bytes(4):
        raise NotAStoreError(path, "it is an SQLite database of something else")


def _attach(path: Path, *, writing: bool, is_store: bool) -> _OpenFile:
    if writing and not path.exists():
        # Only the owner reads it. SQLite gives its WAL the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    refuse_inherited(path)
    status = path.stat()
    if status.st_nlink > 1:
        reason = (
            f"the file has {status.st_nlink} names (hard links), and SQLite would keep a log beside each: "
            "remove the others, or make a copy"
        )
        raise StoreUnavailableError(str(path), reason)
    file = _open_files.get(_inode(status))
    if file is None:
        descriptor = os.open(path, os.O_RDONLY)
        file = _OpenFile(path, is_store, _inode(os.fstat(descriptor)), descriptor)
    elif file.path != path:
        raise StoreUnavailableError(str(path), f"this process has the file open by another name, {file.path}")
    try:
        if writing:
            _take_writers_place(file)
    except BaseException:
        if not file.users:
            for descriptor in file.descriptors():
                os.close(descriptor)
        raise
    file.users += 1
    _open_files[file.inode] = file
    return file


def _take_writers_place(file: _OpenFile) -> None:
    if file.has_writer:
        raise StoreLockedError(file.path)
    if file.writer is None:
        file.writer = os.open(file.path, os.O_RDWR)
    try:
        _lock(file.writer, fcntl.F_WRLCK, _WRITER, 1)
    except BlockingIOError:
        raise StoreLockedError(file.path) from None
    file.has_writer = True


def _hold(file: _OpenFile) -> None:
    for descriptor, first, size in ((file.descriptor, _SHARED_FIRST, _SHARED_SIZE), (file.index, _INDEX_IN_USE, 1)):
        if descriptor is None:
            continue
        for _ in range(_TRIES):
            with suppress(BlockingIOError):
                _lock(descriptor, fcntl.F_RDLCK, first, size)
                break
            time.sleep(_REST_S)
        else:
            raise StoreUnavailableError(str(file.path), "another program has locked the file for itself")
    file.is_held = True


def _release(file: _OpenFile) -> None:
    _lock(file.descriptor, fcntl.F_UNLCK, _SHARED_FIRST, _SHARED_SIZE)
    if file.index is not None:
        _lock(file.index, fcntl.F_UNLCK, _INDEX_IN_USE, 1)
    file.is_held = False


def _lock(descriptor: int, kind: int, first: int, size: int) -> None:
    """
    Set or release a lock of the open file description.

    Raises:
        BlockingIOError: Somebody else has one that excludes it.
    """
    if not hasattr(fcntl, "F_OFD_SETLK"):
        # Without such locks the files are still looked at after each commit.
        return
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, first, size, 0))
    except OSError as error:
        if error.errno == errno.EACCES:
            raise BlockingIOError(error.errno, error.strerror) from None
        # A file system that has no locks, or this kernel not this kind.
        if error.errno not in {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}:
            raise


def _read_header(path: Path, inode: Inode) -> bytes:
    for descriptor in _descriptors_of(inode):
        with suppress(OSError):
            return os.pread(descriptor, _HEADER_BYTES, 0)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, _HEADER_BYTES, 0)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _descriptors_of(inode: Inode) -> list[int]:
    """
    The descriptors that this process has of a file, whoever opened them.
    """
    found: list[int] = []
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"):  # noqa: PTH208  numbers
            with suppress(OSError, ValueError):
                if _inode(os.fstat(int(name))) == inode:
                    found.append(int(name))
    return found


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def _page_bytes(noted: int) -> int:
    return 65_536 if noted == 1 else noted


def _leave_to_parent() -> None:
    """
    In a forked process: let go of the files without ending any lock of the process that they belong to.

    The connections are never closed, not even by the collector of garbage: to close one would remove the log
    of a store that goes on, and what SQLite knows of its locks in memory is the parent's.
    """
    global _registry  # noqa: PLW0603  another thread may have held it when this process was made
    _registry = threading.RLock()
    if not _open_files:
        return
    import ctypes  # noqa: PLC0415  nobody else needs it

    for file in _open_files.values():
        _inherited[file.inode] = file
        for connection in list(file.connections):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        # A lock of an open file description lasts until the last process has closed it.
        for descriptor in file.descriptors():
            os.close(descriptor)
    _open_files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
