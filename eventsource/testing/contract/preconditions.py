"""
Preconditions: decided at a commit's place in the log; if one fails, nothing is written.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
import pytest

from eventsource import Precondition, QueryHolds, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import PreconditionFailedError
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import commit_each, noted, place_of, read

if TYPE_CHECKING:
    from eventsource import EventStore

# Two events here, one above, one below, and neighbours that begin with the same letters.
HISTORY = ["/accounts", "/accounts/1", "/accounts/1", "/accounts/1/cards/1", "/accounts/10", "/accounts/1x"]


@attrs.frozen
class Refused:
    """
    A precondition that fails over `HISTORY`, and what its error tells.
    """

    precondition: Precondition
    subject: str
    expected: str
    found: str


HOLDING: list[Precondition] = [
    SubjectIsNew("/accounts/2"),
    SubjectIsNew("/accounts/1/cards"),
    SubjectIsNew("/"),
    SubjectExists("/accounts"),
    SubjectExists("/accounts/1"),
    SubjectExists("/accounts/1/cards/1"),
    SubjectIsAtVersion("/accounts/2", 0),
    SubjectIsAtVersion("/accounts/1/cards", 0),
    SubjectIsAtVersion("/accounts", 1),
    SubjectIsAtVersion("/accounts/1", 2),
]

FAILING = [
    Refused(SubjectIsNew("/accounts"), "/accounts", "no events", "1 event"),
    Refused(SubjectIsNew("/accounts/1"), "/accounts/1", "no events", "2 events"),
    Refused(SubjectExists("/accounts/2"), "/accounts/2", "at least one event", "no events"),
    Refused(SubjectExists("/accounts/1/cards"), "/accounts/1/cards", "at least one event", "no events"),
    Refused(SubjectExists("/"), "/", "at least one event", "no events"),
    Refused(SubjectIsAtVersion("/accounts/1", 0), "/accounts/1", "no events", "2 events"),
    Refused(SubjectIsAtVersion("/accounts/1", 1), "/accounts/1", "1 event", "2 events"),
    Refused(SubjectIsAtVersion("/accounts/1", 3), "/accounts/1", "3 events", "2 events"),
    Refused(SubjectIsAtVersion("/accounts/2", 1), "/accounts/2", "1 event", "no events"),
    Refused(SubjectIsAtVersion("/accounts/1/cards", 1), "/accounts/1/cards", "1 event", "no events"),
]


@pytest.mark.parametrize("precondition", HOLDING, ids=str)
async def test_a_precondition_that_holds_lets_the_commit_in(store: EventStore, precondition: Precondition) -> None:
    """
    A commit is written if its precondition holds for exactly the subject it names.
    """
    await commit_each(store, HISTORY)

    (recorded,) = await store.commit([noted("/orders/1")], [precondition])

    assert await place_of(recorded, store) == len(HISTORY) + 1


@pytest.mark.parametrize("case", FAILING, ids=lambda case: str(case.precondition))
async def test_a_precondition_that_fails_says_why(store: EventStore, case: Refused) -> None:
    """
    The error of a refused commit names subject and precondition, what was demanded and what was there.
    """
    await commit_each(store, HISTORY)

    with pytest.raises(PreconditionFailedError) as failure:
        await store.commit([noted("/orders/1")], [case.precondition])

    error = failure.value
    assert error.precondition == type(case.precondition).__name__
    assert (error.subject, error.expected, error.found) == (case.subject, case.expected, case.found)


async def test_a_refused_commit_writes_nothing(store: EventStore) -> None:
    """
    If a precondition fails, no event of the commit is written; the next commit is, as if nothing had been asked.
    """
    before = await commit_each(store, ["/accounts/1", "/accounts/2"])

    with pytest.raises(PreconditionFailedError):
        await store.commit([noted("/accounts/1"), noted("/accounts/3")], [SubjectIsNew("/accounts/2")])
    (after,) = await store.commit([noted("/accounts/1")])

    assert await read(store.stream()) == [*before, after]


@needs(Capability.WHOLE)
async def test_a_refused_commit_leaves_no_gap_in_the_chain(store: EventStore) -> None:
    """
    The commit after a refused one is linked to the one before it.
    """
    (before,) = await commit_each(store, ["/accounts/1"])

    with pytest.raises(PreconditionFailedError):
        await store.commit([noted("/accounts/1")], [SubjectIsNew("/accounts/1")])
    (after,) = await store.commit([noted("/accounts/1")])

    assert after.predecessor_hash == before.hash


async def test_a_refused_commit_leaves_versions_as_they_were(store: EventStore) -> None:
    """
    What a refused commit would have written does not count for the preconditions of the next one.
    """
    await commit_each(store, ["/accounts/1"])

    with pytest.raises(PreconditionFailedError):
        await store.commit([noted("/accounts/1")] * 3, [SubjectIsAtVersion("/accounts/1", 2)])
    (recorded,) = await store.commit([noted("/accounts/1")], [SubjectIsAtVersion("/accounts/1", 1)])

    assert await place_of(recorded, store) == 2


async def test_all_preconditions_must_hold(store: EventStore) -> None:
    """
    Of several preconditions the first that fails is told, and nothing is written.
    """
    await commit_each(store, ["/accounts/1"])
    preconditions: list[Precondition] = [
        SubjectExists("/accounts/1"),
        SubjectIsNew("/accounts/2"),
        SubjectIsAtVersion("/accounts/1", 7),
        SubjectExists("/accounts/2"),
    ]

    with pytest.raises(PreconditionFailedError) as failure:
        await store.commit([noted("/accounts/2")], preconditions)

    assert failure.value.precondition == "SubjectIsAtVersion"
    assert await store.count() == 1


async def test_several_preconditions_that_hold_let_the_commit_in(store: EventStore) -> None:
    """
    A commit may be guarded for many subjects at once, each of a different kind.
    """
    await commit_each(store, ["/accounts/1", "/accounts/2", "/accounts/2"])
    preconditions: list[Precondition] = [
        SubjectIsAtVersion("/accounts/1", 1),
        SubjectIsAtVersion("/accounts/2", 2),
        SubjectIsNew("/transfers/1"),
        SubjectExists("/accounts/2"),
    ]

    recorded = await store.commit([noted("/accounts/1"), noted("/accounts/2"), noted("/transfers/1")], preconditions)

    assert len(recorded) == 3


async def test_preconditions_see_nothing_of_their_own_commit(store: EventStore) -> None:
    """
    A subject is still new for the commit that writes its first events, however many.
    """
    recorded = await store.commit([noted("/accounts/1")] * 3, [SubjectIsNew("/accounts/1")])

    with pytest.raises(PreconditionFailedError):
        await store.commit([noted("/accounts/2")], [SubjectExists("/accounts/2")])

    assert len(recorded) == 3
    assert await store.count() == 3


async def test_a_precondition_sees_every_commit_before_it(store: EventStore) -> None:
    """
    A version read from the answer to a commit holds for the next one, a hundred times over.
    """
    for version in range(100):
        await store.commit([noted("/accounts/1")], [SubjectIsAtVersion("/accounts/1", version)])

    assert await store.count("/accounts/1") == 100


async def test_of_many_that_read_the_same_version_one_wins(store: EventStore) -> None:
    """
    Commits sent together against the same version of a subject: one is written, the others are refused.
    """
    commits = [
        store.commit([noted("/accounts/1", data={"writer": writer})], [SubjectIsNew("/accounts/1")])
        for writer in range(50)
    ]

    outcomes = await asyncio.gather(*commits, return_exceptions=True)

    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, PreconditionFailedError)]
    assert (len(won), len(refused)) == (1, 49)
    assert await read(store.stream()) == list(won[0])


async def test_a_rule_over_two_subjects_is_never_broken(store: EventStore) -> None:
    """
    Two doctors are on call, and each may leave only if the other stays: guarded for both subjects, one stays.
    """
    for round_number in range(50):
        doctors = [f"/shifts/{round_number}/doctors/{name}" for name in ("ada", "bea")]
        commits = [store.commit([noted(leaving)], [SubjectIsNew(doctor) for doctor in doctors]) for leaving in doctors]

        await asyncio.gather(*commits, return_exceptions=True)

        assert await store.count(f"/shifts/{round_number}") == 1


async def test_a_query_decides_at_its_place_in_the_log(store: EventStore) -> None:
    """
    A query that holds lets the commit pass, and the same query after it refuses the next one.
    """
    nobody = QueryHolds("STREAM e FROM events MAP COUNT() == 0", name="nobody")
    await store.commit([noted("/accounts/1")], [nobody])

    with pytest.raises(PreconditionFailedError, match="nobody"):
        await store.commit([noted("/accounts/2")], [nobody])

    assert await store.count() == 1
