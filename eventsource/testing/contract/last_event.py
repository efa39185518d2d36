"""
The last event of a subject: what the stream would end with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource.errors import InvalidSubjectError
from eventsource.testing.contract.chance import rounds
from eventsource.testing.contract.samples import commit_each, noted, read

if TYPE_CHECKING:
    import random

    from eventsource import EventStore

SUBJECTS = ["/a", "/a/b", "/a0", "/a/b/c", "/a", "/b", "/a/b", "/a%", "/a_"]


@pytest.mark.parametrize("recursive", [True, False], ids=["recursive", "exact"])
@pytest.mark.parametrize("subject", ["/", "/a", "/a/b", "/a0", "/a%", "/b", "/c"])
async def test_it_is_the_end_of_the_stream(store: EventStore, subject: str, recursive: bool) -> None:  # noqa: FBT001
    """
    After each commit it is what the stream ends with, or nothing where the stream has nothing.
    """
    for each in SUBJECTS:
        await commit_each(store, [each])
        events = await read(store.stream(subject, recursive=recursive))

        last = await store.last_event(subject, recursive=recursive)

        assert last == (events[-1] if events else None)


async def test_an_empty_store_has_none(store: EventStore) -> None:
    """
    Before the first commit there is no last event anywhere.
    """
    assert await store.last_event() is None
    assert await store.last_event("/a") is None
    assert await store.last_event("/a", recursive=False) is None


async def test_it_is_found_however_far_back_it_is(store: EventStore, rng: random.Random) -> None:
    """
    A subject, or a subtree, that was quiet while others wrote thousands of events still has its last event.
    """
    for _ in range(rounds(3, 30)):
        (quiet,) = await store.commit([noted("/quiet/1")])
        await store.commit([noted(f"/busy/{number}") for number in range(rng.randrange(1, 1_500))])

        assert await store.last_event("/quiet") == quiet
        assert await store.last_event("/quiet/1") == quiet
        assert await store.last_event("/quiet/1", recursive=False) == quiet


async def test_what_is_no_subject_has_no_last_event(store: EventStore) -> None:
    """
    A text that is no subject is an error, not None.
    """
    with pytest.raises(InvalidSubjectError):
        await store.last_event("/a/")
