"""
Errors of commands and of the dispatcher.
"""

from __future__ import annotations

from typing import Any

from eventsource.root_error import EventSourceError


class CommandError(EventSourceError):
    """
    Something is wrong with a command or its handler.

    Attributes:
        command: The name of the command's class.
    """

    code = "command"

    def __init__(self, command: str, message: str) -> None:
        super().__init__(message)
        self.command = command


class CommandNotHandledError(CommandError, LookupError):
    """
    A command was dispatched for which the dispatcher has no handler.
    """

    code = "command-not-handled"

    def __init__(self, command: str) -> None:
        super().__init__(command, f"no handler for {command}: register one with this dispatcher first")


class UnstorableCommandError(CommandError, ValueError):
    """
    A command of a process cannot be recorded: it would come back as another one, or not at all.

    Attributes:
        field: The field that would not come back; "data" if the command could not be read at all.
    """

    code = "unstorable-command"

    def __init__(self, command: str, *, field: str) -> None:
        super().__init__(
            command,
            f"{command} cannot be recorded: its field {field} does not come back from JSON as it is. Declare it with "
            "a type that says all that the value says, and write and read it by one name",
        )
        self.field = field


class CommandLeavesNoTraceError(CommandError):
    """
    A handler emitted events, but none that would tell a repeat of the command. Nothing was committed.

    What tells it is an event at the command's subject or below it that carries the command's id. Personal
    events carry none.

    Attributes:
        subject: The subject of the command.
    """

    code = "command-leaves-no-trace"

    def __init__(self, command: str, *, subject: str) -> None:
        super().__init__(
            command,
            f"{command} emitted events, but none at or under {subject} that carries its id, so a repeat could not be "
            "told: emit one there that is not personal, or give the command the subject that it writes to",
        )
        self.subject = subject


class CommandIdReusedError(CommandError):
    """
    A command came with the id of another command. Nothing was committed.

    An id names one command: its class and its content. Send the other command under an id of its own.

    Attributes:
        earlier: The name of the class of the command that was carried out under the id.

        command_id: The id.

        subject: The subject of the command that was refused.
    """

    code = "command-id-reused"

    def __init__(self, command: str, *, earlier: str, command_id: str, subject: str) -> None:
        what = f"{command} with other content" if earlier == command else f"another command, {earlier},"
        super().__init__(
            command,
            f"{command} at {subject} came with the id {command_id!r}, under which {what} was carried out: "
            "a command id names one command for ever, so give this one an id of its own",
        )
        self.earlier = earlier
        self.command_id = command_id
        self.subject = subject


class ResultNotSeenError(CommandError):
    """
    A command is carried out, its events are committed; but a read model did not show them when asked to wait for it.

    Why is the ``__cause__``. Wait for the read model again, or go on without it. Dispatching the command
    again does no harm: it commits nothing, and waits again.

    Attributes:
        result: The `CommandResult` all the same.

        reason: The code of the error that waiting ended with, such as "not-seen".
    """

    code = "result-not-seen"

    def __init__(self, command: str, *, result: Any, reason: str) -> None:
        super().__init__(
            command,
            f"{command} is carried out and committed, but a read model did not show it ({reason}): "
            "wait for it again, or dispatch the same command again, which commits nothing",
        )
        self.result = result
        self.reason = reason
