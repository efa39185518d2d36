"""
What is written to an immudb: entries, what must hold for them, and the requests that say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from eventsource.immudb.answer import TxEntry, read_entry_metadata, stored_reference
from eventsource.immudb.header import PLAIN, EntryMetadata
from eventsource.immudb.limits import BytesLike, Entries, check_entries, check_key, check_keys, check_number
from eventsource.immudb.messages import new, parse
from eventsource.immudb.results import Reference

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from eventsource.immudb.errors import ImmudbOutcomeUnknownError, VerificationError

_TRANSACTION: Final = "number of a transaction"


@attrs.frozen
class KeyMustExist:
    """
    A write takes place only if this key is there.
    """

    key: bytes

    def message(self) -> Any:
        """
        The ``Precondition``.
        """
        return new("Precondition", keyMustExist=new("KeyOnly", key=check_key(self.key)))


@attrs.frozen
class KeyMustNotExist:
    """
    A write takes place only if this key is not there. One that was deleted, or whose time is over, is not.
    """

    key: bytes

    def message(self) -> Any:
        """
        The ``Precondition``.
        """
        return new("Precondition", keyMustNotExist=new("KeyOnly", key=check_key(self.key)))


@attrs.frozen
class KeyNotModifiedAfter:
    """
    A write takes place only if no later transaction than *tx* wrote or deleted this key.
    """

    key: bytes
    tx: int

    def message(self) -> Any:
        """
        The ``Precondition``.
        """
        number = check_number(_TRANSACTION, self.tx, smallest=1)
        return new("Precondition", keyNotModifiedAfterTX=new("KeyNotModified", key=check_key(self.key), txID=number))


Precondition: TypeAlias = KeyMustExist | KeyMustNotExist | KeyNotModifiedAfter
"""What must hold for a write to take place."""


def set_request(
    entries: Entries,
    *,
    write_once: bool = False,
    expires_at: dt.datetime | None = None,
    preconditions: Iterable[Precondition] = (),
) -> Any:
    """
    The ``SetRequest`` that writes these entries, in this order, in one transaction.

    Raises:
        NotBytesError, ImmudbLimitError: A key, value or precondition cannot be one.
    """
    pairs = check_entries(entries)
    conditions = [condition.message() for condition in preconditions]
    if write_once:
        conditions += [KeyMustNotExist(key).message() for key, _ in pairs]
    metadata = None
    if expires_at is not None:
        metadata = new("KVMetadata", expiration=new("Expiration", expiresAt=int(expires_at.timestamp())))
    return new(
        "SetRequest",
        KVs=[new("KeyValue", key=key, value=value, metadata=metadata) for key, value in pairs],
        preconditions=conditions,
    )


def delete_request(keys: Iterable[BytesLike]) -> Any:
    """
    The ``DeleteKeysRequest`` for these keys.

    Raises:
        NotBytesError, ImmudbLimitError: They cannot be keys.
    """
    return new("DeleteKeysRequest", keys=check_keys(keys))


def reference_request(
    key: BytesLike, refers_to: BytesLike, *, at_tx: int, preconditions: Iterable[Precondition]
) -> Any:
    """
    The ``ReferenceRequest`` that makes *key* stand for *refers_to*.

    Raises:
        NotBytesError, ImmudbLimitError: A key, number or precondition cannot be one.
    """
    return new(
        "ReferenceRequest",
        key=check_key(key),
        referencedKey=check_key(refers_to),
        atTx=check_number(_TRANSACTION, at_tx),
        boundRef=at_tx > 0,
        preconditions=[condition.message() for condition in preconditions],
    )


def entries_of(request: Any) -> list[TxEntry]:
    """
    The entries that a request writes, as they are stored.
    """
    fields = request.DESCRIPTOR.fields_by_name
    if "KVs" in fields:
        return [TxEntry.written(PLAIN + kv.key, PLAIN + kv.value, read_entry_metadata(kv)) for kv in request.KVs]
    if "referencedKey" in fields:
        reference = Reference(request.key, request.referencedKey, request.atTx)
        return [TxEntry.written(PLAIN + request.key, stored_reference(reference))]
    return [TxEntry.written(PLAIN + key, b"", EntryMetadata(is_deleted=True)) for key in request.keys]


_REQUESTS: Final = {
    "Delete": ("DeleteKeysRequest", ""),
    "Set": ("SetRequest", ""),
    "SetReference": ("ReferenceRequest", ""),
    "VerifiableSet": ("VerifiableSetRequest", "setRequest"),
    "VerifiableSetReference": ("VerifiableReferenceRequest", "referenceRequest"),
}


def entries_of_error(error: ImmudbOutcomeUnknownError | VerificationError) -> list[TxEntry]:
    """
    The entries of the write that an error is about, as they are stored.

    Raises:
        ValueError: It is about no write of entries.
    """
    if not error.request or error.call not in _REQUESTS:
        msg = f"{error.call} wrote no entries: there is nothing to read back"
        raise ValueError(msg)
    message, field = _REQUESTS[error.call]
    request = parse(message, error.request)
    return entries_of(getattr(request, field) if field else request)
