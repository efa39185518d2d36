"""
One writer at a time: who is refused, and when the place is free again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eventsource.errors import NotAStoreError, StoreClosedError, StoreLockedError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import commit_each, noted, read
from tests.store.other_process import other_writer, run_and_tell

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_second_writer_in_the_process_is_refused(tmp_path: Path) -> None:
    """
    While one store object writes to a file, another one cannot be opened for writing, and the error names the file.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as first:
        with pytest.raises(StoreLockedError) as failure:
            async with EmbeddedEventStore(path):
                pass

        assert failure.value.path == path
        assert await commit_each(first, ["/a"])


async def test_a_writer_in_another_process_is_refused(tmp_path: Path) -> None:
    """
    While this process writes to a file, another process cannot open it for writing.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path):
        told = await asyncio.to_thread(run_and_tell, path)

    assert told == "locked"


async def test_a_writer_is_refused_while_another_process_writes(tmp_path: Path) -> None:
    """
    While another process writes to a file, it cannot be opened for writing here.
    """
    path = tmp_path / "store.db"
    with other_writer(path), pytest.raises(StoreLockedError):
        async with EmbeddedEventStore(path):
            pass


async def test_a_writer_by_another_name_of_the_file_is_refused(tmp_path: Path) -> None:
    """
    A symbolic link to a store that is being written to leads to the same lock.
    """
    path, link = tmp_path / "store.db", tmp_path / "link.db"
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"])
        link.symlink_to(path)

        with pytest.raises(StoreLockedError):
            async with EmbeddedEventStore(link):
                pass


async def test_the_next_writer_comes_after_the_first_has_closed(tmp_path: Path) -> None:
    """
    A closed store can be opened again at once, here or in another process.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path):
        pass
    with other_writer(path) as other:
        other.commit(1)
        other.close()

    async with EmbeddedEventStore(path) as store:
        (event,) = await commit_each(store, ["/a"])

    assert event.position == 2


async def test_the_next_writer_comes_after_the_first_was_killed(tmp_path: Path) -> None:
    """
    A writer that was killed leaves no lock, and all that it was answered is there.
    """
    path = tmp_path / "store.db"
    with other_writer(path) as other:
        assert [other.commit(3), other.commit(3)] == [3, 6]
        other.kill()

        async with EmbeddedEventStore(path) as store:
            assert await store.count() == 6
            assert (await store.audit()).is_intact


async def test_a_file_that_could_not_be_opened_is_not_locked(tmp_path: Path) -> None:
    """
    A failure to open lets go of the lock: once the file is in order it can be opened.
    """
    path = tmp_path / "store.db"
    path.write_text("no database, by far" * 100)
    with pytest.raises(NotAStoreError):
        async with EmbeddedEventStore(path):
            pass
    path.unlink()

    async with EmbeddedEventStore(path) as store:
        await store.ping()


async def test_readers_need_no_place(tmp_path: Path) -> None:
    """
    A store is open for writing and, any number of times, for reading.
    """
    path = tmp_path / "store.db"
    async with (
        EmbeddedEventStore(path) as writer,
        EmbeddedEventStore(path, read_only=True) as one,
        EmbeddedEventStore(path, read_only=True) as two,
    ):
        events = await commit_each(writer, ["/a", "/b"])

        assert await read(one.stream()) == await read(two.stream()) == events


async def test_whoever_closes_second_waits_for_the_first(tmp_path: Path) -> None:
    """
    Two may close a store at the same time; for both of them it is closed, and free, when they go on.
    """
    path = tmp_path / "store.db"
    store = EmbeddedEventStore(path)
    await store.__aenter__()
    commits = [asyncio.create_task(store.commit([noted("/a")] * 20)) for _ in range(100)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.aclose())
    await asyncio.sleep(0)

    await store.aclose()

    async with EmbeddedEventStore(path) as next_store:
        assert await next_store.count() == 2_000
    await asyncio.gather(closing, *commits)


async def test_closing_that_is_interrupted_still_closes(tmp_path: Path) -> None:
    """
    Whoever is cancelled while closing leaves a store that lets go of its file all the same.
    """
    path = tmp_path / "store.db"
    store = EmbeddedEventStore(path)
    await store.__aenter__()
    await commit_each(store, ["/a"])
    closing = asyncio.create_task(store.aclose())
    await asyncio.sleep(0)

    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await store.aclose()

    async with EmbeddedEventStore(path) as next_store:
        assert await next_store.count() == 1


async def test_a_store_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    """
    Closing what was not opened does nothing, and using it says that it is closed.
    """
    store = EmbeddedEventStore(tmp_path / "store.db")

    await store.aclose()

    with pytest.raises(StoreClosedError):
        await store.commit([noted("/a")])
    assert list(tmp_path.iterdir()) == []
