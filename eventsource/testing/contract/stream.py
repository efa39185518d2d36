"""
Streams: which events they yield, between which bounds, and that none is missing however many there are.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from eventsource import Subject
from eventsource.errors import EventNotFoundError, InvalidSubjectError
from eventsource.testing.contract.samples import NOTED, OTHER, commit_each, noted, read

if TYPE_CHECKING:
    from eventsource import EventStore

# Each twice. They differ in what stands before, at and behind the slash in the order of characters.
SUBJECTS = ["/a", "/a/b", "/a/b/c", "/a0", "/a-", "/a.b", "/ab", "/A", "/a/b0", "/b", "/b/a", "/é", "/a/é", "/é/a"] * 2


def is_at_or_under(subject: str, ancestor: str) -> bool:
    """
    True if the segments of *subject* begin with those of *ancestor*.
    """
    segments = Subject(ancestor).segments
    return Subject(subject).segments[: len(segments)] == segments


@pytest.mark.parametrize("subject", ["/", *sorted(set(SUBJECTS)), "/c", "/a/c"])
async def test_a_stream_has_the_subject_and_all_below(store: EventStore, subject: str) -> None:
    """
    A stream yields, in order, the events of its subject and of those whose segments begin with its own.
    """
    events = await commit_each(store, SUBJECTS)

    found = await read(store.stream(subject))

    assert found == [event for event in events if is_at_or_under(event.subject, subject)]


@pytest.mark.parametrize("subject", ["/", *sorted(set(SUBJECTS)), "/c", "/a/c"])
async def test_an_exact_stream_has_the_subject_alone(store: EventStore, subject: str) -> None:
    """
    With `recursive=False` a stream yields the events of exactly its subject; ``/`` has none.
    """
    events = await commit_each(store, SUBJECTS)

    found = await read(store.stream(subject, recursive=False))

    assert found == [event for event in events if event.subject == subject]


async def test_an_empty_store_has_an_empty_stream(store: EventStore) -> None:
    """
    Reading before the first commit yields nothing, and ends.
    """
    found = await read(store.stream())

    assert found == []


@pytest.mark.parametrize("subject", ["/a/", "a", "", "//", "/a//b", "/a/../b"])
async def test_what_is_no_subject_cannot_be_read(store: EventStore, subject: str) -> None:
    """
    A stream of a text that is no subject is an error, not an empty answer.
    """
    with pytest.raises(InvalidSubjectError):
        await read(store.stream(subject))


BOUNDS = list(itertools.product([None, 1, 4, 6, 8], [False, True], [None, 1, 4, 6, 8], [False, True]))


@pytest.mark.parametrize("recursive", [True, False], ids=["recursive", "exact"])
@pytest.mark.parametrize("subject", ["/", "/a", "/a/b"])
async def test_bounds_cut_the_stream(store: EventStore, subject: str, recursive: bool) -> None:  # noqa: FBT001
    """
    A stream yields what lies between its bounds, with either bound itself exactly if that is asked for.

    Bounds may lie outside the subject, be equal, or cross; then nothing lies between them.
    """
    events = await commit_each(store, ["/a", "/b", "/a/b", "/a", "/b", "/a/b", "/a", "/b"])
    places = {event.id: place for place, event in enumerate(events, start=1)}
    whole = await read(store.stream(subject, recursive=recursive))

    for lower, include_lower, upper, include_upper in BOUNDS:
        found = await read(
            store.stream(
                subject,
                recursive=recursive,
                lower_bound=None if lower is None else events[lower - 1].id,
                include_lower_bound=include_lower,
                upper_bound=None if upper is None else events[upper - 1].id,
                include_upper_bound=include_upper,
            )
        )

        first = 1 if lower is None else lower if include_lower else lower + 1
        last = 8 if upper is None else upper if include_upper else upper - 1
        assert found == [event for event in whole if first <= places[event.id] <= last]


async def test_crossing_bounds_have_nothing_between_them(store: EventStore) -> None:
    """
    A lower bound behind the upper one is no error: the stream is empty.
    """
    events = await commit_each(store, ["/a"] * 5)

    found = await read(
        store.stream(
            lower_bound=events[3].id, include_lower_bound=True, upper_bound=events[1].id, include_upper_bound=True
        )
    )

    assert found == []


@pytest.mark.parametrize(("lower", "upper"), [("nobody-has-this-id", None), (None, "nobody-has-this-id")])
async def test_an_unknown_bound_is_an_error(store: EventStore, lower: str | None, upper: str | None) -> None:
    """
    A bound that no event has raises and names the id; it never means "from the start" or "to the end".
    """
    await commit_each(store, ["/a"])

    with pytest.raises(EventNotFoundError) as failure:
        await read(store.stream("/a", lower_bound=lower, upper_bound=upper))

    assert failure.value.event_id == "nobody-has-this-id"


async def test_latest_by_type_has_one_event_of_each_subject(store: EventStore) -> None:
    """
    With `latest_by_type` each subject is there once, with its last event of that type, in the order of the log.
    """
    recorded = await store.commit(
        [
            noted("/a/1", type=NOTED),
            noted("/a/2", type=NOTED),
            noted("/a/1", type=NOTED),
            noted("/a/1", type=OTHER),
            noted("/a/3", type=OTHER),
            noted("/b/1", type=NOTED),
            noted("/a", type=NOTED),
        ]
    )

    found = await read(store.stream("/a", latest_by_type=NOTED))

    assert found == [recorded[1], recorded[2], recorded[6]]


async def test_latest_by_type_of_a_subject_alone(store: EventStore) -> None:
    """
    With `latest_by_type` and `recursive=False` there is one event at the most.
    """
    recorded = await store.commit([noted("/a"), noted("/a"), noted("/a/1"), noted("/a", type=OTHER)])

    found = await read(store.stream("/a", recursive=False, latest_by_type=NOTED))

    assert found == [recorded[1]]


async def test_latest_by_type_looks_within_the_bounds(store: EventStore) -> None:
    """
    The last event of a type is the last between the bounds; a subject without one there is left out.
    """
    events = await commit_each(store, ["/a", "/b", "/c", "/b", "/a", "/b"])

    found = await read(
        store.stream(
            latest_by_type=NOTED, lower_bound=events[0].id, upper_bound=events[4].id, include_upper_bound=False
        )
    )

    assert found == [events[2], events[3]]


async def test_latest_by_type_of_a_type_nobody_wrote_is_empty(store: EventStore) -> None:
    """
    A type that does not occur yields nothing.
    """
    await commit_each(store, ["/a", "/b"])

    found = await read(store.stream(latest_by_type=OTHER))

    assert found == []


async def test_a_long_stream_is_complete(store: EventStore) -> None:
    """
    However many pages a stream has, no event is missing, doubled or out of order.
    """
    cycle = itertools.cycle(["/many", "/many/1", "/many/1", "/many/2", "/other"])
    events = [
        event
        for _ in range(7)
        for event in await store.commit([noted(next(cycle), data={"text": "x" * 50}) for _ in range(1_001)])
    ]

    for subject in ("/", "/many", "/many/1"):
        assert await read(store.stream(subject)) == [
            event for event in events if is_at_or_under(event.subject, subject)
        ]
        assert await read(store.stream(subject, recursive=False)) == [
            event for event in events if event.subject == subject
        ]


async def test_a_long_stream_keeps_to_its_bounds(store: EventStore) -> None:
    """
    Bounds hold on every page, in the whole store as below a subject.
    """
    events = await store.commit([noted(f"/many/{number % 2}") for number in range(5_000)])

    for subject in ("/", "/many", "/many/1"):
        found = await read(store.stream(subject, lower_bound=events[999].id, upper_bound=events[4_000].id))

        assert found == [event for event in events[1_000:4_000] if is_at_or_under(event.subject, subject)]


async def test_latest_by_type_of_many_subjects_is_complete(store: EventStore) -> None:
    """
    `latest_by_type` goes on over more subjects than are read at a time.
    """
    events = await store.commit([noted(f"/many/{number % 2_500}") for number in range(5_000)])

    found = await read(store.stream("/many", latest_by_type=NOTED))

    assert found == list(events[2_500:])


@pytest.mark.parametrize("subject", ["/", "/many"])
async def test_pages_tell_how_far_they_reach(store: EventStore, subject: str) -> None:
    """
    Each page has the events up to its position and no further one, and only the last one has caught up.
    """
    await store.commit([noted(f"/many/{number % 3}") for number in range(2_500)])

    pages = [page async for page in store.stream(subject).pages()]

    assert [page.caught_up for page in pages] == [False] * (len(pages) - 1) + [True]
    assert [event for page in pages for event in page.events] == await read(store.stream())
    reached = 0
    for page in pages:
        assert all(reached < event.position <= page.position for event in page.events)
        reached = page.position


@pytest.mark.parametrize("subject", ["/", "/many", "/many/1"])
async def test_a_stream_ends_where_the_store_ended_when_it_began(store: EventStore, subject: str) -> None:
    """
    What is committed while a stream is being read does not belong to it, so it ends.
    """
    recorded = await store.commit([noted("/many/1") for _ in range(2_500)])
    pages = store.stream(subject).pages()

    first = await anext(pages)
    await store.commit([noted("/many/1") for _ in range(2_500)])
    rest = [event async for page in pages for event in page.events]

    assert [*first.events, *rest] == list(recorded)


async def test_a_stream_may_be_left_early(store: EventStore) -> None:
    """
    Whoever has seen enough closes the stream; the store goes on as before.
    """
    recorded = await store.commit([noted("/many") for _ in range(2_500)])
    stream = store.stream()

    first = await anext(stream.pages())
    await stream.aclose()

    assert first.events[0] == recorded[0]
    assert await read(stream) == []
    assert await store.count() == 2_500
