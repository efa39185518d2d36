"""
Plain reading and writing: what the server says, unproved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, overload

from eventsource.immudb.answer import read_entry_metadata
from eventsource.immudb.errors import ImmudbKeyNotFoundError
from eventsource.immudb.limits import BytesLike, Entries, check_key, check_keys, check_number
from eventsource.immudb.messages import new
from eventsource.immudb.results import Entry, Reference, ServerState
from eventsource.immudb.writing import Precondition, delete_request, reference_request, set_request

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from eventsource.immudb.session import Conversation

_TRANSACTION: Final = "number of a transaction"
_REVISION: Final = "number of a revision"
_MAX_REVISION: Final = 2**63 - 1


class PlainEntries:
    """
    The part of a client that reads and writes without proofs.
    """

    _conversation: Conversation

    async def set(
        self,
        key: BytesLike,
        value: BytesLike,
        *,
        write_once: bool = False,
        expires_at: dt.datetime | None = None,
        preconditions: Iterable[Precondition] = (),
    ) -> int:
        """
        Write one key, without verification.

        Args:
            key: 1 to 1,023 bytes.

            write_once: Only if the key is not there. One that was deleted, or whose time is over, may be written again.

            expires_at: When the value is no longer given out; a date without a time zone is local time.

            preconditions: What must hold for the write to take place: `KeyMustExist`, `KeyMustNotExist`,
                `KeyNotModifiedAfter`.

        Returns:
            The number of the transaction, as the server says.

        Raises:
            NotBytesError, ImmudbLimitError: Key, value or precondition cannot be one; nothing was sent.
            ImmudbKeyExistsError: Rejected: a key that may be written once is there.
            ImmudbPreconditionError: Rejected: another precondition does not hold.
            ImmudbOutcomeUnknownError: It may be written or not; see `resolve`.
            ImmudbError: Not sent, or rejected for another reason.
        """
        return await self.set_all(
            [(key, value)], write_once=write_once, expires_at=expires_at, preconditions=preconditions
        )

    async def set_all(
        self,
        entries: Entries,
        *,
        write_once: bool = False,
        expires_at: dt.datetime | None = None,
        preconditions: Iterable[Precondition] = (),
    ) -> int:
        """
        Write several keys in one transaction: all of them or none; without verification.

        Args:
            entries: Keys and values, 1 to 1,024 of them, in the order they are to be written; no key twice.

            write_once: Only if none of the keys is there.

            expires_at, preconditions: As `set`.

        Returns:
            The number of the transaction, as the server says.

        Raises:
            NotBytesError, ImmudbLimitError, ImmudbPreconditionError, ImmudbOutcomeUnknownError, ImmudbError: As `set`.
        """
        request = set_request(entries, write_once=write_once, expires_at=expires_at, preconditions=preconditions)
        return await self._write("Set", request)

    async def delete(self, *keys: BytesLike) -> int:
        """
        Delete keys in one transaction: all of them or none; without verification.

        Their values stay in the history and in their transactions.

        Returns:
            The number of the transaction, as the server says.

        Raises:
            NotBytesError, ImmudbLimitError: A key cannot be one; nothing was sent.
            ImmudbKeyNotFoundError: Rejected: one of the keys is not there.
            ImmudbOutcomeUnknownError: They may be deleted or not; see `resolve`.
            ImmudbError: Not sent, or rejected for another reason.
        """
        return await self._write("Delete", delete_request(keys))

    async def set_reference(
        self, key: BytesLike, refers_to: BytesLike, *, at_tx: int = 0, preconditions: Iterable[Precondition] = ()
    ) -> int:
        """
        Make a key stand for another one, without verification.

        Args:
            refers_to: A key that is there, and no reference.

            at_tx: It stands for the value which that transaction wrote; 0 for the newest at any time.

            preconditions: As `set`.

        Returns:
            The number of the transaction, as the server says.

        Raises:
            ImmudbKeyNotFoundError: Rejected: the other key is not there.
            ImmudbRefusedError: Rejected: the other key is a reference, or this one holds a value.
            NotBytesError, ImmudbLimitError, ImmudbPreconditionError, ImmudbOutcomeUnknownError, ImmudbError: As `set`.
        """
        request = reference_request(key, refers_to, at_tx=at_tx, preconditions=preconditions)
        return await self._write("SetReference", request)

    async def _write(self, call: str, request: Any) -> int:
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.tell(session, call, request)
        return int(answer.read().id)

    @overload
    async def get(self, key: BytesLike, at_revision: int = 0, *, at_tx: int = 0) -> Entry | None: ...

    @overload
    async def get(self, key: Iterable[BytesLike]) -> dict[bytes, bytes]: ...

    async def get(
        self, key: BytesLike | Iterable[BytesLike], at_revision: int = 0, *, at_tx: int = 0
    ) -> Entry | dict[bytes, bytes] | None:
        """
        Read one key, without verification; of a list of keys, `get_all`.

        Args:
            at_revision: As it was written that often: 1 for the first time, -1 for the last but one. 0 for the newest.

            at_tx: As that transaction wrote it; 0 for the newest.

        Returns:
            What the server says; None if it says that the key is not there. A reference gives the entry that it
            stands for, and itself in `Entry.reference`.

        Raises:
            NotBytesError, ImmudbLimitError: The key or a number cannot be one; nothing was sent.
            ImmudbNotFoundError: There is no such transaction, or the key has no such revision.
            ImmudbError: The server gave no answer.
        """
        if not isinstance(key, (bytes, bytearray, memoryview, str)):
            return await self.get_all(key)
        request = key_request(cast("BytesLike", key), at_tx=at_tx, at_revision=at_revision)
        async with self._conversation.sessions.current() as session:
            try:
                answer = await self._conversation.ask(session, "Get", request)
            except ImmudbKeyNotFoundError:
                return None
        return read_entry(answer.read())

    async def get_all(self, keys: Iterable[BytesLike]) -> dict[bytes, bytes]:
        """
        Read several keys at one moment: all of them or none; without verification.

        A server asks for the permission to write, too.

        Returns:
            Key and value, in the order of *keys*. A reference has the value that it stands for.

        Raises:
            NotBytesError, ImmudbLimitError: A key cannot be one; nothing was sent.
            ImmudbKeyNotFoundError: One of the keys at least is not there.
            ImmudbError: The server gave no answer.
        """
        wanted = check_keys(keys)
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "GetAll", new("KeyListRequest", keys=wanted))
            found = {entry.asked_key: entry.value for entry in map(read_entry, answer.read().entries)}
            if missing := [key for key in wanted if key not in found]:
                raise ImmudbKeyNotFoundError(session.database, missing=len(missing))
        return {key: found[key] for key in wanted}

    async def current_state(self) -> ServerState:
        """
        Where the server says that the database stands. Trusted is what was trusted before; see `head`.

        Raises:
            ImmudbError: The server gave no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "CurrentState", new("Empty"))
        state = answer.read()
        return ServerState(state.db, state.txId, state.txHash)


def key_request(key: BytesLike, *, at_tx: int, at_revision: int) -> Any:
    """
    The ``KeyRequest`` for a key.

    Raises:
        NotBytesError, ImmudbLimitError: The key or a number cannot be one.
    """
    return new(
        "KeyRequest",
        key=check_key(key),
        atTx=check_number(_TRANSACTION, at_tx),
        atRevision=check_number(_REVISION, at_revision, smallest=-_MAX_REVISION, largest=_MAX_REVISION),
    )


def read_entry(entry: Any) -> Entry:
    """
    Read an ``Entry``.
    """
    reference = None
    if entry.HasField("referencedBy"):
        reference = Reference(entry.referencedBy.key, entry.key, entry.referencedBy.atTx)
    expires_at_s = read_entry_metadata(entry).expires_at_s
    return Entry(entry.key, entry.value, entry.tx, entry.revision, expires_at_s, reference)
