"""
A program that runs workers to be killed or frozen at the worst moment.

Each line it reads is one JSON object: ``store`` and ``database`` are paths; with ``rebuild`` the
read model is made anew first; ``point`` and ``times`` say where the worker sends itself ``signal``,
when it has come there so many times; without a point it is killed when the next line comes. With
``resume`` the frozen worker goes on instead. One line is written when the worker has died, was
frozen or has ended: what happened, and the signal or exit code. A worker is a fork, since a fresh
start takes a hundred times as long.

    python -m tests.projections.worker_nursery
"""

import asyncio
import json
import os
import signal
import sys
import threading
from typing import Any, NoReturn

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from eventsource import ProjectionWorker, connect
from eventsource.errors import ProjectorSupersededError
from eventsource.projections import RunningProgress, rebuild
from tests.projections.bank import Balances

# The exit code of a worker that another one took the place of.
SUPERSEDED = 3

# Points of a transaction, in their order; each is a statement just before or just after it is run.
STATEMENTS = {
    "before begin": ("before_cursor_execute", "BEGIN IMMEDIATE"),
    "after begin": ("after_cursor_execute", "BEGIN IMMEDIATE"),
    "before checkpoint": ("before_cursor_execute", "UPDATE eventsource_checkpoints"),
    "after checkpoint": ("after_cursor_execute", "UPDATE eventsource_checkpoints"),
    "before first statement of a handler": ("before_cursor_execute", "INSERT INTO applied"),
    "between statements of a handler": ("after_cursor_execute", "INSERT INTO applied"),
    "after last statement of a handler": ("after_cursor_execute", "UPDATE balances"),
}
# Before the database commits; when it has, and nobody was told; when the worker knows.
POINTS = [*STATEMENTS, "before commit", "after commit", "after page"]
# All of them, and every other statement: the times count them together.
ANYWHERE = "anywhere"


def main() -> None:
    """
    Do what each line says.
    """
    worker = 0
    for line in sys.stdin:
        order = json.loads(line)
        if order.get("resume"):
            os.kill(worker, signal.SIGCONT)
        else:
            worker = os.fork()
            if worker == 0:
                be_worker(order)
            if "point" not in order:
                sys.stdin.readline()
                os.kill(worker, signal.SIGKILL)
        sys.stdout.write(f"{wait_for(worker)}\n")
        sys.stdout.flush()


def wait_for(worker: int) -> str:
    """
    Wait until something has happened to the worker.
    """
    _, status = os.waitpid(worker, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return f"frozen {os.WSTOPSIG(status)}"
    return f"died {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}"


def be_worker(order: dict[str, Any]) -> NoReturn:
    """
    Run a worker until something happens to this process.
    """
    countdown = Countdown(order.get("times", 0), order.get("signal", signal.SIGKILL))
    point = order.get("point")
    if point in STATEMENTS:
        moment, beginning = STATEMENTS[point]
        event.listen(Engine, moment, lambda *it: countdown.tick() if it[2].startswith(beginning) else None)
    elif point == "before commit":
        event.listen(Engine, "commit", lambda _: countdown.tick())
    elif point == "after commit":
        # A connection goes back to its pool between the commit and its report.
        event.listen(Pool, "checkin", lambda *_: countdown.tick())

    elif point == ANYWHERE:
        for target, moment in [
            (Engine, "before_cursor_execute"),
            (Engine, "after_cursor_execute"),
            (Engine, "commit"),
            (Pool, "checkin"),
        ]:
            event.listen(target, moment, lambda *_: countdown.tick())

    try:
        asyncio.run(work(order, countdown))
    except* ProjectorSupersededError:
        os._exit(SUPERSEDED)
    finally:
        os._exit(1)


async def work(order: dict[str, Any], countdown: "Countdown") -> None:
    """
    Project without end.
    """

    def taken(_: RunningProgress) -> None:
        if order.get("point") in {"after page", ANYWHERE}:
            countdown.tick()

    url = f"sqlite:///{order['database']}"
    async with connect(f"sqlite:{order['store']}", read_only=True) as store:
        if order.get("rebuild"):
            await rebuild(Balances(), store, url, on_progress=taken)
        await ProjectionWorker(store, url, [Balances()], on_progress=taken).run()


class Countdown:
    """
    Sends this process a signal at the last tick.
    """

    def __init__(self, ticks: int, last: int) -> None:
        self.ticks = ticks
        self.last = last

    def tick(self) -> None:
        """
        Count one.
        """
        self.ticks -= 1
        if self.ticks == 0:
            # To this thread: sent to the process, others would have some time left.
            signal.pthread_kill(threading.get_ident(), self.last)


if __name__ == "__main__":
    main()
