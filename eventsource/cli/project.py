"""
``eventsource project``: run projectors, ask where they stand, fill their tables again.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from eventsource.cli.database import StoppedWhileWaitingError, is_missing, open_database
from eventsource.cli.failures import EXIT_CODES_HELP, ExitCode
from eventsource.cli.follow import follow
from eventsource.cli.loading import load_projectors
from eventsource.cli.options import DatabaseUrl, Json, ProjectorNames, StoreUrl, show_help_if_alone
from eventsource.cli.output import write_error, write_json, write_lines
from eventsource.cli.report import Report, choose_report
from eventsource.cli.signals import InterruptedBySignal, Stop, stopped_by_signals, unless_stopped
from eventsource.cli.signals import run as run_async
from eventsource.cli.status import IN_WORDS, read_status
from eventsource.cli.table import format_table
from eventsource.projections.database import ReadModelDatabase
from eventsource.projections.projector import Projector
from eventsource.projections.worker import ProjectionWorker
from eventsource.projections.worker import rebuild as rebuild_projector
from eventsource.store.interface import EventStore
from eventsource.store.opening import connect

app = typer.Typer(rich_markup_mode=None, help="Run projectors, ask where they stand, fill their tables again.")


@app.callback(invoke_without_command=True)
def project(context: typer.Context) -> None:
    """
    What stands before any of these commands.
    """
    show_help_if_alone(context)


@app.command(epilog=EXIT_CODES_HELP)
def run(
    projectors: ProjectorNames,
    store: StoreUrl,
    database: DatabaseUrl,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when all have caught up.")] = False,
    json: Json = False,
) -> int:
    """
    Bring read models up to date and keep them so, until Ctrl-C.

    SIGTERM ends it as cleanly; a second signal ends it at once. It waits for a server or a database that is not there
    yet; with --once it ends with 3.

    Shows a bar for each projector in a terminal; elsewhere it logs changes of state to standard error. With --json
    each change (started, caught_up, stopped, failed) is a line on standard output. A projector that fails stops
    before the event it failed at and the others go on; the command then ends with exit code 1.
    """
    return run_async(_run(load_projectors(projectors), store, database, once=once, as_json=json))


@app.command(epilog=EXIT_CODES_HELP)
def status(projectors: ProjectorNames, store: StoreUrl, database: DatabaseUrl, *, json: Json = False) -> int:
    """
    Show how far projectors are. Changes nothing.

    It works beside a worker that runs them, and without one.
    """
    return run_async(_status(load_projectors(projectors), store, database, as_json=json))


@app.command(epilog=EXIT_CODES_HELP)
def rebuild(projectors: ProjectorNames, store: StoreUrl, database: DatabaseUrl, *, json: Json = False) -> int:
    """
    Fill the tables of projectors again from the first event.

    One projector after the other; each one's tables are emptied, without asking. A worker that runs the same
    projector stops. When this is interrupted, the next "project run" goes on where it was.
    """
    return run_async(_rebuild(load_projectors(projectors), store, database, as_json=json))


class Rebuilt(BaseModel):
    """
    The outcome of a rebuild: how many events it took, how long, and where it ended.
    """

    model_config = ConfigDict(frozen=True)

    projector: str
    events: int
    seconds: float
    position: int
    event_id: str | None


async def _run(
    projectors: Sequence[Projector], store_url: str, database_url: str, *, once: bool, as_json: bool
) -> ExitCode:
    with suppress(StoppedWhileWaitingError), stopped_by_signals() as stop, choose_report(as_json=as_json) as report:
        async with (
            connect(store_url, read_only=True) as store,
            open_database(database_url, stop=None if once else stop) as database,
        ):
            is_well = await follow(ProjectionWorker(store, database, projectors), report, stop, once=once)
            return ExitCode.DONE if is_well else ExitCode.FAILED
    return ExitCode.DONE


async def _status(projectors: Sequence[Projector], store_url: str, database_url: str, *, as_json: bool) -> ExitCode:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(connect(store_url, read_only=True))
        database = None if is_missing(database_url) else await stack.enter_async_context(open_database(database_url))
        found = [await read_status(projector, store, database) for projector in projectors]
    if as_json:
        write_json(found)
    else:
        head = ["projector", "state", "events", "behind", "position", "last event"]
        rows = [
            (one.projector, IN_WORDS[one.state], one.events, one.behind, one.position, one.event_id) for one in found
        ]
        write_lines(format_table(head, rows))
    return ExitCode.DONE


async def _rebuild(projectors: Sequence[Projector], store_url: str, database_url: str, *, as_json: bool) -> ExitCode:
    done: list[Rebuilt] = []
    with stopped_by_signals() as stop:
        async with connect(store_url, read_only=True) as store, open_database(database_url) as database:
            try:
                with choose_report(as_json=as_json) as report:
                    for projector in projectors:
                        result = await _rebuild_one(projector, store, database, report, stop)
                        done.append(result)
            except InterruptedBySignal:
                if not as_json:
                    write_error('eventsource: interrupted; "eventsource project run" goes on where it was')
                raise
            finally:
                # Below the bars, and also when a later one fails.
                for result in done:
                    _print_rebuilt(result, as_json=as_json)
    return ExitCode.DONE


async def _rebuild_one(
    projector: Projector, store: EventStore, database: ReadModelDatabase, report: Report, stop: Stop
) -> Rebuilt:
    began = time.monotonic()
    progress = await unless_stopped(rebuild_projector(projector, store, database, on_progress=report.look), stop)
    report.look(progress)
    reached = progress.checkpoint
    return Rebuilt(
        projector=projector.name,
        events=reached.events,
        seconds=round(time.monotonic() - began, 3),
        position=reached.position,
        event_id=reached.event_id or None,
    )


def _print_rebuilt(result: Rebuilt, *, as_json: bool) -> None:
    if as_json:
        write_json(result)
    else:
        write_lines([f"{result.projector}: rebuilt from {result.events:,} events in {result.seconds} s"])
