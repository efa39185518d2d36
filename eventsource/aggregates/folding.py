"""
Folding: recorded events into a state, through the handlers of its class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from pydantic import ValidationError

from eventsource.events.decoding import VERSION_TEXT, decode, has_plain_metadata
from eventsource.events.errors import UnknownEventTypeError
from eventsource.events.event_types import event_types
from eventsource.events.personal_data import HELD_TEXT, Erased, may_be_erased
from eventsource.events.plain_call import check_has_run
from eventsource.events.reserved import is_reserved_type
from eventsource.events.validation import decoding_error
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from eventsource.events.event import Event, RecordedEvent

    # By event type; the second for events whose data is erased.
    Handlers: TypeAlias = Mapping[str, tuple[type[Event], Callable[..., Any]]]
    ErasedHandlers: TypeAlias = Mapping[str, Callable[..., Any]]

# What a reader does about events that it has no handler for: refuse to go on, or pass them over.
UnknownEvents: TypeAlias = Literal["error", "ignore"]


def check_unknown_events(owner: type, policy: str) -> UnknownEvents:
    """
    What *owner* declares about events that it has no handler for.

    Raises:
        DeclarationError: It is neither "error" nor "ignore".
    """
    if policy not in get_args(UnknownEvents):
        msg = f'{owner.__qualname__}: unknown_events is "error" or "ignore", not {policy!r}'
        raise DeclarationError(msg)
    return cast("UnknownEvents", policy)


def fold_events(
    state: object,
    handlers: Handlers,
    erased_handlers: ErasedHandlers,
    events: Iterable[RecordedEvent],
    *,
    reader: str,
    unknown_events: UnknownEvents,
) -> tuple[int, str | None]:
    """
    Take recorded events into *state*, oldest first.

    Returns:
        How many recorded events that were, whatever became of them, and the id of the last; None of none.

    Raises:
        UnknownEventTypeError: There is no handler for one, and unknown events are an error.
        EventDecodingError, UpcastingError, NewerEventError: One cannot be read.
    """
    # One pass over a small table of bound functions: this loop is what rebuilding costs. It is made at each fold,
    # since a class with forward references gets its validator late.
    plain = {
        name: (event_class.__pydantic_validator__.validate_json, handle)
        for name, (event_class, handle) in handlers.items()
        if event_types.is_plain(name)
    }
    recorded: RecordedEvent | None = None
    count = 0
    for recorded in events:
        try:
            decode_plain, handle = plain[recorded.type]
        except KeyError:
            pass
        else:
            data_json = recorded.data_json
            # The commonest cases without a call.
            if (
                "_" not in data_json
                or (VERSION_TEXT not in data_json and HELD_TEXT not in data_json)
                or has_plain_metadata(data_json)
            ):
                try:
                    event = decode_plain(data_json, extra="ignore", by_alias=True, by_name=False)
                except ValidationError as error:
                    if not may_be_erased(recorded):
                        raise decoding_error(recorded, error, handlers[recorded.type][0]) from None
                else:
                    if (returned := handle(state, event)) is not None:
                        check_has_run(returned, handle)
                    count += 1
                    continue
        for method, made in handled(recorded, handlers, erased_handlers, reader=reader, unknown_events=unknown_events):
            check_has_run(method(state, made), method)
        count += 1
    return count, None if recorded is None else recorded.id


def handled(
    recorded: RecordedEvent,
    handlers: Handlers,
    erased_handlers: ErasedHandlers,
    *,
    reader: str,
    unknown_events: UnknownEvents,
) -> list[tuple[Callable[..., Any], Event | Erased[Any]]]:
    """
    What *recorded* is read as, each event with its handler.

    Nothing is decoded that nobody handles. An erased event that nobody handles as erased is passed over, and so is a
    record of the library that nobody handles.

    Raises:
        UnknownEventTypeError: There is no handler for it, and unknown events are an error.
        EventDecodingError, UpcastingError, NewerEventError: It cannot be read.
    """
    is_wanted = event_types.can_give(recorded.type, handlers) or event_types.can_give(recorded.type, erased_handlers)
    found: list[tuple[Callable[..., Any], Event | Erased[Any]]] = []
    # A record of the library is no fact of what it stands at, wherever somebody has put it.
    is_unknown = not is_wanted and not event_types.is_dropped(recorded.type) and not is_reserved_type(recorded.type)
    for event in decode(recorded, reader=reader) if is_wanted else ():
        name, is_erased = event.event_type, isinstance(event, Erased)
        method = erased_handlers.get(name) if is_erased else handlers[name][1] if name in handlers else None
        if method is not None:
            found.append((method, event))
        elif not is_erased:
            is_unknown = True
    if is_unknown and unknown_events == "error":
        raise UnknownEventTypeError(
            event_type=recorded.type, event_id=recorded.id, subject=recorded.subject, reader=reader
        )
    return found
