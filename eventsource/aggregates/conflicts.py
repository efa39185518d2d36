"""
Why a commit was refused: a rule is broken, or others were faster.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.errors import AggregateExistsError, AggregateNotFoundError, ConflictError, RuleBrokenError
from eventsource.aggregates.selection_reader import select
from eventsource.gdbql import is_truthy
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.preconditions import (
    QueryHolds,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
    failed_index,
)
from eventsource.root_error import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from eventsource.aggregates.decision_state import DecisionState
    from eventsource.events.event import RecordedEvent
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.interface import EventStore

Refusal = TypeVar("Refusal", bound=PreconditionFailedError)
Reading = tuple["Precondition", "Aggregate | DecisionState"]


async def explain(
    error: PreconditionFailedError,
    readings: Sequence[Reading],
    rules: Sequence[Precondition],
    store: EventStore,
    *,
    aggregates: Mapping[str, Aggregate],
    absent: Collection[str],
    tells_events: bool,
) -> PreconditionFailedError | AggregateNotFoundError:
    """
    The error to raise for a commit that the store refused with *error*.

    Args:
        readings: What was read, each with the guard that it is still so: the first preconditions.

        rules: The others.

        aggregates: Those that take part, by subject.

        absent: The subjects that were read and had no events.

        tells_events: Whether a conflict is to tell what came between.
    """
    preconditions = [*(guard for guard, _ in readings), *rules]
    index = failed_index(error, preconditions)
    if index is None:
        index = await _find_failed(preconditions, store)
    if index is None:
        return error
    failed = preconditions[index]
    if index < len(readings):
        _, read = readings[index]
        if isinstance(read, Aggregate) and read.version == 0 and read.subject not in absent:
            return _refused(AggregateExistsError, error, failed)
        conflict = _refused(ConflictError, error, failed)
        if tells_events:
            conflict.events = await _came_between(read, store)
        return conflict
    if isinstance(failed, SubjectExists) and (missing := aggregates.get(failed.subject)) is not None:
        return AggregateNotFoundError(subject=missing.subject, aggregate=type(missing).__name__)
    return _refused(RuleBrokenError, error, failed)


def _refused(kind: type[Refusal], error: PreconditionFailedError, failed: Precondition) -> Refusal:
    name = failed.name if isinstance(failed, QueryHolds) else None
    return kind(
        subject=error.subject,
        precondition=type(failed).__name__,
        expected=f"rule {name!r} to hold" if name else error.expected,
        found=error.found,
        name=name,
        query=failed.query if isinstance(failed, QueryHolds) else error.query,
        asked=error.asked,
    )


async def _find_failed(preconditions: Sequence[Precondition], store: EventStore) -> int | None:
    """
    Which of several did not hold, where the store did not say: the first that does not hold now.

    A guard of what was read counts events, which are never taken away: once broken it stays so. So what
    is found is a conflict exactly if there was one. A rule may hold again; then nothing is found.
    """
    try:
        for index, precondition in enumerate(preconditions):
            if not await _holds(precondition, store):
                return index
    except StoreError:
        pass
    return None


async def _holds(precondition: Precondition, store: EventStore) -> bool:
    match precondition:
        case SubjectIsNew(subject):
            return await store.count(subject, recursive=False) == 0
        case SubjectExists(subject):
            return await store.count(subject, recursive=False) > 0
        case SubjectIsAtVersion(subject, version):
            return await store.count(subject, recursive=False) == version
        case QueryHolds(tree):
            rows = [row async for row in store.query(tree)]
            return bool(rows) and all(map(is_truthy, rows))


async def _came_between(read: Aggregate | DecisionState, store: EventStore) -> tuple[RecordedEvent, ...]:
    try:
        if isinstance(read, Aggregate):
            guarded = read.guarded_types()
            async with aclosing(store.stream(read.subject, recursive=False, lower_bound=read.last_event_id)) as stream:
                return tuple([event async for event in stream if guarded is None or event.type in guarded])
        async with aclosing(select(store, read.selection, after=read.last_event)) as found:
            return tuple([event async for events in found for event in events])
    except StoreError:
        # Best effort: the commit is refused either way.
        return ()
