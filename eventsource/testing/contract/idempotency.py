"""
Idempotency keys: a commit sent twice is made once, and answered twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import NewEvent, QueryHolds, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import IdempotencyKeyReusedError, PreconditionFailedError, SchemaViolationError
from eventsource.testing.contract.chance import rounds
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, is_intact, noted, read

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from eventsource import EventStore, Precondition, RecordedEvent
    from eventsource.testing.contract.kinds import OpenStore


async def test_a_repeat_gets_the_first_answer_and_writes_nothing(store: EventStore) -> None:
    """
    The same key with the same events gives the recorded events again: ids, times, hashes and all.
    """
    events = [noted("/a", data={"n": 1}), noted("/b", data={"name": "Zoë"})]

    first = await store.commit(events, idempotency_key="k-1")
    await store.commit([noted("/c")])
    again = await store.commit(events, idempotency_key="k-1")

    assert again == first
    assert await store.count() == 3


async def test_a_repeat_is_answered_though_its_preconditions_fail_now(store: EventStore) -> None:
    """
    What made the first one possible need not hold any more.
    """
    conditions: list[Precondition] = [
        SubjectIsNew("/a"),
        SubjectIsAtVersion("/a", 0),
        QueryHolds("STREAM e FROM events MAP COUNT() == 0"),
    ]

    first = await store.commit([noted("/a")], conditions, idempotency_key="k-1")
    again = await store.commit([noted("/a")], conditions, idempotency_key="k-1")

    assert again == first


@needs(Capability.WHOLE)
async def test_a_repeat_is_answered_though_a_schema_forbids_it_now(store: EventStore) -> None:
    """
    A schema is for later commits: the repeat of an earlier one is answered, a new one refused.
    """
    first = await store.commit([noted("/a")], idempotency_key="k-1")
    await store.register_schema(NOTED, {"properties": {"name": {"type": "string", "required": True}}})

    assert await store.commit([noted("/a")], idempotency_key="k-1") == first
    with pytest.raises(SchemaViolationError):
        await store.commit([noted("/a")], idempotency_key="k-2")
    with pytest.raises(IdempotencyKeyReusedError):
        await store.commit([noted("/a"), noted("/a")], idempotency_key="k-1")
    assert await store.count() == 1


OTHER_REQUESTS: dict[str, tuple[list[NewEvent], list[Precondition]]] = {
    "data": ([noted("/a", data={"n": 2})], [SubjectIsNew("/a")]),
    "subject": ([noted("/b", data={"n": 1})], [SubjectIsNew("/a")]),
    "type": ([noted("/a", data={"n": 1}, type="io.example.another")], [SubjectIsNew("/a")]),
    "source": ([noted("/a", data={"n": 1}, source="io.example.another")], [SubjectIsNew("/a")]),
    "more events": ([noted("/a", data={"n": 1})] * 2, [SubjectIsNew("/a")]),
    "no precondition": ([noted("/a", data={"n": 1})], []),
    "another precondition": ([noted("/a", data={"n": 1})], [SubjectIsAtVersion("/a", 0)]),
}


@pytest.mark.parametrize("other", OTHER_REQUESTS.values(), ids=list(OTHER_REQUESTS))
async def test_another_request_with_the_key_is_refused(
    store: EventStore, other: tuple[list[NewEvent], list[Precondition]]
) -> None:
    """
    A key names one request for ever; nothing is written for another one.
    """
    await store.commit([noted("/a", data={"n": 1})], [SubjectIsNew("/a")], idempotency_key="k-1")

    with pytest.raises(IdempotencyKeyReusedError) as failure:
        await store.commit(*other, idempotency_key="k-1")

    assert failure.value.idempotency_key == "k-1"
    assert await store.count() == 1


async def test_each_rule_of_a_request_counts(store: EventStore) -> None:
    """
    Of preconditions the kind counts, the subject, the version and the query.
    """
    rules: list[Precondition] = [
        SubjectIsNew("/b"),
        SubjectIsNew("/c"),
        SubjectIsAtVersion("/b", 0),
        QueryHolds("STREAM e FROM events WHERE e.subject == '/b' MAP COUNT() == 0.5 - 0.5"),
    ]
    for number, rule in enumerate(rules):
        await store.commit([noted("/a")], [rule], idempotency_key=f"k-{number}")

    for number in range(len(rules)):
        for other in [SubjectExists("/b"), SubjectIsAtVersion("/b", 1), *rules[:number], *rules[number + 1 :]]:
            with pytest.raises(IdempotencyKeyReusedError):
                await store.commit([noted("/a")], [other], idempotency_key=f"k-{number}")


async def test_the_same_request_may_be_spelt_differently(store: EventStore) -> None:
    """
    The order of members does not count, nor the spelling of a query or what its rule is called.
    """
    first = await store.commit(
        [noted("/a", data={"a": 1, "b": 2})],
        [QueryHolds("STREAM e FROM events WHERE e.subject == '/a' MAP COUNT() == 0", name="one")],
        idempotency_key="k-1",
    )

    again = await store.commit(
        [noted("/a", data={"b": 2, "a": 1})],
        [QueryHolds("from e in events where e.subject = '/a' project into count() = 0", name="two")],
        idempotency_key="k-1",
    )
    as_version = await store.commit(
        [noted("/a", data={"b": 2, "a": 1})], [SubjectIsAtVersion("/a", 0)], idempotency_key="k-1"
    )

    assert again == as_version == first


async def test_a_refused_commit_leaves_no_key(store: EventStore) -> None:
    """
    The key of a commit that failed can be used, for the same request or another one.
    """
    for _ in range(2):
        with pytest.raises(PreconditionFailedError):
            await store.commit([noted("/a")], [SubjectExists("/b")], idempotency_key="k-1")
    await store.commit([noted("/b")], idempotency_key="k-2")

    (recorded,) = await store.commit([noted("/a")], [SubjectExists("/b")], idempotency_key="k-1")

    assert recorded.subject == "/a"
    assert await store.count() == 2


async def test_of_two_at_once_one_writes_and_both_are_answered(store: EventStore) -> None:
    """
    Sent together, only one of many equal commits is made, and all get its events.
    """
    commits = [store.commit([noted("/a")] * 3, [SubjectIsNew("/a")], idempotency_key="k-1") for _ in range(50)]

    answers = await asyncio.gather(*commits)

    assert len(set(answers)) == 1
    assert await store.count() == 3


async def test_of_two_different_at_once_one_is_refused(store: EventStore) -> None:
    """
    Sent together with one key, the first of two commits is made and the other refused.
    """
    one, other = await asyncio.gather(
        store.commit([noted("/a")], idempotency_key="k-1"),
        store.commit([noted("/b")], idempotency_key="k-1"),
        return_exceptions=True,
    )

    assert isinstance(one, tuple)
    assert isinstance(other, IdempotencyKeyReusedError)


async def test_a_caller_that_gave_up_may_ask_again(store: EventStore) -> None:
    """
    After a commit whose answer nobody waited for, the same key tells what became of it.
    """
    task = asyncio.create_task(store.commit([noted("/a")], idempotency_key="k-1"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await store.commit([noted("/a")], idempotency_key="k-1")

    assert await store.count() == 1


async def test_equal_commits_without_a_key_are_two(store: EventStore) -> None:
    """
    Without a key, and with different ones, nothing is taken for a repeat.
    """
    for key in (None, None, "k-1", "k-2", "K-1"):
        await store.commit([noted("/a")], idempotency_key=key)

    assert await store.count() == 5


@pytest.mark.parametrize("key", ["", "a b", "a\n", "ä", "k\x7f", "\0", "x" * 256], ids=ascii)
async def test_what_is_no_key_is_refused(store: EventStore, key: str) -> None:
    """
    A key is 1 to 255 visible ASCII characters.
    """
    with pytest.raises(ValueError, match="visible ASCII"):
        await store.commit([noted("/a")], idempotency_key=key)

    assert await store.count() == 0


@pytest.mark.parametrize("key", ["!", "~", "x" * 255, "';DROP/**/TABLE/**/events;--", '{"a":1}'])
async def test_any_visible_text_is_a_key(store: EventStore, key: str) -> None:
    """
    The characters of a key mean nothing.
    """
    first = await store.commit([noted("/a")], idempotency_key=key)

    assert await store.commit([noted("/a")], idempotency_key=key) == first


async def test_a_commit_of_nothing_is_refused_with_a_key_too(store: EventStore) -> None:
    """
    Being asked twice does not make nothing into something.
    """
    with pytest.raises(ValueError, match="at least one event"):
        await store.commit([], idempotency_key="k-1")


async def test_random_repeats_never_write_twice(open_store: OpenStore, rng: random.Random) -> None:
    """
    Whatever is repeated, when and how many at once: one commit a key, and one answer.
    """
    for _ in range(rounds(5, 200)):
        async with open_store() as store:
            await _repeat_at_random(store, rng)


async def _repeat_at_random(store: EventStore, rng: random.Random) -> None:
    answers: dict[str, set[Any]] = {}
    requests: dict[str, tuple[Sequence[NewEvent], Sequence[Precondition]]] = {}

    async def send(key: str) -> None:
        request = requests[key]
        if rng.random() < 0.1:
            request = ([*request[0], noted("/other")], request[1])
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        try:
            recorded = await store.commit(*request, idempotency_key=key)
        except (IdempotencyKeyReusedError, PreconditionFailedError):
            return
        answers.setdefault(key, set()).add(recorded)

    for number in range(30):
        subject = f"/a/{rng.randrange(4)}"
        events = [noted(subject, data={"key": f"k-{number}"})] * rng.randrange(1, 4)
        conditions: list[Precondition] = rng.choice([[], [SubjectIsNew(subject)], [SubjectExists(subject)]])
        requests[f"k-{number}"] = (events, conditions)
    sent = [rng.choice(list(requests)) for _ in range(300)]
    while sent:
        size = rng.randrange(1, 40)
        group, sent = sent[:size], sent[size:]
        await asyncio.gather(*map(send, group))

    assert all(len(each) == 1 for each in answers.values())
    written: list[RecordedEvent] = sorted(
        (event for (answer,) in answers.values() for event in answer), key=lambda event: event.position
    )
    assert await read(store.stream()) == written
    assert await is_intact(store)
    assert len(answers) > 5
