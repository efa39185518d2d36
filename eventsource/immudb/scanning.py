"""
Reading much, page by page: the history of a key, the keys of a database, its transactions. Unproved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventsource.immudb.answer import read_entry_metadata, read_raw_entry, read_reference
from eventsource.immudb.entries import read_entry
from eventsource.immudb.errors import ImmudbKeyNotFoundError, ImmudbLimitError, ImmudbRefusedError
from eventsource.immudb.header import PLAIN
from eventsource.immudb.limits import MAX_RESULTS, BytesLike, check_bytes, check_key, check_number
from eventsource.immudb.messages import new
from eventsource.immudb.results import Entry, Revision, Transaction

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from eventsource.immudb.session import Conversation, Session

_LIMIT: Final = "results to give"
_OFFSET: Final = "results to leave out"
_TRANSACTION: Final = "number of a transaction"

# immudb's numbers for what of an entry it sends: its hash, or its value as it is stored, too.
_ONLY_DIGEST, _RAW_VALUE = 1, 2

# Transactions are larger than entries: up to 1,024 of them each.
_TRANSACTIONS: Final = 250


class Scanning:
    """
    The part of a client that reads more than one answer holds.

    An immudb gives 2,500 results at once at the most; these calls ask again until they have all. Between two
    answers others may write: what was there all the time is given, once.
    """

    _conversation: Conversation

    async def history(
        self,
        key: BytesLike,
        offset: int = 0,
        limit: int = 0,
        newest_first: bool = False,  # noqa: FBT001, FBT002  immudb's order
    ) -> list[Revision]:
        """
        What was written to a key, one revision each time; without verification.

        Args:
            offset: Leave out so many.

            limit: Give no more than so many; 0 for all.

        Returns:
            Oldest first, or newest first; empty if the key is not there.

        Raises:
            NotBytesError, ImmudbLimitError: The key or a number cannot be one; nothing was sent.
            ImmudbError: The server gave no answer.
        """
        revisions = self.iter_history(key, offset=offset, limit=limit, newest_first=newest_first)
        return [revision async for revision in revisions]

    async def iter_history(
        self, key: BytesLike, *, offset: int = 0, limit: int = 0, newest_first: bool = False
    ) -> AsyncGenerator[Revision]:
        """
        As `history`, one by one: not all of it is held at once.
        """
        key = check_key(key)
        pages = self._pages(limit, MAX_RESULTS)
        skipped = check_number(_OFFSET, offset)
        last = 0

        def request(count: int) -> Any:
            return new("HistoryRequest", key=key, offset=skipped, limit=count, desc=newest_first)

        while pages.is_unfinished:
            try:
                entries, session = await pages.ask("History", request)
            except ImmudbKeyNotFoundError:
                return
            for entry in entries:
                # What was written between two answers moves the older ones down.
                if newest_first and last and entry.revision >= last:
                    continue
                last = entry.revision
                pages.count()
                yield await self._read_revision(session, key, entry)
            skipped += len(entries)
            if len(entries) < pages.asked:
                return

    async def _read_revision(self, session: Session, key: bytes, entry: Any) -> Revision:
        metadata = read_entry_metadata(entry)
        has_value = not (metadata.is_deleted or entry.expired)
        reference = read_reference(key, entry.value) if has_value else None
        # A value can look like a reference: only the transaction tells which of the two it is.
        if reference is not None and (reference.at_tx >= entry.tx or not await self._is_reference(session, key, entry)):
            reference = None
        return Revision(
            key,
            entry.value if has_value and reference is None else None,
            entry.tx,
            entry.revision,
            is_deleted=metadata.is_deleted,
            is_expired=entry.expired,
            expires_at_s=metadata.expires_at_s,
            reference=reference,
        )

    async def _is_reference(self, session: Session, key: bytes, entry: Any) -> bool:
        request = new("TxRequest", tx=entry.tx, entriesSpec=_spec(), keepReferencesUnresolved=True)
        answer = (await self._conversation.ask(session, "TxById", request)).read()
        return any(stored.key == PLAIN + key and not stored.value.startswith(PLAIN) for stored in answer.entries)

    async def scan(
        self,
        prefix: BytesLike = b"",
        *official: Any,
        after: BytesLike = b"",
        end: BytesLike = b"",
        limit: int = 0,
        descending: bool = False,
        includes_after: bool = False,
        includes_end: bool = False,
    ) -> list[Entry]:
        """
        The newest entry of each key, in the order of the keys; without verification.

        Args:
            prefix: Only keys that begin so.

            official: With more positional arguments, all of them are those of the official client, in its order:
                the key to begin after, the prefix, whether the largest key comes first, the limit, and a transaction
                that the answer must know.

            after: Only keys behind this one, in the order asked for.

            end: Only keys before this one, in the order asked for.

            limit: Give no more than so many; 0 for all.

            descending: The largest key first.

            includes_after, includes_end: Those two keys themselves, too.

        Returns:
            Keys that are there: none that was deleted, or whose time is over. A reference gives the entry that it
            stands for, and itself in `Entry.reference`.

        Raises:
            NotBytesError, ImmudbLimitError: A key or number cannot be one; nothing was sent.
            ImmudbError: The server gave no answer.
        """
        since_tx = 0
        if official:
            after, prefix, descending, limit, since_tx = _in_order(prefix, *official)
        entries = self.iter_scan(
            prefix,
            after=after,
            end=end,
            limit=limit,
            descending=descending,
            includes_after=includes_after,
            includes_end=includes_end,
            since_tx=since_tx,
        )
        return [entry async for entry in entries]

    async def iter_scan(
        self,
        prefix: BytesLike = b"",
        *,
        after: BytesLike = b"",
        end: BytesLike = b"",
        limit: int = 0,
        descending: bool = False,
        includes_after: bool = False,
        includes_end: bool = False,
        since_tx: int = 0,
    ) -> AsyncGenerator[Entry]:
        """
        As `scan`, one by one: not all keys are held at once.

        Args:
            since_tx: A transaction that the answer must know.
        """
        wanted = {
            "prefix": check_bytes("prefix", prefix),
            "endKey": check_bytes("key to end before", end),
            "desc": descending,
            "inclusiveEnd": includes_end,
            "sinceTx": check_number(_TRANSACTION, since_tx),
        }
        seek, includes_seek = check_bytes("key to begin after", after), includes_after
        pages = self._pages(limit, MAX_RESULTS)
        skipped, last = 0, b""

        def request(count: int) -> Any:
            return new("ScanRequest", seekKey=seek, inclusiveSeek=includes_seek, limit=count, offset=skipped, **wanted)

        while pages.is_unfinished:
            entries, _ = await pages.ask("Scan", request)
            for entry in map(read_entry, entries):
                last = entry.asked_key
                pages.count()
                yield entry
            if len(entries) == pages.asked:
                seek, includes_seek, skipped = last, False, 0
            elif skipped and not entries:
                return
            else:
                # References to keys that are gone take room in an answer and are not in it: it is not the end yet.
                skipped += pages.asked

    async def tx(self, number: int) -> Transaction:
        """
        What one transaction wrote, without verification; `verified_tx` proves it.

        Raises:
            ImmudbNotFoundError: The server says that there is no such transaction.
            ImmudbLimitError: The number cannot be one; nothing was sent.
            ImmudbError: The server gave no answer.
        """
        checked = check_number(_TRANSACTION, number, smallest=1)
        request = new("TxRequest", tx=checked, entriesSpec=_spec(), keepReferencesUnresolved=True)
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "TxById", request)
        return _read_transaction(answer.read())

    async def iter_txs(
        self, first: int = 1, *, limit: int = 0, descending: bool = False
    ) -> AsyncGenerator[Transaction]:
        """
        Transactions one by one, from one on; without verification.

        Args:
            first: The transaction to begin with.

            limit: Give no more than so many; 0 for all.

            descending: From there back to the first one.

        Raises:
            ImmudbLimitError: A number cannot be one; nothing was sent.
            ImmudbError: The server gave no answer.
        """
        number = check_number(_TRANSACTION, first, smallest=1)
        pages = self._pages(limit, _TRANSACTIONS)

        def request(count: int) -> Any:
            return new("TxScanRequest", initialTx=number, limit=count, desc=descending, entriesSpec=_spec())

        while pages.is_unfinished and number:
            found, _ = await pages.ask("TxScan", request)
            for transaction in map(_read_transaction, found):
                number = transaction.tx + (-1 if descending else 1)
                pages.count()
                yield transaction
            if len(found) < pages.asked:
                return

    async def scan_txs(
        self,
        first: int = 1,
        limit: int = 0,
        descending: bool = False,  # noqa: FBT001, FBT002  immudb's order
    ) -> list[Transaction]:
        """
        As `iter_txs`, in a list.
        """
        return [found async for found in self.iter_txs(first, limit=limit, descending=descending)]

    def _pages(self, limit: int, most: int) -> _Pages:
        return _Pages(self._conversation, check_number(_LIMIT, limit), most)


class _Pages:
    """
    Answers that follow each other, all of one database.

    Attributes:
        asked: The number of results the last answer could hold.
    """

    def __init__(self, conversation: Conversation, limit: int, most: int) -> None:
        self._conversation = conversation
        self._left = limit or None
        self._most = most
        self._database = ""
        self.asked = 0

    @property
    def is_unfinished(self) -> bool:
        """
        True if more results are wanted.
        """
        return self._left is None or self._left > 0

    def count(self) -> None:
        """
        Note that a result was given.
        """
        if self._left is not None:
            self._left -= 1

    async def ask(self, call: str, request: Callable[[int], Any]) -> tuple[Any, Session]:
        """
        The results of the next answer, and the session that it came in.

        Args:
            request: What to ask for, given how many results are wanted.
        """
        while True:
            self.asked = self._most if self._left is None else min(self._most, self._left)
            async with self._conversation.sessions.current() as session:
                if session.database != (self._database or session.database):
                    text = f"the client uses another database since the reading of {self._database!r} began"
                    raise ImmudbRefusedError(call, status="FAILED_PRECONDITION", text=text)
                self._database = session.database
                try:
                    answer = (await self._conversation.ask(session, call, request(self.asked))).read()
                except ImmudbLimitError:
                    # Large values: as many results do not fit into one answer.
                    if self.asked == 1:
                        raise
                    self._most = self.asked // 2
                    continue
            return (answer.txs if call == "TxScan" else answer.entries), session


def _in_order(
    key: BytesLike,
    prefix: BytesLike = b"",
    desc: bool = False,  # noqa: FBT001, FBT002  their order
    limit: int = 0,
    since_tx: int | None = None,
) -> tuple[BytesLike, BytesLike, bool, int, int]:
    return key or b"", prefix or b"", bool(desc), limit or 0, since_tx or 0


def _spec() -> Any:
    return new(
        "EntriesSpec",
        kvEntriesSpec=new("EntryTypeSpec", action=_RAW_VALUE),
        zEntriesSpec=new("EntryTypeSpec", action=_ONLY_DIGEST),
        sqlEntriesSpec=new("EntryTypeSpec", action=_ONLY_DIGEST),
    )


def _read_transaction(message: Any) -> Transaction:
    keys = [entry for entry in map(read_raw_entry, message.entries) if entry.stored_key.startswith(PLAIN)]
    present = [entry for entry in keys if not entry.metadata.is_deleted]
    entries = tuple((entry.key, entry.stored_value[1:]) for entry in present if entry.stored_value.startswith(PLAIN))
    return Transaction(
        message.header.id,
        message.header.ts,
        entries,
        others=message.header.nentries - len(entries),
        deleted=tuple(entry.key for entry in keys if entry.metadata.is_deleted),
        references=tuple(entry.reference for entry in present if entry.reference is not None),
    )
