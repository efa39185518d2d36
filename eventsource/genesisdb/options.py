"""
The dictionaries that callers of the client write, and their form on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from eventsource.events.canonical_json import parse_json
from eventsource.events.event import NewEvent
from eventsource.guards.preconditions import Precondition, QueryHolds, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.root_error import EventSourceError
from eventsource.wire.bodies import PreconditionInput as PreconditionBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class StreamOptions(TypedDict, total=False):
    """
    Which part of a stream.

    Attributes:
        lower_bound: Id of an event to start behind.

        include_lower_bound_event: Start at it.

        upper_bound: Id of an event to end before.

        include_upper_bound_event: End with it.

        latest_by_event_type: Of each subject only its last event of this type.
    """

    lower_bound: str | None
    include_lower_bound_event: bool | None
    upper_bound: str | None
    include_upper_bound_event: bool | None
    latest_by_event_type: str | None


class EventOptions(TypedDict, total=False):
    """
    How an event is to be stored.

    Attributes:
        store_data_as_reference: Keep its data apart, so that it can be erased.
    """

    store_data_as_reference: bool
    storeDataAsReference: bool


class EventInput(TypedDict):
    """
    An event to commit.
    """

    source: str
    subject: str
    type: str
    data: NotRequired[Mapping[str, Any]]
    options: NotRequired[EventOptions | None]


class PreconditionInput(TypedDict):
    """
    A precondition: ``isSubjectNew``, ``isSubjectExisting`` or ``isQueryResultTrue``, and its payload.
    """

    type: str
    payload: Mapping[str, Any]


_STREAM_OPTIONS = {
    "lower_bound": "lowerBound",
    "include_lower_bound_event": "includeLowerBoundEvent",
    "upper_bound": "upperBound",
    "include_upper_bound_event": "includeUpperBoundEvent",
    "latest_by_event_type": "latestByEventType",
}
_EVENT_OPTIONS = {"store_data_as_reference": "storeDataAsReference"}


def print_stream_options(options: StreamOptions | Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Options as they are sent. Those that are None are as if they were not there.

    Raises:
        ValueError: There is no such option.
    """
    return _renamed(cast("Mapping[str, Any]", options or {}), _STREAM_OPTIONS)


def print_event(event: EventInput | NewEvent | Mapping[str, Any], *, source: str | None = None) -> dict[str, Any]:
    """
    An event as it is sent.

    Raises:
        ValueError: There is no such option.
    """
    if isinstance(event, NewEvent):
        printed: dict[str, Any] = {
            "source": event.source or source,
            "subject": str(event.subject),
            "type": event.type,
            "data": parse_json(event.data_json),
        }
        # Not every version of the class knows it.
        if getattr(event, "store_data_as_reference", False):
            printed["options"] = {"storeDataAsReference": True}
        return printed
    given = dict(cast("Mapping[str, Any]", event))
    options = given.pop("options", None)
    # A `Subject` is a text that JSON printers do not take for one.
    given |= {name: str(given[name]) for name in ("source", "subject", "type") if isinstance(given.get(name), str)}
    if options:
        given["options"] = _renamed(options, _EVENT_OPTIONS)
    return given


def print_preconditions(
    preconditions: Iterable[PreconditionInput | Precondition | Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """
    Preconditions as they are sent.
    """
    return [_print_precondition(precondition) for precondition in preconditions]


def _print_precondition(precondition: PreconditionInput | Precondition | Mapping[str, Any]) -> dict[str, Any]:
    match precondition:
        case SubjectIsNew(subject):
            return {"type": "isSubjectNew", "payload": {"subject": str(subject)}}
        case SubjectExists(subject):
            return {"type": "isSubjectExisting", "payload": {"subject": str(subject)}}
        case SubjectIsAtVersion() | QueryHolds():
            return {"type": "isQueryResultTrue", "payload": {"query": precondition.query}}
        case _:
            return dict(cast("Mapping[str, Any]", precondition))


def _renamed(options: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    sent: dict[str, Any] = {}
    for name, value in options.items():
        wire_name = names.get(name, name)
        if wire_name not in names.values():
            msg = f"no such option: {name!r}; there are {', '.join(names)}"
            raise ValueError(msg)
        if value is not None:
            sent[wire_name] = value
    return sent


def typed_preconditions(preconditions: Sequence[object]) -> tuple[Precondition | None, ...]:
    """
    Those that were given as objects, and None for each other one; they let an error say more.
    """
    kinds = (SubjectIsNew, SubjectExists, SubjectIsAtVersion, QueryHolds)
    return tuple(precondition if isinstance(precondition, kinds) else None for precondition in preconditions)


def read_precondition(members: Mapping[str, Any]) -> Precondition | str:
    """
    A precondition as it was sent as an object; its type where this package has none for it.
    """
    try:
        return PreconditionBody.model_validate(dict(members)).to_precondition()
    except (EventSourceError, ValueError):
        return str(members.get("type", ""))
