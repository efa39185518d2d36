"""
A program whose children commit as fast as they can, to be killed while they do.

For each path that it reads from standard input it starts a child. The child opens the store
there, commits with several tasks at once, closes it after a while and begins again, without end.
It prints ``sent NAME`` before each commit and ``stored NAME IDS`` after its answer. At the next
line of input the program kills the child and prints ``dead``, or ``gone`` if there was none left
to kill: everything the child has printed stands before. The parent kills, since only it can be
sure whose process id it is.

Forking saves the start of an interpreter for each child. It is safe since there are no threads yet.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from eventsource import EmbeddedEventStore, NewEvent
from eventsource.store.embedded import writer

if TYPE_CHECKING:
    from collections.abc import Generator

TASKS = 6
_PIPE_BYTES = 2**20


class Committer:
    """
    The program, seen from the test that runs it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, path: Path) -> None:
        """
        Have a child commit to a store.
        """
        self._send(str(path))

    def kill(self) -> list[list[str]]:
        """
        Kill the child; returns what it has printed, each line as its words.
        """
        self._send("kill")
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
    command = [sys.executable, __file__]
    # A child must not wait for its answers to be read: it could only be killed while it waits.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pipesize=_PIPE_BYTES
    ) as process:
        yield Committer(process)
        assert process.stdin is not None
        process.stdin.close()


def _tell(line: str) -> None:
    # One system call for one line: what was told before the end was told whole.
    os.write(1, f"{line}\n".encode())


async def _commit_without_end(store: EmbeddedEventStore, task: int, numbers: random.Random) -> None:
    number = 0
    while True:
        number += 1
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


async def _work(path: Path, numbers: random.Random) -> None:
    # So that moving the log into the file is disturbed as often as committing.
    writer._CHECKPOINT_PAGES = 60
    writer._TRUNCATE_PAGES = 200
    while True:
        async with EmbeddedEventStore(path) as store:
            tasks = [_commit_without_end(store, task, numbers) for task in range(numbers.randint(1, TASKS))]
            try:
                async with asyncio.timeout(numbers.uniform(0.005, 0.15)):
                    await asyncio.gather(*tasks)
            except TimeoutError:
                continue


def _main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(_work(Path(line.strip()), random.Random(os.getpid())))  # noqa: S311
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        _tell("dead" if os.WIFSIGNALED(status) else "gone")


if __name__ == "__main__":
    _main()
