"""
What the notary writes into a ledger: keys and values, byte by byte, in format 1.

``docs/notary-format.md`` specifies them, with vectors that the tests compare. Integers are big-endian;
a text is its UTF-8 behind its length in bytes, as four bytes.
"""

from __future__ import annotations

import re
import struct
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self, final

from eventsource.notary.errors import TamperedError

VERSION: Final = 1

_EVENT, _BATCH, _CHARTER = 1, 2, 3
_EVENT_LAYOUT: Final = struct.Struct(">BBBQ32s32s32s")
_BATCH_LAYOUT: Final = struct.Struct(">BBQQQIq32s")
_CHARTER_LAYOUT: Final = struct.Struct(">BB32s")

# As `eventsource.notary.fingerprint.DataForm` names them.
_FORMS: Final = (1, 2, 3)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

NO_EVENTS: Final = bytes(32)


def check_name(name: str) -> None:
    """
    Check that *name* can name a store in a ledger.

    Raises:
        ValueError: It cannot.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} cannot name a store in a ledger: 1 to 64 letters, digits, '.', '_' and '-'"
        raise ValueError(msg)


def framed(text: str) -> bytes:
    """
    A text behind its length.
    """
    raw = text.encode()
    return len(raw).to_bytes(4, "big") + raw


def charter_key(store: str) -> bytes:
    """
    Where the charter of a store's notarisation stands: the first thing written of it.
    """
    return f"c/{store}".encode()


def event_key(store: str, event_id: str) -> bytes:
    """
    Where an event stands.
    """
    return f"e/{store}/{event_id}".encode()


def batch_key(store: str, batch: int) -> bytes:
    """
    Where the record of a batch stands, 1 being the first.
    """
    return f"b/{store}/{batch}".encode()


@final
class EventRecord(NamedTuple):
    """
    What the ledger has of an event.

    Attributes:
        form: How its data is covered: see `eventsource.notary.fingerprint.DataForm`.

        number: Its place in the order of the store, from 1 on.

        content: The salted hash of id, time, source, subject, type, number and the commitment to its data.

        chain: The salted hash of its own hash and its predecessor's.

        commitment: The salted hash of its data.
    """

    form: int
    number: int
    content: bytes
    chain: bytes
    commitment: bytes

    def to_bytes(self) -> bytes:
        """
        The value, 107 bytes.
        """
        return _EVENT_LAYOUT.pack(VERSION, _EVENT, *self)

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """
        Read a value.

        Raises:
            TamperedError: It is none of an event.
        """
        record = cls._make(_unpack(_EVENT_LAYOUT, value, _EVENT, "an event"))
        if record.form not in _FORMS:
            raise _unreadable(record="an event")
        return record


@final
class BatchRecord(NamedTuple):
    """
    The head of a batch: what tells that none of its events, and no batch before it, is missing.

    Attributes:
        batch: Its number, 1 being the first.

        first: The number of its first event.

        last: The number of its last event.

        size: The number of events it has.

        time_ns: When the notary wrote it, by its own clock, in nanoseconds since 1970 UTC.

        running: The running hash behind its last event.

        last_event_id: The id of that event, from which a notary goes on.
    """

    batch: int
    first: int
    last: int
    size: int
    time_ns: int
    running: bytes
    last_event_id: str

    def to_bytes(self) -> bytes:
        """
        The value.
        """
        return _BATCH_LAYOUT.pack(VERSION, _BATCH, *self[:-1]) + framed(self.last_event_id)

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """
        Read a value.

        Raises:
            TamperedError: It is none of a batch.
        """
        size = _BATCH_LAYOUT.size
        fields = _unpack(_BATCH_LAYOUT, value[:size], _BATCH, "a batch")
        text = value[size + 4 :]
        try:
            event_id = text.decode()
        except UnicodeDecodeError:
            raise _unreadable(record="a batch") from None
        if value[size:] != framed(event_id):
            raise _unreadable(record="a batch")
        return cls._make((*fields, event_id))


@final
class Charter(NamedTuple):
    """
    What a store's notarisation starts with: which secret the salts are made from, without telling it.

    Attributes:
        secret_digest: A hash of the secret.
    """

    secret_digest: bytes

    def to_bytes(self) -> bytes:
        """
        The value, 34 bytes.
        """
        return _CHARTER_LAYOUT.pack(VERSION, _CHARTER, self.secret_digest)

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """
        Read a value.

        Raises:
            TamperedError: It is no charter.
        """
        return cls._make(_unpack(_CHARTER_LAYOUT, value, _CHARTER, "a charter"))


def next_running(running: bytes, key: bytes, value: bytes) -> bytes:
    """
    The running hash behind an event: over the one before it, and the event's key and value.
    """
    return sha256(
        b"eventsource notary running 1\n"
        + running
        + len(key).to_bytes(4, "big")
        + key
        + len(value).to_bytes(4, "big")
        + value
    ).digest()


def _unpack(layout: struct.Struct, value: bytes, kind: int, what: str) -> tuple[Any, ...]:
    if len(value) != layout.size or value[0] != VERSION or value[1] != kind:
        raise _unreadable(record=what)
    return layout.unpack(value)[2:]


def _unreadable(*, record: str) -> TamperedError:
    return TamperedError(
        kind="edited", place="ledger", what=f"where the record of {record} stands is none of format {VERSION}"
    )
