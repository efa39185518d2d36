"""
A file system that is really full.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eventsource.store import EmbeddedEventStore
from tests.faults.outcomes import commit_of, whole_commits

# A file system in memory that nobody but the program sees.
_MOUNT = 'mount -t tmpfs -o size=6m tmpfs "$0" && exec "$@"'


def on_a_small_disk(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """
    Run a command with a file system of 6 MiB mounted at *folder*.
    """
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, str(folder), *command]
    return subprocess.run(unshare, capture_output=True, text=True, check=False)


async def test_a_full_file_system_refuses_commits_until_there_is_space(tmp_path: Path) -> None:
    """
    On a full disk commits are refused whole, what was stored can be read, and with space the same store goes on.
    """
    if not shutil.which("unshare") or on_a_small_disk(tmp_path, "true").returncode:
        pytest.skip("this machine lets nobody mount a small file system of their own")
    program = str(Path(__file__).with_name("small_disk.py"))

    run = await asyncio.to_thread(on_a_small_disk, tmp_path, sys.executable, program, str(tmp_path))

    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    stored = [[name, index, 3] for name in told["stored"] for index in range(3)]
    assert len(told["stored"]) > 5
    assert told["while_full"] == stored
    assert told["after"] == told["reopened"] == stored + [["space again", index, 3] for index in range(3)]
    assert told["is_intact"]


_LIMITED = """
import asyncio, sys
from eventsource import StoreError
from eventsource.store import EmbeddedEventStore
from tests.faults.outcomes import Outcomes

async def main():
    outcomes = Outcomes()
    async with EmbeddedEventStore(sys.argv[1]) as store:
        for number in range(60):
            await outcomes.attempt(store, f"{number}", 3, text="x" * 10_000)
        assert await store.count() == 3 * len(outcomes.acknowledged)
    assert outcomes.refused
    print(*outcomes.acknowledged)

asyncio.run(main())
"""


async def test_a_limit_on_the_size_of_files_loses_nothing(tmp_path: Path) -> None:
    """
    Where the operating system lets no file grow beyond a limit, commits fail, and what was acknowledged stays.
    """
    path = tmp_path / "store.db"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _LIMITED, str(path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        cwd=Path(__file__).parents[2],
    )

    assert run.returncode == 0, run.stderr
    acknowledged = run.stdout.split()
    async with EmbeddedEventStore(path) as store:
        found = whole_commits([event async for event in store.stream()])
        assert (await store.audit()).is_intact
        await store.commit(commit_of("afterwards", 1))
    # One more may have been stored when its caller was told that nobody knows.
    assert list(found)[: len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
