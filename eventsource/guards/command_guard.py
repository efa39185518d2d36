"""
The guard that makes a command idempotent: no event that carries its id stands in the log already.

It travels with the commit, so there is no table of ids that were seen. Our stores answer it from an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventsource.events.metadata import COMMAND_ID_MEMBER, COMMAND_SUBJECT_MEMBER, METADATA_KEY
from eventsource.gdbql import (
    Aggregate,
    And,
    Comparison,
    Constant,
    IsNull,
    Or,
    Path,
    Query,
    Under,
    conjuncts,
)
from eventsource.guards.guard import Guard

if TYPE_CHECKING:
    from eventsource.events.subject import Subject
    from eventsource.gdbql import Expression

COMMAND_ID_PATH: Final = Path(("data", METADATA_KEY, COMMAND_ID_MEMBER))
_COMMAND_SUBJECT: Final = Path(("data", METADATA_KEY, COMMAND_SUBJECT_MEMBER))

# What the error of a commit calls it.
NOT_CARRIED_OUT: Final = "the command was not carried out before"

_NO_EVENTS: Final = Comparison("==", Aggregate("COUNT"), Constant(0))


def not_carried_out(subject: Subject, command_id: str) -> Guard:
    """
    The rule that no event at or under *subject* carries the id of this command.

    Events that another command wrote there, whose subject is elsewhere, do not count.

    >>> from eventsource.events.subject import Subject
    >>> for condition in not_carried_out(Subject("/accounts/42"), "7").query.split(" AND "):
    ...     print(condition)
    STREAM e FROM events WHERE e.subject UNDER '/accounts/42'
    e.data._meta.commandId == '7'
    e.data._meta.commandSubject IS NULL MAP COUNT() == 0
    """
    under, is_own = _is_of_subject(subject)
    return Guard(Query(where=And((under, _has_id(command_id), is_own)), projection=_NO_EVENTS), NOT_CARRIED_OUT)


def events_of_command(subject: Subject, command_id: str) -> Query:
    """
    The question for the events that were committed for a command, oldest first, wherever they are.
    """
    elsewhere = Comparison("==", _COMMAND_SUBJECT, Constant(str(subject)))
    return Query(where=And((_has_id(command_id), Or((elsewhere, And(_is_of_subject(subject)))))))


def _has_id(command_id: str) -> Expression:
    return Comparison("==", COMMAND_ID_PATH, Constant(command_id))


def _is_of_subject(subject: Subject) -> tuple[Expression, Expression]:
    return Under(Path(("subject",)), Constant(str(subject))), IsNull(_COMMAND_SUBJECT)


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
