"""
What a process makes of one event: while a reaction decides it, and as it is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from eventsource.domain.event import Event, NewEvent, RecordedEvent
from eventsource.domain.event_data import parse_json, to_canonical_json
from eventsource.domain.evolution.round_trip import check_command
from eventsource.domain.processes.process_events import SentCommand, SetTimer
from eventsource.errors import UnstorableCommandError

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import BaseModel


@attrs.frozen
class Answer:
    """
    What a process made of one event.

    Attributes:
        commands: What it asks for, in order, each with its id.

        timers: What it waits for from now on.

        cancelled: The ids of the timers that it waits for no more.

        events: What it emitted for itself.

        is_completed: Whether it is over with this.
    """

    commands: tuple[BaseModel, ...]
    timers: tuple[SetTimer, ...]
    cancelled: tuple[str, ...]
    events: tuple[Event, ...]
    is_completed: bool


@attrs.define
class Deciding:
    """
    What one reaction has asked for so far.
    """

    cause: RecordedEvent
    commands: list[SentCommand] = attrs.field(factory=list[SentCommand])
    timers: list[SetTimer] = attrs.field(factory=list[SetTimer])
    cancelled: list[str] = attrs.field(factory=list[str])
    is_completed: bool = False


def to_sent(command: BaseModel) -> SentCommand:
    """
    A command as the books hold it: what it says now.

    Raises:
        UnstorableCommandError: It would be read back as another one.
    """
    name = type(command).__name__
    try:
        data = command.model_dump(mode="json", by_alias=True, warnings=False)
        field = check_command(command, data)
    except ValueError:
        # The text may quote a value.
        raise UnstorableCommandError(name, field="data") from None
    if field is not None:
        raise UnstorableCommandError(name, field=field)
    data.pop(_id_member(type(command)), None)
    return SentCommand(name=name, data=data)


def _id_member(command_class: type[BaseModel]) -> str:
    field = command_class.model_fields.get("command_id")
    return (field.serialization_alias if field is not None else None) or "command_id"


def to_timer(event: Event, due_at: datetime) -> SetTimer:
    """
    A timer as the books hold it; its event with the version of its class.
    """
    new = NewEvent.of(event, subject="/timer")
    return SetTimer(due_at=due_at, type=new.type, data=parse_json(new.data_json))


def as_recorded(timer: SetTimer, subject: str) -> RecordedEvent:
    """
    The event of a timer as if it were in the log already, to be read by upcasters.
    """
    data_json = to_canonical_json(timer.data)
    return RecordedEvent(0, "", 0, "", subject, timer.type, data_json, "", "")
