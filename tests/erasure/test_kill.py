"""
Killed between any two steps, erasing is finished by whoever does it again, and recorded once.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eventsource import ProjectionWorker, ReadModelDatabase, erase_subject
from eventsource.events import SubjectErased
from eventsource.store import EmbeddedEventStore
from tests.erasure.eraser import STEPS, Snapshots
from tests.erasure.people import PLANTED, Directory, Names, PersonNamed, fill, fill_in_older_form, names, rows

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("form", ["by reference", "older"])
@pytest.mark.parametrize("step", STEPS)
async def test_running_it_again_finishes_it(tmp_path: Path, step: str, form: str) -> None:
    """
    The data, the snapshots and the read models are clean, and each emptied event is named in one record.

    So it is for events that were stored before their class was personal.
    """
    including = [PersonNamed] if form == "older" else []
    snapshot = tmp_path / ".people.2.snapshot"
    snapshot.write_text(PLANTED)
    url = f"sqlite:///{tmp_path / 'read.db'}"
    async with EmbeddedEventStore(tmp_path / "store.db") as store, ReadModelDatabase(url) as database:
        await (fill_in_older_form(store) if including else fill(store))
        async with ProjectionWorker(store, database, [Names(), Directory()]) as worker:
            await worker.caught_up()

    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.erasure.eraser", str(tmp_path), step, form],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    projectors = [Names(), Directory()]
    async with EmbeddedEventStore(tmp_path / "store.db") as store, ReadModelDatabase(url) as database:
        async with ProjectionWorker(store, database, projectors):
            await erase_subject(
                store, "/people/2", purge=[Snapshots(tmp_path)], wait_for=projectors, including=including
            )
        records = [event async for event in store.stream("/people/2/_erasures")]
        assert [len(SubjectErased.from_recorded(record).event_ids) for record in records] == [1]
        assert [person for person, _ in await rows(database, names)] == ["/people/1", "/people/3"]
    assert not snapshot.exists()
    assert [path.name for path in tmp_path.iterdir() if PLANTED.encode() in path.read_bytes()] == []
