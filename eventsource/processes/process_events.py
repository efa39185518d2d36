"""
The events in which a process keeps its own books: what it answered, what became of it, what it waits for.

They stand at the process's own subject, ``/process/<name>/<id>``, beside those that it emits itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from eventsource.events.errors import EventError
from eventsource.events.event import Event
from eventsource.events.process_note import NOTE_TYPE

if TYPE_CHECKING:
    from eventsource.events.event import RecordedEvent


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True)


class SentCommand(_Part):
    """
    A command as the books hold it: the name of its class, and its fields but for its id.
    """

    name: str
    data: dict[str, Any]


class SetTimer(_Part):
    """
    A timer as the books hold it: when it is due, and the event that it then records.
    """

    due_at: AwareDatetime
    type: str
    data: dict[str, Any]


class ProcessReacted(Event, type="io.eventsource.process-reacted"):
    """
    The process has answered one event, its cause; what it decided is all in here.

    Attributes:
        cause: The id of the event.

        cause_type: Its type.

        cause_time: When it was committed.

        commands: What it asks for, in order.

        timers: What it waits for from now on.

        cancelled: The timers that it waits for no more, by id; also those that have fired, and whose event
            is not answered yet.

        completed: Whether it is over.

        timer: The timer that the event came from, if it came from one.
    """

    cause: str
    cause_type: str
    cause_time: AwareDatetime
    commands: tuple[SentCommand, ...] = ()
    timers: tuple[SetTimer, ...] = ()
    cancelled: tuple[str, ...] = ()
    completed: bool = False
    timer: str | None = None


class CommandDispatched(Event, type="io.eventsource.process-command-dispatched"):
    """
    A command of the process was carried out. It is committed with what the command did, or not at all.

    Attributes:
        cause: The event that the process answered with the command.

        index: Which of the commands of that answer, from 0 on.
    """

    cause: str
    index: int


class CommandRefused(Event, type="io.eventsource.process-command-refused"):
    """
    A command of the process was refused, for good. The commands of the same answer behind it are not sent.

    Attributes:
        cause, index: As of `CommandDispatched`.

        command: The command itself.

        refusal: What refused it: the name of an error class.

        rule: The name of the rule that did not hold, if it was one.
    """

    cause: str
    index: int
    command: SentCommand
    refusal: str
    rule: str | None = None


class TimerFired(Event, type="io.eventsource.process-timer-fired"):
    """
    A timer was due. The event that it carries is committed with this; its metadata names the timer as the cause.

    Attributes:
        timer: The id of the timer.
    """

    timer: str


class InputHeld(Event, type="io.eventsource.process-input-held"):
    """
    An event for a parked process: it is answered when the process goes on.
    """

    cause: str
    cause_type: str


class ProcessParked(Event, type="io.eventsource.process-parked"):
    """
    The process could not go on, and waits until somebody lets it.

    Attributes:
        stage: What failed: its answer to the cause, a command of that answer, or a timer.

        cause: The event that it was to answer or had answered; for a timer its id.

        error: The class of the error; its text might say something personal.

        place: Where it was raised: file, line and function.
    """

    stage: Literal["reaction", "command", "timer"]
    cause: str
    cause_type: str
    error: str
    place: str


class ProcessRetried(Event, type="io.eventsource.process-retried"):
    """
    Somebody let a parked process go on.
    """


class ProcessNoted(Event, type=NOTE_TYPE):
    """
    What a process emitted to remember it, as every reader but the process itself decodes it.

    It is stored under a type of its own, that of the emitted event behind ``io.eventsource.process-noted.``, with the
    same data. No handler, rule or query for the class of the emitted event takes it for one.

    Attributes:
        type: The type of the emitted event.

        data: Its data as it is stored, without metadata.
    """

    type: str
    data: dict[str, Any]


PROCESS_EVENTS: dict[str, type[Event]] = {
    event_class.event_type: event_class
    for event_class in (
        ProcessReacted,
        CommandDispatched,
        CommandRefused,
        TimerFired,
        InputHeld,
        ProcessParked,
        ProcessRetried,
    )
}


def fits(recorded: RecordedEvent) -> bool:
    """
    Whether an event is no record of the library, or one that decodes.

    A foreign server takes such a record from anybody, so it may hold anything.
    """
    event_class = PROCESS_EVENTS.get(recorded.type)
    if event_class is None:
        return True
    try:
        event_class.from_recorded(recorded)
    except EventError:
        return False
    return True
