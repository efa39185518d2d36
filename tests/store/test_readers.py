"""
Reading beside a writer, in the same process or another.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from eventsource.errors import EventNotFoundError, NotAStoreError, StoreReadOnlyError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import PATIENCE_S, commit_each, noted, read, take
from tests.store.other_process import other_writer


async def test_another_process_is_read_while_it_writes(tmp_path: Path) -> None:
    """
    A store opened for reading has everything that another process has committed up to now.
    """
    path = tmp_path / "store.db"
    with other_writer(path) as other:
        other.commit(3)
        async with EmbeddedEventStore(path, read_only=True) as store:
            before = await read(store.stream("/a"))
            other.commit(2)
            after = await read(store.stream("/a"))

            assert [event.position for event in before] == [1, 2, 3]
            assert [event.position for event in after] == [1, 2, 3, 4, 5]
            assert (await store.audit()).is_intact


async def test_another_process_is_observed_live(tmp_path: Path) -> None:
    """
    An observer gets the history of another process and each of its further commits, without a gap.
    """
    path = tmp_path / "store.db"
    with other_writer(path) as other:
        other.commit(2)
        async with EmbeddedEventStore(path, read_only=True) as store:
            observer = asyncio.create_task(take(store.observe(), 62))
            for count in range(1, 11):
                await asyncio.to_thread(other.commit, count)
                await asyncio.sleep(0.005)
            other.send(5)

            seen = await observer

    assert [event.position for event in seen] == list(range(1, 63))


async def test_an_observer_stays_while_writers_come_and_go(tmp_path: Path) -> None:
    """
    An observer in this process goes on when the writing process is closed, killed and followed by others.
    """
    path = tmp_path / "store.db"
    with other_writer(path) as first:
        first.commit(1)
        async with EmbeddedEventStore(path, read_only=True) as store:
            observer = asyncio.create_task(take(store.observe(), 4))
            await asyncio.to_thread(first.close)
            with other_writer(path) as second:
                await asyncio.to_thread(second.commit, 1)
                await asyncio.to_thread(second.kill)
            async with EmbeddedEventStore(path) as third:
                await commit_each(third, ["/a", "/a"])

                seen = await observer

    assert [event.position for event in seen] == [1, 2, 3, 4]


async def test_a_reader_refuses_to_commit(tmp_path: Path) -> None:
    """
    A commit to a store that is open for reading raises and writes nothing, also while nobody else writes.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as writer:
        await commit_each(writer, ["/a"])
    content = path.read_bytes()

    async with EmbeddedEventStore(path, read_only=True) as store:
        with pytest.raises(StoreReadOnlyError):
            await store.commit([noted("/a")])

        assert await store.count() == 1
    assert path.read_bytes() == content


async def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    """
    Opening a missing file for reading is an error, and leaves the folder as it was.
    """
    with pytest.raises(NotAStoreError):
        async with EmbeddedEventStore(tmp_path / "store.db", read_only=True):
            pass

    assert list(tmp_path.iterdir()) == []


async def test_a_reader_knows_the_bounds_of_the_moment(tmp_path: Path) -> None:
    """
    An id committed by the writer after the reader was opened is a bound for the reader.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as writer, EmbeddedEventStore(path, read_only=True) as reader:
        with pytest.raises(EventNotFoundError):
            await read(reader.stream(lower_bound="nobody-has-this-id"))
        first, second = await commit_each(writer, ["/a", "/a"])

        assert await read(reader.stream(lower_bound=first.id)) == [second]


async def test_a_relative_path_means_the_folder_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A store opened by a relative path stays with its file when the process changes its folder.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    async with EmbeddedEventStore("store.db") as store:
        await commit_each(store, ["/a"] * 3)

        os.chdir(elsewhere)
        async with asyncio.timeout(PATIENCE_S):
            # Together, so that more than the connection opened at first is needed.
            counts = await asyncio.gather(*(store.count() for _ in range(50)))

        assert counts == [3] * 50
    assert Path(tmp_path / "store.db").exists()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("writer", ["this process", "another process"])
async def test_a_reader_that_was_there_before_the_log_lets_a_writer_start_it(tmp_path: Path, writer: str) -> None:
    """
    A reader of a store without a write-ahead log, as it is while it is made, keeps no writer out and sees its commits.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"] * 3)
    without_log(path)

    async with EmbeddedEventStore(path, read_only=True) as reader:
        assert await reader.count() == 3
        if writer == "this process":
            async with EmbeddedEventStore(path) as store:
                await commit_each(store, ["/a"] * 2)
                assert await reader.count() == 5
        else:
            with other_writer(path) as other:
                assert other.commit(2) == 5
                assert await reader.count() == 5
        assert await reader.count() == 5


async def test_a_reader_from_before_the_log_holds_it_once_there_is_one(tmp_path: Path) -> None:
    """
    It then has locks that outlive a look at the file by other code of its process: no other program takes the log away.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"] * 3)
    without_log(path)

    async with EmbeddedEventStore(path, read_only=True) as reader:
        assert await reader.count() == 3
        with other_writer(path) as other:
            other.commit(2)
            assert await reader.count() == 5
            path.read_bytes()
        # The last to close a file removes its log, unless somebody holds it.
        assert path.with_name("store.db-wal").exists()
        assert await reader.count() == 5


def without_log(path: Path) -> None:
    """
    Take a closed store out of WAL mode, in which it is while it is made, and so is a copy.
    """
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    connection.close()
