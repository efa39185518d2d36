"""
A program that erases a person, and is killed at a step of it.

Called with the directory of the files, the name of the step, and the form the events are stored in. It prints nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from eventsource import ProjectionWorker, ReadModelDatabase, erase_subject
from eventsource.store import EmbeddedEventStore
from eventsource.store.delegating import DelegatingEventStore
from tests.erasure.people import Directory, Names, PersonNamed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventsource import NewEvent, Precondition, RecordedEvent

STEPS: Final = ("erased", "purging", "purged", "recorded", "let go", "cleaning", "started over")


def die() -> NoReturn:
    """
    End like on a power cut, as far as a process can.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Deadly(DelegatingEventStore):
    """
    Kills behind its own erase, or behind the commit of the record.
    """

    def __init__(self, inner: EmbeddedEventStore, step: str) -> None:
        super().__init__(inner)
        self._step = step

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        """
        The data is gone, and nothing else is done.
        """
        events = await super().erase(subject, including=including)
        if self._step == "erased":
            die()
        return events

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        All but the last step is done, or all.
        """
        if self._step == "purged":
            die()
        recorded = await super().commit(events, preconditions, idempotency_key=idempotency_key)
        if self._step == "recorded":
            die()
        return recorded


class Snapshots:
    """
    One file for each subject.
    """

    def __init__(self, folder: Path, step: str = "") -> None:
        self._folder = folder
        self._step = step

    def purge(self, subject: str) -> int:
        """
        Remove the file.
        """
        if self._step == "purging":
            die()
        path = self._folder / f"{subject.replace('/', '.')}.snapshot"
        is_there = path.exists()
        path.unlink(missing_ok=True)
        return int(is_there)


class DeadlyDatabase(ReadModelDatabase):
    """
    Kills behind the transaction that lets go, before the files are cleaned, or behind that.
    """

    def __init__(self, url: str, step: str) -> None:
        super().__init__(url)
        self._step = step

    async def clean(self) -> bool:
        """
        As far as it comes.
        """
        if self._step in {"let go", "started over"}:
            die()
        is_clean = await super().clean()
        if self._step == "cleaning":
            die()
        return is_clean


async def main(folder: Path, step: str, form: str) -> None:
    """
    Erase, with a worker beside.
    """
    projectors = [Directory()] if step == "started over" else [Names()]
    async with (
        EmbeddedEventStore(folder / "store.db") as inner,
        DeadlyDatabase(f"sqlite:///{folder / 'read.db'}", step) as database,
    ):
        store = Deadly(inner, step)
        async with ProjectionWorker(store, database, projectors) as worker:
            await worker.caught_up()
            including = [PersonNamed] if form == "older" else []
            snapshots = Snapshots(folder, step)
            await erase_subject(store, "/people/2", purge=[snapshots], wait_for=projectors, including=including)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:4]))
