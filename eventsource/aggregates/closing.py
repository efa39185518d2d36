"""
Which periods an aggregate has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.errors import PeriodClosedError
from eventsource.aggregates.periods import PeriodAggregate
from eventsource.events.event import Event
from eventsource.events.event_types import stored_types_of
from eventsource.events.plain_call import check_has_run
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
AnyPeriodAggregate = TypeVar("AnyPeriodAggregate", bound=PeriodAggregate)


def new_aggregate(aggregate_class: type[AnyAggregate], id: str, *, period: str | None = None) -> AnyAggregate:
    """
    A new aggregate, in its first period if it is one with periods.

    Raises:
        TypeError: A period is given for a class without periods.
    """
    if period is None:
        return aggregate_class(id)
    if not issubclass(aggregate_class, PeriodAggregate):
        msg = f"{aggregate_class.__name__} has no periods: leave out period={period!r}"
        raise TypeError(msg)
    return aggregate_class(id, period=period)


async def find_last_period(
    store: EventStore, aggregate_class: type[PeriodAggregate], id: str, *, after: str = ""
) -> str | None:
    """
    The name of its last period, found without reading any; None if there is none.

    Args:
        store: Where the events are.

        aggregate_class: Its class.

        id: Which one.

        after: Only a period that comes after this one.
    """
    last = await store.last_event(aggregate_class.subject_of(id))
    if last is None:
        return None
    # The last event is in the last period, since the others are closed. Where it is not a plain event of a period (it
    # stands below, or somebody wrote past the guards) the subjects tell.
    period = aggregate_class.period_at(last.subject, id)
    if period is not None and period > after and last.type not in stored_types_of(aggregate_class.closed_by):
        return period
    periods = [name for name in await periods_of(store, aggregate_class, id) if name > after]
    return periods[-1] if periods else None


async def periods_of(store: EventStore, aggregate_class: type[PeriodAggregate], id: str) -> tuple[str, ...]:
    """
    The names of its periods, the oldest first.
    """
    subjects = await store.subjects(aggregate_class.subject_of(id))
    return tuple(sorted(name for subject in subjects if (name := aggregate_class.period_at(subject, id)) is not None))


def close_books(
    current: AnyPeriodAggregate, next_period: str, command: Callable[[AnyPeriodAggregate], Event | Iterable[Event]]
) -> AnyPeriodAggregate:
    """
    Run the command that closes a period, and open the next with what it gives.

    Returns:
        The next period, to be saved in one commit with this one.

    Raises:
        PeriodClosedError: It is closed already.
        DeclarationError: The command does not close it, or gives nothing to open with.
    """
    if current.is_closed:
        raise PeriodClosedError(subject=current.subject)
    given = command(current)
    check_has_run(given, command, may_yield=True)
    opening = [given] if isinstance(given, Event) else list(given)
    if not current.is_closed:
        msg = (
            f"the command that closes the books of {type(current).__name__} must emit "
            f"{current.closed_by.__name__}, and return what the next period opens with"
        )
        raise DeclarationError(msg)
    if not opening:
        msg = f"{type(current).__name__} cannot open period {next_period!r} with no event: return one at least"
        raise DeclarationError(msg)
    following = current.following(next_period)
    for event in opening:
        following.emit(event)
    return following
