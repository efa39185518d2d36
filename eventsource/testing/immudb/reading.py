"""
What the reading calls of the test server find in a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventsource.immudb.header import PLAIN
from eventsource.immudb.messages import new
from eventsource.testing.immudb.refusal import Refusal, RefusedError
from eventsource.testing.immudb.stored import SORTED_SET, SQL, StoredEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventsource.testing.immudb.database import Database, Transaction

MAX_RESULTS: Final = 2_500

# immudb's numbers for what of an entry it sends.
_EXCLUDE, _ONLY_DIGEST, _RAW_VALUE, _RESOLVE = range(4)

_ABSENT: Final = {refusal.value[0] for refusal in (Refusal.EXPIRED, Refusal.KEY_NOT_FOUND)}


def read_key(database: Database, request: Any) -> Any:
    """
    The ``Entry`` that a ``KeyRequest`` asks for.
    """
    if not request.key:
        raise Refusal.EMPTY_KEY.error()
    if request.atTx and request.sinceTx:
        raise Refusal.SINCE_AND_TRANSACTION.error()
    if request.atTx and request.atRevision:
        raise Refusal.REVISION_AND_TRANSACTION.error()
    if request.sinceTx > database.newest:
        raise Refusal.LATER_TRANSACTION.error()
    stored_key = PLAIN + request.key
    if request.atRevision:
        return _read_revision(database, stored_key, request.atRevision)
    return read_entry(database, stored_key, at_tx=request.atTx)


def read_entry(database: Database, stored_key: bytes, *, at_tx: int = 0, depth: int = 0) -> Any:
    """
    The ``Entry`` of a key: its newest one, or as transaction *at_tx* wrote it.

    The newest one counts its revision; one that is asked for by its transaction does not.
    """
    if at_tx:
        found = database.transaction(at_tx).find(stored_key)
        if found is None:
            raise Refusal.KEY_NOT_FOUND.error()
        return _resolve(database, found, tx=at_tx, revision=0, depth=depth)
    writes = database.writes_of(stored_key)
    if not writes:
        raise Refusal.KEY_NOT_FOUND.error()
    newest = _stored(database, writes[-1], stored_key)
    return _resolve(database, newest, tx=writes[-1], revision=len(writes), depth=depth)


def is_there(database: Database, stored_key: bytes) -> bool:
    """
    True if a key is neither deleted nor expired.
    """
    writes = database.writes_of(stored_key)
    if not writes:
        return False
    newest = _stored(database, writes[-1], stored_key)
    return not newest.metadata.is_deleted and not newest.has_expired(database.clock())


def read_all(database: Database, request: Any) -> list[Any]:
    """
    The entries that a ``KeyListRequest`` asks for. As an immudb does it: what is not there is left out.
    """
    check_since(database, request.sinceTx)
    return _present(database, (PLAIN + key for key in request.keys))


def read_history(database: Database, request: Any) -> list[Any]:
    """
    The entries that a ``HistoryRequest`` asks for: each write, deletions and references as they are stored.
    """
    limit = _limit(request.limit)
    check_since(database, request.sinceTx)
    if limit < 0:
        raise Refusal.ILLEGAL_ARGUMENTS.error()
    stored_key = PLAIN + request.key
    writes = list(enumerate(database.writes_of(stored_key), start=1))
    if not writes:
        raise Refusal.KEY_NOT_FOUND.error()
    if request.desc:
        writes.reverse()
    return [
        _in_history(database, stored_key, tx=tx, revision=revision) for revision, tx in writes[request.offset :][:limit]
    ]


def scan_keys(database: Database, request: Any) -> list[Any]:
    """
    The entries that a ``ScanRequest`` asks for.
    """
    check_since(database, request.sinceTx)
    limit = _limit(request.limit)
    keys = [key for key in database.stored_keys() if key.startswith(PLAIN + request.prefix)]
    keys = [key for key in keys if is_there(database, key)]
    if request.desc:
        keys.reverse()
    if request.seekKey:
        keys = [key for key in keys if _is_behind(key, request, request.seekKey, inclusive=request.inclusiveSeek)]
    if request.endKey:
        keys = [key for key in keys if not _is_behind(key, request, request.endKey, inclusive=not request.inclusiveEnd)]
    # What a reference to nothing takes of the limit is missing in the answer.
    return _present(database, keys[request.offset :][:limit])


def scan_set(database: Database, request: Any) -> list[Any]:
    """
    The ``ZEntry`` messages that a ``ZScanRequest`` asks for.
    """
    limit = _limit(request.limit)
    if not request.set:
        raise Refusal.ILLEGAL_ARGUMENTS.error()
    check_since(database, request.sinceTx)
    if request.seekKey or request.seekAtTx or request.inclusiveSeek:
        named = "ZScan from a key on"
        raise Refusal.NOT_DONE.error(named)
    members = [StoredEntry(key, b"").set_member for key in database.stored_keys() if key.startswith(SORTED_SET)]
    chosen = sorted(
        (member for member in members if member is not None and member.set == request.set),
        key=lambda member: (member.score, member.stored_key, member.at_tx),
        reverse=request.desc,
    )
    if request.HasField("minScore"):
        chosen = [member for member in chosen if member.score >= request.minScore.score]
    if request.HasField("maxScore"):
        chosen = [member for member in chosen if member.score <= request.maxScore.score]
    found: list[Any] = []
    for member in chosen[request.offset :][:limit]:
        entry = _read_if_there(database, member.stored_key, at_tx=member.at_tx)
        if entry is not None:
            found.append(
                new(
                    "ZEntry",
                    set=member.set,
                    key=member.stored_key[1:],
                    entry=entry,
                    score=member.score,
                    atTx=member.at_tx,
                )
            )
    return found


def read_tx(database: Database, tx: int, spec: Any, *, keeps_references: bool = False) -> Any:
    """
    The ``Tx`` of that number.

    Args:
        spec: The ``EntriesSpec`` that says what of which entries to send; None for all of them, without values.

        keeps_references: True if references are told as they are.
    """
    transaction = database.transaction(tx)
    shown = new("Tx", header=database.header(tx))
    if spec is None:
        shown.entries.extend(entry.message() for entry in transaction.entries)
        return shown
    for entry in transaction.entries:
        _add_entry(database, transaction, entry, shown, spec, keeps_references=keeps_references)
    return shown


def scan_txs(database: Database, request: Any) -> list[Any]:
    """
    The transactions that a ``TxScanRequest`` asks for.
    """
    limit = _limit(request.limit)
    check_since(database, request.sinceTx)
    if request.initialTx == 0:
        raise Refusal.ILLEGAL_ARGUMENTS.error()
    numbers = range(request.initialTx, 0, -1) if request.desc else range(request.initialTx, database.newest + 1)
    spec = request.entriesSpec if request.HasField("entriesSpec") else None
    return [read_tx(database, tx, spec) for tx in numbers[:limit] if tx <= database.newest]


def check_since(database: Database, since: int) -> None:
    """
    Refuse to wait for a transaction that is not there.
    """
    if since > database.newest:
        raise Refusal.ILLEGAL_ARGUMENTS.error()


def _read_revision(database: Database, stored_key: bytes, at_revision: int) -> Any:
    writes = database.writes_of(stored_key)
    if not writes:
        raise Refusal.KEY_NOT_FOUND.error()
    revision = at_revision if at_revision > 0 else len(writes) + at_revision
    if not 0 < revision <= len(writes):
        raise Refusal.INVALID_REVISION.error()
    tx = writes[revision - 1]
    return _resolve(database, _stored(database, tx, stored_key), tx=tx, revision=revision, depth=0)


def _resolve(database: Database, stored: StoredEntry, *, tx: int, revision: int, depth: int) -> Any:
    if stored.has_expired(database.clock()):
        raise Refusal.EXPIRED.error()
    if stored.metadata.is_deleted:
        raise Refusal.KEY_NOT_FOUND.error()
    referred = stored.referred
    if referred is None:
        entry = new("Entry", tx=tx, key=stored.key[1:], value=stored.value[1:], revision=revision)
        stored.describe(entry)
        return entry
    if depth:
        raise Refusal.TOO_DEEP.error()
    entry = read_entry(database, referred.stored_key, at_tx=referred.at_tx, depth=depth + 1)
    reference = new("Reference", tx=tx, key=stored.key[1:], atTx=referred.at_tx, revision=revision)
    stored.describe(reference)
    entry.referencedBy.CopyFrom(reference)
    return entry


def _in_history(database: Database, stored_key: bytes, *, tx: int, revision: int) -> Any:
    stored = _stored(database, tx, stored_key)
    has_expired = stored.has_expired(database.clock())
    # Without the byte that says what it is: a reference shows the number and the key behind it.
    value = b"" if has_expired else stored.value[1:]
    entry = new("Entry", tx=tx, key=stored_key[1:], value=value, revision=revision, expired=has_expired)
    stored.describe(entry)
    return entry


def _stored(database: Database, tx: int, stored_key: bytes) -> StoredEntry:
    found = database.transaction(tx).find(stored_key)
    assert found is not None  # noqa: S101  the index says so
    return found


def _present(database: Database, stored_keys: Iterable[bytes]) -> list[Any]:
    entries = (_read_if_there(database, key) for key in stored_keys)
    return [entry for entry in entries if entry is not None]


def _read_if_there(database: Database, stored_key: bytes, *, at_tx: int = 0) -> Any:
    try:
        return read_entry(database, stored_key, at_tx=at_tx)
    except RefusedError as refusal:
        if refusal.text not in _ABSENT:
            raise
        return None


def _add_entry(
    database: Database,
    transaction: Transaction,
    entry: StoredEntry,
    shown: Any,
    spec: Any,
    *,
    keeps_references: bool,
) -> None:
    action = _action(spec, entry)
    if action == _ONLY_DIGEST:
        shown.entries.append(entry.message())
    elif action != _EXCLUDE and not entry.has_expired(database.clock()):
        # What has expired is left out where values are asked for: it has none any more.
        if action == _RAW_VALUE:
            shown.entries.append(entry.message(with_value=True))
        elif entry.key.startswith(SQL):
            raise Refusal.ILLEGAL_ARGUMENTS.error()
        elif entry.is_key_value:
            resolved = _resolved(database, transaction, entry, keeps_references=keeps_references)
            shown.kvEntries.extend(resolved)
        else:
            named = "resolved entries of sorted sets"
            raise Refusal.NOT_DONE.error(named)


def _resolved(
    database: Database, transaction: Transaction, entry: StoredEntry, *, keeps_references: bool
) -> Sequence[Any]:
    tx = transaction.header.id
    if keeps_references and (referred := entry.referred) is not None:
        kept = new("Entry", key=referred.stored_key[1:], tx=referred.at_tx)
        kept.referencedBy.CopyFrom(new("Reference", tx=tx, key=entry.key[1:], atTx=referred.at_tx))
        return [kept]
    try:
        return [_resolve(database, entry, tx=tx, revision=0, depth=0)]
    except RefusedError as refusal:
        if refusal.text not in _ABSENT:
            raise
        return []


def _action(spec: Any, entry: StoredEntry) -> int:
    if entry.is_key_value:
        return int(spec.kvEntriesSpec.action)
    if entry.key.startswith(SORTED_SET):
        return int(spec.zEntriesSpec.action)
    return int(spec.sqlEntriesSpec.action)


def _limit(asked: int) -> int:
    if asked > MAX_RESULTS:
        raise Refusal.TOO_MANY_RESULTS.error(asked)
    return asked or MAX_RESULTS


def _is_behind(stored_key: bytes, request: Any, key: bytes, *, inclusive: bool) -> bool:
    bound = PLAIN + key
    if stored_key == bound:
        return inclusive
    return stored_key < bound if request.desc else stored_key > bound
