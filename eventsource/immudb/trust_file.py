"""
Trusted heads in a file of their own.

The file is JSON, only its owner may read it, and it is replaced as a whole: written beside, synced, renamed.
A lock beside it lets several processes use it. If it cannot be read, that is an error and never the
beginning of new trust.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import attrs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eventsource.errors import TrustUnreadableError, UnsafeFileError
from eventsource.immudb.results import Head
from eventsource.immudb.trust import Origin, TrustedHead, thinned
from eventsource.private_files import claim, lock, look, make_folder, replace

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _StoredHead(_Stored):
    tx: int = Field(ge=1)
    alh: str = Field(pattern=r"^[0-9a-f]{64}$")
    origin: Origin = Field(strict=False)


class _StoredLedger(_Stored):
    server_uuid: str | None = None
    databases: dict[str, list[_StoredHead]] = {}


class _StoredTrust(_Stored):
    format: Literal[1] = 1
    ledgers: dict[str, _StoredLedger] = {}


@attrs.frozen
class FileTrustStore:
    """
    Keeps what is trusted in one file, which is made when something is trusted first.

    A copy of it elsewhere lets one see whether it was replaced: whoever can write it decides what is trusted.

    Attributes:
        path: The file. Beside it stands a lock, of the same name with ``.lock``.
    """

    path: Path = attrs.field(converter=Path)

    async def trusted(self, ledger: str, database: str) -> Head | None:
        """
        See `TrustStore.trusted`.
        """
        heads = await self.history(ledger, database)
        return heads[-1].head if heads else None

    async def advance(self, ledger: str, database: str, *, old: Head | None, new: TrustedHead) -> Head | None:
        """
        See `TrustStore.advance`. Returns when the file is on the disk.
        """

        def advance(trust: _StoredTrust) -> Head | None:
            databases = trust.ledgers.setdefault(ledger, _StoredLedger()).databases
            heads = [_restore(stored) for stored in databases.get(database, ())]
            current = heads[-1].head if heads else None
            if current != old:
                return current
            if current is not None and new.head.tx <= current.tx:
                return current
            databases[database] = [_store(head) for head in thinned([*heads, new])]
            return new.head

        return await asyncio.to_thread(self._change, advance)

    async def history(self, ledger: str, database: str) -> list[TrustedHead]:
        """
        See `TrustStore.history`.
        """
        trust = await asyncio.to_thread(self._read)
        found = trust.ledgers.get(ledger)
        return [_restore(stored) for stored in found.databases.get(database, ())] if found else []

    async def server_uuid(self, ledger: str, uuid: str) -> str | None:
        """
        See `TrustStore.server_uuid`.
        """

        def note(trust: _StoredTrust) -> str | None:
            noted = trust.ledgers.setdefault(ledger, _StoredLedger())
            before, noted.server_uuid = noted.server_uuid, uuid
            return before

        return await asyncio.to_thread(self._change, note)

    def _change(self, change: Callable[[_StoredTrust], T]) -> T:
        make_folder(self.path.parent)
        try:
            turn = lock(Path(f"{self.path}.lock"))
        except UnsafeFileError as error:
            raise TrustUnreadableError(self.path, str(error)) from error
        with turn:
            trust = self._read()
            claim(self.path)
            before = trust.model_dump_json()
            result = change(trust)
            if trust.model_dump_json() != before:
                self._write(trust)
        return result

    def _read(self) -> _StoredTrust:
        # A rename is one step: without the lock, too, the file is whole.
        try:
            look(self.path)
            content = self.path.read_bytes()
        except FileNotFoundError:
            return _StoredTrust()
        except UnsafeFileError as error:
            raise TrustUnreadableError(self.path, error.reason) from error
        except OSError as error:
            raise TrustUnreadableError(self.path, type(error).__name__) from error
        try:
            trust = _StoredTrust.model_validate_json(content)
        except ValidationError as error:
            place = ".".join(str(step) for step in error.errors()[0]["loc"]) or "its beginning"
            raise TrustUnreadableError(self.path, f"it is not in its form, at {place}") from None
        for ledger in trust.ledgers.values():
            for heads in ledger.databases.values():
                if any(later.tx <= earlier.tx for earlier, later in pairwise(heads)):
                    raise TrustUnreadableError(self.path, "its heads are out of order")
        return trust

    def _write(self, trust: _StoredTrust) -> None:
        replace(self.path, trust.model_dump_json(indent=1).encode())


def _store(trusted: TrustedHead) -> _StoredHead:
    return _StoredHead(tx=trusted.head.tx, alh=trusted.head.alh.hex(), origin=trusted.origin)


def _restore(stored: _StoredHead) -> TrustedHead:
    return TrustedHead(Head(stored.tx, bytes.fromhex(stored.alh)), stored.origin)
