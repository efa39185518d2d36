"""
Servers as programs of their own, so that they share no event loop and no interpreter with who measures.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Generator

TOKEN = "of-the-benchmarks"  # noqa: S105  nobody's
_ROOT = Path(__file__).resolve().parents[1]


@attrs.frozen
class Program:
    """
    A server that runs.
    """

    url: str
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """
        Where it listens.
        """
        host, _, port = self.url.rpartition("/")[2].partition(":")
        return host, int(port)

    def resident_mib(self) -> float:
        """
        The memory it has; not a number where that cannot be seen.
        """
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        except FileNotFoundError:
            return float("nan")
        return pages * os.sysconf("SC_PAGESIZE") / 2**20


@contextmanager
def serving(path: Path, *options: str) -> Generator[Program]:
    """
    ``eventsource serve`` with a store's file.
    """
    command = ["-m", "eventsource.cli", "serve", "--store", f"sqlite:{path}", "--port", "0", *options]
    with _running(command, r"Serving .* at (\S+)") as program:
        yield program


@contextmanager
def echoing() -> Generator[Program]:
    """
    The server that does nothing.
    """
    with _running(["-m", "benchmarks.asgi_echo"], r"(http:\S+)") as program:
        yield program


@contextmanager
def _running(command: list[str], address: str) -> Generator[Program]:
    environ = os.environ | {"GENESISDB_AUTH_TOKEN": TOKEN}
    with subprocess.Popen(  # noqa: S603  constants
        [sys.executable, *command], cwd=_ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101  for the type checkers
            found = re.search(address, process.stdout.readline())
            if found is None:
                msg = f"{' '.join(command)} did not start"
                raise RuntimeError(msg)
            yield Program(found[1], process.pid)
        finally:
            # At once: an observer of the one that does nothing would hold it up.
            process.kill()
