"""
Opening files: new ones, and those that are no store, not ours, or from the future.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource.errors import NotAStoreError, StoreCorruptedError, StoreFormatError, StoreUnavailableError
from eventsource.store import EmbeddedEventStore
from eventsource.store.embedded.file import FORMAT
from eventsource.testing.contract.samples import commit_each, noted, read

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH_WAYS = pytest.mark.parametrize("read_only", [False, True], ids=["writing", "reading"])


def mode_of(path: Path) -> int:
    """
    Who may do what with a file.
    """
    return stat.S_IMODE(path.stat().st_mode)


async def store_of(path: Path, events: int) -> None:
    """
    Make a store with that many events, of 40 subjects.
    """
    async with EmbeddedEventStore(path) as store:
        await store.commit(
            [noted(f"/a/{number % 40}", data={"text": f"text {number} " * 20}) for number in range(events)]
        )


def change(path: Path, *statements: str) -> None:
    """
    Run SQL on a closed store file, as somebody with an SQLite tool would.
    """
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()


async def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    """
    The store and all files beside it are readable and writable for their owner alone, whatever the umask.
    """
    path = tmp_path / "store.db"

    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"])
        modes = {file.name: mode_of(file) for file in tmp_path.iterdir()}

    assert modes == dict.fromkeys(["store.db", "store.db-wal", "store.db-shm", "store.db-writer.lock"], 0o600)


async def test_a_new_file_has_no_events(tmp_path: Path) -> None:
    """
    A store is made where there was no file.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        assert await read(store.stream()) == []


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """
    A file without content is taken as one that is not there: so one that was cut off while being made can be opened.
    """
    path = tmp_path / "store.db"
    path.touch()

    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"])

    async with EmbeddedEventStore(path, read_only=True) as store:
        assert await store.count() == 1


async def test_an_empty_file_cannot_be_read(tmp_path: Path) -> None:
    """
    Opening a file without content for reading is refused, and it stays empty.
    """
    path = tmp_path / "store.db"
    path.touch()

    with pytest.raises(NotAStoreError):
        async with EmbeddedEventStore(path, read_only=True):
            pass

    assert path.read_bytes() == b""


@BOTH_WAYS
@pytest.mark.parametrize(
    "content", [b"no database", b"no database, by far" * 500, b"\0" * 8192], ids=["short", "long", "zeros"]
)
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes, *, read_only: bool) -> None:
    """
    Some other file is refused with its path, and stays as it is.
    """
    path = tmp_path / "letter.txt"
    path.write_bytes(content)

    with pytest.raises(NotAStoreError) as failure:
        async with EmbeddedEventStore(path, read_only=read_only):
            pass

    assert failure.value.path == path
    assert path.read_bytes() == content


@BOTH_WAYS
async def test_a_database_of_another_application_is_refused(tmp_path: Path, *, read_only: bool) -> None:
    """
    Another application's SQLite database is refused, and not one byte of it changes.
    """
    path = tmp_path / "other.db"
    change(path, "CREATE TABLE events (position INTEGER PRIMARY KEY)", "INSERT INTO events VALUES (1)")
    content = path.read_bytes()

    with pytest.raises(NotAStoreError):
        async with EmbeddedEventStore(path, read_only=read_only):
            pass

    assert path.read_bytes() == content
    assert not Path(f"{path}-wal").exists()


@BOTH_WAYS
async def test_a_newer_format_is_refused(tmp_path: Path, *, read_only: bool) -> None:
    """
    A file in a later format is refused, with its format and the newest one that can be read.
    """
    path = tmp_path / "store.db"
    await store_of(path, 3)
    change(path, f"PRAGMA user_version = {FORMAT + 1}")

    with pytest.raises(StoreFormatError) as failure:
        async with EmbeddedEventStore(path, read_only=read_only):
            pass

    assert (failure.value.path, failure.value.found, failure.value.supported) == (path, FORMAT + 1, FORMAT)


@BOTH_WAYS
async def test_a_folder_is_no_store(tmp_path: Path, *, read_only: bool) -> None:
    """
    A path that is a folder is refused.
    """
    with pytest.raises(NotAStoreError, match="directory"):
        async with EmbeddedEventStore(tmp_path, read_only=read_only):
            pass


@BOTH_WAYS
async def test_a_missing_folder_is_not_made(tmp_path: Path, *, read_only: bool) -> None:
    """
    A path in a folder that does not exist is refused, and no folder is made.
    """
    with pytest.raises(NotAStoreError, match="directory"):
        async with EmbeddedEventStore(tmp_path / "nowhere" / "store.db", read_only=read_only):
            pass

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
async def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    """
    A store file of which the end is missing is not opened as if it were shorter.
    """
    path = tmp_path / "store.db"
    await store_of(path, 500)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(StoreCorruptedError):
        async with EmbeddedEventStore(path):
            pass


def overwrite(path: Path, pattern: str, replacement: str) -> None:
    """
    Change text in the bytes of a closed file, wherever it stands.
    """
    content = path.read_bytes()
    assert len(pattern) == len(replacement)
    changed = re.sub(re.escape(pattern.encode()), replacement.encode(), content)
    assert changed != content
    path.write_bytes(changed)


ROW_CHANGES: dict[str, Callable[[Path], None]] = {
    "edited": lambda path: change(path, "UPDATE events SET data = '{}' WHERE position = 490"),
    "deleted": lambda path: change(path, "DELETE FROM events WHERE position = 490"),
    "bytes in the file": lambda path: overwrite(path, "text 489 text 489", "text 489 tixt 489"),
}


@pytest.mark.parametrize("damage", ROW_CHANGES.values(), ids=list(ROW_CHANGES))
async def test_damage_to_the_last_events_is_found_at_opening(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """
    A change to one of the last 100 events is found when the file is opened for writing, and its place is told.
    """
    path = tmp_path / "store.db"
    await store_of(path, 500)
    damage(path)

    with pytest.raises(StoreCorruptedError, match=r"position 49[01]"):
        async with EmbeddedEventStore(path):
            pass


async def test_damage_to_an_earlier_event_does_not_keep_the_file_closed(tmp_path: Path) -> None:
    """
    A change further back is left to the audit, so that opening takes the same time for any size of file.
    """
    path = tmp_path / "store.db"
    await store_of(path, 500)
    change(path, "UPDATE events SET data = '{}' WHERE position = 100")

    async with EmbeddedEventStore(path) as store:
        report = await store.audit()

    assert [problem.position for problem in report.problems] == [100]


async def test_the_last_events_without_their_beginning_are_refused(tmp_path: Path) -> None:
    """
    A log of which only the end is there is not taken as a whole one.
    """
    path = tmp_path / "store.db"
    await store_of(path, 20)
    change(path, "DELETE FROM events WHERE position <= 5")

    with pytest.raises(StoreCorruptedError, match="position 6"):
        async with EmbeddedEventStore(path):
            pass


async def test_a_damaged_page_is_told_when_it_is_read(tmp_path: Path) -> None:
    """
    Reading through a page that is no page any more raises, and the audit names the first event that is lost.
    """
    path = tmp_path / "store.db"
    await store_of(path, 2_000)
    content = bytearray(path.read_bytes())
    page = content.index(b"text 900 ") // 4096 * 4096
    first_lost = min(map(int, re.findall(rb"text (\d+) ", content[page : page + 4096]))) + 1
    content[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(content)

    async with EmbeddedEventStore(path) as store:
        with pytest.raises(StoreCorruptedError):
            await read(store.stream())
        report = await store.audit()

    assert report.events == first_lost - 1
    assert [problem.position for problem in report.problems] == [None, first_lost]


@pytest.mark.parametrize("name", ["file:sqlite:?mode=memory", "file:no such folder?mode=memory", ":memory:"])
async def test_a_path_is_never_taken_as_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """
    A name that means something to SQLite is a file name like any other.
    """
    monkeypatch.chdir(tmp_path)
    async with EmbeddedEventStore(name) as store:
        await commit_each(store, ["/a"])

    async with EmbeddedEventStore(tmp_path / name) as store:
        assert await store.count() == 1


async def test_a_file_that_may_not_be_written_is_unavailable(tmp_path: Path) -> None:
    """
    A path where no file can be made raises an error of the store, not one of the operating system.
    """
    path = tmp_path / ("x" * 300)

    with pytest.raises(StoreUnavailableError):
        async with EmbeddedEventStore(path):
            pass
