"""
Fingerprints: what the ledger gets of an event, which tells nothing about it to those who do not have it.

Everything is hashed together with a salt: 32 bytes that only the notary's secret gives, others for each
event. So whoever reads the ledger cannot find out what an event says by trying. Data that can be erased
is covered through a salt of its own that goes with the data: what is left in the ledger then is a number
that nobody can connect with anything, and the event itself still verifies.
"""

from __future__ import annotations

import hmac
from enum import IntEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple, Self, final

from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.errors import UnstorableDataError
from eventsource.events.hash_chain import event_hash
from eventsource.notary.records import EventRecord, framed

if TYPE_CHECKING:
    from eventsource.events.data_reference import DataReference
    from eventsource.events.event import RecordedEvent

SECRET_BYTES: Final = 32
SEAL_BYTES: Final = 32


class DataForm(IntEnum):
    """
    How the commitment to an event's data is made.
    """

    # The data is in the event for good: SHA-256 over a salt of the event's and the data.
    BY_VALUE = 1
    # The data is stored by reference: the store's own salted digest of it, whose salt goes with the data.
    BY_REFERENCE = 2
    # Nobody says whether the data will be erased: SHA-256 over a seal and the data; the seal is chance, stands in
    # the notary's book, and can be forgotten.
    SEALED = 3


def secret_digest(secret: bytes) -> bytes:
    """
    What a charter says of the secret.
    """
    return sha256(b"eventsource notary secret 1\n" + secret).digest()


@final
class Salts(NamedTuple):
    """
    What an event's hashes are salted with, 32 bytes each. One opens one hash: none tells anything about the others.

    Attributes:
        content: For what the event is: id, time, source, subject, type, number.

        chain: For its hash and its predecessor's, from which data could be guessed.

        data: For its data, where that is stored by value.
    """

    content: bytes
    chain: bytes
    data: bytes

    @classmethod
    def of(cls, secret: bytes, event_id: str) -> Self:
        """
        The salts of an event.
        """
        name = event_id.encode()
        return cls(
            hmac.digest(secret, b"eventsource notary content salt 1\n" + name, "sha256"),
            hmac.digest(secret, b"eventsource notary chain salt 1\n" + name, "sha256"),
            hmac.digest(secret, b"eventsource notary data salt 1\n" + name, "sha256"),
        )


def own_form(event: RecordedEvent, reference: DataReference | None) -> DataForm:
    """
    How *event* is to be covered.
    """
    if reference is not None:
        return DataForm.BY_REFERENCE
    # Where the hash is ours and fits the data, the data is no reference: it stays as long as the event.
    own = event_hash(
        id=event.id,
        time_ns=event.time_ns,
        source=event.source,
        subject=event.subject,
        type=event.type,
        data_json=event.data_json,
        predecessor_hash=event.predecessor_hash,
    )
    return DataForm.BY_VALUE if own == event.hash else DataForm.SEALED


def commit_to_data(data_json: str, salt: bytes, form: DataForm) -> bytes:
    """
    The commitment to data, but for that by reference.

    Args:
        salt: The event's for data; of sealed data the seal.
    """
    text = canonical(data_json) if form is DataForm.SEALED else data_json
    return sha256(b"eventsource notary data 1\n" + salt + text.encode()).digest()


def fingerprint(event: RecordedEvent, *, number: int, form: DataForm, commitment: bytes, salts: Salts) -> EventRecord:
    """
    The record of an event.

    Args:
        number: Its place in the order of the store, from 1 on.

        commitment: To its data, 32 bytes.
    """
    content = sha256(
        b"".join(
            (
                b"eventsource notary content 1\n",
                salts.content,
                number.to_bytes(8, "big"),
                framed(event.id),
                event.time_ns.to_bytes(8, "big", signed=True),
                framed(event.source),
                framed(event.subject),
                framed(event.type),
                bytes((form,)),
                commitment,
            )
        )
    ).digest()
    chain = sha256(
        b"eventsource notary chain 1\n" + salts.chain + framed(event.predecessor_hash) + framed(event.hash)
    ).digest()
    return EventRecord(form, number, content, chain, commitment)


def canonical(data_json: str) -> str:
    """
    Data of another kind of store in one form, however that store prints it today.
    """
    try:
        return to_canonical_json(parse_json(data_json))
    except (UnstorableDataError, ValueError):
        # It cannot be one of our own events; then its text is all there is.
        return data_json
