"""
Stopping: it is prompt, and what a worker says at its end is what is in the database.
"""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from eventsource import EventStore, ProjectionWorker
from eventsource.projections.transaction import Work
from tests.postgres import Postgres
from tests.projections.numbers import Counted, Numbers, count, sql

# What is awaited here happens, or never will, in seconds.
PATIENCE_S = 60


async def stop(worker: ProjectionWorker) -> None:
    """
    Leave the worker's block.
    """
    async with asyncio.timeout(PATIENCE_S):
        await worker.__aexit__(None, None, None)


@pytest.fixture
def told_to_stop(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """
    Set when a transaction that is under way has been told to stop.
    """
    told = threading.Event()
    stop_it = Work.stop

    def stop_and_tell(work: Work) -> None:
        stop_it(work)
        told.set()

    monkeypatch.setattr(Work, "stop", stop_and_tell)
    return told


def stored_events(url: str) -> int:
    """
    How many events the checkpoint says are finished.
    """
    return int((sql(url, "SELECT events FROM eventsource_checkpoints WHERE listener = 'numbers'") or [0])[0])


async def test_a_batch_under_way_is_rolled_back(
    memory_store: EventStore, url: str, told_to_stop: threading.Event
) -> None:
    """
    A worker that is stopped between two events of a batch ends there, and says how far the read model is.
    """
    in_batch, go_on = threading.Event(), threading.Event()

    def pause(event: Counted, _: Connection) -> None:
        if event.n == 5:
            in_batch.set()
            go_on.wait()

    worker = ProjectionWorker(memory_store, url, [Numbers(pause)])
    await worker.__aenter__()
    await worker.caught_up()
    await count(memory_store, 900)
    await asyncio.to_thread(in_batch.wait)

    stopping = asyncio.create_task(stop(worker))
    await asyncio.to_thread(told_to_stop.wait)
    go_on.set()
    await stopping

    progress = worker.progress["numbers"]
    assert (progress.state, progress.checkpoint.events) == ("stopped", stored_events(url))
    assert len(sql(url, "SELECT n FROM numbers")) == progress.checkpoint.events == 0


async def test_a_statement_that_waits_for_a_lock_is_cancelled(memory_store: EventStore, postgres: Postgres) -> None:
    """
    A worker stops though its statement waits for another session, which has no end.
    """
    waits = threading.Event()

    def wait(_: Counted, tx: Connection) -> None:
        waits.set()
        tx.execute(text("SELECT * FROM held"))

    postgres.run("CREATE TABLE held (n integer)")
    worker = ProjectionWorker(memory_store, postgres.url, [Numbers(wait)])
    await worker.__aenter__()
    await worker.caught_up()
    with postgres.connect() as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        await count(memory_store, 3)
        await asyncio.to_thread(waits.wait)

        await stop(worker)

        other.execute("ROLLBACK")
    assert worker.progress["numbers"].state == "stopped"
    assert sql(postgres.url, "SELECT n FROM numbers") == []


async def test_a_commit_that_was_too_late_to_stop_counts(
    memory_store: EventStore, url: str, told_to_stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is committed while a worker stops is in what it says.
    """
    committing, go_on = threading.Event(), threading.Event()
    may_commit = Work.may_commit
    worker = ProjectionWorker(memory_store, url, [Numbers()])

    def commit_late(work: Work) -> None:
        may_commit(work)
        if worker.progress["numbers"].state == "live":
            committing.set()
            go_on.wait()

    monkeypatch.setattr(Work, "may_commit", commit_late)
    await worker.__aenter__()
    await worker.caught_up()
    await count(memory_store, 3)
    await asyncio.to_thread(committing.wait)
    stopping = asyncio.create_task(stop(worker))
    await asyncio.to_thread(told_to_stop.wait)
    go_on.set()
    await stopping

    progress = worker.progress["numbers"]
    assert (progress.state, progress.checkpoint.events) == ("stopped", 3)
    assert stored_events(url) == len(sql(url, "SELECT n FROM numbers")) == 3


async def test_a_worker_that_never_came_to_begin_has_stopped(memory_store: EventStore, url: str) -> None:
    """
    Left at once, it is stopped and not starting for ever.
    """
    async with ProjectionWorker(memory_store, url, [Numbers()]) as worker:
        pass

    assert worker.progress["numbers"].state == "stopped"


async def test_a_worker_whose_database_is_away_stops(memory_store: EventStore) -> None:
    """
    Nothing is waited for.
    """
    async with ProjectionWorker(memory_store, "postgresql+psycopg://127.0.0.1:1/db", [Numbers()]) as worker:
        while (progress := worker.progress["numbers"]).state != "retrying":
            await progress.moved()

    assert [each.state for each in worker.progress.values()] == ["stopped"]


async def test_a_failure_says_how_far_the_read_model_is(memory_store: EventStore, url: str) -> None:
    """
    After a handler's error, what it says is what is there.
    """

    def fail(event: Counted, _: Connection) -> None:
        if event.n == 2:
            raise ValueError(event.n)

    await count(memory_store, 5)
    with pytest.raises(ExceptionGroup):
        await (worker := ProjectionWorker(memory_store, url, [Numbers(fail)])).run()

    progress = worker.progress["numbers"]
    assert (progress.state, progress.checkpoint.events) == ("failed", 2)
    assert stored_events(url) == len(sql(url, "SELECT n FROM numbers")) == 2


PROGRAM = """
import asyncio, json, signal, sys, threading
from eventsource import ProjectionWorker, connect
from tests.projections.numbers import Numbers, count

async def main():
    def told(progress):
        print(json.dumps([progress.state, progress.checkpoint.events]), flush=True)
    def note(event, tx):
        if event.n == 1500:
            print(json.dumps(["batch", 0]), flush=True)
            threading.Event().wait(0.2)
    async with connect("memory:") as store:
        await count(store, 3000)
        task = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await ProjectionWorker(store, sys.argv[1], [Numbers(note)], on_progress=told).run()

try:
    asyncio.run(main())
except asyncio.CancelledError:
    pass
"""


async def test_sigterm_in_the_middle_of_a_batch(url: str, tmp_path: Path) -> None:
    """
    The last line of a program that is told to end says how many events are in the read model.
    """
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: ASYNC220  waits for lines of its only
        [sys.executable, str(program), url],
        cwd=root,
        env={"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines: list[list[Any]] = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1][0] == "batch":
                process.send_signal(signal.SIGTERM)

    state, events = lines[-1]
    assert state == "stopped"
    assert events == stored_events(url) == len(sql(url, "SELECT n FROM numbers"))
