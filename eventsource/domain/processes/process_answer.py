"""
What a process makes of one event: while a reaction decides it, and as it is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from pydantic import BaseModel

from eventsource.domain.event import Event, NewEvent, RecordedEvent
from eventsource.domain.event_data import parse_json, to_canonical_json
from eventsource.domain.processes.process_events import SentCommand, SetTimer

if TYPE_CHECKING:
    from datetime import datetime


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
    commands: list[BaseModel] = attrs.field(factory=list[BaseModel])
    timers: list[tuple[Event, datetime]] = attrs.field(factory=list[tuple[Event, "datetime"]])
    cancelled: list[str] = attrs.field(factory=list[str])
    is_completed: bool = False


def to_sent(command: BaseModel) -> SentCommand:
    """
    A command as the books hold it.
    """
    data = command.model_dump(mode="json", by_alias=True, exclude={"command_id"})
    return SentCommand(name=type(command).__name__, data=data)


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
