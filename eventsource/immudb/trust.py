"""
What a client trusts, and where it keeps that.
"""

from __future__ import annotations

import asyncio
import struct
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, runtime_checkable

import attrs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eventsource.immudb.check import Check, CheckFailedError
from eventsource.immudb.errors import TrustUnreadableError
from eventsource.immudb.results import Head
from eventsource.private_files import claim, lock, look, make_folder, replace
from eventsource.root_error import MissingExtraError, UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike


class Origin(StrEnum):
    """
    Why a head is trusted.
    """

    FIRST_USE = "first-use"
    """The server said so at the first contact."""

    PINNED = "pinned"
    """It was given to the client."""

    VERIFIED = "verified"
    """It was proved to follow from the one before."""


@attrs.frozen
class TrustedHead:
    """
    A head that was or is trusted.

    Attributes:
        head: The head.

        origin: Why.
    """

    head: Head
    origin: Origin


@runtime_checkable
class TrustStore(Protocol):
    """
    Keeps what is trusted, by the name of a ledger and of a database in it.

    Several clients, also of several processes, may use one at the same time.
    """

    async def trusted(self, ledger: str, database: str) -> Head | None:
        """
        The newest trusted head; None if nothing was ever trusted.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...

    async def advance(self, ledger: str, database: str, *, old: Head | None, new: TrustedHead) -> Head | None:
        """
        Trust *new* from now on, if *old* is still what is trusted, and never an older one in the place of a newer.

        Returns:
            What is trusted now. Neither *old* nor *new* if somebody else came first: *new* is then to be proved to
            lie in one history with that.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...

    async def history(self, ledger: str, database: str) -> list[TrustedHead]:
        """
        The heads that were trusted, oldest first; others compare them with theirs to find a split view.

        Not all of many: of older ones some are left out, of the newest none, and the first one stays.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...

    async def server_uuid(self, ledger: str, uuid: str) -> str | None:
        """
        Note which server this is, by its own word, and give what was noted before; None for nothing.

        It never decides what is compared with what.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...


# What is kept of a history: 32 KiB of JSON at the most, since each change writes all of it.
MAX_HEADS = 256


def thinned(heads: list[TrustedHead]) -> list[TrustedHead]:
    """
    *heads*, with every other one of the older half left out if there are too many. The first stays.
    """
    if len(heads) <= MAX_HEADS:
        return heads
    half = len(heads) // 2
    return heads[:half:2] + heads[half:]


class MemoryTrustStore:
    """
    Forgets when the program ends: for tests, and for programs that pin a head at each start.
    """

    def __init__(self) -> None:
        self._heads: dict[tuple[str, str], list[TrustedHead]] = {}
        self._uuids: dict[str, str] = {}

    async def trusted(self, ledger: str, database: str) -> Head | None:
        """
        See `TrustStore.trusted`.
        """
        heads = self._heads.get((ledger, database))
        return heads[-1].head if heads else None

    async def advance(self, ledger: str, database: str, *, old: Head | None, new: TrustedHead) -> Head | None:
        """
        See `TrustStore.advance`.
        """
        heads = self._heads.setdefault((ledger, database), [])
        current = heads[-1].head if heads else None
        if current != old:
            return current
        if current is not None and new.head.tx <= current.tx:
            return current
        self._heads[ledger, database] = thinned([*heads, new])
        return new.head

    async def history(self, ledger: str, database: str) -> list[TrustedHead]:
        """
        See `TrustStore.history`.
        """
        return list(self._heads.get((ledger, database), ()))

    async def server_uuid(self, ledger: str, uuid: str) -> str | None:
        """
        See `TrustStore.server_uuid`.
        """
        before, self._uuids[ledger] = self._uuids.get(ledger), uuid
        return before


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


def PersistentRootService(filename: str | PathLike[str] = "~/.immudbRoot.json") -> FileTrustStore:  # noqa: N802  not ours
    """
    `FileTrustStore`, under the official client's name. A file of that client's is refused, and left as it is.
    """
    return FileTrustStore(Path(filename).expanduser())


def _store(trusted: TrustedHead) -> _StoredHead:
    return _StoredHead(tx=trusted.head.tx, alh=trusted.head.alh.hex(), origin=trusted.origin)


def _restore(stored: _StoredHead) -> TrustedHead:
    return TrustedHead(Head(stored.tx, bytes.fromhex(stored.alh)), stored.origin)


def signed_state(database: str, head: Head) -> bytes:
    """
    What a server signs.
    """
    name = database.encode()
    return struct.pack(">I", len(name)) + name + struct.pack(">Q", head.tx) + head.alh


class StateKey:
    """
    The public key of a server.

    Args:
        pem: As ``openssl ec -pubout`` writes it.

    Raises:
        MissingExtraError: The extra ``notary`` is not installed.
        ValueError: It is no public key on the curve P-256.
    """

    def __init__(self, pem: bytes) -> None:
        try:
            # Here, so that whoever has no key needs it not.
            from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
            from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        except ModuleNotFoundError:
            extra = "notary"
            raise MissingExtraError(extra, purpose="checking the signature of an immudb") from None
        key = serialization.load_pem_public_key(pem)
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            msg = "an immudb signs with a key on the curve P-256, and this is none"
            raise ValueError(msg)  # noqa: TRY004  the argument is bytes all the same
        self._key = key
        self._algorithm = ec.ECDSA(hashes.SHA256())
        self._invalid = InvalidSignature

    def check(self, database: str, head: Head, signature: bytes) -> None:
        """
        Demand that the server signed this state.

        Raises:
            CheckFailedError: It did not.
        """
        if not signature:
            raise CheckFailedError(Check.SIGNATURE, "the server did not sign its state")
        try:
            self._key.verify(signature, signed_state(database, head), self._algorithm)
        except self._invalid:
            raise CheckFailedError(Check.SIGNATURE, "the state is not signed by the key of the server") from None
