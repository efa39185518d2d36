"""
A program whose children are servers, to be killed while they serve.

For each line of arguments that it reads from standard input it starts a child, which runs
``eventsource serve`` with them and prints where it listens. At the next line of input the program
kills the child and prints ``dead``, or ``gone`` if it had ended by itself. The parent kills, since
only it can be sure whose process id it is.

Forking saves the start of an interpreter for each child. It is safe since there are no threads yet.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvloop

import eventsource.server
from eventsource.cli.app import run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

# So that children find them imported.
_ = eventsource.server, uvloop


class Server:
    """
    The program, seen from the test that runs it.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def start(self, *arguments: str) -> None:
        """
        Have a child serve; returns when it does.
        """
        await self._send(" ".join(arguments))
        line = await self._line()
        assert line.startswith("Serving"), line

    async def kill(self) -> None:
        """
        Kill the child.
        """
        await self._send("kill")
        line = await self._line()
        assert line == "dead", f"the server had ended by itself: {line}"

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


def _main() -> None:
    child = 0
    try:
        for number, line in enumerate(sys.stdin):
            if number % 2 == 0:
                child = os.fork()
                if child == 0:
                    os._exit(run(["serve", *line.split()]))
                continue
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            child = 0
            sys.stdout.write("dead\n" if os.WIFSIGNALED(status) else "gone\n")
            sys.stdout.flush()
    finally:
        # The test has failed meanwhile.
        if child:
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    _main()
