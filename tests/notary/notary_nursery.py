"""
A program whose children run a notary and kill themselves at a given point, or before a given change of their files.

For each line of JSON that it reads it forks a child and prints how that ended: ``died 9`` or ``done``. Forking saves
the start of an interpreter for each child; it is safe since there are no threads yet.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from eventsource.notary import EmbeddedLedger, Notary, NotaryBook, publishing
from eventsource.notary.merkle_log import MerkleLog
from eventsource.store import EmbeddedEventStore
from tests.faults.disk import DeadlyDisk, watched_disk
from tests.notary.scene import KEY, NAME

if TYPE_CHECKING:
    from collections.abc import Callable


class OpaqueStore(EmbeddedEventStore):
    """
    A store that does not tell the salts of data by reference, like one over HTTP: the notary seals it itself.
    """

    read_entries = None  # type: ignore[assignment]


# Each step of a batch: what is called, and whether to die before or after it.
POINTS: dict[str, tuple[Any, str, str]] = {
    "before sealing": (NotaryBook, "seal", "before"),
    "after sealing": (NotaryBook, "seal", "after"),
    "before the ledger": (EmbeddedLedger, "append", "before"),
    "before the commit": (MerkleLog, "append", "commit"),
    "after the commit": (MerkleLog, "append", "after"),
    "after the ledger": (EmbeddedLedger, "append", "after"),
    "after noting the head": (NotaryBook, "remember", "after"),
    "before the head file": (publishing, "write_head", "before"),
    "after the head file": (publishing, "write_head", "after"),
    "while it looks where it was": (EmbeddedLedger, "get", "after"),
}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(point: str, times: int) -> None:
    owner, name, when = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    left = times

    def is_time() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    if inspect.iscoroutinefunction(original):

        async def dying_later(*arguments: Any, **named: Any) -> Any:
            dies = is_time()
            if dies and when == "before":
                _die()
            result = await original(*arguments, **named)
            if dies:
                _die()
            return result

        setattr(owner, name, dying_later)
        return

    def dying(*arguments: Any, **named: Any) -> Any:
        dies = is_time()
        if dies and when == "before":
            _die()
        if dies and when == "commit":
            # All is written, and not yet committed.
            arguments[0]._connection.set_commit_hook(_die)
        result = original(*arguments, **named)
        if dies:
            _die()
        return result

    setattr(owner, name, dying)


async def _notarise(order: dict[str, Any]) -> None:
    async with (
        OpaqueStore(order["store"], read_only=True) as store,
        EmbeddedLedger(order["log"]) as ledger,
        NotaryBook(order["book"]) as book,
        Notary(
            store,
            ledger,
            book,
            name=NAME,
            batch_events=order["batch"],
            linger_s=0.0,
            head_file=order["head"],
            signing_key=KEY,
        ) as notary,
    ):
        await notary.caught_up()


def _live(order: dict[str, Any]) -> None:
    if "point" in order:
        _die_at(order["point"], order["times"])
    with watched_disk(disk := DeadlyDisk()):
        disk.start(order.get("change", 0))
        asyncio.run(_notarise(order))
    os._exit(0)


def _main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(json.loads(line))
        _, status = os.waitpid(child, 0)
        ended = f"died {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "done"
        print(ended, flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    _main()
