"""
Reading a store that was closed, by who may not write: the file is all it takes.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventsource.errors import StoreUnavailableError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import commit_each
from tests.store.programs import run_program

if TYPE_CHECKING:
    from collections.abc import Generator

# Root may write wherever it likes, so the program becomes nobody before it reads.
READER = """
    import asyncio, json, os, sys
    from eventsource import EventSourceError, ProjectionWorker
    from eventsource.store import EmbeddedEventStore

    if os.geteuid() == 0 and sys.argv[2:] != ["as root"]:
        os.setgid(65534)
        os.setuid(65534)

    async def main():
        try:
            async with EmbeddedEventStore(sys.argv[1], read_only=True) as store:
                events = [event.subject async for event in store.stream()]
                report = await store.audit()
                print(json.dumps([events, await store.count(), report.is_intact]))
        except EventSourceError as error:
            print(json.dumps([type(error).__name__, str(error)]))

    asyncio.run(main())
"""


@pytest.fixture
def folder() -> Generator[Path]:
    """
    A folder that others may enter, and nobody but its owner may write to.
    """
    path = Path(tempfile.mkdtemp())
    yield path
    for each in (path, *path.iterdir()):
        each.chmod(0o755)
    shutil.rmtree(path)


def close_off(folder: Path) -> None:
    """
    Take everybody's right to write away, and give everybody that to read.
    """
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


async def fill(path: Path) -> None:
    """
    Make a store with two events, and close it.
    """
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a", "/b"])


async def test_a_closed_store_is_read_without_the_right_to_write(folder: Path) -> None:
    """
    A store that was closed well is read by a user who may neither write to it nor beside it, and nothing is left there.
    """
    await fill(path := folder / "store.db")
    close_off(folder)
    before = {file: file.read_bytes() for file in folder.iterdir()}

    told = await asyncio.to_thread(run_program, READER, folder, str(path))

    assert told == [[["/a", "/b"], 2, True]]
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


async def test_a_closed_store_is_read_from_a_read_only_mount(folder: Path) -> None:
    """
    A store on a file system that is mounted for reading only is read, by root, too.
    """
    (real := folder / "real").mkdir()
    (mount := folder / "mount").mkdir()
    await fill(real / "store.db")
    if obstacle := await asyncio.to_thread(_run, "mount", "--bind", "-o", "ro", str(real), str(mount)):
        pytest.skip(f"this machine lets nobody mount: {obstacle}")
    try:
        with pytest.raises(OSError, match="Read-only"):
            (mount / "x").touch()
        told = await asyncio.to_thread(run_program, READER, folder, str(mount / "store.db"), "as root")
    finally:
        assert not await asyncio.to_thread(_run, "umount", str(mount))

    assert told == [[["/a", "/b"], 2, True]]


def _run(*command: str) -> str:
    """
    Run a command; returns what it complained of, and nothing if all went well.
    """
    program = shutil.which(command[0])
    if program is None:
        return f"there is no {command[0]}"
    ran = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    return ran.stderr.strip() or "it failed" if ran.returncode else ""


async def test_commits_in_a_log_that_cannot_be_read_are_not_passed_over(folder: Path) -> None:
    """
    Where the newest events are in a log whose index is not there and cannot be made, reading is refused and says why.
    """
    await _crashed(path := folder / "store.db")
    path.with_name("store.db-shm").unlink()
    close_off(folder)

    told = await asyncio.to_thread(run_program, READER, folder, str(path))

    assert told[0][0] == StoreUnavailableError.__name__
    assert "store.db-wal" in told[0][1]


async def test_commits_in_the_log_of_a_crash_are_read_without_the_right_to_write(folder: Path) -> None:
    """
    With the log and its index beside it, what a crash has left is read as well.
    """
    await _crashed(path := folder / "store.db")
    close_off(folder)

    told = await asyncio.to_thread(run_program, READER, folder, str(path))

    assert told == [[["/a", "/b"], 2, True]]


async def _crashed(path: Path) -> None:
    program = """
        import asyncio, os, sys
        from eventsource import NewEvent
        from eventsource.store import EmbeddedEventStore
        async def main():
            store = EmbeddedEventStore(sys.argv[1])
            await store.__aenter__()
            for subject in ("/a", "/b"):
                await store.commit([NewEvent(subject=subject, type="io.example.noted", data={})])
            os._exit(0)
        asyncio.run(main())
    """
    await asyncio.to_thread(run_program, program, path.parent, str(path))


async def test_a_reader_at_rest_sees_what_a_writer_commits_later(folder: Path) -> None:
    """
    Somebody who may write opens the file while it is read at rest: the reader notices, and reads on or says why not.
    """
    await fill(path := folder / "store.db")
    path.chmod(0o444)
    folder.chmod(0o555)
    program = """
        import asyncio, json, os, sys
        from eventsource import EventSourceError, NewEvent
        from eventsource.store import EmbeddedEventStore
        path, is_root = sys.argv[1], os.geteuid() == 0

        async def main():
            if is_root:
                os.setegid(65534)
                os.seteuid(65534)
            async with EmbeddedEventStore(path, read_only=True) as reader:
                print(json.dumps(await reader.count()))
                if is_root:
                    os.seteuid(0)
                else:
                    os.chmod(os.path.dirname(path), 0o755)
                    os.chmod(path, 0o644)
                code = (
                    "import asyncio, sys\\nfrom eventsource import NewEvent\\n"
                    "from eventsource.store import EmbeddedEventStore\\n"
                    "async def main():\\n"
                    "    async with EmbeddedEventStore(sys.argv[1]) as store:\\n"
                    "        await store.commit([NewEvent(subject='/c', type='io.example.noted', data={})])\\n"
                    "asyncio.run(main())"
                )
                writer = await asyncio.create_subprocess_exec(sys.executable, "-c", code, path)
                assert await writer.wait() == 0
                print(json.dumps([await reader.count(), [event.subject async for event in reader.stream()]]))

        asyncio.run(main())
    """

    told = await asyncio.to_thread(run_program, program, folder, str(path))

    assert told == [2, [3, ["/a", "/b", "/c"]]]


async def test_opening_for_writing_without_the_right_to_says_so(folder: Path) -> None:
    """
    Without `read_only` the same file is refused by name, and nothing is made beside it.
    """
    await fill(path := folder / "store.db")
    close_off(folder)
    names = set(folder.iterdir())

    told = await asyncio.to_thread(run_program, READER.replace("read_only=True", "read_only=False"), folder, str(path))

    assert told[0][0] == StoreUnavailableError.__name__
    assert set(folder.iterdir()) == names
