"""
What a store holds: its subjects, its event types, and how much of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource.errors import InvalidSubjectError
from eventsource.testing.contract.chance import rounds
from eventsource.testing.contract.samples import NOTED, commit_each, noted, read

if TYPE_CHECKING:
    import random

    from eventsource import EventStore


async def test_subjects_are_those_with_events(store: EventStore) -> None:
    """
    Each subject is named once; one that only has others below it is none.
    """
    await commit_each(store, ["/b/2", "/a", "/b/1", "/a", "/b/2"])

    assert await store.subjects() == ("/a", "/b/1", "/b/2")


@pytest.mark.parametrize(
    ("under", "expected"),
    [
        ("/a", ("/a", "/a/b", "/a/b/c")),
        ("/a/b", ("/a/b", "/a/b/c")),
        ("/a/b/c", ("/a/b/c",)),
        ("/d", ("/d/1",)),
        ("/nowhere", ()),
    ],
)
async def test_subjects_under_another_are_itself_and_those_below(
    store: EventStore, under: str, expected: tuple[str, ...]
) -> None:
    """
    As a stream does, it takes the subject itself and everything below, and no namesakes.
    """
    await commit_each(store, ["/a/b/c", "/a0", "/a", "/a/b", "/ab", "/d/1", "/a-b"])

    assert await store.subjects(under) == expected


async def test_types_are_those_of_the_events(store: EventStore) -> None:
    """
    Each type is named once.
    """
    for event_type in ("io.example.b", "io.example.a", "io.example.b"):
        await store.commit([noted("/a", type=event_type)])

    assert await store.event_types() == ("io.example.a", "io.example.b")


async def test_order_is_that_of_the_characters(store: EventStore) -> None:
    """
    Subjects are ordered by their characters' numbers, whatever language they come from.
    """
    subjects = ["/z", "/Z", "/ä", "/日本", "/𝄞", "/\uffff", "/a/b", "/a-b", "/a", "/0"]
    await commit_each(store, subjects)

    assert await store.subjects() == tuple(sorted(subjects))


async def test_an_empty_store_holds_nothing(store: EventStore) -> None:
    """
    Before the first commit everything is empty.
    """
    status = await store.status()

    assert await store.subjects() == ()
    assert await store.event_types() == ()
    assert (status.events, status.subjects, status.types) == (0, 0, 0)


async def test_status_counts(store: EventStore) -> None:
    """
    The figures are those of the lists.
    """
    await store.commit([noted(f"/a/{number % 7}") for number in range(100)])
    await store.commit([noted("/b", type="io.example.other")])

    status = await store.status()

    assert (status.events, status.subjects, status.types) == (101, 8, 2)
    assert status.storage_bytes >= 0


async def test_lists_agree_with_the_stream(store: EventStore, rng: random.Random) -> None:
    """
    The lists have, with few events to a subject or many, what the stream has.
    """
    for _ in range(rounds(4, 40)):
        width = rng.choice([1, 3, 30, 1_000])
        await store.commit(
            [
                noted(f"/a{rng.randrange(3)}/{rng.randrange(width)}", type=f"{NOTED}-{rng.randrange(width)}")
                for _ in range(rng.randrange(1, 400))
            ]
        )

        events = await read(store.stream())
        assert await store.subjects() == tuple(sorted({event.subject for event in events}))
        assert await store.event_types() == tuple(sorted({event.type for event in events}))
        under = await read(store.stream("/a1"))
        assert await store.subjects("/a1") == tuple(sorted({event.subject for event in under}))


async def test_subjects_under_what_is_no_subject_are_an_error(store: EventStore) -> None:
    """
    A text that is no subject has no subjects below it either, and says so.
    """
    with pytest.raises(InvalidSubjectError):
        await store.subjects("/a/")
