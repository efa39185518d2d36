"""
Finding the events of a commit again, where the server does not tell them.

A Genesis DB may answer a commit with nothing. Its events are then read: the subjects they were
written to, each exactly, from an event on that is known to be older. No order is relied on: the
events of one commit follow each other in the hash chain.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from eventsource.gdbql import to_instant
from eventsource.genesisdb.attempt import MARK
from eventsource.genesisdb.exchange import stream_body
from eventsource.wire.errors import DamagedLineError, EventNotFoundError
from eventsource.wire.ndjson import LineSplitter, read_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventsource.genesisdb.attempt import CommitAttempt
    from eventsource.genesisdb.exchange import Exchange

Members = dict[str, Any]


def read_committed(body: bytes, count: int) -> list[Members] | None:
    """
    The events in the answer to a commit of *count* events; None if it holds none.

    They may be a JSON array, the member ``events`` of an object, or lines.
    """
    try:
        value = read_value(1, body)
    except DamagedLineError:
        value = _read_lines(body)
    if isinstance(value, dict):
        members = cast("Members", value)
        value = members.get("events", [members])
    events: list[Any] = value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
    found = [cast("Members", event) for event in events if is_event(event)]
    return found if len(found) == count else None


def _read_lines(body: bytes) -> list[Any]:
    try:
        return [read_value(number, line) for number, line in LineSplitter().feed(body + b"\n")]
    except DamagedLineError:
        return []


def is_event(value: Any) -> bool:
    """
    True if a JSON value looks like an event that is stored.
    """
    if not isinstance(value, dict):
        return False
    members = cast("Members", value)
    return all(isinstance(members.get(name), str) for name in ("id", "subject", "type", "time"))


def read_event(number: int, line: bytes) -> Members:
    """
    The event of a line.

    Raises:
        DamagedLineError: It is none: no JSON, a list, or an error that a server reports in place of an event.
    """
    value = read_value(number, line)
    if is_event(value):
        return cast("Members", value)
    reason = "it is no event"
    if isinstance(value, dict) and "error" in value:
        # Its words are left out: they stand where data of events stands.
        reason = "it is no event, but an error that the server reports"
    raise DamagedLineError(number, reason)


async def read_own(exchange: Exchange, attempt: CommitAttempt, *, after: str | None = None) -> list[Members] | None:
    """
    The events that are those of *attempt*, or equal to them; the latest, if there are several such.

    Args:
        after: Id of an event that was there before the commit was sent.
    """
    wanted = attempt.events
    found: list[Members] = []
    for subject in dict.fromkeys(event["subject"] for event in wanted):
        found += await read_subject(exchange, subject, after=after)
    marked = [event for event in found if mark_of(event) == attempt.key]
    return match(wanted, marked if attempt.is_marked else found)


async def read_subject(exchange: Exchange, subject: str, *, after: str | None = None) -> list[Members]:
    """
    The events of exactly that subject, in order of time.
    """
    try:
        return await _read_subject(exchange, subject, after)
    except EventNotFoundError:
        # The store was put back to an older state, and does not know what we know.
        return await _read_subject(exchange, subject, None)


async def _read_subject(exchange: Exchange, subject: str, after: str | None) -> list[Members]:
    found: list[Members] = []
    body = stream_body(subject, {"lowerBound": after} if after else {})
    async for lines in exchange.lines("/stream", body):
        for number, line in lines:
            event = read_value(number, line)
            # A stream has what lies below the subject, too.
            if is_event(event) and event["subject"] == subject:
                found.append(event)
    return sorted(found, key=_time_ns)


def match(wanted: Sequence[Mapping[str, Any]], found: Sequence[Members]) -> list[Members] | None:
    """
    The events of *found* that follow each other in the hash chain and say what is *wanted*; the latest such.
    """
    following = {event["predecessorhash"]: event for event in found if event.get("predecessorhash")}
    runs: list[list[Members]] = []
    for first in found:
        run: list[Members] = []
        upcoming: Members | None = first
        for event in wanted:
            if upcoming is None or not says(upcoming, event):
                break
            run.append(upcoming)
            upcoming = following.get(str(upcoming.get("hash")))
        else:
            runs.append(run)
    return max(runs, key=lambda run: _time_ns(run[0]), default=None)


def says(stored: Members, sent: Mapping[str, Any]) -> bool:
    """
    True if a stored event says what was sent.
    """
    return all(stored.get(name) == sent.get(name) for name in ("source", "subject", "type")) and _is_same(
        stored.get("data"), sent.get("data")
    )


def _is_same(stored: Any, sent: Any) -> bool:
    """
    True if two JSON values are equal to a server that reads all numbers as doubles.
    """
    if isinstance(sent, dict) and isinstance(stored, dict):
        one, other = cast("Members", stored), cast("Members", sent)
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(sent, list) and isinstance(stored, list):
        ours: list[Any] = sent  # pyright: ignore[reportUnknownVariableType]  # mypy knows it
        theirs: list[Any] = stored  # pyright: ignore[reportUnknownVariableType]
        return len(ours) == len(theirs) and all(map(_is_same, theirs, ours))
    if _is_number(stored) and _is_number(sent):
        one_number, other_number = cast("float", stored), cast("float", sent)
        return one_number == other_number or math.isclose(one_number, other_number, rel_tol=1e-15)
    return type(cast("object", stored)) is type(cast("object", sent)) and bool(stored == sent)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def mark_of(event: Members) -> str | None:
    """
    The key of the commit that an event is marked with.
    """
    value: Any = event.get("data")
    for name in MARK:
        value = cast("Members", value).get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _time_ns(event: Members) -> int:
    instant = to_instant(event["time"])
    return instant.ns if instant is not None else 0
