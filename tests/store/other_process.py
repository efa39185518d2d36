"""
A program that opens a store and commits on demand, for the tests to run beside themselves.

It prints ``open``; then for each number it reads from standard input it commits that many events
at once and prints the position of the last. At the end of its input it closes the store.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eventsource import NewEvent
from eventsource.errors import StoreLockedError
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class OtherWriter:
    """
    The program, seen from the test that runs it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def send(self, count: int) -> None:
        """
        Have *count* events committed in one commit; does not wait for it.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()

    def commit(self, count: int) -> int:
        """
        Have *count* events committed in one commit; returns the position of the last.
        """
        self.send(count)
        return int(self.answer())

    def answer(self) -> str:
        """
        The next line it prints.
        """
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """
        Let it close its store and end.
        """
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def kill(self) -> None:
        """
        End it the hard way, without a chance to clean up.
        """
        self.process.kill()
        self.process.wait()


@contextmanager
def other_writer(path: Path) -> Generator[OtherWriter]:
    """
    Run the program; it has the store open when the block begins.
    """
    command = [sys.executable, __file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        writer = OtherWriter(process)
        try:
            if (first := writer.answer()) != "open":
                msg = f"the other process could not open the store: {first!r}"
                raise RuntimeError(msg)
            yield writer
        finally:
            process.kill()


def run_and_tell(path: Path) -> str:
    """
    Run the program to its end; returns what it printed.
    """
    command = [sys.executable, __file__, str(path)]
    return subprocess.run(command, input="", capture_output=True, text=True, check=True).stdout.strip()


async def _main(path: str) -> None:
    try:
        async with EmbeddedEventStore(path) as store:
            print("open", flush=True)  # noqa: T201
            while line := await asyncio.to_thread(sys.stdin.readline):
                events = [NewEvent(subject="/a", type="io.example.store.noted", data={})] * int(line)
                recorded = await store.commit(events)
                print(recorded[-1].position, flush=True)  # noqa: T201
    except StoreLockedError:
        print("locked", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
