"""
Events as they cross HTTP: one line of NDJSON each, a CloudEvent with Genesis DB's two hashes.

Source:
    Field order of genesisdb-io-proto, genesisdb.proto, message Event.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

import pydantic_core

from eventsource.events.canonical_json import quote_json, to_canonical_json
from eventsource.events.errors import MalformedEventError, UnstorableDataError
from eventsource.events.event import RecordedEvent
from eventsource.events.timestamp import format_timestamp
from eventsource.gdbql import to_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# In a line as `to_lines` writes it, before the data.
_MEMBERS = [
    "source",
    "subject",
    "type",
    "specversion",
    "id",
    "time",
    "datacontenttype",
    "predecessorhash",
]
_TEXTS = ("source", "subject", "type", "id", "time", "predecessorhash", "hash")

# What stands before and behind the data there.
_BEFORE_DATA = '","data":'
_AFTER_DATA = ',"hash":"'


def to_json(event: RecordedEvent) -> str:
    """
    The event as one JSON object, without a newline; members in Genesis DB's order.
    """
    return (
        f'{{"source":{_quote(event.source)},"subject":{quote_json(event.subject)},"type":{_quote(event.type)},'
        f'"specversion":"1.0","id":{quote_json(event.id)},"time":"{format_timestamp(event.time_ns)}",'
        f'"datacontenttype":"application/json","predecessorhash":"{event.predecessor_hash}",'
        f'"data":{event.data_json},"hash":"{event.hash}"}}'
    )


def to_lines(events: Iterable[RecordedEvent]) -> bytes:
    """
    The events as NDJSON: each line ends in a newline, the last one too.
    """
    # The official JavaScript SDK drops a last line without one.
    lines = [to_json(event) for event in events]
    return ("\n".join(lines) + "\n").encode() if lines else b""


def from_line(line: bytes | str, *, position: int) -> RecordedEvent:
    """
    Read an event from one line of NDJSON. Members it does not know are ignored.

    Args:
        position: The place it is given: none crosses HTTP.

    Raises:
        MalformedEventError: It is no JSON, or no event.
    """
    try:
        text = line if isinstance(line, str) else line.decode()
        parts = _in_parts(text)
        if parts is not None:
            members, data_json = parts
            return from_members(members, position=position, data_json=data_json)
        found: Any = pydantic_core.from_json(text, allow_inf_nan=False)
    except MalformedEventError:
        raise
    except ValueError:
        # The parser's own words quote the text.
        reason = "it is no JSON"
        raise MalformedEventError(reason) from None
    if not isinstance(found, dict):
        reason = "it is no JSON object"
        raise MalformedEventError(reason)
    return from_members(cast("dict[str, Any]", found), position=position)


def from_members(members: Mapping[str, Any], *, position: int, data_json: str | None = None) -> RecordedEvent:
    """
    Read an event from a JSON object that was parsed.

    Args:
        position: The place it is given.

        data_json: The text that its ``data`` was parsed from, if known; else it is printed anew.

    Raises:
        MalformedEventError: It is no event.
    """
    for name in _TEXTS:
        if not isinstance(members.get(name), str):
            reason = f"it has no {name}, or one that is no text"
            raise MalformedEventError(reason)
    instant = to_instant(members["time"])
    if instant is None:
        reason = "its time is no RFC 3339 date-time"
        raise MalformedEventError(reason)
    if data_json is None:
        if "data" not in members:
            reason = "it has no data"
            raise MalformedEventError(reason)
        try:
            data_json = to_canonical_json(members["data"])
        except UnstorableDataError as error:
            reason = f"its data cannot be stored: {error.reason}"
            raise MalformedEventError(reason) from None
    return RecordedEvent(
        position,
        members["id"],
        instant.ns,
        members["source"],
        members["subject"],
        members["type"],
        data_json,
        members["predecessorhash"],
        members["hash"],
    )


def _in_parts(text: str) -> tuple[dict[str, Any], str] | None:
    """
    The members but for the data, and the text of the data, if the line is as `to_lines` writes it; else None.

    Such data need not be printed anew. Each part is parsed by itself, so it is JSON by itself.
    """
    start, end = text.find(_BEFORE_DATA), text.rfind(_AFTER_DATA)
    if start < 0 or end < start:
        return None
    data_json = text[start + len(_BEFORE_DATA) : end]
    try:
        members: Any = pydantic_core.from_json(text[: start + 1] + "}")
        rest: Any = pydantic_core.from_json("{" + text[end + 1 :])
        pydantic_core.from_json(data_json, allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(members, dict) or list(cast("dict[str, Any]", members)) != _MEMBERS or list(rest) != ["hash"]:
        return None
    return {**cast("dict[str, Any]", members), **rest}, data_json


# Systems and kinds are few, subjects are many.
@functools.lru_cache(maxsize=1024)
def _quote(text: str) -> str:
    return quote_json(text)
