"""
The files of an open store: other programs may look at them, and the store notices when they are not its own any more.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventsource import CommitOutcomeUnknownError
from eventsource.errors import NotAStoreError, StoreFileLostError, StoreLockedError, StoreUnavailableError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import commit_each, noted, read
from tests.store.programs import run_program

if TYPE_CHECKING:
    from collections.abc import Callable

# Each confirmed commit prints its number; in the middle something looks at the file; in the end the process is killed.
WRITER = """
import asyncio, json, os, shutil, signal, sqlite3, sys, threading
from pathlib import Path
from sqlalchemy import Column, Connection, MetaData, String, Table, create_engine, insert, text
from eventsource import *
from eventsource.aggregates import *
from eventsource.errors import *
from eventsource.store import *

class Counted(Event, type="io.example.counted"):
    n: int

seen = Table("seen", MetaData(), Column("n", String))

class Seen(Projector, name="seen", subject="/x", tables=[seen]):
    @handles
    def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(seen).values(n=str(event.n)))

def in_another_process(code):
    import subprocess
    subprocess.run([sys.executable, "-c", code], check=True)

async def look(store, path):
{look}

async def main():
    store = connect("sqlite:store.db")
    await store.__aenter__()
    for n in range(20):
        if n == 10:
            await look(store, "store.db")
        await store.commit([NewEvent.of(Counted(n=n), subject="/x/1")])
        print(json.dumps(n), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""

LOOKS = {
    "sqlite3": """
        reader = sqlite3.connect(path)
        reader.execute("SELECT count(*) FROM events").fetchall()
        reader.close()
    """,
    "sqlite3 in a thread": """
        def look_there():
            reader = sqlite3.connect(path)
            reader.execute("SELECT count(*) FROM events").fetchall()
            reader.close()
        await asyncio.to_thread(look_there)
    """,
    "sqlite3 many times": """
        for _ in range(20):
            reader = sqlite3.connect(path)
            reader.execute("SELECT count(*) FROM events").fetchall()
            reader.close()
            await store.commit([NewEvent(subject="/y", type="io.example.other", data={})])
    """,
    "sqlite3 here, then another process": """
        code = "import sqlite3; c = sqlite3.connect('store.db'); c.execute('SELECT count(*) FROM events'); c.close()"
        reader = sqlite3.connect(path)
        reader.execute("SELECT count(*) FROM events").fetchall()
        reader.close()
        in_another_process(code)
    """,
    "sqlalchemy": """
        engine = create_engine(f"sqlite:///{path}")
        with engine.connect() as reader:
            reader.execute(text("SELECT count(*) FROM events")).all()
        engine.dispose()
    """,
    "a plain read": """
        Path(path).read_bytes()
        Path(path + "-shm").read_bytes()
    """,
    "a copy of the files": """
        for name in ("", "-wal"):
            shutil.copy(path + name, "copy.db" + name)
        reader = sqlite3.connect("copy.db")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (10,)
        reader.close()
    """,
    "an attempt to make a rollback journal of the log": """
        reader = sqlite3.connect(path, timeout=0)
        try:
            reader.execute("PRAGMA journal_mode = DELETE").fetchall()
        except sqlite3.OperationalError:
            pass
        reader.close()
    """,
    "a worker on the store's file": """
        try:
            async with ProjectionWorker(store, f"sqlite:///{path}", [Seen()]) as worker:
                await worker.caught_up()
        except NotAReadModelDatabaseError:
            pass
    """,
    "a snapshot store on the store's file": """
        async with ReadModelDatabase(f"sqlite:///{path}") as database:
            try:
                await SqlSnapshotStore(database).purge("/x/1")
            except NotAReadModelDatabaseError:
                pass
    """,
    "a second store that reads": """
        async with connect(f"sqlite:{path}", read_only=True) as reader:
            await reader.count()
    """,
}


async def stored_numbers(path: Path) -> list[int]:
    """
    What a new store finds in the file.
    """
    async with EmbeddedEventStore(path) as store:
        assert (await store.audit()).is_intact
        return [event.data["n"] async for event in store.stream("/x")]


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
@pytest.mark.skipif(sys.platform != "linux", reason="locks of open file descriptions are Linux's")
async def test_confirmed_commits_outlive_a_look_at_the_file_and_a_kill(tmp_path: Path, look: str) -> None:
    """
    Something in the process opens and closes the file, the process is killed: what was confirmed is there, all of it.
    """
    program = WRITER.replace("{look}", textwrap.indent(textwrap.dedent(look).strip(), "    "))

    confirmed = await asyncio.to_thread(run_program, program, tmp_path)

    assert confirmed == list(range(20))
    assert await stored_numbers(tmp_path / "store.db") == confirmed


def _replace(path: Path) -> None:
    shutil.copy(path, other := path.with_name("other.db"))
    other.replace(path)


def _restore_over(path: Path) -> None:
    before = path.parent.stat()
    _replace(path)
    # As `rsync -a` and `cp -a` do when they bring back a copy of the folder.
    os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))


def _exchange_folder(path: Path) -> None:
    shutil.copytree(path.parent, other := path.parent.with_name("other"))
    _move_folder(path)
    other.rename(path.parent)


def _delete_all(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def _move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def _truncate(path: Path) -> None:
    os.truncate(path, 4096)


def _overwrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(os.urandom(size))


def _cut_log(path: Path) -> None:
    os.truncate(f"{path}-wal", 40)


def _empty_log(path: Path) -> None:
    os.truncate(f"{path}-wal", 0)


def _beside(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}{name}")


FAULTS: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "renamed": lambda path: path.rename(path.with_name("renamed.db")),
    "replaced": _replace,
    "replaced, with the times of its directory set back": _restore_over,
    "directory exchanged": _exchange_folder,
    "directory renamed": _move_folder,
    "log deleted": lambda path: _beside(path, "-wal").unlink(),
    "log renamed": lambda path: _beside(path, "-wal").rename(_beside(path, "-old")),
    "index of the log deleted": lambda path: _beside(path, "-shm").unlink(),
    "all deleted": _delete_all,
}
# What is gone cannot be saved: these are noticed, and no more.
WORSE_FAULTS: dict[str, Callable[[Path], object]] = {
    "cut short in place": _truncate,
    "overwritten in place": _overwrite,
    "log emptied in place": _empty_log,
    "log cut short in place": _cut_log,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where a store is made, in a folder that can be moved.
    """
    (folder := tmp_path / "data").mkdir()
    return folder / "store.db"


async def fill(store: EmbeddedEventStore) -> None:
    """
    Commit so much that a part of it is in the database file, and another in its log.
    """
    for _ in range(4):
        await store.commit([noted(f"/a/{number}", data={"text": "x" * 2_000}) for number in range(1_000)])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_commit_to_files_that_are_not_at_the_path_is_unknown_and_everything_is_saved(
    path: Path, fault: Callable[[Path], object]
) -> None:
    """
    The first commit after the files were taken away is unknown, the store stops, and a copy has all that it held.
    """
    async with EmbeddedEventStore(path) as store:
        await fill(store)
        fault(path)

        with pytest.raises(CommitOutcomeUnknownError) as unknown:
            await store.commit([noted("/last")])
        with pytest.raises(StoreFileLostError) as stopped:
            await store.commit([noted("/later")])

    saved = stopped.value.saved
    assert saved is not None
    assert str(saved) in str(unknown.value)
    async with EmbeddedEventStore(saved) as copy:
        assert (await copy.audit()).is_intact
        assert (await copy.count(), await copy.count("/last"), await copy.count("/later")) == (4_001, 1, 0)
    assert saved.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("fault", WORSE_FAULTS.values(), ids=WORSE_FAULTS.keys())
async def test_commit_to_files_that_were_changed_in_place_is_not_confirmed(
    path: Path, fault: Callable[[Path], object]
) -> None:
    """
    When something has written to the database or its log, no commit is confirmed any more, and the error says it.
    """
    async with EmbeddedEventStore(path) as store:
        await fill(store)
        # A small one: the large ones are moved into the database file.
        await store.commit([noted("/small")])
        fault(path)

        with pytest.raises((CommitOutcomeUnknownError, StoreUnavailableError)):
            await store.commit([noted("/last")])
        with pytest.raises(StoreFileLostError):
            await store.commit([noted("/later")])


async def test_everything_queued_behind_a_lost_file_ends_with_an_error(path: Path) -> None:
    """
    Commits, a schema, an index and an erasure that wait when the files are lost each end with an error; none hangs.
    """
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"])
        path.unlink()
        outcomes = await asyncio.gather(
            *(store.commit([noted("/a")]) for _ in range(1_200)),
            store.register_schema("io.example.other", {"type": "object"}),
            store.create_index("io.example.noted", "data.text"),
            store.erase("/a"),
            return_exceptions=True,
        )

    assert {type(each) for each in outcomes} <= {CommitOutcomeUnknownError, StoreFileLostError}


async def test_readers_of_files_that_are_not_at_the_path_say_so(path: Path) -> None:
    """
    A store for reading whose file was replaced does not go on giving what was there before: it says so.
    """
    async with EmbeddedEventStore(path) as writer, EmbeddedEventStore(path, read_only=True) as reader:
        await commit_each(writer, ["/a"])
        assert await reader.count() == 1
        _replace(path)

        for store in (writer, reader):
            with pytest.raises(StoreFileLostError, match="another file was put in the place"):
                await store.count()


async def test_files_that_took_the_place_stay_as_they_are(path: Path) -> None:
    """
    A stopped store that closes takes nothing from a store that was put in its place, and is open there.
    """
    async with EmbeddedEventStore(path) as old:
        await commit_each(old, ["/old"])
        for file in path.parent.iterdir():
            file.unlink()
        with pytest.raises(CommitOutcomeUnknownError):
            await commit_each(old, ["/old"])
        new = EmbeddedEventStore(path)
        await new.__aenter__()
        await commit_each(new, ["/new"])
    await commit_each(new, ["/new"])
    here = [event.subject for event in await read(new.stream())]
    await new.aclose()

    assert here == ["/new", "/new"]
    async with EmbeddedEventStore(path) as again:
        assert await again.count("/new") == 2


async def test_what_was_committed_before_is_saved_when_the_store_closes(path: Path) -> None:
    """
    A file that was deleted while nobody committed is noticed at the latest when the store closes.
    """
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a", "/b"])
        path.unlink()

    async with EmbeddedEventStore(path.with_name("store.db-saved-1"), read_only=True) as saved:
        assert await saved.count() == 2


async def test_link_that_leads_elsewhere_is_noticed(path: Path) -> None:
    """
    A symbolic link in the path that is turned to another place takes the file from the path, too.
    """
    first, second = path.parent / "first", path.parent / "second"
    first.mkdir()
    second.mkdir()
    (link := path.parent / "current").symlink_to(first)
    async with EmbeddedEventStore(link / "store.db") as store:
        await commit_each(store, ["/a"])
        link.unlink()
        link.symlink_to(second)

        with pytest.raises(CommitOutcomeUnknownError, match=r"moved to .*first"):
            await commit_each(store, ["/a"])


@pytest.mark.parametrize(
    "code",
    [
        "c.execute('SELECT count(*) FROM events').fetchall()",
        "c.execute('PRAGMA wal_checkpoint(PASSIVE)').fetchall()",
        "c.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()",
        "import os; os.utime('store.db')",
    ],
    ids=["a read", "a checkpoint", "a checkpoint that cuts the log", "a touch"],
)
async def test_other_processes_may_look_at_the_file(path: Path, code: str) -> None:
    """
    What SQLite's own tools do to a database without changing it, in a process of their own, stops no store.
    """
    program = f"import sqlite3; c = sqlite3.connect('store.db', timeout=30); {code}; c.close()"
    async with EmbeddedEventStore(path) as store:
        for number in range(3):
            await commit_each(store, ["/a"])
            await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], cwd=path.parent, check=True)
            assert len(await commit_each(store, ["/b"])) == 1, number

        assert await store.count() == 6
        assert (await store.audit()).is_intact


async def test_a_removed_lock_file_lets_no_second_writer_in(path: Path) -> None:
    """
    The place of the writer is taken in the store file itself: without the lock file beside it, it is taken still.
    """
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"])
        _beside(path, "-writer.lock").unlink()

        with pytest.raises(StoreLockedError):
            async with EmbeddedEventStore(path):
                pass
        told = await asyncio.to_thread(
            run_program,
            """
            import asyncio, json
            from eventsource.errors import StoreLockedError
            from eventsource.store import EmbeddedEventStore
            async def main():
                try:
                    async with EmbeddedEventStore("store.db"):
                        print('"open"')
                except StoreLockedError:
                    print('"locked"')
            asyncio.run(main())
            """,
            path.parent,
        )
        assert told == ["locked"]


@pytest.mark.parametrize("read_only", [False, True], ids=["writing", "reading"])
async def test_a_file_with_two_names_is_refused(path: Path, read_only: bool) -> None:  # noqa: FBT001  a parameter
    """
    A hard link is a second name with a log of its own: by either name the file is refused until it has one name.
    """
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"])
        (second := path.with_name("second.db")).hardlink_to(path)
        with pytest.raises(StoreUnavailableError, match="hard links"):
            async with EmbeddedEventStore(second, read_only=read_only):
                pass
        # The store itself goes on.
        await commit_each(store, ["/a"])
    with pytest.raises(StoreUnavailableError, match="hard links"):
        async with EmbeddedEventStore(path, read_only=read_only):
            pass
    second.unlink()

    async with EmbeddedEventStore(path, read_only=read_only) as again:
        assert await again.count() == 2


async def test_special_files_are_no_stores(tmp_path: Path) -> None:
    """
    A named pipe or a device is refused at once; opening one would wait for ever.
    """
    os.mkfifo(pipe := tmp_path / "pipe")
    for place in (pipe, Path(os.devnull)):
        with pytest.raises(NotAStoreError, match="no regular file"):
            async with EmbeddedEventStore(place, read_only=True):
                pass


async def test_a_database_of_something_else_is_refused_without_opening_it(tmp_path: Path) -> None:
    """
    A database that another library has open in the process keeps its locks when it is taken for a store by mistake.
    """
    program = """
        import asyncio, json, sqlite3, subprocess, sys
        from eventsource.errors import NotAStoreError
        from eventsource.store import EmbeddedEventStore
        other = sqlite3.connect("other.db", isolation_level=None)
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN EXCLUSIVE")
        async def mistake():
            try:
                async with EmbeddedEventStore("other.db"):
                    pass
            except NotAStoreError as error:
                print(json.dumps(error.reason))
        asyncio.run(mistake())
        code = "import sqlite3; sqlite3.connect('other.db', timeout=0).execute('BEGIN IMMEDIATE')"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        print(json.dumps("locked" in ran.stderr))
    """

    told = await asyncio.to_thread(run_program, program, tmp_path)

    assert told == ["it is an SQLite database of something else", True]
