"""
Validation: stored data as an event of its class, and what does not fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from eventsource.events.errors import EventDecodingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.events.event import Event, RecordedEvent

# Pydantic's own texts quote no value, but for these. Others are those of validators of the user's own.
_QUIET_KINDS = frozenset(get_args(ErrorType)) - {"assertion_error", "union_tag_invalid", "uuid_parsing", "value_error"}


def validate(recorded: RecordedEvent, event_class: type[Event], data_json: str | bytes) -> Event:
    """
    Read *data_json*, which is of the version of today, as *event_class*.

    Args:
        recorded: What it comes from.

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


def unknown_members(event_class: type[Event], data_json: str | bytes) -> tuple[tuple[int | str, ...], ...]:
    """
    The places of the members in *data_json* that no field takes, at any depth.
    """
    try:
        event_class.__pydantic_validator__.validate_json(data_json, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        return tuple(problem["loc"] for problem in problems if problem["type"] == "extra_forbidden")
    return ()


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
