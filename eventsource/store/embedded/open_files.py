"""
The database files this process has open: held, recognised, and left alone by a forked process.

SQLite works by POSIX locks, which belong to the process: when anything in it closes any descriptor of a
file (another SQLite library, or a plain ``open``), all its locks on that file are gone. Other programs, and
that other library, then take the file for unused, move the write-ahead log into it and unlink
the log, while the writer goes on committing into the unlinked one.

As long as a connection is open SQLite holds a shared lock on the database and one on the index of
its log. This module therefore holds both a second time by locks of the *open file description* (Linux), which
last until it releases them. Locks of a single transaction SQLite takes anew for each.

A file is known by device and inode. Descriptors of it are kept until the last connection to it is closed,
for closing one would cost the connections their POSIX locks.
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
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import attrs

from eventsource.private_files import look_beside, make_database
from eventsource.root_error import UnsafeFileError
from eventsource.store.errors import NotAStoreError, StoreForkedError, StoreLockedError
from eventsource.wire.errors import StoreUnavailableError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import apsw

Inode = tuple[int, int]

# "ESGD": tells `file` and us that the database is ours.
APPLICATION_ID: Final = 0x45534744

# Source: SQLite file format, section 1.3.
_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID: Final = slice(68, 72)
_VERSIONS: Final = slice(18, 20)
_IN_WAL_MODE: Final = b"\2\2"
_HEADER_BYTES: Final = 100

# Source: SQLite, os.h and os_unix.c: what a connection in WAL mode holds while it is open.
_SHARED_FIRST, _SHARED_SIZE = 0x40000000 + 2, 510
_INDEX_IN_USE: Final = 128
# In the page that SQLite keeps free for locks, behind its own: the place of the writer. Unlike the lock file it is the
# same by every name of the file, and cannot be deleted.
_WRITER: Final = 0x40000000 + 1024

# Attempts, and seconds between them, to take a lock that another process holds for a moment.
_TRIES, _REST_S = 50, 0.02


@attrs.define(eq=False)
class OpenFile:
    """
    A database file that this process has open, shared by all its stores on it.

    Attributes:
        path: The name it was opened by.

        is_store: True if it is a store.

        inode: Identifies the file.

        descriptor: Ours, kept as long as there are connections.

        users: Number of stores that use it.

        is_held: True if the locks of a connection are held a second time.

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
        """
        All of ours.
        """
        return [each for each in (self.descriptor, self.writer, self.log, self.index) if each is not None]


_lock_of_all = threading.RLock()
_open_files: dict[Inode, OpenFile] = {}
# Files that were open in the process which this one was forked from.
_inherited: dict[Inode, OpenFile] = {}


@contextmanager
def exclusively() -> Generator[None]:
    """
    Keep other threads from opening or closing files in the block.
    """
    with _lock_of_all:
        yield


def detach(file: OpenFile, *, writing: bool) -> None:
    """
    Let go of a file, after the last connection of one of its users is closed.
    """
    with _lock_of_all:
        file.users -= 1
        if writing:
            file.has_writer = False
            if file.writer is not None:
                with suppress(OSError):
                    _lock(file.writer, fcntl.F_UNLCK, _WRITER, 1)
        if file.users:
            return
        _open_files.pop(file.inode, None)
        for descriptor in file.descriptors():
            os.close(descriptor)


def refuse_inherited(path: Path) -> None:
    """
    Refuse a file that was open in the process that this one was forked from.

    SQLite knows in memory which locks of a file its connections have, and that memory came with the fork.

    Raises:
        StoreForkedError: It was.
    """
    with suppress(OSError):
        if inode_of(path.stat()) in _inherited:
            raise StoreForkedError(str(path), opened_by=os.getppid())


def is_store_file(path: Path) -> bool:
    """
    True if a file is an event store, found without SQLite: opening it in another SQLite library could harm it.

    A store that is open in this process is known by its inode. Otherwise the header of the file is read, by a
    descriptor that the process has already if it has any, since to close one ends its locks on the file.
    """
    try:
        inode = inode_of(path.stat())
    except (OSError, ValueError):
        return False
    with _lock_of_all:
        if file := _open_files.get(inode) or _inherited.get(inode):
            return file.is_store
    header = _read_header(path, inode)
    return header.startswith(_MAGIC) and header[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4)


def is_database_file(path: Path, application_id: int | None = None) -> bool:
    """
    True if a file is an SQLite database, found without SQLite. An empty file is not one yet.

    Args:
        application_id: The kind of database; by default any.
    """
    try:
        status = path.stat()
    except OSError:
        return False
    header = _read_header(path, inode_of(status))
    is_of_kind = application_id is None or header[_APPLICATION_ID] == application_id.to_bytes(4)
    return header.startswith(_MAGIC) and is_of_kind


def check_kind(path: Path, *, writing: bool) -> None:
    """
    Refuse a file that is not a store before SQLite opens it: it may be another program's database, with its locks.
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
    header = _read_header(path, inode_of(status))
    if not header.startswith(_MAGIC):
        raise NotAStoreError(path, "it is no SQLite database")
    if header[_APPLICATION_ID] != APPLICATION_ID.to_bytes(4):
        raise NotAStoreError(path, "it is an SQLite database of something else")


def attach(path: Path, *, writing: bool, is_store: bool) -> OpenFile:
    """
    Count one more user of a file; a missing file is created for a writer.

    Raises:
        StoreLockedError: The file has a writer.
        StoreForkedError: The file was open in the process that this one was forked from.
        StoreUnavailableError: The file has several names, or is open by another name; or the file, or one beside it, is
            not ours alone.
        OSError: The file cannot be opened.
    """
    refuse_inherited(path)
    _refuse_second_name(path)
    try:
        if writing:
            # The kind of a file that is not empty was checked before.
            make_database(path, is_known=True)
        else:
            look_beside(path)
    except UnsafeFileError as error:
        raise StoreUnavailableError(str(error.path), error.reason) from error
    status = path.stat()
    file = _open_files.get(inode_of(status))
    if file is None:
        descriptor = os.open(path, os.O_RDONLY)
        file = OpenFile(path, is_store, inode_of(os.fstat(descriptor)), descriptor)
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


def _refuse_second_name(path: Path) -> None:
    with suppress(FileNotFoundError):
        if (names := path.stat().st_nlink) > 1:
            reason = (
                f"the file has {names} names (hard links), and SQLite would keep a log beside each: "
                "remove the others, or make a copy"
            )
            raise StoreUnavailableError(str(path), reason)


def _take_writers_place(file: OpenFile) -> None:
    if file.has_writer:
        raise StoreLockedError(file.path)
    if file.writer is None:
        file.writer = os.open(file.path, os.O_RDWR)
    try:
        _lock(file.writer, fcntl.F_WRLCK, _WRITER, 1)
    except BlockingIOError:
        raise StoreLockedError(file.path) from None
    file.has_writer = True


def hold(file: OpenFile) -> None:
    """
    Hold a second time what the connections of a file hold. Out of WAL mode that is nothing between two statements.

    A store is out of WAL mode while it is made, and so is a copy. A lock on it would keep its writer from starting
    the log.

    Raises:
        StoreUnavailableError: Another program has locked it for itself.
        OSError: It cannot be locked.
    """
    if os.pread(file.descriptor, _HEADER_BYTES, 0)[_VERSIONS] != _IN_WAL_MODE:
        return
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


def release(file: OpenFile) -> None:
    """
    Hold no more than SQLite does, so that the last connection can remove the log.
    """
    _lock(file.descriptor, fcntl.F_UNLCK, _SHARED_FIRST, _SHARED_SIZE)
    if file.index is not None:
        _lock(file.index, fcntl.F_UNLCK, _INDEX_IN_USE, 1)
    file.is_held = False


def _lock(descriptor: int, kind: int, first: int, size: int) -> None:
    """
    Set or release a lock of the open file description.

    Raises:
        BlockingIOError: Another lock excludes it.
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
    The descriptors that this process has of a file, including those opened by other code.
    """
    found: list[int] = []
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"):  # noqa: PTH208  numbers
            with suppress(OSError, ValueError):
                if inode_of(os.fstat(int(name))) == inode:
                    found.append(int(name))
    return found


def inode_of(status: os.stat_result) -> Inode:
    """
    The identity of the file.
    """
    return status.st_dev, status.st_ino


def _leave_to_parent() -> None:
    """
    In a forked process: let go of the files without ending any lock of the process that they belong to.

    The connections are never closed, not even by the collector of garbage: to close one would remove the log
    of a store that goes on, and what SQLite knows of its locks in memory is the parent's.
    """
    global _lock_of_all  # noqa: PLW0603  another thread may have held it when this process was made
    _lock_of_all = threading.RLock()
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
