"""
The content of an event: what it said when it was emitted, out of reach of whatever happens to the object afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self, final

from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.errors import UnstorableDataError
from eventsource.events.metadata import METADATA_KEY
from eventsource.events.round_trip import round_trip_of

if TYPE_CHECKING:
    from eventsource.events.event import Event


@final
class EventContent(NamedTuple):
    """
    An event as text.

    Attributes:
        event_class: Its class.

        data_json: Its fields as canonical JSON.
    """

    event_class: type[Event]
    data_json: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """
        Write down what *event* says now.

        Raises:
            UnstorableDataError: A field holds what JSON cannot carry.
            UnstorableEventError: It would not come back as it is.
            DeclarationError: No event of its class would.
        """
        return cls.with_event(event)[0]

    @classmethod
    def with_event(cls, event: Event) -> tuple[Self, Event]:
        """
        The same, with an event that says it: what a reader of the store will get, for the caller alone.

        Raises:
            UnstorableDataError, UnstorableEventError, DeclarationError: See `of`.
        """
        event_class = type(event)
        trip = round_trip_of(event_class)
        data = to_data(event)
        if METADATA_KEY in data:
            raise UnstorableDataError(path=f"$.{METADATA_KEY}", reason="a member that is reserved for metadata")
        data_json = to_canonical_json(data)
        if trip.is_proven(event):
            return cls(event_class, data_json), event
        return cls(event_class, data_json), trip.check(event, data_json)

    def to_event(self) -> Event:
        """
        An event that says it, made anew. Nothing that is done to it changes the content.
        """
        return round_trip_of(self.event_class).read(self.data_json)


def to_data(event: Event) -> dict[str, object]:
    """
    The fields of an event as they are stored.

    Raises:
        UnstorableDataError: One holds what has no form in JSON.
    """
    try:
        data: dict[str, Any] = event.__pydantic_serializer__.to_python(
            event, mode="json", by_alias=True, warnings=False
        )
    except ValueError:
        # Its text may quote the value.
        raise UnstorableDataError(path=_unwritable_field(event), reason="a value without a JSON form") from None
    return data


def _unwritable_field(event: Event) -> str:
    for name, field in type(event).model_fields.items():
        try:
            event.__pydantic_serializer__.to_python(event, mode="json", include={name}, warnings=False)
        except ValueError:
            return f"$.{field.alias}"
    return "$"
