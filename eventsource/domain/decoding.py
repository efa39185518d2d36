"""
Decoding: recorded events as events, the one way in which everything that reads does it.

An event whose type has one form only goes straight through the validator of its class. Others are
read as what they were stored as: upcasters take the data to the class of today, erased events say
that they are. So one recorded event gives one event, none, or several.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import pydantic_core
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from eventsource.domain.erased import Erased, is_erased
from eventsource.domain.event_data import parse_json
from eventsource.domain.event_type import event_types
from eventsource.domain.metadata import METADATA_KEY, Metadata
from eventsource.errors import EventDecodingError, NewerEventError, UnknownEventTypeError, UpcastingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.domain.event import Event, RecordedEvent
    from eventsource.domain.reading import Reading
    from eventsource.domain.upcaster import Data, Upcaster

# Stored only with events whose class has been through versions. Looking for it is what a plain event pays, so that
# one written by a newer program is never read as if it were of today.
VERSION_TEXT: Final = '"version"'

# Pydantic's own texts quote no value, but for these. Others are those of validators of the user's own.
_QUIET_KINDS = frozenset(get_args(ErrorType)) - {"assertion_error", "union_tag_invalid", "uuid_parsing", "value_error"}


def decode(recorded: RecordedEvent, *, reader: str = "the declared event classes") -> tuple[Event | Erased[Any], ...]:
    """
    The events that *recorded* is read as: one, none or several; `Erased` where the data is gone.

    Args:
        reader: Who reads, for the error about a type that nobody declared.

    Raises:
        UnknownEventTypeError: No class or upcaster with its type is imported.
        NewerEventError: It was written by a newer program.
        UpcastingError: An upcaster fails.
        EventDecodingError: The data does not fit its class.
        DeclarationError: The upcasters of its type do not lead to a class.
    """
    reading = event_types.reading(recorded.type)
    if reading is None:
        raise UnknownEventTypeError(
            event_type=recorded.type, event_id=recorded.id, subject=recorded.subject, reader=reader
        )
    if event_types.is_plain(recorded.type) and VERSION_TEXT not in recorded.data_json:
        return (validate(recorded, cast("type[Event]", reading.event_class), recorded.data_json),)
    return _decode(recorded, reading)


def validate(recorded: RecordedEvent, event_class: type[Event], data_json: str) -> Event:
    """
    Read *data_json*, which is of the present version, as *event_class*.

    Raises:
        EventDecodingError: It does not fit.
    """
    try:
        event: Event = event_class.__pydantic_validator__.validate_json(
            data_json, extra="ignore", by_alias=True, by_name=False
        )
    except ValidationError as error:
        raise decoding_error(recorded, error, event_class) from None
    return event


def _decode(recorded: RecordedEvent, reading: Reading) -> tuple[Event | Erased[Any], ...]:
    data: Any = parse_json(recorded.data_json)
    if reading.personal and is_erased(data):
        return tuple(Erased(event_class) for event_class in reading.personal)
    if not isinstance(data, dict):
        data = {}
    version = Metadata.from_data(data).version
    if version > reading.latest:
        raise NewerEventError(
            event_type=recorded.type,
            event_id=recorded.id,
            subject=recorded.subject,
            version=version,
            known=reading.latest,
        )
    if reading.event_class is not None and version == reading.event_class.event_version:
        return (validate(recorded, reading.event_class, recorded.data_json),)
    data.pop(METADATA_KEY, None)
    return tuple(_upcast(recorded, reading, version, data))


def _upcast(
    recorded: RecordedEvent, reading: Reading, version: int, data: Data, last: Upcaster | None = None
) -> Iterator[Event]:
    """
    Take data through all upcasters there are for it, and read what comes out.
    """
    upcaster = reading.upcasters.get(version)
    if upcaster is None:
        event_class = cast("type[Event]", reading.event_class)
        yield validate(recorded, event_class, _to_json(recorded, cast("Upcaster", last), data))
        return
    for (stored_type, next_version), made in _run(recorded, upcaster, data):
        next_reading = cast("Reading", event_types.reading(stored_type))
        yield from _upcast(recorded, next_reading, next_version, made, upcaster)


def _run(recorded: RecordedEvent, upcaster: Upcaster, data: Data) -> list[tuple[tuple[str, int], Data]]:
    """
    Run one upcaster: the types and versions that its data is of, with the data.
    """
    try:
        made: Any = upcaster.function(data)
        pairs = list(made) if upcaster.gives_pairs else [] if made is None else [(None, made)]
    except Exception as error:  # noqa: BLE001  it is the user's code; its text may quote the data
        problem = f"raised {type(error).__name__}{_line_of(error, upcaster)}"
        raise _upcasting_error(recorded, upcaster, problem) from None
    places = list(upcaster.next_places())
    found: list[tuple[tuple[str, int], Data]] = []
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2):  # noqa: PLR2004  a pair
            raise _upcasting_error(recorded, upcaster, f"gave a value of type {type(pair).__name__} for a pair")
        target, piece = cast("tuple[type[Event] | None, Data]", pair)
        place = places[0] if target is None else _place_of(target, places)
        if place is None:
            raise _upcasting_error(recorded, upcaster, f"gave {target!r}, which is not among its classes")
        if not isinstance(piece, dict):
            raise _upcasting_error(recorded, upcaster, f"gave data of type {type(piece).__name__}, not a dict")
        # Events made of one may share what is inside: the next upcaster of one must not change the other.
        found.append((place, copy.deepcopy(piece) if len(pairs) > 1 else piece))
    return found


def _place_of(target: type[Event], places: list[tuple[str, int]]) -> tuple[str, int] | None:
    name = getattr(target, "event_type", None)
    return next((place for place in places if place[0] == name), None)


def _to_json(recorded: RecordedEvent, upcaster: Upcaster, data: Data) -> str:
    try:
        return pydantic_core.to_json(data).decode()
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


def decoding_error(recorded: RecordedEvent, error: ValidationError, event_class: type[Event]) -> EventDecodingError:
    """
    Say which fields of *recorded* do not fit *event_class*, without their values.
    """
    fields = set(_field_names(event_class))
    problems = tuple(
        f"{_describe_place(problem['loc'], fields) or 'data'}: {_describe(problem['type'], problem['msg'])}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return EventDecodingError(
        event_type=recorded.type, event_id=recorded.id, subject=recorded.subject, problems=problems
    )


def _describe_place(place: tuple[int | str, ...], fields: set[str]) -> str:
    # What is neither a field nor an index is a key of a mapping, so it is data.
    return ".".join(str(part) if isinstance(part, int) or part in fields else "…" for part in place)


def _field_names(annotation: Any) -> Iterator[str]:
    """
    What the fields of a model are called in stored data, those of the models inside included.
    """
    seen: set[Any] = set()
    waiting = [annotation]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
            seen.add(kind)
            for name, field in kind.model_fields.items():
                yield field.alias or name
                waiting.append(field.annotation)


def _describe(kind: str, message: str) -> str:
    return message if kind in _QUIET_KINDS else "refused by its validator"
