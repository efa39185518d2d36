"""
Plain reading and writing: what the server says, unproved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.errors import ImmudbKeyNotFoundError
from eventsource.immudb.limits import Entries, check_bytes, check_entries, check_key, check_keys
from eventsource.immudb.messages import new
from eventsource.immudb.results import Entry, ServerState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventsource.immudb.session import Conversation


def set_request(entries: list[tuple[bytes, bytes]], *, write_once: bool) -> Any:
    """
    What writes these entries, in this order, in one transaction.
    """
    preconditions = [new("Precondition", keyMustNotExist=new("KeyOnly", key=key)) for key, _ in entries]
    return new(
        "SetRequest",
        KVs=[new("KeyValue", key=key, value=value) for key, value in entries],
        preconditions=preconditions if write_once else [],
    )


class PlainEntries:
    """
    The part of a client that reads and writes without proofs.
    """

    _conversation: Conversation

    async def set(self, key: bytes, value: bytes, *, write_once: bool = False) -> int:
        """
        Write one key, without verification.

        Args:
            key: 1 to 1,023 bytes.

            write_once: Only if the key was never written before.

        Returns:
            The number of the transaction, as the server says.

        Raises:
            NotBytesError, ImmudbLimitError: Key or value cannot be written; nothing was sent.
            ImmudbKeyExistsError: Rejected: a key that may be written once is there.
            ImmudbOutcomeUnknownError: Nobody knows whether it is written; see `resolve`.
            ImmudbError: Rejected for another reason.
        """
        return await self.set_all({key: value}, write_once=write_once)

    async def set_all(self, entries: Entries, *, write_once: bool = False) -> int:
        """
        Write several keys in one transaction: all of them or none; without verification.

        Args:
            entries: Keys and values, 1 to 1,024 of them, in the order they are to be written; no key twice.

            write_once: Only if none of the keys was ever written before.

        Returns:
            The number of the transaction, as the server says.

        Raises:
            NotBytesError, ImmudbLimitError, ImmudbKeyExistsError, ImmudbOutcomeUnknownError, ImmudbError: As `set`.
        """
        request = set_request(check_entries(entries), write_once=write_once)
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.tell(session, "Set", request)
        return int(answer.read().id)

    async def get(self, key: bytes, *, at_tx: int = 0, at_revision: int = 0) -> Entry | None:
        """
        Read one key, without verification.

        Args:
            at_tx: As that transaction wrote it; 0 for the newest.

            at_revision: As it was written that often: 1 for the first time, -1 for the last but one. 0 for the newest.

        Returns:
            What the server says; None if it says that the key is not there.

        Raises:
            NotBytesError, ImmudbLimitError: The key cannot be one; nothing was sent.
            ImmudbError: There is no answer.
        """
        request = new("KeyRequest", key=check_key(key), atTx=at_tx, atRevision=at_revision)
        async with self._conversation.sessions.current() as session:
            try:
                answer = await self._conversation.ask(session, "Get", request)
            except ImmudbKeyNotFoundError:
                return None
        return _read_entry(answer.read())

    async def get_all(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """
        Read several keys at one moment: all of them or none; without verification.

        A server asks for the permission to write, too.

        Returns:
            Key and value, in the order of *keys*.

        Raises:
            NotBytesError, ImmudbLimitError: A key cannot be one; nothing was sent.
            ImmudbKeyNotFoundError: One of the keys at least is not there.
            ImmudbError: There is no answer.
        """
        wanted = check_keys(keys)
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "GetAll", new("KeyListRequest", keys=wanted))
            found = {entry.key: entry.value for entry in answer.read().entries}
            if missing := [key for key in wanted if key not in found]:
                raise ImmudbKeyNotFoundError(session.database, missing=len(missing))
        return {key: found[key] for key in wanted}

    async def history(self, key: bytes, *, offset: int = 0, limit: int = 0, newest_first: bool = False) -> list[Entry]:
        """
        What was written to a key, one entry each time; without verification.

        Args:
            offset: Leave out so many.

            limit: Give no more than so many; 0 for as many as the server gives at once.

        Returns:
            Oldest first, or newest first; empty if the key is not there.

        Raises:
            NotBytesError, ImmudbLimitError: The key cannot be one; nothing was sent.
            ImmudbError: There is no answer.
        """
        request = new("HistoryRequest", key=check_key(key), offset=offset, limit=limit, desc=newest_first)
        async with self._conversation.sessions.current() as session:
            try:
                answer = await self._conversation.ask(session, "History", request)
            except ImmudbKeyNotFoundError:
                return []
        return [_read_entry(entry) for entry in answer.read().entries]

    async def scan(
        self, prefix: bytes = b"", *, after: bytes = b"", limit: int = 0, descending: bool = False
    ) -> list[Entry]:
        """
        The newest entry of each key, in the order of the keys; without verification.

        Args:
            prefix: Only keys that begin so.

            after: Only keys behind this one, in the order asked for; to read on where the last call ended.

            limit: Give no more than so many; 0 for as many as the server gives at once.

            descending: The largest key first.

        Raises:
            NotBytesError: What keys begin with, or come after, is no bytes; nothing was sent.
            ImmudbError: There is no answer.
        """
        prefix, after = check_bytes("prefix", prefix), check_bytes("key to begin after", after)
        request = new("ScanRequest", prefix=prefix, seekKey=after, limit=limit, desc=descending)
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "Scan", request)
        return [_read_entry(entry) for entry in answer.read().entries]

    async def current_state(self) -> ServerState:
        """
        Where the server says that the database stands. Trusted is what was trusted before; see `head`.

        Raises:
            ImmudbError: There is no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "CurrentState", new("Empty"))
        state = answer.read()
        return ServerState(state.db, state.txId, state.txHash)


def _read_entry(entry: Any) -> Entry:
    return Entry(entry.key, entry.value, entry.tx, entry.revision)
