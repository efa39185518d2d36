"""
A small shop to try commands on: a store file, a read-model file and projectors in one directory.
"""

import asyncio
import os
import pty
import select
import shutil
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from eventsource import NewEvent, RecordedEvent, connect

EVENTSOURCE = (sys.executable, "-W", "error", "-m", "eventsource.cli")
# Machines are shared: what takes a moment may take a while.
PATIENCE_S = 30.0

Process = subprocess.Popen[str]


@attrs.frozen
class Result:
    """
    How a command ended, and what it wrote.
    """

    exit_code: int
    output: str
    errors: str


Command = Callable[..., Result]


def paid(cents: int, account: str = "/accounts/1") -> NewEvent:
    """
    A payment.
    """
    return NewEvent(subject=account, type="io.example.shop.paid", data={"cents": cents})


def refused(reason: str = "a refund") -> NewEvent:
    """
    What the projector of sales fails at.
    """
    return NewEvent(subject="/orders/7", type="io.example.shop.refused", data={"reason": reason})


def wait_until(condition: Callable[[], bool]) -> None:
    """
    Return when *condition* holds.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@attrs.frozen
class Shop:
    """
    The shop in *directory*; commands are run there, and find the store and the database by the environment.
    """

    directory: Path

    @classmethod
    def open_in(cls, directory: Path) -> "Shop":
        """
        An empty store, and the projectors.
        """
        shutil.copy(Path(__file__).with_name("shop_projectors.py"), directory)
        shop = cls(directory)
        shop.commit([])
        return shop

    @property
    def store(self) -> str:
        """
        The URL of the store.
        """
        return f"sqlite:{self.directory / 'shop.db'}"

    @property
    def database(self) -> str:
        """
        The URL of the read-model database.
        """
        return f"sqlite:///{self.directory / 'read.db'}"

    @property
    def environment(self) -> dict[str, str]:
        """
        What commands are started with.
        """
        # The runner of these tests may itself stand in a terminal of any kind.
        inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        return inherited | {"EVENTSOURCE_STORE": self.store, "EVENTSOURCE_DATABASE": self.database, "TERM": "xterm"}

    def commit(self, events: Iterable[NewEvent]) -> list[RecordedEvent]:
        """
        Write events, 1,000 to a commit.
        """
        return asyncio.run(self._commit(list(events)))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """
        Run a command to its end.
        """
        return subprocess.run(
            [*EVENTSOURCE, *arguments],
            cwd=self.directory,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *arguments: str, **environment: str) -> Process:
        """
        Start a command, with both outputs as pipes.
        """
        return self._start([*EVENTSOURCE, *arguments], environment)

    def start_changed(self, change: str, *arguments: str) -> Process:
        """
        Start a command in a process that runs *change* before, such as to tell when it has come somewhere.
        """
        code = f"import sys\nfrom eventsource.cli import main\n{change}\nsys.exit(main())"
        return self._start([sys.executable, "-W", "error", "-c", code, *arguments], {})

    def _start(self, command: list[str], environment: dict[str, str]) -> Process:
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def balances(self) -> dict[str, int]:
        """
        The read model of balances; empty before it is there.
        """
        return dict(self._rows("SELECT account, cents FROM balances"))

    def sales(self) -> list[tuple[int, int]]:
        """
        The read model of sales; empty before it is there.
        """
        return self._rows("SELECT position, cents FROM sales ORDER BY position")

    def _rows(self, sql: str) -> list[tuple[Any, Any]]:
        connection = sqlite3.connect(self.directory / "read.db")
        try:
            return connection.execute(sql).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            connection.close()

    async def _commit(self, events: list[NewEvent]) -> list[RecordedEvent]:
        recorded: list[RecordedEvent] = []
        async with connect(self.store) as store:
            for start in range(0, len(events), 1000):
                recorded += await store.commit(events[start : start + 1000])
        return recorded


class Terminal:
    """
    A command that stands in a terminal of 100 columns.
    """

    def __init__(self, shop: Shop, *arguments: str, **environment: str) -> None:
        self._screen, inside = pty.openpty()
        termios.tcsetwinsize(inside, (30, 100))
        self.process = subprocess.Popen(
            [*EVENTSOURCE, *arguments],
            cwd=shop.directory,
            env=shop.environment | environment,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        self.output = ""

    def type(self, text: str) -> None:
        """
        Type *text*.
        """
        os.write(self._screen, text.encode())

    def read_until(self, text: str) -> str:
        """
        Read until *text* has been shown; returns everything shown so far.
        """
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.output:
            assert time.monotonic() < deadline, f"{text!r} was not shown, but {self.output!r}"
            assert self._read(), f"it ended without {text!r}: {self.output!r}"
        return self.output

    def read_for(self, seconds: float) -> str:
        """
        What is shown within so many seconds.
        """
        before = len(self.output)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._read(deadline - time.monotonic()):
            pass
        return self.output[before:]

    def finish(self) -> str:
        """
        Read to the end; returns everything that was shown.
        """
        while self._read():
            pass
        os.close(self._screen)
        self.process.wait(PATIENCE_S)
        return self.output

    def _read(self, timeout_s: float = PATIENCE_S) -> bool:
        if not select.select([self._screen], [], [], max(0.0, timeout_s))[0]:
            return True
        try:
            found = os.read(self._screen, 65536)
        except OSError:
            # What Linux says when nobody has the other side open.
            return False
        self.output += found.decode(errors="replace")
        return bool(found)
