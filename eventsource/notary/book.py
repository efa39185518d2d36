"""
The notary's book: what the notary alone knows, in a file of its own.

That is the secret which all salts are made from, the seals of data that may be erased some day, and the
head of the ledger as the notary last saw it. The book proves nothing and forges nothing; it opens what
the ledger has. Without it nobody can compare an event with its record, so it is kept as well as the store.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

import apsw

from eventsource.notary.errors import LedgerClosedError, LedgerUnavailableError, NotaryBookError
from eventsource.notary.fingerprint import SEAL_BYTES, SECRET_BYTES
from eventsource.notary.ledger import Head
from eventsource.notary.sqlite_file import FileKind, NotaryFile, translated
from eventsource.private_files import refuse_planted_link
from eventsource.root_error import UnsafeFileError
from eventsource.store.callers import OwnProcess
from eventsource.store.embedded.open_files import is_database_file
from eventsource.wire.errors import ErasureUnfinishedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from types import TracebackType

Result = TypeVar("Result")

# seals: of events whose data may be erased; forgotten by deleting the row.
# seen: by store, the head of the ledger and how many batches of it that had.
_SCHEMA: Final = """
CREATE TABLE secret (only INTEGER PRIMARY KEY CHECK (only = 1), secret BLOB NOT NULL) STRICT;
CREATE TABLE seals (event_id TEXT PRIMARY KEY, seal BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
    store TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    batches INTEGER NOT NULL
) STRICT;
"""
# "ESNB": tells `file` and us that the database is ours.
_KIND: Final = FileKind("notary's book", 0x45534E42, _SCHEMA, overwrites_deleted=True)

# The time that forgetting tries to clean the file when a reader is in the way, in seconds.
_PATIENCE_S: Final = 5.0


class Seen(NamedTuple):
    """
    A ledger's head, and how many batches of a store it had then.
    """

    head: Head
    batches: int


class NotaryBook:
    """
    The book, opened by ``async with``.

    Args:
        path: The file; made with a new secret when it is not there, unless *read_only*. Only its owner may read it.

        read_only: Read only, while the notary writes it.

    Raises:
        NotALedgerError, LedgerUnavailableError: On entering: the file cannot be used, as they say.
    """

    def __init__(self, path: str | PathLike[str], *, read_only: bool = False) -> None:
        self._named = Path(path).absolute()
        self.path = self._named.resolve()
        self._read_only = read_only
        self._thread: ThreadPoolExecutor | None = None
        self._file: NotaryFile | None = None
        self._process = OwnProcess()
        self._secret = b""

    async def __aenter__(self) -> Self:
        self._process.claim()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"eventsource-notary {self.path.name}")
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def secret(self) -> bytes:
        """
        What salts are made from.
        """
        if not self._secret:
            raise LedgerClosedError(str(self.path))
        return self._secret

    async def seals(self, event_ids: Sequence[str]) -> dict[str, bytes]:
        """
        The seals there are of these events.
        """

        def read(connection: apsw.Connection) -> dict[str, bytes]:
            rows = connection.executemany(
                "SELECT event_id, seal FROM seals WHERE event_id = ?", [(one,) for one in event_ids]
            )
            return dict(rows)

        return await self._run(read) if event_ids else {}

    async def seal(self, event_ids: Sequence[str]) -> dict[str, bytes]:
        """
        The seals of these events; those without one get one, which is on the disk when this returns.
        """
        if not event_ids:
            return {}
        made = [(one, os.urandom(SEAL_BYTES)) for one in event_ids]

        def write(connection: apsw.Connection) -> None:
            with connection:
                # An event whose batch did not come through before a crash keeps its seal.
                connection.executemany("INSERT INTO seals VALUES (?, ?) ON CONFLICT DO NOTHING", made)

        await self._run(write)
        return await self.seals(event_ids)

    async def forget(self, event_ids: Iterable[str]) -> int:
        """
        Delete the seals of these events, so that nobody can find out any more what their data was.

        It returns when no byte of them is left in the file.

        Returns:
            How many there were.

        Raises:
            ErasureUnfinishedError: They are deleted, but somebody reads the file, so bytes of them are left.
        """
        ids = [(one,) for one in event_ids]

        def delete(connection: apsw.Connection) -> int:
            before = connection.total_changes()
            with connection:
                connection.executemany("DELETE FROM seals WHERE event_id = ?", ids)
            return connection.total_changes() - before

        forgotten = await self._run(delete)
        if not forgotten:
            return 0
        deadline = time.monotonic() + _PATIENCE_S
        while not await self._run(_empty_log):
            if time.monotonic() > deadline:
                raise ErasureUnfinishedError(
                    str(self.path), subject="the book", events=forgotten, reason="somebody reads the file"
                )
            await asyncio.sleep(0.05)
        return forgotten

    async def last_seen(self, store: str) -> Seen | None:
        """
        What the notary last saw of a store's notarisation.
        """

        def read(connection: apsw.Connection) -> Seen | None:
            rows: list[tuple[Any, ...]] = connection.execute(
                "SELECT origin, size, root, batches FROM seen WHERE store = ?", (store,)
            ).fetchall()
            return Seen(Head(*rows[0][:3]), rows[0][3]) if rows else None

        return await self._run(read)

    async def remember(self, store: str, seen: Seen) -> None:
        """
        Note what was seen.
        """
        head = seen.head
        values = (store, head.origin, head.size, head.root, seen.batches)
        await self._run(
            lambda connection: connection.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)", values)
        )

    async def aclose(self) -> None:
        """
        Close the file. Closing twice is fine.
        """
        self._process.check(str(self.path))
        thread, file, self._thread, self._file = self._thread, self._file, None, None
        self._secret = b""
        if thread:
            if file:
                await asyncio.get_running_loop().run_in_executor(thread, file.close)
            await asyncio.to_thread(thread.shutdown)

    def _open(self) -> None:
        if not self._read_only:
            try:
                refuse_planted_link(self._named, is_known=is_database_file(self.path, _KIND.application_id))
            except UnsafeFileError as error:
                raise LedgerUnavailableError(str(error.path), error.reason) from error
        self._file = file = NotaryFile(self.path, _KIND, read_only=self._read_only)
        connection = file.connection
        with translated(self.path):
            if not self._read_only:
                connection.execute(
                    "INSERT INTO secret VALUES (1, ?) ON CONFLICT DO NOTHING", (os.urandom(SECRET_BYTES),)
                )
            secret: bytes | None = connection.execute("SELECT secret FROM secret").get
        if secret is None or len(secret) != SECRET_BYTES:
            msg = f"{self.path} holds no secret: it is not the notary's book, or it was damaged"
            raise NotaryBookError(msg)
        self._secret = secret

    async def _run(self, work: Callable[[apsw.Connection], Result]) -> Result:
        self._process.check(str(self.path))
        thread, file = self._thread, self._file
        if thread is None or file is None:
            raise LedgerClosedError(str(self.path))

        def run() -> Result:
            file.check()
            with translated(self.path):
                result = work(file.connection)
            file.check()
            return result

        return await asyncio.get_running_loop().run_in_executor(thread, run)


def _empty_log(connection: apsw.Connection) -> bool:
    """
    Move the write-ahead log into the file and cut it off; False when a reader is in the way.
    """
    try:
        left, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    return left == 0
