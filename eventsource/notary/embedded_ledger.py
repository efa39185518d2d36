"""
The default ledger: a Merkle log in a file of its own, written in a thread.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import filelock

from eventsource import private_files
from eventsource.notary.errors import (
    LedgerClosedError,
    LedgerLockedError,
    LedgerReadOnlyError,
    LedgerUnavailableError,
    NotALedgerError,
)
from eventsource.notary.merkle_log import KIND, MerkleLog
from eventsource.root_error import UnsafeFileError
from eventsource.store.callers import OwnProcess
from eventsource.store.embedded.open_files import is_database_file, is_store_file, refuse_inherited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from os import PathLike
    from types import TracebackType

    from eventsource.notary.ledger import Entry, Head, Proved, Receipt
    from eventsource.notary.merkle_log import LogProblem

Result = TypeVar("Result")


class EmbeddedLedger:
    """
    A `Ledger` in one SQLite file: an append-only Merkle log as RFC 9162 has it.

    Whoever can write to the file can write all of it anew. So it is worth as much as the heads that are
    kept elsewhere: see `SignedHead`, and ``docs/threat-model.md``.

    One object writes to a file at a time; any number, in any process, read it.

    Args:
        path: The file; made when it is not there, unless *read_only*.

        read_only: Do not write, leave the place to another process.

        origin: What heads of a new log are to be known by, such as ``bank.example/notary``; by default a name
            that no other log has.

    Raises:
        LedgerLockedError: On entering: another one writes to the file.
        NotALedgerError, LedgerUnavailableError: On entering: the file cannot be used, as they say.
    """

    def __init__(self, path: str | PathLike[str], *, read_only: bool = False, origin: str | None = None) -> None:
        # Resolved, so that every name of the file leads to one lock.
        self._named = Path(path).absolute()
        self.path = self._named.resolve()
        self._read_only = read_only
        self._origin = origin
        self._lock: filelock.BaseFileLock | None = None
        self._process = OwnProcess()
        self._thread: ThreadPoolExecutor | None = None
        self._log: MerkleLog | None = None

    async def __aenter__(self) -> Self:
        self._process.claim()
        refuse_inherited(self.path)
        if is_store_file(self.path):
            # Before the lock is asked for: it is the store's.
            raise NotALedgerError(self.path, "it is an event store")
        if not self._read_only and self.path.parent.is_dir():
            self.check_name()
            # Made here: a ledger may be made before a fork and opened after it.
            try:
                self._lock = private_files.lock(Path(f"{self.path}-writer.lock"), thread_local=False)
                self._lock.acquire(timeout=0)
            except UnsafeFileError as error:
                raise LedgerUnavailableError(str(error.path), error.reason) from error
            except filelock.Timeout:
                raise LedgerLockedError(self.path) from None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"eventsource-notary {self.path.name}")
        try:
            opening = partial(MerkleLog, self.path, read_only=self._read_only, origin=self._origin)
            self._log = await asyncio.get_running_loop().run_in_executor(self._thread, opening)
        except OSError as error:
            await self.aclose()
            raise LedgerUnavailableError(str(self.path), str(error)) from error
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def check_name(self) -> None:
        """
        Refuse a symbolic link that leads to no log: another one is one more name of it.

        Raises:
            LedgerUnavailableError: It leads elsewhere.
        """
        try:
            private_files.refuse_planted_link(self._named, is_known=is_database_file(self.path, KIND.application_id))
        except UnsafeFileError as error:
            raise LedgerUnavailableError(str(error.path), error.reason) from error

    @property
    def origin(self) -> str:
        """
        What heads of this log are known by.
        """
        if self._log is None:
            raise LedgerClosedError(str(self.path))
        return self._log.origin

    async def append(self, entries: Sequence[Entry]) -> Receipt:
        """
        See `Ledger.append`. It is on the disk when this returns.

        Raises:
            LedgerReadOnlyError: It was opened for reading.
        """
        self._check_writable()
        return await self._run(lambda log: log.append(entries))

    async def get(self, key: bytes) -> Proved | None:
        """
        See `Ledger.get`.
        """
        return await self._run(lambda log: log.get(key))

    async def batch(self, receipt: Receipt) -> tuple[Entry, ...]:
        """
        See `Ledger.batch`.
        """
        count = receipt.count
        if count is None:
            msg = "a receipt of a Merkle log says how many entries there are"
            raise ValueError(msg)
        return await self._run(lambda log: log.batch(receipt.position, count))

    async def head(self) -> Head:
        """
        See `Ledger.head`.
        """
        return await self._run(lambda log: log.head())

    async def prove_since(self, head: Head) -> Head:
        """
        See `Ledger.prove_since`.
        """
        found, _ = await self._run(lambda log: log.prove_since(head))
        return found

    async def consistency_path(self, head: Head) -> tuple[Head, list[bytes]]:
        """
        The head now, and the path of RFC 9162 that shows that it continues *head*: what a witness asks for.
        """
        return await self._run(lambda log: log.prove_since(head))

    async def audit(self) -> list[LogProblem]:
        """
        Compute every hash of the log again, and say what does not fit.
        """
        return await self._run(lambda log: log.audit())

    async def leaves(self) -> AsyncIterator[tuple[int, Entry]]:
        """
        All leaves as they stand there, with their indices, in order; nothing is proved.
        """
        first = 0
        while page := await self._run(partial(MerkleLog.leaves, first=first)):
            for leaf in page:
                yield leaf
            first = page[-1][0] + 1

    async def aclose(self) -> None:
        """
        Close the file. Closing twice is fine.
        """
        self._process.check(str(self.path))
        thread, log, self._thread, self._log = self._thread, self._log, None, None
        if thread:
            if log:
                await asyncio.get_running_loop().run_in_executor(thread, log.close)
            await asyncio.to_thread(thread.shutdown)
        if self._lock:
            self._lock.release()

    async def _run(self, work: Callable[[MerkleLog], Result]) -> Result:
        self._process.check(str(self.path))
        if self._thread is None or self._log is None:
            raise LedgerClosedError(str(self.path))
        # Shielded by its thread: whoever is cancelled does not cut a write in two, it is decided all the same.
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._log)

    def _check_writable(self) -> None:
        if self._read_only:
            raise LedgerReadOnlyError(str(self.path))
