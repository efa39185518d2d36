"""
A program whose children are servers, and are killed while they serve.

For each line of arguments that it reads from standard input it starts a child, which runs ``eventsource serve`` with
them and prints where it listens. The first argument says before which change of its store's files the child dies,
counted from when it listens; with 0 it is killed at the next line of input. Then the program prints ``dead``, or
``gone`` if the child had ended in another way.

Forking saves the start of an interpreter for each child. It is safe since there are no threads yet.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

import uvloop

import eventsource.server
from eventsource.cli import serve
from eventsource.cli.app import run
from eventsource.cli.output import write_lines
from tests.faults.disk import DeadlyDisk, watched_disk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

# So that children find them imported.
_ = eventsource.server, uvloop

# How often the program looks whether its child has died, in seconds.
_LOOK_S = 0.002


class Server:
    """
    The program, seen from the test that runs it.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def start(self, at: int, *arguments: str) -> None:
        """
        Have a child serve that dies before change *at* of its files; returns when it listens.
        """
        await self._send(" ".join((str(at), *arguments)))
        line = await self._line()
        assert line.startswith("Serving"), line

    async def wait_until_dead(self) -> None:
        """
        Return when the child has died.
        """
        line = await self._line()
        assert line == "dead", f"the server had ended by itself: {line}"

    async def kill(self) -> None:
        """
        Kill a child that does not die by itself.
        """
        await self._send("kill")
        await self.wait_until_dead()

    async def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the program has ended"
        return line.decode().strip()


@asynccontextmanager
async def server_program(token: str) -> AsyncGenerator[Server]:
    """
    Run the program.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        env=os.environ | {"GENESISDB_AUTH_TOKEN": token},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Server(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def _serve(at: int, arguments: list[str]) -> NoReturn:
    with watched_disk(disk := DeadlyDisk()):

        def tell(lines: Iterable[str], *, as_they_are: bool = False) -> None:
            # What a start changes does not count: the server has to be there first.
            disk.start(at)
            write_lines(lines, as_they_are=as_they_are)

        serve.write_lines = tell  # type: ignore[attr-defined]  # its only lines say that it listens
        os._exit(run(["serve", *arguments]))


def _end_of(child: int) -> str:
    """
    Wait until the child has died, or kill it when there is a line to read, or none any more.
    """
    while True:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return "dead" if os.WIFSIGNALED(status) else "gone"
        if select.select([sys.stdin], [], [], _LOOK_S)[0]:
            sys.stdin.readline()
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "dead"


def _main() -> None:
    while line := sys.stdin.readline():
        at, *arguments = line.split()
        child = os.fork()
        if child == 0:
            _serve(int(at), arguments)
        sys.stdout.write(f"{_end_of(child)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
