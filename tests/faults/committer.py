"""
A program whose children commit as fast as they can, and are killed while they do.

For each line ``PATH AT SEED`` that it reads from standard input it starts a child. The child opens the store at PATH,
commits with several tasks at once, closes it after a while and begins again, without end: it dies before change number
AT of its files. It prints ``sent NAME`` before each commit and ``stored NAME IDS`` after its answer. When it is dead
the program prints ``dead``, or ``gone`` if it had ended in another way: everything the child has printed stands before.

Forking saves the start of an interpreter for each child. It is safe since there are no threads yet.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from eventsource import NewEvent
from eventsource.store import EmbeddedEventStore
from eventsource.store.embedded import writer
from tests.faults.disk import DeadlyDisk, watched_disk

if TYPE_CHECKING:
    from collections.abc import Generator

TASKS = 6
# How many a task makes at the most before the store is closed.
MOST_COMMITS = 30
ROOT = Path(__file__).parents[2]
_PIPE_BYTES = 2**20


class Committer:
    """
    The program, seen from the test that runs it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, path: Path, at: int, seed: int) -> list[list[str]]:
        """
        Have a child commit to a store until it dies; returns what it has printed, each line as its words.
        """
        self._send(f"{path} {at} {seed}")
        lines: list[list[str]] = []
        while (line := self._line()) not in {"dead", "gone"}:
            lines.append(line.split())
        assert line == "dead", "the child had ended by itself"
        return lines

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the committer has ended"
        return line.strip()


@contextmanager
def committer() -> Generator[Committer]:
    """
    Run the program.
    """
    command = [sys.executable, "-m", __name__]
    # A child must not wait for its answers to be read: it could only be killed while it waits.
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pipesize=_PIPE_BYTES
    ) as process:
        yield Committer(process)
        assert process.stdin is not None
        process.stdin.close()


def _tell(line: str) -> None:
    # One system call for one line: what was told before the end was told whole.
    os.write(1, f"{line}\n".encode())


async def _commit(store: EmbeddedEventStore, task: int, numbers: random.Random, commits: int) -> None:
    for number in range(commits):
        name, size = f"{os.getpid()}-{task}-{number}-{numbers.randrange(10**9)}", numbers.choice([1, 2, 3, 5, 30])
        _tell(f"sent {name}")
        recorded = await store.commit(
            [
                NewEvent(
                    subject=f"/a/{index % 3}",
                    type="io.example.faults.noted",
                    data={"commit": name, "index": index, "size": size, "text": "x" * numbers.randrange(400)},
                )
                for index in range(size)
            ]
        )
        _tell(f"stored {name} {' '.join(event.id for event in recorded)}")


async def _work(path: Path, at: int, numbers: random.Random) -> None:
    # So that moving the log into the file is disturbed as often as committing.
    writer._CHECKPOINT_PAGES = 60
    writer._TRUNCATE_PAGES = 200
    with watched_disk(disk := DeadlyDisk()):
        disk.start(at)
        while True:
            async with EmbeddedEventStore(path) as store:
                tasks = [
                    asyncio.create_task(_commit(store, task, numbers, numbers.randint(1, MOST_COMMITS)))
                    for task in range(numbers.randint(1, TASKS))
                ]
                # The first that has enough closes the store for all: others wait for their answer then.
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _main() -> None:
    for line in sys.stdin:
        path, at, seed = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(_work(Path(path), int(at), random.Random(int(seed))))  # noqa: S311
            os._exit(1)
        _, status = os.waitpid(child, 0)
        _tell("dead" if os.WIFSIGNALED(status) else "gone")


if __name__ == "__main__":
    _main()
