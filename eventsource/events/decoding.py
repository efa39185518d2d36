"""
Decoding: recorded events as events, the one way in which everything that reads does it.

An event whose type has one form only goes straight through the validator of its class. Others are
read as what they were stored as: upcasters take the data to the class of today, erased events say
that they are. So one recorded event gives one event, none, or several.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.errors import EventDecodingError, NewerEventError, UnknownEventTypeError, UpcastingError
from eventsource.events.event_types import event_types
from eventsource.events.metadata import METADATA_KEY, stored_version
from eventsource.events.personal_data import HELD_TEXT, Erased, has_committed_values, is_erased, may_be_erased
from eventsource.events.process_note import NOTE_TYPE, is_note, noted_type
from eventsource.events.upcasting import upcast
from eventsource.events.validation import validate

if TYPE_CHECKING:
    from eventsource.events.event import Event, RecordedEvent
    from eventsource.events.upcast_plan import Data, UpcastPlan

# Stored only with events whose class has been through versions. Looking for it is what a plain event pays, so that
# one written by a newer program is never read as if it were of today.
VERSION_TEXT: Final = '"version"'

# How the data begins of an event with metadata: members are sorted, and names of fields begin with a small letter.
_METADATA_TEXT: Final = f'{{"{METADATA_KEY}":{{"'

_METADATA_NAME: Final = f'"{METADATA_KEY}"'

# Metadata in front that has neither a version nor the mark of data that can be erased.
_PLAIN_METADATA: Final = re.compile(
    rf"""\{{{_METADATA_NAME}:\{{(?:(?!{VERSION_TEXT}|{HELD_TEXT})"[A-Za-z]*":(?:"[^"\\]*"|[0-9]+),?)*\}}"""
)


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
    if reading is None and is_note(recorded.type) and (note_class := event_types.find(NOTE_TYPE)) is not None:
        return (_read_note(recorded, note_class),)
    if reading is None:
        raise UnknownEventTypeError(
            event_type=recorded.type, event_id=recorded.id, subject=recorded.subject, reader=reader
        )
    try:
        if _is_surely_current(recorded.data_json, reading):
            return (validate(recorded, cast("type[Event]", reading.event_class), recorded.data_json),)
        return _decode(recorded, reading)
    except (EventDecodingError, UpcastingError):
        if may_be_erased(recorded):
            return _as_erased(reading)
        raise


def is_surely_plain(data_json: str) -> bool:
    """
    Whether the text alone tells that an event whose type has one form only is of that form, and not erased.
    """
    return (
        "_" not in data_json
        or (VERSION_TEXT not in data_json and HELD_TEXT not in data_json)
        or has_plain_metadata(data_json)
    )


def has_plain_metadata(data_json: str) -> bool:
    """
    Whether the text alone tells that neither a version nor the mark of erasable data is in the metadata.

    A later key could replace the metadata, and an escaped one would not be seen, so neither is judged by its text.
    """
    if _METADATA_NAME not in data_json:
        return "\\u" not in data_json
    metadata = _PLAIN_METADATA.match(data_json)
    rest = metadata.end() if metadata is not None else 0
    return data_json.find(_METADATA_NAME, rest) < 0 and data_json.find("\\u", rest) < 0


def _is_surely_current(data_json: str, reading: UpcastPlan) -> bool:
    """
    Whether the text alone tells that there is nothing to do but to validate.
    """
    if reading.is_plain:
        return is_surely_plain(data_json)
    return (
        data_json.startswith(_METADATA_TEXT)
        # Metadata has no objects inside, and the version is the last of its members.
        and data_json[: data_json.index("}") + 1].endswith(reading.current_text)
    )


def _decode(recorded: RecordedEvent, reading: UpcastPlan) -> tuple[Event | Erased[Any], ...]:
    data: Any = parse_json(recorded.data_json)
    if is_erased(data, is_personal=reading.is_personal) and not has_committed_values(recorded):
        return _as_erased(reading)
    if not isinstance(data, dict):
        raise EventDecodingError(
            event_type=recorded.type,
            event_id=recorded.id,
            subject=recorded.subject,
            problems=("data: Input should be an object",),
        )
    members = cast("Data", data)
    version = stored_version(members)
    if version in reading.upcasters:
        members.pop(METADATA_KEY, None)
        return tuple(upcast(recorded, reading, version, members))
    # Where the readings were checked, what has no upcaster is of the version of its class, or of one unheard of.
    if reading.event_class is None or version > reading.event_class.event_version:
        raise NewerEventError(
            event_type=recorded.type,
            event_id=recorded.id,
            subject=recorded.subject,
            version=version,
            known=reading.latest,
        )
    return (validate(recorded, reading.event_class, recorded.data_json),)


def _as_erased(reading: UpcastPlan) -> tuple[Erased[Any], ...]:
    return tuple(Erased(event_class) for event_class in reading.classes)


def _read_note(recorded: RecordedEvent, note_class: type[Event]) -> Event:
    data = parse_json(recorded.data_json)
    data.pop(METADATA_KEY, None)
    return validate(recorded, note_class, to_canonical_json({"type": noted_type(recorded.type), "data": data}))
