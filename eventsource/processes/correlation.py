"""
Correlation: from an event to the process that it is for, and from a process to the ids of its commands.
"""

from __future__ import annotations

import functools
import hashlib
import re
import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from eventsource.events.errors import EventError
from eventsource.events.plain_call import check_has_run, name_of
from eventsource.events.subject import described, shown
from eventsource.processes.reaction import ID, OwnCommand
from eventsource.root_error import InvalidSubjectError

if TYPE_CHECKING:
    from eventsource.events.event import Event, RecordedEvent
    from eventsource.processes.reaction import By, Reactions


def correlate(recorded: RecordedEvent, reactions: Reactions, *, process_name: str) -> tuple[str, ...]:
    """
    The ids of the processes that an event is for; mostly one, or none.

    Raises:
        EventError: It cannot be read, and what it says as it is stored is not enough.
        InvalidSubjectError: A function that was given as `by` gives something that is no id.
        Exception: Whatever a function raises that was given as `by`.
    """
    try:
        found = [
            _find(recorded, event, reaction.by, process_name)
            for reaction, event in reactions.to(recorded)
            if reaction.by is not None
        ]
    except EventError:
        # One that cannot be read is parked at its process, as long as it says at which.
        found = [_find_unread(recorded, reactions, process_name)]
        if found == [None]:
            raise
    return tuple(dict.fromkeys(str(one) for one in found if one is not None))


def is_for(id: str, recorded: RecordedEvent, event: Event, by: By | None, *, process_name: str) -> bool:
    """
    Whether one of the events that *recorded* is read as is for the process with this id.
    """
    found = None if by is None else _find(recorded, event, by, process_name)
    return found is not None and str(found) == id


def _find(recorded: RecordedEvent, event: Event, by: By, process_name: str) -> object:
    if isinstance(by, OwnCommand):
        return process_of_command(recorded.metadata.command_id or "", process_name)
    if isinstance(by, str):
        return _id_in(recorded.subject, by) if by.startswith("/") else getattr(event, by)
    found = by(event)
    check_has_run(found, by)
    if found is not None and (isinstance(found, bool) or not isinstance(found, (str, int, uuid.UUID))):
        reason = (
            f"{name_of(by)} must give the id of a process as a text, an integer or a UUID, and gave {described(found)}"
        )
        raise InvalidSubjectError(shown(found), reason)
    return found


def _find_unread(recorded: RecordedEvent, reactions: Reactions, process_name: str) -> object:
    reaction = reactions.events.get(recorded.type)
    if reaction is None:
        return None
    if isinstance(reaction.by, OwnCommand):
        return process_of_command(recorded.metadata.command_id or "", process_name)
    if not isinstance(reaction.by, str):
        return None
    if reaction.by.startswith("/"):
        return _id_in(recorded.subject, reaction.by)
    field = reactions.classes[recorded.type].model_fields[reaction.by]
    value = recorded.data.get(field.alias or reaction.by)
    return value if isinstance(value, str | int) else None


def _id_in(subject: str, template: str) -> str | None:
    found = _pattern(template).fullmatch(subject)
    return found[1] if found else None


@functools.lru_cache(maxsize=256)
def _pattern(template: str) -> re.Pattern[str]:
    before, _, after = template.partition(ID)
    return re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}")


def command_id(process_name: str, id: str, cause: str, index: int) -> str:
    """
    The id of a command: the same whenever the same process answers the same event.

    Raises:
        ValueError: The process's id is too long for it.
    """
    quoted = quote(id, safe="")
    if len(quoted) > _LONGEST_ID:
        msg = f"the id of a process is longer than {_LONGEST_ID} characters, escaped as in a URL"
        raise ValueError(msg)
    # Ids of events are opaque; those of our stores are UUIDs.
    short = cause if _SHORT.fullmatch(cause) else hashlib.sha256(cause.encode()).hexdigest()[:40]
    return f"{process_name}/{quoted}/{short}/{index}"


def process_of_command(command_id: str, process_name: str) -> str | None:
    """
    The id of the process whose command has this id; None if it is none of *process_name*.
    """
    name, _, rest = command_id.partition("/")
    # Behind it come the id, the cause and the index.
    return unquote(rest.split("/")[0]) if name == process_name and rest.count("/") == _PARTS_BEHIND_ID else None


# With a name of 40 characters all of it fits into the 200 of a command id.
_LONGEST_ID: Final = 100
_SHORT: Final = re.compile("[!-.0-~]{1,40}")
_PARTS_BEHIND_ID: Final = 2
