"""
The hash chain: each event's hash covers all of it and its predecessor's hash.

Version 1: SHA-256 over the canonical JSON (see `eventsource.events.canonical_json`) of the event's
other members: data, datacontenttype, id, predecessorhash, source, specversion, subject, time,
type. The formula of the vendor's server is not public, so this one is our own choice.

Of an event whose data is stored by reference, the hash covers a member ``datadigest`` in place of
data: the 64 hex digits of SHA-256 over a salt (64 hex digits, as text) and the canonical JSON of the
data right behind it. Once data and salt are erased the digest is left, and the chain still holds.
"""

from __future__ import annotations

from hashlib import sha256

from eventsource.events.canonical_json import quote_json
from eventsource.events.timestamp import format_timestamp

CHAIN_VERSION = 1
GENESIS_HASH = "0" * 64

# What one line of NDJSON holds beside source, subject, type and data, in bytes: the names of the members, id, time
# and two hashes, each of fixed length, and the newline.
_LINE_OVERHEAD_BYTES = len(
    '{"source":,"subject":,"type":,"specversion":"1.0","id":"","time":"","datacontenttype":"application/json",'
    '"predecessorhash":"","data":,"hash":""}\n'
) + (36 + 30 + 64 + 64)

# Source: proto README, "at most 64 KB counting all fields"; the official Go SDK cannot read a longer line.
MAX_LINE_BYTES = 65_535


def event_hash(
    *, id: str, time_ns: int, source: str, subject: str, type: str, data_json: str, predecessor_hash: str
) -> str:
    """
    The hash of an event, 64 lower-case hex digits. *data_json* is canonical.
    """
    text = (
        f'{{"data":{data_json},"datacontenttype":"application/json","id":"{id}",'
        f'"predecessorhash":"{predecessor_hash}","source":{quote_json(source)},"specversion":"1.0",'
        f'"subject":{quote_json(subject)},"time":"{format_timestamp(time_ns)}","type":{quote_json(type)}}}'
    )
    return sha256(text.encode()).hexdigest()


def referenced_event_hash(
    *, id: str, time_ns: int, source: str, subject: str, type: str, data_digest: str, predecessor_hash: str
) -> str:
    """
    The hash of an event whose data is stored by reference, 64 lower-case hex digits.
    """
    text = (
        f'{{"datacontenttype":"application/json","datadigest":"{data_digest}","id":"{id}",'
        f'"predecessorhash":"{predecessor_hash}","source":{quote_json(source)},"specversion":"1.0",'
        f'"subject":{quote_json(subject)},"time":"{format_timestamp(time_ns)}","type":{quote_json(type)}}}'
    )
    return sha256(text.encode()).hexdigest()


def line_bytes(*, source: str, subject: str, type: str, data_json: str) -> int:
    """
    How many bytes an event takes as one line of NDJSON.
    """
    texts = (quote_json(source), quote_json(subject), quote_json(type), data_json)
    return _LINE_OVERHEAD_BYTES + sum(map(_utf8_length, texts))


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
