"""
Metadata: what is known about an event beside what happened, stored in its data under one reserved key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self, cast, final

import attrs

from eventsource.events.subject import prefix_below

if TYPE_CHECKING:
    from collections.abc import Mapping

# A Genesis DB takes source, subject, type, data and options of an event, and nothing else.
# Source: genesisdb-io-proto, genesisdb.proto, message EventInput.
METADATA_KEY: Final = "_meta"
COMMAND_ID_MEMBER: Final = "commandId"
COMMAND_SUBJECT_MEMBER: Final = "commandSubject"

_MEMBERS: Final = {
    "command_id": COMMAND_ID_MEMBER,
    "command_subject": COMMAND_SUBJECT_MEMBER,
    "command_digest": "commandDigest",
    "correlation_id": "correlationId",
    "causation_id": "causationId",
    "actor": "actor",
    "traceparent": "traceparent",
}
_VERSION: Final = "version"


@final
@attrs.frozen(kw_only=True)
class Metadata:
    """
    Where an event comes from. It is stored with the event, and only what is set.

    >>> Metadata(command_id="7", actor="ada").to_data()
    {'commandId': '7', 'actor': 'ada'}

    Events that are stored by reference carry none of it: erasing would take it with the data.

    Attributes:
        command_id: The command that was carried out.

        command_subject: The subject of that command; not stored with an event that is there or below, which is
            how one is told whose command it was.

        command_digest: Which command that was, its class and its content, so that another one with the same id is
            told from a repeat. Nothing personal is in it.

        correlation_id: The whole story it belongs to: the same in all commands and events of it.

        causation_id: The direct cause: the id of a command, or of the event that a process answered.

        actor: Who asked for it, as a key that is not personal in itself, such as a user's number.

        traceparent: The trace it was part of, in the form of W3C Trace Context.

        version: The version of its event class; 1 is not written.
    """

    command_id: str | None = None
    command_subject: str | None = None
    command_digest: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    actor: str | None = None
    traceparent: str | None = None
    version: int = 1

    def of_event_at(self, subject: str) -> Self:
        """
        What of it is stored with an event at *subject*.
        """
        place = self.command_subject
        if place is not None and (subject == place or subject.startswith(prefix_below(place))):
            return attrs.evolve(self, command_subject=None)
        return self

    def to_data(self) -> dict[str, str | int]:
        """
        The value of the reserved key.
        """
        data: dict[str, str | int] = {
            member: value for name, member in _MEMBERS.items() if (value := getattr(self, name)) is not None
        }
        if self.version != 1:
            data[_VERSION] = self.version
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """
        Read the metadata of stored event data. What is not as `to_data` writes it counts as not there.
        """
        stored: Any = data.get(METADATA_KEY)
        if not isinstance(stored, dict):
            return cls()
        members = cast("dict[str, Any]", stored)
        texts = {name: members.get(member) for name, member in _MEMBERS.items()}
        return cls(
            **{name: text for name, text in texts.items() if isinstance(text, str) and text},
            version=stored_version(data),
        )


def stored_version(data: Mapping[str, Any]) -> int:
    """
    The version of the event class that stored event data was written with.
    """
    stored: Any = data.get(METADATA_KEY)
    version: Any = cast("dict[str, Any]", stored).get(_VERSION) if isinstance(stored, dict) else None
    # A boolean is an int to Python; 0 is what erasing leaves.
    return version if type(version) is int and version > 0 else 1
