"""
``eventsource process``: run process managers, ask where processes stand, let parked ones go on.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from eventsource.cli.database import StoppedWhileWaitingError, open_database
from eventsource.cli.failures import EXIT_CODES_HELP, CommandError, ExitCode, ProcessesParkedError
from eventsource.cli.logs import choose_logs
from eventsource.cli.options import Json, ProcessName, ProcessNames, StoreUrl, WritableStoreUrl, show_help_if_alone
from eventsource.cli.output import write_json, write_lines
from eventsource.cli.process_loading import load_dispatcher, load_process, load_processes
from eventsource.cli.process_states import follow_processes
from eventsource.cli.signals import run as run_async
from eventsource.cli.signals import stopped_by_signals
from eventsource.cli.table import format_table
from eventsource.processes.overview import ProcessOverview, ProcessStatus, list_processes, retry_process
from eventsource.processes.process_manager import ProcessManager
from eventsource.processes.worker import ProcessWorker
from eventsource.store.interface import EventStore
from eventsource.store.opening import connect

app = typer.Typer(rich_markup_mode=None, help="Run process managers, ask where processes stand, let parked ones go on.")

_DispatcherName = Annotated[
    str,
    typer.Option(
        "--dispatcher",
        metavar="MODULE:NAME",
        help="What carries the commands out: a Dispatcher, or a function that takes the store and gives one.",
    ),
]

_DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="EVENTSOURCE_DATABASE",
        show_envvar=True,
        help="Where places in the log are kept, a SQLAlchemy URL; without it the log is read anew at each start.",
    ),
]


@app.callback(invoke_without_command=True)
def process(context: typer.Context) -> None:
    """
    What stands before any of these commands.
    """
    show_help_if_alone(context)


@app.command(epilog=EXIT_CODES_HELP)
def run(
    processes: ProcessNames,
    store: WritableStoreUrl,
    dispatcher: _DispatcherName,
    database: _DatabaseUrl = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left to do now.")] = False,
    json: Json = False,
) -> int:
    """
    Answer events with commands, and record timers when they are due, until Ctrl-C.

    SIGTERM ends it as cleanly; a second signal ends it at once. However it ends, the next run goes on where it was,
    and does nothing twice.

    It logs changes of state to standard error. With --json each change (started, caught_up, stopped, failed) is a line
    on standard output. A process that fails is parked, and all others go on: see "process parked". With --once the
    command ends with exit code 1 while processes are parked, whenever that happened.
    """
    return run_async(_run(load_processes(processes), dispatcher, store, database or None, once=once, as_json=json))


@app.command(epilog=EXIT_CODES_HELP)
def status(processes: ProcessNames, store: StoreUrl, *, json: Json = False) -> int:
    """
    Show how many processes run, are over, or are parked, and what is due next. Changes nothing.
    """
    return run_async(_status(load_processes(processes), store, as_json=json))


@app.command(epilog=EXIT_CODES_HELP)
def parked(processes: ProcessNames, store: StoreUrl, *, json: Json = False) -> int:
    """
    List the processes that are parked, what they failed at, and how many events wait for them. Changes nothing.
    """
    return run_async(_parked(load_processes(processes), store, as_json=json))


@app.command(epilog=EXIT_CODES_HELP)
def retry(
    process: ProcessName,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Which processes.")] = None,
    *,
    store: WritableStoreUrl,
    everything: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    json: Json = False,
) -> int:
    """
    Let parked processes go on, with what they were parked at.

    A worker that runs goes on with them at once, else the next one that is started does. If they fail again they are
    parked again.
    """
    if bool(ids) is everything:
        msg = "name the processes that are to go on, or say --all"
        raise CommandError(msg)
    return run_async(_retry(load_process(process), ids or [], store, as_json=json))


class ParkedProcess(BaseModel):
    """
    One line of ``process parked``.

    Attributes:
        stage: What failed: the answer to an event, a command, or a timer.

        error: The class of the error.

        place: Where it was raised: file, line and function.

        cause: The event that was to be answered or had been answered; for a timer its id.

        cause_type: The type of that event.

        held: The number of events that wait for it, the one it was parked at among them.
    """

    model_config = ConfigDict(frozen=True)

    process: str
    id: str
    stage: str
    error: str
    place: str
    cause: str
    cause_type: str
    held: int


class ProcessCounts(BaseModel):
    """
    One line of ``process status``.

    Attributes:
        running, completed, parked: The number of processes in that state.

        unsent: The number of commands that are decided, and not known to be carried out or refused.

        timers: The number of timers that are waited for.

        next_due: When the first of them is due; None if there is none.

        held: The number of events that wait for parked processes.
    """

    model_config = ConfigDict(frozen=True)

    process: str
    running: int
    completed: int
    parked: int
    unsent: int
    timers: int
    next_due: datetime | None
    held: int


class Retried(BaseModel):
    """
    One line of ``process retry``.
    """

    model_config = ConfigDict(frozen=True)

    process: str
    id: str


async def _run(
    processes: Sequence[type[ProcessManager]],
    dispatcher_name: str,
    store_url: str,
    database_url: str | None,
    *,
    once: bool,
    as_json: bool,
) -> ExitCode:
    with suppress(StoppedWhileWaitingError), stopped_by_signals() as stop:
        async with AsyncExitStack() as stack:
            choose_logs(as_json=as_json)
            store = await stack.enter_async_context(connect(store_url))
            dispatcher = await load_dispatcher(dispatcher_name, store)
            database = None
            if database_url:
                waiting = open_database(database_url, stop=None if once else stop)
                database = await stack.enter_async_context(waiting)
            worker = ProcessWorker(store, dispatcher, processes, database=database)
            is_well = await follow_processes(worker, stop, once=once, as_json=as_json)
            if once and not stop.number:
                await _check_none_parked(processes, store)
            return ExitCode.DONE if is_well else ExitCode.FAILED
    return ExitCode.DONE


async def _check_none_parked(processes: Sequence[type[ProcessManager]], store: EventStore) -> None:
    overviews = [ProcessOverview.of(each.process_name, await list_processes(each, store)) for each in processes]
    parked = {one.process: one.parked for one in overviews if one.parked}
    if parked:
        raise ProcessesParkedError(parked)


async def _status(processes: Sequence[type[ProcessManager]], store_url: str, *, as_json: bool) -> ExitCode:
    async with connect(store_url, read_only=True) as store:
        found = [_counts(each, await list_processes(each, store)) for each in processes]
    if as_json:
        write_json(found)
    else:
        head = ["process", "running", "completed", "parked", "unsent", "timers", "next due", "held"]
        rows = [
            (
                one.process,
                one.running,
                one.completed,
                one.parked,
                one.unsent,
                one.timers,
                one.next_due.isoformat(timespec="seconds") if one.next_due else None,
                one.held,
            )
            for one in found
        ]
        write_lines(format_table(head, rows))
    return ExitCode.DONE


async def _parked(processes: Sequence[type[ProcessManager]], store_url: str, *, as_json: bool) -> ExitCode:
    async with connect(store_url, read_only=True) as store:
        found = [one for each in processes for one in _parked_among(each, await list_processes(each, store))]
    if as_json:
        write_json(found)
    elif found:
        head = ["process", "id", "failed", "error", "place", "cause", "held"]
        rows = [(one.process, one.id, one.stage, one.error, one.place, one.cause, one.held) for one in found]
        write_lines(format_table(head, rows))
    else:
        write_lines(["no process is parked"])
    return ExitCode.DONE


async def _retry(process: type[ProcessManager], ids: Sequence[str], store_url: str, *, as_json: bool) -> ExitCode:
    async with connect(store_url) as store:
        wanted = ids or [one.id for one in _parked_among(process, await list_processes(process, store))]
        for id in dict.fromkeys(wanted):
            await retry_process(process, store, id)
            if as_json:
                write_json(Retried(process=process.process_name, id=id))
            else:
                write_lines([f"{process.process_name}/{id} goes on"])
    return ExitCode.DONE


def _counts(process: type[ProcessManager], states: Sequence[ProcessStatus]) -> ProcessCounts:
    overview = ProcessOverview.of(process.process_name, states)
    return ProcessCounts.model_validate(overview, from_attributes=True)


def _parked_among(process: type[ProcessManager], states: Sequence[ProcessStatus]) -> list[ParkedProcess]:
    return [
        ParkedProcess(
            process=process.process_name,
            id=state.id,
            stage=state.parked.stage,
            error=state.parked.error,
            place=state.parked.place,
            cause=state.parked.cause,
            cause_type=state.parked.cause_type,
            held=state.held,
        )
        for state in states
        if state.parked is not None
    ]
