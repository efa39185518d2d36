"""
Counting: as many as the stream would yield.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource.errors import EventNotFoundError, InvalidSubjectError
from eventsource.testing.contract.samples import commit_each, noted, read

if TYPE_CHECKING:
    from eventsource import EventStore

SUBJECTS = ["/a", "/a/b", "/a0", "/a/b/c", "/a", "/b", "/a/b"]


@pytest.mark.parametrize("recursive", [True, False], ids=["recursive", "exact"])
@pytest.mark.parametrize("subject", ["/", "/a", "/a/b", "/a0", "/b", "/c"])
async def test_count_agrees_with_the_stream(store: EventStore, subject: str, recursive: bool) -> None:  # noqa: FBT001
    """
    The count is the length of the stream with the same subject and lower bound.
    """
    events = await commit_each(store, SUBJECTS)

    for bound in (None, *(event.id for event in events)):
        counted = await store.count(subject, recursive=recursive, lower_bound=bound)

        assert counted == len(await read(store.stream(subject, recursive=recursive, lower_bound=bound)))


async def test_an_empty_store_counts_nothing(store: EventStore) -> None:
    """
    Before the first commit every count is 0.
    """
    assert await store.count() == 0
    assert await store.count("/a") == 0


async def test_count_goes_beyond_a_page(store: EventStore) -> None:
    """
    A count is not limited by what is read at a time.
    """
    await store.commit([noted(f"/many/{number % 2}") for number in range(3_333)])

    assert await store.count() == 3_333
    assert await store.count("/many") == 3_333
    assert await store.count("/many/0", recursive=False) == 1_667


async def test_an_unknown_bound_is_an_error(store: EventStore) -> None:
    """
    Counting from an event the store does not have raises and names the id.
    """
    await commit_each(store, ["/a"])

    with pytest.raises(EventNotFoundError) as failure:
        await store.count(lower_bound="nobody-has-this-id")

    assert failure.value.event_id == "nobody-has-this-id"


async def test_what_is_no_subject_cannot_be_counted(store: EventStore) -> None:
    """
    Counting at a text that is no subject is an error, not 0.
    """
    with pytest.raises(InvalidSubjectError):
        await store.count("/a/")
