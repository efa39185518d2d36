"""
A program that erases or restores, to be killed while it does.

It reads ``erase PATH`` or ``restore PATH COUNT`` from standard input. For each line it starts a
child, which prints ``begin``, does it, and prints ``done``. At the next line the program kills the
child, if it still runs, and prints ``ended``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eventsource import EmbeddedEventStore, InMemoryEventStore, NewEvent

if TYPE_CHECKING:
    from collections.abc import Generator

TYPE = "io.example.faults.named"


class Eraser:
    """
    The program, seen from the test that runs it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, command: str) -> None:
        """
        Have a child begin with it.
        """
        self._send(command)
        assert self._line() == "begin"

    def kill(self) -> bool:
        """
        Kill the child; returns whether it was done before.
        """
        self._send("kill")
        is_done = (line := self._line()) == "done"
        assert (self._line() if is_done else line) == "ended"
        return is_done

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
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Eraser(process)
        assert process.stdin is not None
        process.stdin.close()


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def _erase(path: str) -> None:
    async with EmbeddedEventStore(path) as store:
        _tell("begin")
        await store.erase("/people/1")
        _tell("done")
        await asyncio.Event().wait()


async def _restore(path: str, count: str) -> None:
    async with InMemoryEventStore() as source, EmbeddedEventStore(path) as store:
        await source.commit([NewEvent(subject="/a", type=TYPE, data={"number": each}) for each in range(int(count))])
        _tell("begin")
        await store.restore(source.backup())
        _tell("done")
        await asyncio.Event().wait()


def _main() -> None:
    for line in sys.stdin:
        action, *arguments = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(_erase(*arguments) if action == "erase" else _restore(*arguments))
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        _tell("ended")


if __name__ == "__main__":
    _main()
