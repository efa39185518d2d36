"""
The digest of a command: which command an id belongs to, stored beside the id.

A digest outlives an erasure, since it is stored with events that are not erased, and the id that could salt it
stands beside it. Whoever has the log could try the few values that a birthday or a name can have. So nothing
personal goes into it: fields that the command declares as personal are left out. Where a command declares nothing
and leads to a personal event, its content is left out as a whole, and the digest says only which class and subject it
was.

It is ``Withdraw/content/`` or ``Withdraw/subject/`` and 32 hex digits of a SHA-256. Fields that have their default, or
were not given, do not count, so a field with a default that is added later makes no other command of an earlier
one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pydantic_core import to_jsonable_python

from eventsource.commands.errors import CommandIdReusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventsource.commands.command import Command
    from eventsource.events.event import RecordedEvent

    Form: TypeAlias = Literal["content", "subject"]

_PARTS: Final = 3
_HEX_DIGITS: Final = 32


def digest_of(command: Command, *, is_about_person: bool) -> str:
    """
    The digest that is stored with the events of *command*.

    Args:
        is_about_person: Whether one of the events is personal.
    """
    declares = type(command).personal_fields is not None
    return _digest(command, "subject" if is_about_person and not declares else "content")


def own_events(command: Command, found: Iterable[RecordedEvent]) -> tuple[RecordedEvent, ...]:
    """
    Those of the events that carry the id of *command* which are its own: a repeat gets them.

    Events that were committed before there were digests count as its own.

    Raises:
        CommandIdReusedError: All are those of another command.
    """
    events = tuple(found)
    own = tuple(event for event in events if _is_own(command, event.metadata.command_digest))
    if events and not own:
        earlier = (event.metadata.command_digest or "" for event in events)
        raise CommandIdReusedError(
            type(command).__name__,
            earlier=next(earlier).partition("/")[0],
            command_id=command.command_id,
            subject=command.subject,
        )
    return own


def _is_own(command: Command, digest: str | None) -> bool:
    parts = digest.split("/") if digest is not None else []
    if len(parts) != _PARTS or parts[1] not in {"content", "subject"}:
        # It was written before there were digests, or by another program.
        return True
    return digest == _digest(command, "content" if parts[1] == "content" else "subject")


def _digest(command: Command, form: Form) -> str:
    name = type(command).__name__
    said = _content(command) if form == "content" else str(command.subject)
    text = json.dumps([command.command_id, name, form, said], sort_keys=True, separators=(",", ":"))
    return f"{name}/{form}/{sha256(text.encode()).hexdigest()[:_HEX_DIGITS]}"


def _content(command: Command) -> object:
    left_out = {"command_id", *(type(command).personal_fields or ())}
    return _canonical(
        command.model_dump(
            mode="python",
            by_alias=True,
            exclude=left_out,
            exclude_unset=True,
            exclude_defaults=True,
            round_trip=True,
            warnings=False,
        )
    )


def _canonical(value: Any) -> object:  # noqa: PLR0911  one line for each kind
    """
    The same for what counts as the same: sets in one order, times in UTC, decimals without zeros at their end.
    """
    match value:
        case Enum():
            return _canonical(value.value)
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo is not None else value).isoformat()
        case Decimal() if value.is_finite():
            # With as many digits as it has, so that none is lost.
            return str(value.normalize(Context(prec=max(len(value.as_tuple().digits), 1))))
        case date() | time() | timedelta() | uuid.UUID() | Decimal():
            return str(value)
        case bytes():
            return value.hex()
        case Mapping():
            items = [[_canonical(key), _canonical(item)] for key, item in value.items()]  # pyright: ignore[reportUnknownVariableType]  of whatever
            return sorted(items, key=_print)
        case list() | tuple():
            return [_canonical(item) for item in value]  # pyright: ignore[reportUnknownVariableType]  likewise
        case set() | frozenset():
            return sorted((_canonical(item) for item in value), key=_print)  # pyright: ignore[reportUnknownVariableType]  likewise
        case _:
            # What JSON does not know counts by its type: its text could hold its address.
            return to_jsonable_python(value, fallback=lambda unknown: type(unknown).__qualname__)


def _print(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
