"""
The one rule for every file and folder that this package makes.

They belong to their owner alone: files have mode 0600, folders 0700, whatever the umask. A file of ours that others
may read is tightened when it is opened for writing; where that cannot be done it is refused. Whatever stands at the
path in place of a regular file with one name is refused and left as it is: a symbolic link, a second name (hard link),
a directory, a FIFO, a device, a file that another user has put there.

Looking at a file never opens it: closing a descriptor would end the POSIX locks that SQLite has in this process, and
opening a FIFO or a device may hang.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from filelock import FileLock

from eventsource.log import get_logger
from eventsource.root_error import UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "beside",
    "claim",
    "claim_folder",
    "create",
    "lock",
    "look",
    "look_beside",
    "make",
    "make_database",
    "make_folder",
    "refuse_planted_link",
    "replace",
    "replacing",
    "sync_folder",
]

log = get_logger(__name__)

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

# What SQLite keeps beside a database. It gives them the mode of the database when it makes them.
SQLITE_SUFFIXES: Final = ("-wal", "-shm", "-journal")

# Set-id, sticky, group and others.
_OTHERS: Final = 0o7077

# Makes one file at a time: SQLite in another thread may open a new file before its maker has closed it.
_making = threading.Lock()


def claim(path: Path) -> bool:
    """
    Make sure that the file at *path*, if there is one, is ours alone.

    Returns:
        False if there is no file.

    Raises:
        UnsafeFileError: It is no regular file with one name, another user has put it there, or its mode stays loose.
        OSError: It cannot be looked at.
    """
    status = look(path)
    if status is None:
        return False
    if status.st_uid not in {os.geteuid(), path.parent.stat().st_uid}:
        # The owner of the folder could put any file there: root may use a store of somebody else in his own folder.
        raise UnsafeFileError(path, "another user has put it there: remove it")
    if status.st_mode & _OTHERS:
        _tighten(path, status, FILE_MODE)
    return True


def look(path: Path) -> os.stat_result | None:
    """
    The status of the file at *path*; None if there is none.

    Raises:
        UnsafeFileError: It is no regular file with one name.
        OSError: It cannot be looked at.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise UnsafeFileError(path, "it is a symbolic link: remove it, or give the path that it leads to")
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFileError(path, "it is a directory" if stat.S_ISDIR(status.st_mode) else "it is no regular file")
    if status.st_nlink > 1:
        raise UnsafeFileError(path, f"the file has {status.st_nlink} names (hard links): remove the others")
    return status


def make(path: Path) -> None:
    """
    Make an empty file at *path*, or claim the one that is there.

    Raises:
        UnsafeFileError: See `claim`.
        OSError: It cannot be made.
    """
    with _making:
        if not claim(path):
            with suppress(FileExistsError):
                os.close(create(path))
            # Another process may have been faster.
            claim(path)


def create(path: Path) -> int:
    """
    Make a new file and return a descriptor that writes to it.

    Raises:
        FileExistsError: There is something at *path* already, a link included.
        OSError: It cannot be made.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), FILE_MODE)
    try:
        # A umask takes away from the mode; this does not.
        os.fchmod(descriptor, FILE_MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_database(path: Path, *, is_known: bool) -> None:
    """
    Make an empty file for SQLite, or claim the one that is there; and claim what lies beside it.

    Args:
        is_known: True if a file that is there is a database. The mode of a file that is something else stays: its path
            may have been given by mistake, and SQLite says so.

    Raises:
        UnsafeFileError: See `claim`.
        OSError: It cannot be made.
    """
    status = look(path)
    if is_known or status is None or not status.st_size:
        # The new file last: a journal that was planted must not be played back into it.
        for each in beside(path):
            claim(each)
        make(path)
    else:
        look_beside(path)


def look_beside(path: Path) -> None:
    """
    Check what SQLite will open beside a database.

    Raises:
        UnsafeFileError: It is no regular file with one name.
    """
    for each in beside(path):
        look(each)


def refuse_planted_link(path: Path, *, is_known: bool) -> None:
    """
    Refuse a symbolic link, unless it is one more name of a database that is there already.

    What is made by the name of another link would lie where somebody else wants it.

    Args:
        is_known: True if the file that the path leads to is such a database.

    Raises:
        UnsafeFileError: It is a symbolic link to anything else.
    """
    if path.is_symlink() and not is_known:
        raise UnsafeFileError(path, "it is a symbolic link to no such file: remove it, or give the path it leads to")


def beside(path: Path) -> list[Path]:
    """
    The files that SQLite keeps beside a database.
    """
    return [path.with_name(f"{path.name}{suffix}") for suffix in SQLITE_SUFFIXES]


def lock(path: Path, *, thread_local: bool = True) -> FileLock:
    """
    A lock whose file is ours alone.

    Raises:
        UnsafeFileError: See `claim`.
        OSError: The file cannot be made.
    """
    make(path)
    return FileLock(path, mode=FILE_MODE, thread_local=thread_local)


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Generator[IO[bytes]]:
    """
    A new file that takes the place of what *path* holds when the block has ended well, and no other time.

    It is written beside the path under a random name, and is on the disk before it gets its own name.

    Args:
        overwrite: True if a file may be at *path* already.

    Raises:
        FileExistsError: There is one, and *overwrite* is False.
        UnsafeFileError: See `claim`.
        OSError: It cannot be written.
    """
    claim(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(create(partial), "wb") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
        # It may have been planted meanwhile.
        claim(path)
        if overwrite:
            partial.replace(path)
        else:
            _name(partial, path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink()


def replace(path: Path, content: bytes) -> None:
    """
    Put *content* in the place of what *path* holds: readers find one of the two whole.

    Raises:
        UnsafeFileError: See `claim`.
        OSError: It cannot be written.
    """
    with replacing(path) as output:
        output.write(content)


def make_folder(path: Path) -> None:
    """
    Make a folder with those above it that are missing. The mode of one that is there stays.

    Raises:
        FileExistsError: There is something else at *path*.
        OSError: It cannot be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        try:
            each.mkdir(FOLDER_MODE)
        except FileExistsError:
            continue
        # A umask takes away from the mode; this does not.
        each.chmod(FOLDER_MODE)
    if not path.is_dir():
        path.mkdir()


def claim_folder(path: Path) -> None:
    """
    Close a folder that holds nothing but files of ours to everybody else.

    Raises:
        UnsafeFileError: Its mode stays loose.
        OSError: It cannot be looked at.
    """
    status = path.stat()
    if status.st_mode & _OTHERS:
        _tighten(path, status, FOLDER_MODE)


def sync_folder(path: Path) -> None:
    """
    Have the names in a folder on the disk.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tighten(path: Path, status: os.stat_result, mode: int) -> None:
    before = stat.S_IMODE(status.st_mode)
    try:
        after = _change_mode(path, status, before & mode)
    except OSError as error:
        raise UnsafeFileError(path, f"{_openness(before)}, and that cannot be changed: {error.strerror}") from error
    if after & _OTHERS:
        raise UnsafeFileError(path, f"{_openness(before)}, and its file system does not change that")
    log.info("file.made_private", path=str(path), mode=f"{before:04o}")


def _openness(mode: int) -> str:
    return f"others may use it (mode {mode:04o})"


def _change_mode(path: Path, status: os.stat_result, mode: int) -> int:
    if sys.platform != "linux":
        path.chmod(mode, follow_symlinks=path.is_dir())
        return path.stat().st_mode
    # A descriptor that is the file's place only: closing it ends no locks, and it cannot become another file.
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if stat.S_ISDIR(status.st_mode) else os.O_NOFOLLOW))
    try:
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) != (status.st_dev, status.st_ino):
            raise UnsafeFileError(path, "another file was put in its place while it was opened")
        Path(f"/proc/self/fd/{descriptor}").chmod(mode)
        return os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)


def _name(partial: Path, path: Path) -> None:
    """
    Give a file its name, unless another has come there meanwhile.
    """
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:
        # A file system without second names.
        if path.exists():
            raise FileExistsError(path) from None
        partial.rename(path)
