"""
A program that erases or restores, and is killed while it does.

It reads ``erase PATH AT`` or ``restore PATH COUNT AT`` from standard input. For each line it starts a child, which does
it and dies: before change number AT of its files, or when it is done, after it printed ``done CHANGES``. Then the
program prints ``ended``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from eventsource import NewEvent
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.faults.disk import DeadlyDisk, watched_disk

if TYPE_CHECKING:
    from collections.abc import Generator

TYPE = "io.example.faults.named"
ROOT = Path(__file__).parents[2]


class Eraser:
    """
    The program, seen from the test that runs it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *command: object) -> int | None:
        """
        Have a child do it and die; returns how many changes it made, if it was done before.
        """
        self._send(" ".join(map(str, command)))
        changes = None
        while (line := self._line()) != "ended":
            word, number = line.split()
            assert word == "done"
            changes = int(number)
        return changes

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the eraser has ended"
        return line.strip()


@contextmanager
def eraser() -> Generator[Eraser]:
    """
    Run the program.
    """
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Eraser(process)
        assert process.stdin is not None
        process.stdin.close()


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _done(disk: DeadlyDisk) -> NoReturn:
    _tell(f"done {disk.changes}")
    # Nothing is closed.
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


async def _erase(path: str, at: str) -> None:
    with watched_disk(disk := DeadlyDisk()):
        async with EmbeddedEventStore(path) as store:
            disk.start(int(at))
            await store.erase("/people/1")
            _done(disk)


async def _restore(path: str, count: str, at: str) -> None:
    with watched_disk(disk := DeadlyDisk()):
        async with InMemoryEventStore() as source, EmbeddedEventStore(path) as store:
            data = [NewEvent(subject="/a", type=TYPE, data={"number": each}) for each in range(int(count))]
            await source.commit(data)
            disk.start(int(at))
            await store.restore(source.backup())
            _done(disk)


def _main() -> None:
    for line in sys.stdin:
        action, *arguments = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(_erase(*arguments) if action == "erase" else _restore(*arguments))
            os._exit(1)
        os.waitpid(child, 0)
        _tell("ended")


if __name__ == "__main__":
    _main()
