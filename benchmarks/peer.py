"""
Peers: other frameworks that do the same work, each in a process of an environment of its own.

The scripts in ``benchmarks/peers`` run there and take turns on request: one line of JSON in, one
line of JSON out.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

if TYPE_CHECKING:
    from benchmarks.measurement import Turn

_SCRIPTS = Path(__file__).parent / "peers"
# How long a peer may take to tidy up, in seconds.
_PATIENCE_S = 5
# By the name of the distribution.
_PEERS = {"eventsourcing": "eventsourcing_peer.py", "eventsource-py": "eventsource_py_peer.py"}


@attrs.define(eq=False)
class Peer:
    """
    A running peer; or one that could not be started, and why.

    Attributes:
        name: The distribution and its version.

        python: The version of the interpreter it runs on.

        notes: What it cannot do, and how it does what needs a word.

        benchmarks: What it can do.
    """

    name: str
    python: str = ""
    notes: list[str] = attrs.field(factory=list)
    benchmarks: frozenset[str] = frozenset()
    _process: subprocess.Popen[str] | None = None

    @classmethod
    def start(cls, python: str, distribution: str) -> Self:
        """
        Start it with the interpreter of its environment.
        """
        # Nothing of this project may be importable there: one peer has our import name.
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        try:
            process = subprocess.Popen(  # noqa: S603  the user's own interpreter, our own script
                [python, str(_SCRIPTS / _PEERS[distribution])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=surroundings,
                text=True,
            )
        except OSError as error:
            return cls(distribution, notes=[f"not measured: {python}: {error.strerror}"])
        peer = cls(distribution, process=process)
        hello = peer._receive()
        peer.notes = list(hello.get("notes", []))
        if reason := hello.get("error"):
            peer.notes.append(f"not measured: {reason}")
            peer.stop()
            return peer
        peer.name, peer.python = f"{distribution} {hello['version']}", hello["python"]
        peer.benchmarks = frozenset(hello["benchmarks"])
        return peer

    def can(self, benchmark: str) -> bool:
        """
        Whether it takes part.
        """
        return benchmark in self.benchmarks

    def turn(self, benchmark: str, folder: Path, **arguments: int) -> Turn:
        """
        Its turn; not a number, once something there has failed, which is then noted.
        """

        async def turn() -> float:
            if self._process is None or benchmark not in self.benchmarks:
                return math.nan
            request = {"benchmark": benchmark, "folder": str(folder), "arguments": arguments}
            reply = await asyncio.to_thread(self._ask, request)
            if error := reply.get("error"):
                self.notes.append(f"{benchmark} failed: {error}")
                self.benchmarks -= {benchmark}
                return math.nan
            return float(reply["figure"])

        return turn

    def stop(self) -> None:
        """
        End its process.
        """
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        try:
            self._process.wait(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None or self._process.stdin is None:
            return {"error": "it was stopped"}
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"error": "its process has ended"}
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process and self._process.stdout else ""
        if not line:
            return {"error": "its process has ended"}
        reply: dict[str, Any] = json.loads(line)
        return reply


def start_peers(python: str) -> tuple[Peer, ...]:
    """
    All of them, with the interpreter of their environment.
    """
    return tuple(Peer.start(python, distribution) for distribution in _PEERS)
