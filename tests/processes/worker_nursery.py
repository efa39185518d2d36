"""
A program that runs workers of process managers to be killed at the worst moment.

Each line it reads is one JSON object: ``path`` is that of a store, or ``url`` that of a server with its ``token``;
``database`` is where places are kept; ``now`` is the time, in seconds since 1970; ``width`` is that of the worker. It
does all there is to do and ends; before or after (``moment``) its commit number ``times`` it kills itself. One line is
written for each: what happened, and the signal or exit code. A worker is a fork, since a fresh start takes a hundred
times as long.

    python -m tests.processes.worker_nursery
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NoReturn

from eventsource import ProcessWorker, connect
from eventsource.store import EmbeddedEventStore
from tests.processes.bank import AT_ONCE
from tests.processes.lending import LoanApplication, StandingOrder, make_dispatcher

if TYPE_CHECKING:
    from eventsource import EventStore, RecordedEvent

# The exit code of a worker that had nothing more to do.
SETTLED = 0


def main() -> None:
    """
    Do what each line says.
    """
    warm_up()
    for line in sys.stdin:
        worker = os.fork()
        if worker == 0:
            be_worker(json.loads(line))
        _, status = os.waitpid(worker, 0)
        ended = f"died {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}"
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


def warm_up() -> None:
    """
    Work once on nothing: what is looked up and compiled at first use is so for all forks.
    """
    with tempfile.TemporaryDirectory() as folder:
        order = {"path": f"{folder}/store.db", "database": f"sqlite:///{folder}/read.db", "now": 1, "width": 1}
        asyncio.run(work(order | {"moment": "after", "times": 0}))


def be_worker(order: dict[str, Any]) -> NoReturn:
    """
    Work until this process is dead, or nothing is left to do.
    """
    try:
        asyncio.run(work(order))
    except BaseException as error:  # noqa: BLE001  a fork must not go on as its parent
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    os._exit(SETTLED)


async def work(order: dict[str, Any]) -> None:
    """
    Do all there is to do.
    """

    def clock() -> int:
        return int(order["now"] * 1_000_000_000)

    path = order.get("path")
    opened = EmbeddedEventStore(path, clock=clock) if path else connect(order["url"], token=order["token"])
    async with opened as store:
        die_at_commit(store, order["moment"], order["times"])
        worker = ProcessWorker(
            store,
            make_dispatcher(store),
            [LoanApplication, StandingOrder],
            clock=clock,
            retry=AT_ONCE,
            database=order["database"],
            width=order["width"],
        )
        async with worker:
            await worker.settle()


def die_at_commit(store: EventStore, moment: str, times: int) -> None:
    """
    Let the process kill itself before or after a commit.
    """
    commit, numbers = store.commit, itertools.count(1)

    async def counted(*arguments: Any, **options: Any) -> tuple[RecordedEvent, ...]:
        is_last = next(numbers) == times
        if moment == "before" and is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        recorded = await commit(*arguments, **options)
        if moment == "after" and is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return recorded

    store.commit = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
