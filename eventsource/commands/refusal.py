"""
Why a commit was refused: a rule is broken, or others were faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.commands.selecting import select
from eventsource.domain.aggregate import Aggregate
from eventsource.domain.precondition import SubjectExists, failed_index
from eventsource.errors import (
    AggregateExistsError,
    AggregateNotFoundError,
    ConflictError,
    PreconditionFailedError,
    RuleBrokenError,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from eventsource.domain.decision_state import DecisionState
    from eventsource.domain.event import RecordedEvent
    from eventsource.domain.precondition import Precondition
    from eventsource.store.interface import EventStore

Guarded = tuple["Precondition", "Aggregate | DecisionState"]


def explain(
    error: PreconditionFailedError,
    guards: Sequence[Guarded],
    rules: Sequence[Precondition],
    *,
    aggregates: Mapping[str, Aggregate],
    absent: Collection[str] = (),
) -> PreconditionFailedError | AggregateNotFoundError:
    """
    The error for a commit whose preconditions were those of *guards*, then *rules*.

    Args:
        aggregates: Those that take part, by subject.

        absent: The subjects that were read and had no events.
    """
    index = failed_index(error, [*(guard for guard, _ in guards), *rules])
    if index is None:
        return error
    if index >= len(guards):
        rule = rules[index - len(guards)]
        if isinstance(rule, SubjectExists) and (missing := aggregates.get(rule.subject)) is not None:
            return AggregateNotFoundError(subject=missing.subject, aggregate=type(missing).__name__)
        return RuleBrokenError(**_facts(error))
    read = guards[index][1]
    if isinstance(read, Aggregate) and read.version == 0 and read.subject not in absent:
        return AggregateExistsError(**_facts(error))
    return ConflictError(**_facts(error))


def _facts(error: PreconditionFailedError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in _FACTS}


_FACTS = ("subject", "precondition", "expected", "found", "name", "query", "asked")


async def came_between(
    error: PreconditionFailedError, guards: Sequence[Guarded], store: EventStore
) -> tuple[RecordedEvent, ...]:
    """
    The events that were added to what the guard at fault is about; none if they cannot be read.
    """
    index = failed_index(error, [guard for guard, _ in guards])
    if index is None:
        return ()
    read = guards[index][1]
    try:
        if isinstance(read, Aggregate):
            stream = store.stream(read.subject, recursive=False, lower_bound=read.last_event_id)
            return tuple([event async for event in stream])
        found = select(store, read.selection, after=read.last_event)
        return tuple([event async for events in found for event in events])
    except StoreError:
        # The commit is refused whether it can be told by what or not.
        return ()
