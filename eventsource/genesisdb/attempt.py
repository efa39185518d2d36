"""
Commits as they are sent: what is kept of one to find out what became of it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

import attrs

from eventsource.events.canonical_json import to_canonical_json
from eventsource.gdbql import parse, version_guard
from eventsource.gdbql.errors import QueryError
from eventsource.genesisdb.options import read_precondition
from eventsource.wire.ndjson import read_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eventsource.guards.preconditions import Precondition

# Where a mark stands in the data of an event.
MARK = ("_meta", "commit")


@attrs.frozen(eq=False)
class CommitAttempt:
    """
    A commit as it was sent, kept to find out what became of it.

    Attributes:
        key: Its idempotency key, and its mark if it is marked.

        body: The request.

        preconditions: Those given as objects, so that an error can name them; None for each other one.

        is_marked: True if the data of its events holds the key.

        is_stored: Whether the server said that it is stored; then only its events are not known.

        known_id: An event that was there before it was sent.

        count: Number of its events.
    """

    key: str
    body: bytes = attrs.field(repr=False)
    preconditions: tuple[Precondition | None, ...] = attrs.field(default=(), repr=False)
    is_marked: bool = False
    is_stored: bool = False
    known_id: str | None = None
    count: int = 1

    @classmethod
    def of(
        cls,
        events: Iterable[Mapping[str, Any]],
        preconditions: Iterable[Mapping[str, Any]],
        *,
        key: str | None = None,
        is_marked: bool = False,
        typed: tuple[Precondition | None, ...] = (),
        known_id: str | None = None,
    ) -> CommitAttempt:
        """
        Print a commit.

        Raises:
            UnstorableDataError: Something in it has no JSON form.
        """
        key = key or str(uuid.uuid4())
        sent = [_marked(event, key) if is_marked else dict(event) for event in events]
        body: dict[str, Any] = {"events": sent}
        if guards := [dict(precondition) for precondition in preconditions]:
            body["preconditions"] = guards
        return cls(key, to_canonical_json(body).encode(), typed, is_marked, known_id=known_id, count=len(sent))

    @property
    def events(self) -> list[dict[str, Any]]:
        """
        The events as they were sent.
        """
        return cast("list[dict[str, Any]]", self._members()["events"])

    def named_preconditions(self) -> list[Precondition | str]:
        """
        The preconditions in order, each as an object where it can be one, else the type it was sent with.
        """
        sent = self._members().get("preconditions", [])
        typed = self.preconditions or (None,) * len(sent)
        return [
            read_precondition(members) if given is None else given for given, members in zip(typed, sent, strict=True)
        ]

    def guarded_place(self) -> tuple[str, int] | None:
        """
        A subject and its number of events, where a guard of the commit demands it and the commit ends it.
        """
        members = self._members()
        written = {event["subject"] for event in members["events"]}
        for precondition in members.get("preconditions", ()):
            subject, version = _place(precondition)
            if subject in written:
                return subject, version
        return None

    def _members(self) -> dict[str, Any]:
        members: dict[str, Any] = read_value(1, self.body)
        return members


def _marked(event: Mapping[str, Any], key: str) -> dict[str, Any]:
    data = dict(event.get("data") or {})
    first, second = MARK
    data[first] = {**data.get(first, {}), second: key}
    return {**event, "data": data}


def _place(precondition: Mapping[str, Any]) -> tuple[str, int]:
    payload: Mapping[str, Any] = precondition.get("payload") or {}
    if precondition.get("type") == "isSubjectNew":
        return str(payload.get("subject", "")), 0
    if precondition.get("type") == "isQueryResultTrue":
        try:
            guard = version_guard(parse(str(payload.get("query", ""))))
        except QueryError:
            guard = None
        if guard is not None:
            return guard.subject, guard.version
    return "", 0
