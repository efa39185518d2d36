"""
What the writing calls of the test server put into a database, if an immudb would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.immudb.answer import read_entry_metadata
from eventsource.immudb.header import PLAIN
from eventsource.immudb.limits import MAX_ENTRIES, MAX_KEY_BYTES
from eventsource.testing.immudb.reading import is_there, read_entry
from eventsource.testing.immudb.refusal import Refusal, RefusedError
from eventsource.testing.immudb.stored import SetMember, StoredEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventsource.testing.immudb.database import Database


def entries_to_set(database: Database, request: Any) -> list[StoredEntry]:
    """
    What a ``SetRequest`` writes, if its preconditions hold.
    """
    keys = [entry.key for entry in request.KVs]
    _check_keys(keys)
    if len(set(keys)) < len(keys):
        raise Refusal.DUPLICATE_KEYS.error()
    _check_number(keys)
    _check_preconditions(database, request.preconditions)
    return [StoredEntry.plain(entry.key, entry.value, read_entry_metadata(entry)) for entry in request.KVs]


def entries_to_delete(database: Database, request: Any) -> list[StoredEntry]:
    """
    What a ``DeleteKeysRequest`` writes: each key must be there.
    """
    if request.sinceTx > database.newest:
        raise Refusal.NO_TRANSACTION.error()
    keys = list(request.keys)
    _check_keys(keys)
    _check_number(keys)
    if len(set(keys)) < len(keys) or not all(is_there(database, PLAIN + key) for key in keys):
        raise Refusal.KEY_NOT_FOUND.error()
    return [StoredEntry.deletion(key) for key in keys]


def entries_to_refer(database: Database, request: Any) -> list[StoredEntry]:
    """
    What a ``ReferenceRequest`` writes.
    """
    if not request.key or not request.referencedKey or bool(request.atTx) is not request.boundRef:
        raise Refusal.ILLEGAL_ARGUMENTS.error()
    _check_keys([request.key])
    try:
        before = read_entry(database, PLAIN + request.key, at_tx=request.atTx)
    except RefusedError as refusal:
        if refusal.text != Refusal.KEY_NOT_FOUND.value[0]:
            raise
    else:
        if not before.HasField("referencedBy"):
            raise Refusal.NOT_TO_A_REFERENCE.error()
    if read_entry(database, PLAIN + request.referencedKey, at_tx=request.atTx).HasField("referencedBy"):
        raise Refusal.REFERENCE_TO_REFERENCE.error()
    _check_preconditions(database, request.preconditions)
    return [StoredEntry.reference(request.key, request.referencedKey, request.atTx)]


def entries_of_set(database: Database, request: Any) -> list[StoredEntry]:
    """
    What a ``ZAddRequest`` writes.
    """
    if not request.set or not request.key or bool(request.atTx) is not request.boundRef:
        raise Refusal.ILLEGAL_ARGUMENTS.error()
    if read_entry(database, PLAIN + request.key, at_tx=request.atTx).HasField("referencedBy"):
        raise Refusal.REFERENCE_TO_REFERENCE.error()
    return [StoredEntry.member(SetMember(request.set, request.score, PLAIN + request.key, request.atTx))]


def _check_keys(keys: Iterable[bytes]) -> None:
    for key in keys:
        if not key:
            raise Refusal.ILLEGAL_ARGUMENTS.error()
        if len(key) > MAX_KEY_BYTES:
            raise Refusal.KEY_LENGTH.error()


def _check_number(keys: list[bytes]) -> None:
    if not keys:
        raise Refusal.NO_ENTRIES.error()
    if len(keys) > MAX_ENTRIES:
        raise Refusal.TOO_MANY_ENTRIES.error()


def _check_preconditions(database: Database, preconditions: Iterable[Any]) -> None:
    checked = [_name_of(precondition) for precondition in preconditions]
    for kind, wanted in checked:
        key = PLAIN + wanted.key
        match kind:
            case "KeyMustExist":
                holds = is_there(database, key)
            case "KeyMustNotExist":
                # Also a key that was deleted, or has expired, is not there.
                holds = not is_there(database, key)
            case _:
                writes = database.writes_of(key)
                holds = not writes or writes[-1] <= wanted.txID
        if not holds:
            raise Refusal.PRECONDITION_FAILED.error(kind)


def _name_of(precondition: Any) -> tuple[str, Any]:
    """
    The kind of a precondition as immudb names it, and what it is about.
    """
    kinds = {
        "keyMustExist": "KeyMustExist",
        "keyMustNotExist": "KeyMustNotExist",
        "keyNotModifiedAfterTX": "KeyNotModifiedAfterTxID",
    }
    for field, name in kinds.items():
        if precondition.HasField(field):
            wanted = getattr(precondition, field)
            if not wanted.key:
                raise Refusal.PRECONDITION_WITHOUT_KEY.error()
            if len(wanted.key) > MAX_KEY_BYTES:
                raise Refusal.PRECONDITION_KEY_LENGTH.error()
            if field == "keyNotModifiedAfterTX" and not wanted.txID:
                raise Refusal.PRECONDITION_WITHOUT_TRANSACTION.error()
            return name, wanted
    raise Refusal.EMPTY_PRECONDITION.error()
