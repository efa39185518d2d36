"""
What becomes of a command: its result, found again when the command comes again.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.domain.guards.command_guard import events_of_command
from eventsource.store.query import QueryLimits

if TYPE_CHECKING:
    from eventsource.domain.event import RecordedEvent
    from eventsource.domain.subject import Subject
    from eventsource.store.interface import EventStore


@attrs.frozen
class CommandResult:
    """
    What a command has done.

    Attributes:
        events: The events that were committed for it and carry its id, in order: the same ones however
            often the command is dispatched. Personal events carry none, so they are not among them.

        value: What the handler returned. It is stored nowhere, so it is None for a repeat: let what must
            be known then be in the events.

        is_repeat: Whether nothing was committed now, since the command was carried out before: by an
            earlier dispatch, by one at the same time, or by this one when the answer to its commit was lost.
    """

    events: tuple[RecordedEvent, ...] = ()
    value: Any = None
    is_repeat: bool = False


# An index finds them; on a machine that is busy with other things that takes longer, too.
_LIMITS: Final = QueryLimits(time_s=10.0, rows=1_000_000)


async def find_events(store: EventStore, subject: Subject, command_id: str) -> tuple[RecordedEvent, ...]:
    """
    The events that were committed for a command; none if it was not carried out.

    Raises:
        StoreError, QueryError: They cannot be read.
    """
    question = events_of_command(subject, command_id)
    async with aclosing(store.query(question, limits=_LIMITS)) as rows:
        ids: list[str] = [row["id"] async for row in rows]
    if not ids:
        return ()
    # A row of a query does not tell its position. Events of one commit stand side by side.
    found = store.stream(lower_bound=ids[0], include_lower_bound=True, upper_bound=ids[-1], include_upper_bound=True)
    async with aclosing(found) as stream:
        return tuple([event async for event in stream if event.id in ids])
