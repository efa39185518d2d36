"""
Closing a store and opening it again changes nothing that can be seen.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eventsource import SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import PreconditionFailedError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import commit_each, noted, read

if TYPE_CHECKING:
    from pathlib import Path


async def test_everything_is_there_again(tmp_path: Path) -> None:
    """
    A reopened store yields the very events that were committed.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        committed = await store.commit([noted(f"/a/{number % 9}", data={"number": number}) for number in range(3_000)])

    async with EmbeddedEventStore(path) as store:
        assert await read(store.stream()) == list(committed)


async def test_the_chain_goes_on(tmp_path: Path) -> None:
    """
    The first event after reopening follows the last one before in position, hash and time, though the clock went back.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path, clock=lambda: 9_000) as store:
        before = await commit_each(store, ["/a", "/a"])

    async with EmbeddedEventStore(path, clock=lambda: 100) as store:
        (after,) = await commit_each(store, ["/a"])
        report = await store.audit()

    assert (after.position, after.predecessor_hash, after.time_ns) == (3, before[-1].hash, 9_002)
    assert report.is_intact


async def test_versions_are_known_again(tmp_path: Path) -> None:
    """
    Preconditions after reopening are decided by what was committed before.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a", "/a", "/a/b"])

    async with EmbeddedEventStore(path) as store:
        with pytest.raises(PreconditionFailedError):
            await store.commit([noted("/a")], [SubjectIsNew("/a")])
        await store.commit([noted("/a")], [SubjectIsAtVersion("/a", 2), SubjectIsAtVersion("/a/b", 1)])

        assert await store.count("/a", recursive=False) == 3


async def test_an_observer_resumes_where_it_was(tmp_path: Path) -> None:
    """
    The id of the last event seen is where an observer of the reopened store goes on.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        committed = await commit_each(store, ["/a"] * 5)

    async with EmbeddedEventStore(path) as store:
        stream = store.observe(lower_bound=committed[2].id)
        page = await anext(stream.pages())
        await stream.aclose()

    assert list(page.events) == committed[3:]


def test_a_file_outlives_its_event_loop(tmp_path: Path) -> None:
    """
    A store can be opened by one event loop after the other.
    """
    path = tmp_path / "store.db"

    async def commit_one() -> int:
        async with EmbeddedEventStore(path) as store:
            (event,) = await commit_each(store, ["/a"])
            return event.position

    assert [asyncio.run(commit_one()) for _ in range(3)] == [1, 2, 3]


async def test_a_store_object_can_be_opened_again(tmp_path: Path) -> None:
    """
    The same store object may be opened, closed and opened once more.
    """
    store = EmbeddedEventStore(tmp_path / "store.db")
    async with store:
        await commit_each(store, ["/a"])

    async with store:
        (event,) = await commit_each(store, ["/a"])

    assert event.position == 2
