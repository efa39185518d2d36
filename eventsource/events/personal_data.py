"""
Erased events: what is left of an event about a person once its data is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, final

import attrs

from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.data_reference import emptied
from eventsource.events.hash_chain import event_hash
from eventsource.events.metadata import METADATA_KEY

if TYPE_CHECKING:
    from eventsource.events.event import Event, RecordedEvent

AnyEvent = TypeVar("AnyEvent", bound="Event")

# Stored with each event whose data is stored by reference, under the reserved key. Whatever a store leaves of a text
# once it is erased (ours and Genesis DB leave ""), it is not this.
HELD_KEY: Final = "held"
HELD: Final = "yes"

# What the text of such an event has in it. Looking for it is what a plain event pays.
HELD_TEXT: Final = f'"{HELD_KEY}"'


@final
@attrs.frozen
class Erased(Generic[AnyEvent]):
    """
    An event whose data was erased: that it happened is known, what it said is not.

    Personal events (``class HolderNamed(Event, type="…", personal=True)``), and others that were stored by
    reference, decode as this once they are erased. A handler that has something to do then says so in its
    annotation; where none does, an erased event is passed over::

        @handles
        def _named(self, event: HolderNamed | Erased[HolderNamed]) -> None:
            self.holder = None if isinstance(event, Erased) else event.name

    Attributes:
        event_class: What it was.
    """

    event_class: type[AnyEvent]

    @property
    def event_type(self) -> str:
        """
        The type name of what it was.
        """
        return self.event_class.event_type


def is_erased(data: object, *, is_personal: bool) -> bool:
    """
    Whether stored *data* is what erasing leaves.

    The mark tells that every event has which was stored by reference through its class. Personal events
    without one, which were stored before their class was personal, count as erased if there is no value left in them.
    """
    if not isinstance(data, dict):
        return is_personal
    members = cast("dict[str, Any]", data)
    stored: Any = members.get(METADATA_KEY)
    metadata = cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}
    if HELD_KEY in metadata:
        return bool(metadata[HELD_KEY] != HELD)
    text = to_canonical_json(members)
    return is_personal and emptied(text) == text


def is_held(recorded: RecordedEvent) -> bool:
    """
    Whether the event has data that can be erased, and that is there.
    """
    marker = _marker(recorded)
    return bool(marker == HELD) if marker is not None else not _fits_its_hash(recorded) and not is_empty(recorded)


def is_gone(recorded: RecordedEvent) -> bool:
    """
    Whether the data of the event was erased: it is not what was committed any more.

    Events stored by reference through their class carry a mark that erasing empties. The mark counts where no value
    is left, or the hash is not that of the data: an event that was committed with an empty mark is not erased. Of
    events without a mark it is concluded: they have values, all of them empty, and their hash is not that of such data.
    A hash of another formula than ours tells nothing, and then they are taken as erased.
    """
    marker = _marker(recorded)
    if marker is not None:
        return bool(marker != HELD) and (is_empty(recorded) or not _fits_its_hash(recorded))
    return recorded.data_json != "{}" and is_empty(recorded) and not _fits_its_hash(recorded)


def has_committed_values(recorded: RecordedEvent) -> bool:
    """
    Whether the data is what was committed, with values in it: then it was not erased, whatever its metadata says.
    """
    return HELD_TEXT in recorded.data_json and not is_empty(recorded) and _fits_its_hash(recorded)


def is_empty(recorded: RecordedEvent) -> bool:
    """
    Whether no value is left in the data.
    """
    return emptied(recorded.data_json) == recorded.data_json


def _marker(recorded: RecordedEvent) -> Any:
    if HELD_TEXT not in recorded.data_json:
        return None
    members: Any = parse_json(recorded.data_json)
    metadata: Any = cast("dict[str, Any]", members).get(METADATA_KEY) if isinstance(members, dict) else None
    return cast("dict[str, Any]", metadata).get(HELD_KEY) if isinstance(metadata, dict) else None


def may_be_erased(recorded: RecordedEvent) -> bool:
    """
    Whether an event that carries no mark, and does not fit its class, can be one whose data was erased.

    Its data has values, all of them empty, and its hash is not that of such data: it covers other data, or a digest.
    """
    try:
        data: Any = parse_json(recorded.data_json)
    except ValueError:
        return False
    return isinstance(data, dict) and _is_emptied(cast("dict[str, Any]", data)) and not _fits_its_hash(recorded)


def _is_emptied(members: dict[str, Any]) -> bool:
    """
    Whether there are values, and each is what erasing makes of one.
    """
    waiting: list[Any] = [members]
    has_values = False
    while waiting:
        value = waiting.pop()
        match value:
            case dict():
                waiting += cast("dict[str, Any]", value).values()
            case list():
                waiting += value  # pyright: ignore[reportUnknownArgumentType]  # mypy knows it
            case "" | 0:
                has_values = True
            case None:
                pass
            case _:
                return False
    return has_values


def _fits_its_hash(recorded: RecordedEvent) -> bool:
    return recorded.hash == event_hash(
        id=recorded.id,
        time_ns=recorded.time_ns,
        source=recorded.source,
        subject=recorded.subject,
        type=recorded.type,
        data_json=recorded.data_json,
        predecessor_hash=recorded.predecessor_hash,
    )
