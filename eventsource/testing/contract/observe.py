"""
Observing: history, then what follows; each event once, in order, whatever happens at the seam.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eventsource import SubjectIsNew
from eventsource.errors import EventNotFoundError, InvalidSubjectError, PreconditionFailedError, StoreClosedError
from eventsource.testing.contract.chance import rounds
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, OTHER, PATIENCE_S, commit_each, noted, read, take

if TYPE_CHECKING:
    import random

    from eventsource import EventStore, RecordedEvent
    from eventsource.store import EventStream
    from eventsource.testing.contract.kinds import OpenStore, StoreKind


async def until_waiting(stream: EventStream) -> list[RecordedEvent]:
    """
    Read on until there is nothing further in the store.
    """
    events: list[RecordedEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for page in stream.pages():
            events.extend(page.events)
            if page.caught_up:
                break
    return events


async def test_history_comes_first_then_what_follows(store: EventStore) -> None:
    """
    An observer gets the events there are and, in the same stream, those committed afterwards.
    """
    history = await commit_each(store, ["/a", "/b", "/a"])
    stream = store.observe()

    seen = await until_waiting(stream)
    following = await commit_each(store, ["/b", "/a"])

    assert seen == history
    assert await take(stream, 2) == following


async def test_an_observer_of_an_empty_store_gets_the_first_event(store: EventStore) -> None:
    """
    Observing may begin before anything is committed.
    """
    stream = store.observe()
    await until_waiting(stream)

    committed = await commit_each(store, ["/a"])

    assert await take(stream, 1) == committed


async def test_from_now_leaves_history_out(store: EventStore) -> None:
    """
    With `from_now` the first event is the next one to be committed.
    """
    await commit_each(store, ["/a", "/b"])
    stream = store.observe(from_now=True)
    assert await until_waiting(stream) == []

    following = await commit_each(store, ["/a", "/b"])

    assert await take(stream, 2) == following


@pytest.mark.parametrize("include", [False, True], ids=["exclusive", "inclusive"])
async def test_a_lower_bound_is_where_to_resume(store: EventStore, include: bool) -> None:  # noqa: FBT001
    """
    Observing from a lower bound starts behind that event, or with it if that is asked for.
    """
    events = await commit_each(store, ["/a", "/b", "/a", "/a"])
    stream = store.observe("/a", lower_bound=events[2].id, include_lower_bound=include)

    seen = await until_waiting(stream)
    following = await commit_each(store, ["/a"])

    assert seen == (events[2:] if include else events[3:])
    assert await take(stream, 1) == following


async def test_an_inclusive_bound_outside_the_subject_is_not_yielded(store: EventStore) -> None:
    """
    A bound may belong to another subject; it marks a place, and is not itself part of the stream.
    """
    events = await commit_each(store, ["/a", "/b", "/a"])

    seen = await until_waiting(stream := store.observe("/a", lower_bound=events[1].id, include_lower_bound=True))
    await stream.aclose()

    assert seen == [events[2]]


async def test_an_unknown_bound_is_an_error(store: EventStore) -> None:
    """
    Resuming behind an event the store does not have raises; it never means "from the start" or "from now".
    """
    await commit_each(store, ["/a"])

    with pytest.raises(EventNotFoundError) as failure:
        await take(store.observe(lower_bound="nobody-has-this-id"), 1)

    assert failure.value.event_id == "nobody-has-this-id"


async def test_a_bound_and_from_now_contradict_each_other(store: EventStore) -> None:
    """
    Asking for a lower bound and for `from_now` at once is refused.
    """
    (event,) = await commit_each(store, ["/a"])

    with pytest.raises(ValueError, match="not both"):
        await take(store.observe(lower_bound=event.id, from_now=True), 1)


async def test_what_is_no_subject_cannot_be_observed(store: EventStore) -> None:
    """
    Observing a text that is no subject is an error, not a silence without end.
    """
    with pytest.raises(InvalidSubjectError):
        await take(store.observe("/a/"), 1)


@pytest.mark.parametrize(
    ("subject", "recursive", "seen"),
    [
        ("/", True, ["/a", "/a/b", "/a0", "/a/b/c", "/a"]),
        ("/a", True, ["/a", "/a/b", "/a/b/c", "/a"]),
        ("/a", False, ["/a", "/a"]),
        ("/a/b", True, ["/a/b", "/a/b/c"]),
    ],
)
async def test_only_the_scope_is_observed(
    store: EventStore,
    subject: str,
    recursive: bool,  # noqa: FBT001
    seen: list[str],
) -> None:
    """
    History and what follows are both limited to the subject, and to what lies below it unless told otherwise.
    """
    subjects = ["/a", "/a/b", "/a0", "/a/b/c", "/a"]
    await commit_each(store, subjects)
    stream = store.observe(subject, recursive=recursive)

    history = await until_waiting(stream)
    await commit_each(store, subjects)
    following = await take(stream, len(seen))

    assert [event.subject for event in history] == seen
    assert [event.subject for event in following] == seen


@needs(Capability.POSITIONS)
async def test_events_of_other_subjects_move_the_position_on(store: EventStore) -> None:
    """
    An observer whose subject is quiet still learns how far the store has got.
    """
    await commit_each(store, ["/a"])
    stream = store.observe("/a")
    await until_waiting(stream)

    await commit_each(store, ["/b"] * 3)

    page = await anext(stream.pages())
    while page.position < 4:
        page = await anext(stream.pages())
    assert not page.events


async def test_every_observer_gets_every_event(store: EventStore) -> None:
    """
    Any number of observers follow at the same time, each with all events.
    """
    history = await commit_each(store, ["/a"] * 5)
    observers = [asyncio.create_task(take(store.observe(), 55)) for _ in range(20)]

    following = await asyncio.gather(*(store.commit([noted("/a")]) for _ in range(50)))

    log = await read(store.stream())
    assert sorted(log[5:]) == sorted(event for commit in following for event in commit)
    for seen in await asyncio.gather(*observers):
        assert seen[:5] == history
        assert seen == log


async def test_large_commits_reach_a_waiting_observer_whole(store: EventStore) -> None:
    """
    A commit far larger than a page arrives complete and in order, also below a subject.
    """
    everything, below = store.observe(), store.observe("/many")
    await until_waiting(everything)
    await until_waiting(below)

    recorded = [
        event
        for _ in range(2)
        for event in await store.commit([noted(f"/{'many' if number % 3 else 'few'}") for number in range(3_500)])
    ]

    assert await take(everything, len(recorded)) == recorded
    wanted = [event for event in recorded if event.subject == "/many"]
    assert await take(below, len(wanted)) == wanted


async def test_each_commit_wakes_a_waiting_observer(store: EventStore) -> None:
    """
    An observer that waits gets each commit as it is made, a hundred times, without another one having to follow.
    """
    pages = store.observe().pages()
    await anext(pages)

    async with asyncio.timeout(PATIENCE_S):
        for _ in range(100):
            waiting = asyncio.ensure_future(anext(pages))
            await asyncio.sleep(0)
            recorded = await store.commit([noted("/a")])

            assert (await waiting).events == list(recorded)
    await pages.aclose()


async def test_a_slow_observer_misses_nothing(store: EventStore) -> None:
    """
    An observer may take its time with each page while commits go on.
    """
    stream = store.observe("/a")
    seen: list[RecordedEvent] = []

    async with asyncio.timeout(PATIENCE_S):
        for round_number in range(20):
            await asyncio.gather(*(store.commit([noted("/a"), noted("/b")]) for _ in range(round_number)))
            page = await anext(stream.pages())
            seen.extend(page.events)
            await asyncio.sleep(0.001)
        # A page need not hold all there is.
        while len(seen) < sum(range(20)):
            seen.extend((await anext(stream.pages())).events)
    await stream.aclose()

    assert seen == await read(store.stream("/a"))


async def test_an_observer_of_a_part_misses_nothing_between_its_pages(store: EventStore) -> None:
    """
    What is committed while an observer is anywhere in the long history of a subject comes to it, in its place.
    """
    await store.commit([noted(f"/many/{number % 3}" if number % 2 else "/else") for number in range(2_500)])
    stream = store.observe("/many")
    seen: list[RecordedEvent] = []

    async with asyncio.timeout(PATIENCE_S):
        for _ in range(5):
            seen.extend((await anext(stream.pages())).events)
            await store.commit([noted("/many/1"), noted("/else"), noted("/many")])
        await store.commit([noted("/many", type=OTHER)])
        while not seen or seen[-1].type != OTHER:
            seen.extend((await anext(stream.pages())).events)
    await stream.aclose()

    assert len(seen) == 1_250 + 5 * 2 + 1
    assert seen == await read(store.stream("/many"))


async def test_a_cancelled_observer_leaves_the_others(store: EventStore) -> None:
    """
    When one waiting observer is cancelled, the other one still gets what follows.
    """
    cancelled = asyncio.create_task(take(store.observe(), 1))
    staying = asyncio.create_task(take(store.observe(), 1))
    await asyncio.sleep(0.02)

    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    committed = await commit_each(store, ["/a"])

    assert await staying == committed


async def test_closing_the_store_ends_a_waiting_observer(open_store: OpenStore) -> None:
    """
    An observer that waits for the next event is told when the store is closed; it does not hang.
    """
    async with open_store() as store:
        await commit_each(store, ["/a"])
        stream = store.observe()
        await until_waiting(stream)
        waiting = asyncio.create_task(take(stream, 1))
        await asyncio.sleep(0.02)

    with pytest.raises(StoreClosedError):
        await waiting


async def test_closing_the_store_ends_an_observer_still_in_history(open_store: OpenStore) -> None:
    """
    An observer that has not read all history when the store is closed is told so at its next step.
    """
    async with open_store() as store:
        await store.commit([noted("/a")] * 2_500)
        stream = store.observe()
        await anext(stream.pages())

    with pytest.raises(StoreClosedError):
        await take(stream, 2_500)


SUBJECTS = ["/a", "/a/b", "/a0", "/b"]


async def test_no_event_is_lost_or_doubled_in_any_schedule(
    open_store: OpenStore, store_kind: StoreKind, rng: random.Random
) -> None:
    """
    Observers that begin, resume and dawdle at random while others commit see exactly what the log has for them.
    """
    for _ in range(store_kind.rounds(rounds(6, 400))):
        async with open_store() as store, asyncio.timeout(PATIENCE_S):
            await store.commit([noted(rng.choice(SUBJECTS)) for _ in range(rng.choice([1, 20, 1_500]))])
            observers = [asyncio.create_task(_observe_at_random(store, rng)) for _ in range(8)]
            await asyncio.gather(*(_commit_at_random(store, rng) for _ in range(4)))
            await store.commit([noted("/a/b", type=OTHER), noted("/a", type=OTHER)])

            log = await read(store.stream())
            for observer in observers:
                scope, after, found = await observer
                wanted = [event for event in log if event.subject in scope and event.position > after]
                assert found == wanted


async def _commit_at_random(store: EventStore, rng: random.Random) -> None:
    for _ in range(rng.randrange(40)):
        events = [noted(rng.choice(SUBJECTS)) for _ in range(rng.choice([1, 1, 2, 5, 300]))]
        try:
            await store.commit(events, [SubjectIsNew("/a/b")] if rng.random() < 0.2 else [])
        except PreconditionFailedError:
            continue
        if rng.random() < 0.5:
            await asyncio.sleep(rng.choice([0, 0.001, 0.005]))


async def _observe_at_random(store: EventStore, rng: random.Random) -> tuple[list[str], int, list[RecordedEvent]]:
    """
    Observe until the last event of the scope.

    Returns:
        The subjects in scope, the position it started behind, what it saw.
    """
    subject, recursive, scope, last = rng.choice(
        [
            ("/", True, SUBJECTS, "/a"),
            ("/a", True, ["/a", "/a/b"], "/a"),
            ("/a", False, ["/a"], "/a"),
            ("/a/b", True, ["/a/b"], "/a/b"),
        ]
    )
    await asyncio.sleep(rng.choice([0, 0.002, 0.01]))
    after, bound = 0, None
    if rng.random() < 0.5:
        resumed = rng.choice(await read(store.stream()))
        after, bound = resumed.position, resumed.id
    stream = store.observe(subject, recursive=recursive, lower_bound=bound)
    found: list[RecordedEvent] = []
    async for page in stream.pages():
        found.extend(page.events)
        if any(event.type == OTHER and event.subject == last for event in page.events):
            break
        if rng.random() < 0.3:
            await asyncio.sleep(rng.choice([0, 0.001, 0.01]))
    await stream.aclose()
    return scope, after, found


async def test_from_now_begins_at_one_moment_in_any_schedule(
    open_store: OpenStore, store_kind: StoreKind, rng: random.Random
) -> None:
    """
    What an observer from now sees while others commit is the rest of the log from some event on, without a gap.
    """
    for _ in range(store_kind.rounds(rounds(6, 400))):
        async with open_store() as store, asyncio.timeout(PATIENCE_S):
            await store.commit([noted("/a")] * rng.choice([1, 1_500]))
            before = await store.count()
            stream = store.observe(from_now=True)
            observer = asyncio.create_task(_until_done(stream))
            await asyncio.gather(*(_commit_at_random(store, rng) for _ in range(3)))
            await store.commit([noted("/a", type=OTHER)])

            found = await observer

            log = await read(store.stream())
            assert found == log[len(log) - len(found) :]
            assert len(log) - len(found) >= before


async def _until_done(stream: EventStream) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    async for event in stream:
        found.append(event)
        if event.type != NOTED:
            break
    await stream.aclose()
    return found


async def test_an_observer_wakes_at_each_of_many_single_commits(store: EventStore) -> None:
    """
    Whoever has caught up and waits is woken by the next commit, also where commits are quick and alone.
    """
    stream = store.observe()
    await until_waiting(stream)

    async def next_events() -> list[RecordedEvent]:
        async with asyncio.timeout(PATIENCE_S):
            async for page in stream.pages():
                if page.events:
                    return list(page.events)
        return []

    for _ in range(50):
        waiting = asyncio.create_task(next_events())
        # Until it waits; then the commit is alone in its turn of the loop.
        await asyncio.sleep(0.005)
        committed = await commit_each(store, ["/a"])

        assert await waiting == committed
    await stream.aclose()
