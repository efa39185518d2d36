"""
Upcasting: the data of one stored event through all upcasters there are for it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import pydantic_core

from eventsource.events.canonical_json import parse_json
from eventsource.events.errors import EventDecodingError, UpcastingError
from eventsource.events.event_types import event_types
from eventsource.events.plain_call import check_has_run
from eventsource.events.validation import unknown_members, validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.events.event import Event, RecordedEvent
    from eventsource.events.upcast_plan import Data, Upcaster, UpcastPlan


def upcast(recorded: RecordedEvent, reading: UpcastPlan, version: int, data: Data) -> Iterator[Event]:
    """
    What *data* of that version of the stored type becomes: one event, several or none.

    Raises:
        UpcastingError: An upcaster fails, or what it gives does not fit the fields of the class.
    """
    upcaster = reading.upcasters[version]
    for (stored_type, next_version), made in _run(recorded, upcaster, data):
        next_reading = reading if stored_type == reading.stored_type else event_types.reading(stored_type)
        # The reading was checked: each place that upcasters lead to has a further upcaster or a class.
        next_reading = cast("UpcastPlan", next_reading)
        if next_version in next_reading.upcasters:
            yield from upcast(recorded, next_reading, next_version, made)
        else:
            yield _to_event(recorded, upcaster, cast("type[Event]", next_reading.event_class), made)


def _to_event(recorded: RecordedEvent, upcaster: Upcaster, event_class: type[Event], made: Data) -> Event:
    """
    The event that the data is of, if it fits the fields of its class.
    """
    text = _to_json(recorded, upcaster, made)
    try:
        event = validate(recorded, event_class, text)
    except EventDecodingError as error:
        problem = f"gave data that does not fit {event_class.__qualname__}: {'; '.join(error.problems)}"
        raise _upcasting_error(recorded, upcaster, problem) from None
    # What was stored and no field takes is ignored, as of any event. What upcasters have added was meant for a field.
    if unknown := [place for place in unknown_members(event_class, text) if _has(made, place)]:
        stored = parse_json(recorded.data_json)
        for place in unknown:
            if not _has(stored, place):
                # Further inside, a name may be a key of the data.
                name = repr(place[0]) if len(place) == 1 else f"inside {place[0]!r}"
                problem = f"gave a member, {name}, that no field of {event_class.__qualname__} takes"
                raise _upcasting_error(recorded, upcaster, problem)
    return event


def _has(data: Any, place: tuple[int | str, ...]) -> bool:
    for step in place:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _run(recorded: RecordedEvent, upcaster: Upcaster, data: Data) -> list[tuple[tuple[str, int], Data]]:
    """
    Run one upcaster: the types and versions that its data is of, with the data.
    """
    try:
        made: Any = upcaster.function(data)
        check_has_run(made, upcaster.function, may_yield=upcaster.gives_pairs)
        pairs: list[Any] = list(made) if upcaster.gives_pairs else []
    except Exception as error:  # noqa: BLE001  it is the user's code; its text may quote the data
        problem = f"raised {type(error).__name__}{_line_of(error, upcaster)}"
        raise _upcasting_error(recorded, upcaster, problem) from None
    if not upcaster.gives_pairs:
        return [] if made is None else [(upcaster.places[0], _checked_data(recorded, upcaster, made))]
    found = [_checked_pair(recorded, upcaster, pair) for pair in pairs]
    # Events made of one may share what is inside: the next upcaster of one must not change the other.
    return found if len(found) == 1 else copy.deepcopy(found)


def _checked_pair(recorded: RecordedEvent, upcaster: Upcaster, pair: Any) -> tuple[tuple[str, int], Data]:
    match pair:
        case (event_class, data):
            name: Any = getattr(event_class, "event_type", None)
        case _:
            raise _upcasting_error(recorded, upcaster, "gave something that is no pair of class and data")
    for place in upcaster.places:
        if place[0] == name:
            return place, _checked_data(recorded, upcaster, data)
    raise _upcasting_error(recorded, upcaster, "gave a pair whose class is not among those it declares")


def _checked_data(recorded: RecordedEvent, upcaster: Upcaster, data: Any) -> Data:
    if not isinstance(data, dict):
        raise _upcasting_error(recorded, upcaster, f"gave data of type {type(data).__name__}, not a dict")
    return cast("Data", data)


def _to_json(recorded: RecordedEvent, upcaster: Upcaster, data: Data) -> bytes:
    try:
        return pydantic_core.to_json(data)
    except (ValueError, TypeError):
        # Its text may quote the value.
        raise _upcasting_error(recorded, upcaster, "gave data that JSON cannot carry") from None


def _line_of(error: BaseException, upcaster: Upcaster) -> str:
    code = getattr(upcaster.function, "__code__", None)
    line, trace = 0, error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" in line {line}" if line else ""


def _upcasting_error(recorded: RecordedEvent, upcaster: Upcaster, problem: str) -> UpcastingError:
    return UpcastingError(
        problem,
        upcaster=upcaster.name,
        version=upcaster.version,
        event_type=recorded.type,
        event_id=recorded.id,
        subject=recorded.subject,
    )
