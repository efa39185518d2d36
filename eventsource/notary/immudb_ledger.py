"""
An immudb as ledger: kept by somebody else, on another machine.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from eventsource.immudb import Check, FileTrustStore, ImmudbClient, MemoryTrustStore, TrustStore
from eventsource.immudb import Head as ImmudbHead
from eventsource.immudb.connection import Address
from eventsource.immudb.errors import (
    ImmudbClosedError,
    ImmudbKeyExistsError,
    ImmudbKeyNotFoundError,
    ImmudbLoginError,
    ImmudbNotFoundError,
    ImmudbOutcomeUnknownError,
    ImmudbPermissionError,
    ImmudbRefusedError,
    ImmudbUnavailableError,
    VerificationError,
)
from eventsource.merkle import HASH_BYTES
from eventsource.notary.errors import (
    AlreadyNotarisedError,
    LedgerClosedError,
    LedgerReadOnlyError,
    LedgerRefusedError,
    LedgerUnavailableError,
    TamperedError,
)
from eventsource.notary.ledger import Entry, Head, Proved, Receipt, check_entries

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from os import PathLike
    from types import TracebackType

    from eventsource.immudb import Tls

# An empty database has no hash yet.
_NOTHING: Final = bytes(HASH_BYTES)

# What a failed check says was done. Those that are not here say that nothing is proved.
_KINDS: Final = {
    Check.ROLLBACK: "rolled-back",
    Check.HISTORY: "forked",
    Check.HEADERS: "forked",
    Check.FIRST_TRANSACTION: "forked",
    Check.ENTRIES: "edited",
    Check.ENTRY_INCLUSION: "edited",
    Check.ENTRY_VALUE: "edited",
    Check.SERVER_DAMAGED: "edited",
}


# The time that a call waits for a connection. A notary asks again by itself, and says meanwhile that it waits.
_CONNECT_S: Final = 5.0

# Refusals for reasons of the server's own that no later call changes. Other ones may pass: a database that is being
# closed is refused with the status UNKNOWN.
_FOR_GOOD: Final = {"FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE", "UNIMPLEMENTED"}
_READ_ONLY: Final = "read-only"

# How gRPC says that the server's certificate is not vouched for, or that the server does not speak TLS.
_MISCONNECTED: Final = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")


class ImmudbLedger:
    """
    A `Ledger` in a database of an immudb. Every answer is verified, and the first value of a key is its value.

    The server can still say that it does not have something; that nobody can prove. So the notary asks for what it
    knows to be there, and heads say how much there was.

    Args:
        url: ``immudb://user:password@host:port/database``, or ``immudbs://…`` for TLS.

        read_only: Write nothing.

        origin: What heads of this ledger are known by; by default ``immudb/HOST:PORT/DATABASE``. Give a name if the
            address may change.

        pinned: A head to begin with, known from elsewhere.

        trust: Where it is kept what is trusted of the server: the path of a file, or a `TrustStore`; None keeps
            it in memory, and each start needs a head, or is a first contact.

        trust_on_first_use: True to trust what the server says at the first contact.

        server_public_key: PEM of the key that the server signs its state with, or the path of a file with it.

        tls: How the connection is encrypted, if the certificates that gRPC ships will not do; also for a URL that
            does not say that it is.

    Raises:
        InvalidImmudbUrlError: The URL is not understood.
        LedgerRefusedError: From any call: user and password, the database, a permission or the server's certificate
            is not right.
        TrustMissingError: From any call: there is no head to begin with, and the first contact is not trusted.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        origin: str | None = None,
        pinned: Head | None = None,
        trust: TrustStore | str | PathLike[str] | None = None,
        trust_on_first_use: bool = False,
        server_public_key: bytes | str | PathLike[str] | None = None,
        tls: Tls | None = None,
    ) -> None:
        address = Address.parse(url)
        self.origin = origin or f"immudb/{address.target}/{address.database}"
        self._database = address.database
        self._trust = (
            MemoryTrustStore()
            if trust is None
            else trust
            if isinstance(trust, TrustStore)
            else FileTrustStore(Path(trust))
        )
        self._name = f"immudb {address.target}/{address.database}"
        self._read_only = read_only
        self._is_closed = False
        self._pinned = pinned
        self._client = ImmudbClient(
            url,
            trust=self._trust,
            ledger=self.origin,
            trust_on_first_use=trust_on_first_use,
            pinned=ImmudbHead(pinned.size, pinned.root) if pinned and pinned.size else None,
            server_public_key=server_public_key,
            tls=tls,
            connect_timeout_s=_CONNECT_S,
        )

    async def __aenter__(self) -> Self:
        if self._pinned is not None:
            self._check_origin(self._pinned)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def append(self, entries: Sequence[Entry]) -> Receipt:
        """
        See `Ledger.append`. One transaction; what was written is proved with its answer.

        Raises:
            LedgerReadOnlyError: It was opened for reading.
        """
        if self._read_only:
            raise LedgerReadOnlyError(self._name)
        check_entries(entries)
        with self._translated():
            written = await self._client.verified_set_all(
                [(entry.key, entry.value) for entry in entries], write_once=True
            )
        return Receipt(written.tx, len(entries), self._head(written.head))

    async def get(self, key: bytes) -> Proved | None:
        """
        See `Ledger.get`.
        """
        with self._translated():
            try:
                # A writer that is not the notary can write a key again: the first time counts.
                found = await self._client.verified_get(key, at_revision=1)
            except ImmudbKeyNotFoundError:
                return None
        if found.reference is not None:
            what = "a key of the ledger was made to stand for another key, which a notary never does"
            raise TamperedError(kind="edited", place="ledger", what=what)
        head = self._head(ImmudbHead(found.tx, found.alh))
        return Proved(found.key, found.value, Receipt(found.tx, None, head))

    async def batch(self, receipt: Receipt) -> tuple[Entry, ...]:
        """
        See `Ledger.batch`.
        """
        with self._translated():
            found = await self._client.verified_tx(receipt.position)
        return tuple(Entry(*entry) for entry in found.entries)

    async def head(self) -> Head:
        """
        See `Ledger.head`.
        """
        with self._translated():
            return self._head(await self._client.advance())

    async def prove_since(self, head: Head) -> Head:
        """
        See `Ledger.prove_since`.
        """
        self._check_origin(head)
        if head.size == 0:
            return await self.head()
        with self._translated():
            return self._head(await self._client.prove_since(ImmudbHead(head.size, head.root)))

    async def is_trusted(self) -> bool:
        """
        True if there is a head to begin with. Asks nobody.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        return self._pinned is not None or await self._trust.trusted(self.origin, self._database) is not None

    async def aclose(self) -> None:
        """
        End the session. Closing twice is fine.
        """
        if not self._is_closed:
            self._is_closed = True
            await self._client.close()

    def _head(self, head: ImmudbHead | None) -> Head:
        return Head(self.origin, 0, _NOTHING) if head is None else Head(self.origin, head.tx, head.alh)

    def _check_origin(self, head: Head) -> None:
        if head.origin != self.origin:
            what = f"the head is one of {head.origin!r}, and this ledger is {self.origin!r}"
            raise TamperedError(kind="forked", place="ledger", what=what)

    @contextmanager
    def _translated(self) -> Generator[None]:
        """
        Raise what the client does as what a ledger does.
        """
        if self._is_closed:
            raise LedgerClosedError(self._name)
        try:
            yield
        except ImmudbKeyExistsError:
            # It does not say which.
            raise AlreadyNotarisedError(self._name, keys=()) from None
        except VerificationError as error:
            raise self._tampered(error) from error
        except ImmudbClosedError:
            raise LedgerClosedError(self._name) from None
        except ImmudbNotFoundError as error:
            if error.kind == "transaction":
                # Nothing is asked for but what it has said that it has.
                what = f"transaction {error.name} is not there, says the server, which had it"
                raise TamperedError(kind="deleted", place="ledger", what=what) from error
            raise LedgerRefusedError(self._name, str(error)) from error
        except (ImmudbLoginError, ImmudbPermissionError) as error:
            raise LedgerRefusedError(self._name, str(error)) from error
        except (ImmudbOutcomeUnknownError, ImmudbRefusedError, ImmudbUnavailableError) as error:
            is_for_good = isinstance(error, ImmudbRefusedError) and _is_for_good(error)
            if is_for_good or (isinstance(error, ImmudbUnavailableError) and _is_misconnected(error)):
                raise LedgerRefusedError(self._name, str(error)) from error
            raise LedgerUnavailableError(self._name, str(error)) from error

    def _tampered(self, error: VerificationError) -> TamperedError:
        # The bytes that crossed the wire are in the cause: they may be large, and hold what was kept.
        evidence = {
            "origin": self.origin,
            "call": error.call,
            "check": str(error.check),
            "trusted transaction": str(error.trusted_tx),
            "trusted hash": error.trusted_alh.hex(),
            "answer sha256": sha256(error.answer).hexdigest(),
        }
        kind = _KINDS.get(Check(error.check), "unproved")
        return TamperedError(kind=kind, place="ledger", what=error.problem, evidence=evidence)


def _is_for_good(error: ImmudbRefusedError) -> bool:
    return error.status in _FOR_GOOD or _READ_ONLY in error.text


def _is_misconnected(error: ImmudbUnavailableError) -> bool:
    return any(text in error.reason for text in _MISCONNECTED)
