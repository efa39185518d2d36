"""
Erased events: what is left of an event about a person once its data is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, final

import attrs

from eventsource.domain.data_reference import emptied
from eventsource.domain.event_data import to_canonical_json
from eventsource.domain.metadata import METADATA_KEY

if TYPE_CHECKING:
    from eventsource.domain.event import Event

AnyEvent = TypeVar("AnyEvent", bound="Event")

# Stored with each personal event under the reserved key. Whatever a store leaves of a text once it is erased
# (ours and Genesis DB leave ""), it is not this.
HELD_KEY: Final = "held"
HELD: Final = "yes"


@final
@attrs.frozen
class Erased(Generic[AnyEvent]):
    """
    An event whose data was erased: that it happened is known, what it said is not.

    Personal events (``class HolderNamed(Event, type="…", personal=True)``) decode as this once they
    are erased. A handler that has something to do then says so in its annotation; where none does, an
    erased event is passed over::

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


def is_erased(data: object) -> bool:
    """
    Whether the stored *data* of a personal event is what erasing leaves.

    The marker tells. Events without one, which were stored before their class was personal, count as
    erased if there is no value left in them.
    """
    if not isinstance(data, dict):
        return True
    members = cast("dict[str, Any]", data)
    stored: Any = members.get(METADATA_KEY)
    metadata = cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}
    if HELD_KEY in metadata:
        return bool(metadata[HELD_KEY] != HELD)
    text = to_canonical_json(members)
    return emptied(text) == text
