"""
The racers of the contract are worth something: where the guards are dropped they collide.
"""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from eventsource import ConflictError, EventStore, NewEvent, Precondition, RecordedEvent, SubjectIsAtVersion
from eventsource.store import InMemoryEventStore
from eventsource.testing.contract import racers
from tests.aggregates.observed_store import ObservedStore


class UnguardedStore(ObservedStore):
    """
    Lets everybody in.
    """

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),  # noqa: ARG002  that is the bug
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        Commit whatever the preconditions say.
        """
        return await self.inner.commit(events, idempotency_key=idempotency_key)


@pytest.mark.parametrize(
    "one_round",
    [racers.race_for_one, racers.race_for_two, racers.race_for_chairs],
    ids=["one aggregate", "two aggregates", "decision state"],
)
async def test_store_without_guards_is_found(one_round: Callable[[EventStore, str], Awaitable[None]]) -> None:
    """
    One round is enough: all have read before the first commits.
    """
    async with InMemoryEventStore() as inner:
        with pytest.raises(AssertionError):
            await one_round(UnguardedStore(inner), "1")


async def test_guard_by_all_of_a_subject_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Racers who touch different types would conflict if the guard were not narrowed to what was folded.
    """

    def whole_subject(lamps: racers.Lamps) -> Precondition:
        return SubjectIsAtVersion(lamps.subject, lamps.version)

    monkeypatch.setattr(racers.Lamps, "read_guard", property(whole_subject))

    async with InMemoryEventStore() as store:
        with pytest.raises(ConflictError):
            await racers.race_past_one_another(store, "1")
