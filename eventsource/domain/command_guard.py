"""
The guard that makes a command idempotent: no event that carries its id stands in the log already.

It travels with the commit, so there is no table of ids that were seen. Our stores answer it from an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventsource.domain.guard import Guard
from eventsource.domain.metadata import COMMAND_ID_MEMBER, METADATA_KEY
from eventsource.gdbql import Aggregate, Comparison, Constant, Path, Query, Under, conjunction, conjuncts

if TYPE_CHECKING:
    from eventsource.domain.subject import Subject
    from eventsource.gdbql import Expression

COMMAND_ID_PATH: Final = Path(("data", METADATA_KEY, COMMAND_ID_MEMBER))

# What the error of a commit calls it.
NOT_CARRIED_OUT: Final = "the command was not carried out before"

_NO_EVENTS: Final = Comparison("==", Aggregate("COUNT"), Constant(0))


def not_carried_out(subject: Subject, command_id: str) -> Guard:
    """
    The rule that no event at or under *subject* carries this command id.

    >>> from eventsource.domain.subject import Subject
    >>> not_carried_out(Subject("/accounts/42"), "7").query
    "STREAM e FROM events WHERE e.subject UNDER '/accounts/42' AND e.data._meta.commandId == '7' MAP COUNT() == 0"
    """
    return Guard(Query(where=_of_command(subject, command_id), projection=_NO_EVENTS), NOT_CARRIED_OUT)


def events_of_command(command_id: str, *, under: Subject | None = None) -> Query:
    """
    The question for the events that carry this command id, oldest first; at or under a subject, or anywhere.
    """
    return Query(where=_of_command(under, command_id))


def command_id_asked(where: Expression | None) -> str | None:
    """
    The command id that an event has to carry to fulfil *where*; None if it need not carry a certain one.
    """
    for condition in conjuncts(where):
        match condition:
            case Comparison("==", left, Constant(str(text))) | Comparison("==", Constant(str(text)), left):
                if left == COMMAND_ID_PATH and text:
                    return text
            case _:
                pass
    return None


def _of_command(subject: Subject | None, command_id: str) -> Expression | None:
    carries_it = Comparison("==", COMMAND_ID_PATH, Constant(command_id))
    if subject is None or subject.is_root:
        return carries_it
    return conjunction((Under(Path(("subject",)), Constant(subject)), carries_it))
