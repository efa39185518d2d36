"""
Errors of process managers.
"""

from __future__ import annotations

from eventsource.root_error import EventSourceError


class ProcessError(EventSourceError):
    """
    A process cannot go on, or is not what somebody takes it for.

    Attributes:
        process: The name of its process manager.
    """

    code = "process"

    def __init__(self, message: str, *, process: str) -> None:
        super().__init__(message)
        self.process = process


class UndeclaredCommandError(ProcessError):
    """
    A process sends, or has sent, a command that its class does not declare.

    Attributes:
        command: The name of the command's class.
    """

    code = "undeclared-command"

    def __init__(self, process: str, *, command: str) -> None:
        super().__init__(f"process manager {process!r} does not declare {command}: add it to `sends`", process=process)
        self.command = command


class ProcessNotStartedError(ProcessError):
    """
    An event came for a process that has not begun, and does not begin one.

    Attributes:
        id: Which process.

        event_id: Which event.

        event_type: Its type.
    """

    code = "process-not-started"

    def __init__(self, process: str, *, id: str, event_id: str, event_type: str) -> None:
        super().__init__(
            f"event {event_id} of type {event_type!r} is for process {process}/{id}, which has not begun",
            process=process,
        )
        self.id = id
        self.event_id = event_id
        self.event_type = event_type


class ProcessCompletedError(ProcessError):
    """
    An event came for a process that is over.

    Attributes:
        id: Which process.

        event_id: Which event.

        event_type: Its type.
    """

    code = "process-completed"

    def __init__(self, process: str, *, id: str, event_id: str, event_type: str) -> None:
        super().__init__(
            f"event {event_id} of type {event_type!r} is for process {process}/{id}, which is over", process=process
        )
        self.id = id
        self.event_id = event_id
        self.event_type = event_type


class RefusalUnansweredError(ProcessError):
    """
    A command of a process was refused, and its class does not say what then.

    Attributes:
        id: Which process.

        command: The name of the command's class.

        refusal: The name of the error's class.
    """

    code = "refusal-unanswered"

    def __init__(self, process: str, *, id: str, command: str, refusal: str) -> None:
        super().__init__(
            f"{command} of process {process}/{id} was refused by {refusal}, which no reaction answers: add a method "
            f"marked @on_refusal with a parameter `command: {command}`",
            process=process,
        )
        self.id = id
        self.command = command
        self.refusal = refusal


class ProcessNotFoundError(ProcessError, LookupError):
    """
    There is no such process.

    Attributes:
        id: Which one was asked for.
    """

    code = "process-not-found"

    def __init__(self, process: str, *, id: str) -> None:
        super().__init__(f"there is no process {process}/{id}", process=process)
        self.id = id


class ProcessNotParkedError(ProcessError):
    """
    A process was to go on, and nothing keeps it from that.

    Attributes:
        id: Which one.
    """

    code = "process-not-parked"

    def __init__(self, process: str, *, id: str) -> None:
        super().__init__(f"process {process}/{id} is not parked", process=process)
        self.id = id


class ProcessManagerFailedError(ProcessError):
    """
    A process manager stopped before an event of which it cannot tell which process it is for.

    What it fails at is the `__cause__`.

    Attributes:
        event_id: Which event.

        event_type: Its type.

        subject: Its subject.
    """

    code = "process-manager-failed"

    def __init__(self, process: str, *, event_id: str, event_type: str, subject: str, cause: Exception) -> None:
        super().__init__(
            f"process manager {process!r} stopped before event {event_id} of type {event_type!r} at {subject}: "
            f"{type(cause).__name__} where it asks which process that is for; mend `by`, and start it again",
            process=process,
        )
        self.event_id = event_id
        self.event_type = event_type
        self.subject = subject


class ProcessManagerNotRunningError(ProcessError):
    """
    Somebody waits for a process manager that no worker runs any more.
    """

    code = "process-manager-not-running"

    def __init__(self, process: str) -> None:
        super().__init__(f"process manager {process!r} has stopped: start a ProcessWorker with it", process=process)
