"""
The notary's SQLite files, the log and the book: how they are made, opened and recognised.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import apsw
import attrs

from eventsource.notary.errors import LedgerUnavailableError, NotALedgerError
from eventsource.private_files import make_database, sync_folder
from eventsource.root_error import UnsafeFileError
from eventsource.store.embedded.files import StoreFiles
from eventsource.store.embedded.open_files import is_database_file, is_store_file
from eventsource.wire.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_BUSY_TIMEOUT_MS: Final = 5000


@attrs.frozen
class FileKind:
    """
    What a file is.

    Attributes:
        name: In words.

        application_id: What SQLite's header says of such a file.

        schema: What makes an empty one.

        format: The newest format that this version reads and writes.

        overwrites_deleted: True if what is deleted in it must not be found in the file any more.
    """

    name: str
    application_id: int
    schema: str
    format: int = 1
    overwrites_deleted: bool = False


class NotaryFile:
    """
    An open file of the notary, in WAL mode with ``synchronous=FULL``. It is guarded like the file of a store.

    Another SQLite library in the process cannot take its log away, and it notices when the files at the path
    are not its own any more.

    Args:
        path: The file; one that is not there is made, unless *read_only*.

        kind: What it is.

        read_only: True if nothing is written.

    Raises:
        NotALedgerError: It is something else, or cannot be made there.
        LedgerUnavailableError: SQLite cannot open it.
        StoreForkedError: It was open in the process that this one was forked from.
    """

    def __init__(self, path: Path, kind: FileKind, *, read_only: bool) -> None:
        _prepare(path, kind, read_only=read_only)
        self._path = path
        with translated(path):
            self._files = StoreFiles(path, path, writing=False, is_store=False)
            try:
                self.connection = _open(path, kind, self._files, read_only=read_only)
            except BaseException:
                self._files.detach()
                raise

    def check(self) -> None:
        """
        See whether the files at the path are those that are open, before and after something is written.

        Raises:
            LedgerUnavailableError: They are not.
        """
        if what := self._files.misplaced():
            reason = f"{what} while it was open: stop, put the files back as they were, and open it again"
            raise LedgerUnavailableError(str(self._path), reason)

    def close(self) -> None:
        """
        Close the file.
        """
        if self._files.misplaced():
            # SQLite would remove the log at the path, which is another file's.
            self.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self.connection.close()
        else:
            with self._files.closing(self.connection):
                self.connection.close()
        self._files.detach()


def _prepare(path: Path, kind: FileKind, *, read_only: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise NotALedgerError(path, "it is a directory" if path.is_dir() else "its directory does not exist")
    if is_store_file(path):
        raise NotALedgerError(path, "it is an event store")
    if read_only and not path.exists():
        raise NotALedgerError(path, "there is no such file")
    try:
        if not read_only:
            make_database(path, is_known=is_database_file(path, kind.application_id))
    except UnsafeFileError as error:
        raise LedgerUnavailableError(str(error.path), error.reason) from error


def _open(path: Path, kind: FileKind, files: StoreFiles, *, read_only: bool) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    connection = apsw.Connection(str(path), flags=flags)
    try:
        _configure(connection, path, kind, read_only=read_only)
        # The first read opens the log and its index.
        connection.pragma("schema_version")
        files.opened(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path) -> Generator[None]:
    """
    Raise SQLite's errors as those of this package.
    """
    try:
        yield
    except apsw.NotADBError:
        raise NotALedgerError(path, "it is no SQLite database") from None
    except apsw.Error as error:
        raise LedgerUnavailableError(str(path), f"{type(error).__name__}: {error}") from error
    except StoreUnavailableError as error:
        raise LedgerUnavailableError(str(path), error.reason) from error


def _configure(connection: apsw.Connection, path: Path, kind: FileKind, *, read_only: bool) -> None:
    connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.pragma("cell_size_check", True)  # noqa: FBT003  a pragma's value
    if read_only:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.pragma("query_only", True)  # noqa: FBT003  a pragma's value
    else:
        connection.pragma("synchronous", "FULL")
        connection.pragma("secure_delete", kind.overwrites_deleted)
        if connection.pragma("page_count") == 0:
            with connection:
                connection.execute(kind.schema)
                connection.pragma("application_id", kind.application_id)
                connection.pragma("user_version", kind.format)
    if connection.pragma("application_id") != kind.application_id:
        raise NotALedgerError(path, f"it is no {kind.name}")
    if connection.pragma("user_version") > kind.format:
        raise NotALedgerError(path, f"it is a {kind.name} of a newer eventsource")
    if not read_only:
        if connection.pragma("journal_mode", "WAL") != "wal":
            raise LedgerUnavailableError(str(path), "its file system allows no write-ahead log")
        # SQLite ignores an error of syncing the directory, so a power cut could lose the name of a new file.
        sync_folder(path.parent)
