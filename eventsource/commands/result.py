"""
What becomes of a command: its result, found again when the command comes again.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.domain.command_guard import events_of_command
from eventsource.domain.subject import prefix_below

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


async def find_events(store: EventStore, subject: Subject, command_id: str) -> tuple[RecordedEvent, ...]:
    """
    The events of the commit that a command made; none if it made none.

    Args:
        subject: Where the id counts. Elsewhere it may be another command's.

    Raises:
        StoreError, QueryError: They cannot be read.
    """
    rows: list[dict[str, Any]] = [row async for row in store.query(events_of_command(command_id))]
    below = prefix_below(subject)
    own = (number for number, row in enumerate(rows) if row["subject"] == subject or row["subject"].startswith(below))
    first = last = next(own, -1)
    if first < 0:
        return ()
    while first > 0 and await _are_of_one_commit(store, rows[first - 1], rows[first]):
        first -= 1
    while last + 1 < len(rows) and await _are_of_one_commit(store, rows[last], rows[last + 1]):
        last += 1
    # A row of a query does not tell its position.
    ids = {row["id"] for row in rows[first : last + 1]}
    stream = store.stream(
        lower_bound=rows[first]["id"],
        include_lower_bound=True,
        upper_bound=rows[last]["id"],
        include_upper_bound=True,
    )
    return tuple([event async for event in stream if event.id in ids])


# Personal events carry no id; so many of them may stand in a row in one commit.
_MAX_WITHOUT_ID: Final = 100


async def _are_of_one_commit(store: EventStore, earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    """
    Whether two events that carry one id stand side by side in the log, but for events that carry none.
    """
    if later.get("predecessorhash") is not None and later["predecessorhash"] == earlier.get("hash"):
        return True
    between = 0
    async with aclosing(store.stream(lower_bound=earlier["id"], upper_bound=later["id"])) as stream:
        async for event in stream:
            between += 1
            if between > _MAX_WITHOUT_ID or event.metadata.command_id is not None:
                return False
    return True
