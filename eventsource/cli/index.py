"""
``eventsource index``: declared indexes on the data of events, which make conditions of queries searches.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from eventsource.cli.failures import EXIT_CODES_HELP, CommandError, ExitCode, IndexNotFoundError, StoreInUseError
from eventsource.cli.options import Json, StoreUrl, WritableStoreUrl, show_help_if_alone
from eventsource.cli.output import escape, is_terminal, write_error, write_json, write_lines
from eventsource.cli.signals import InterruptedBySignal, Stop, stopped_by_signals, unless_stopped
from eventsource.cli.signals import run as run_async
from eventsource.cli.table import format_table
from eventsource.gdbql import And, Comparison, Constant, IsNull, Not, Path, Query
from eventsource.gdbql.errors import QueryBudgetError, QuerySyntaxError
from eventsource.store.errors import StoreLockedError
from eventsource.store.interface import EventStore
from eventsource.store.opening import connect
from eventsource.store.query import DataIndex, IndexState, QueryLimits, print_data_path, read_data_path

app = typer.Typer(rich_markup_mode=None, help="Declare indexes on the data of events, list them, remove them.")

EventType = Annotated[str, typer.Option("--type", metavar="TYPE", help="The type of the events.")]
DataPath = Annotated[str, typer.Option("--path", metavar="PATH", help="A path below their data, such as data.email.")]

# For a hint that nobody has asked for.
_HINT_LIMITS = QueryLimits(time_s=1.0)


@app.callback(invoke_without_command=True)
def index(context: typer.Context) -> None:
    """
    What stands before any of these commands.
    """
    show_help_if_alone(context)


@app.command(epilog=EXIT_CODES_HELP)
def create(event_type: EventType, path: DataPath, store: WritableStoreUrl, *, json: Json = False) -> int:
    """
    Declare an index and build it.

    Conditions on PATH of events of TYPE become searches, in queries and in preconditions. One that is there already
    is left as it is, one whose building was interrupted is finished. Interrupted by Ctrl-C, it goes on where it was
    when this is run again, or when any program opens the store for writing. Exits with 3 while another process has
    the store open for writing.
    """
    return run_async(_create(store, event_type, _checked_path(path), as_json=json))


@app.command("list", epilog=EXIT_CODES_HELP)
def list_indexes(store: StoreUrl, *, json: Json = False) -> int:
    """
    Show the declared indexes, and how much of the log each covers. Changes nothing.

    It works beside the process that builds one. Queries use an index once it is ready.
    """
    return run_async(_list(store, as_json=json))


@app.command(epilog=EXIT_CODES_HELP)
def drop(event_type: EventType, path: DataPath, store: WritableStoreUrl, *, json: Json = False) -> int:
    """
    Remove an index.

    Queries give the same rows without it. Exits with 2 if there is no such index, with 3 while another process has
    the store open for writing.
    """
    return run_async(_drop(store, event_type, _checked_path(path), as_json=json))


class IndexStatus(BaseModel):
    """
    A declared index.

    Attributes:
        state: "ready" or "building"; an interrupted one is "building", too.

        progress: The share of the log it covers, 0 to 1.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    path: str
    state: str
    progress: float

    @classmethod
    def of(cls, found: DataIndex) -> "IndexStatus":
        """
        What a store tells of one.
        """
        return cls(type=found.event_type, path=found.path, state=found.state.value, progress=found.progress)


class DroppedIndex(BaseModel):
    """
    The outcome of removing an index.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    path: str
    dropped: bool


async def _create(url: str, event_type: str, path: str, *, as_json: bool) -> ExitCode:
    found = await _find(url, event_type, path)
    if found is None or found.state is IndexState.BUILDING:
        with stopped_by_signals() as stop:
            async with _open_for_writing(url, is_building=found is not None) as store:
                found = await _build(store, event_type, path, stop, as_json=as_json)
    if as_json:
        write_json(IndexStatus.of(found))
        return ExitCode.DONE
    write_lines([f"ready: {_name(found)}"])
    if await _is_on_nothing(url, event_type, path):
        write_error(f"eventsource: no event of type {event_type!r} has {path} yet; is it spelt like that?")
    return ExitCode.DONE


async def _build(store: EventStore, event_type: str, path: str, stop: Stop, *, as_json: bool) -> DataIndex:
    try:
        with _bar(f"indexing {path} of {event_type}") as progress:
            return await unless_stopped(store.create_index(event_type, path, progress=progress), stop)
    except InterruptedBySignal:
        if not as_json:
            write_error(
                "eventsource: interrupted; the same command goes on where it was, as does any program that opens "
                "the store for writing"
            )
        raise


async def _list(url: str, *, as_json: bool) -> ExitCode:
    async with connect(url, read_only=True) as store:
        found = [IndexStatus.of(each) for each in await store.indexes()]
    if as_json:
        write_json(found)
    elif found:
        rows = [(each.type, each.path, each.state, f"{int(each.progress * 100)} %") for each in found]
        write_lines(format_table(["type", "path", "state", "progress"], rows))
    else:
        write_error("no indexes")
    return ExitCode.DONE


async def _drop(url: str, event_type: str, path: str, *, as_json: bool) -> ExitCode:
    found = await _find(url, event_type, path)
    if found is None:
        raise IndexNotFoundError(event_type, path)
    async with _open_for_writing(url) as store:
        await store.drop_index(event_type, path)
    if as_json:
        write_json(DroppedIndex(type=event_type, path=path, dropped=True))
    else:
        write_lines([f"dropped: {_name(found)}"])
    return ExitCode.DONE


def _checked_path(path: str) -> str:
    try:
        return print_data_path(read_data_path(path))
    except QuerySyntaxError as error:
        # Its place is one in a query that nobody has typed.
        msg = f"--path {path!r}: {error.reason}"
        raise CommandError(msg) from error


async def _find(url: str, event_type: str, path: str) -> DataIndex | None:
    # For reading: opened for writing, a store that is not there would be made, and one in use refused.
    async with connect(url, read_only=True) as store:
        found = await store.indexes()
    return next((each for each in found if (each.event_type, each.path) == (event_type, path)), None)


@asynccontextmanager
async def _open_for_writing(url: str, *, is_building: bool = False) -> AsyncGenerator[EventStore]:
    try:
        async with connect(url) as store:
            yield store
    except StoreLockedError as error:
        raise StoreInUseError(error, is_building=is_building) from error


async def _is_on_nothing(url: str, event_type: str, path: str) -> bool:
    """
    True if no event has what the index is on: a name may be misspelt. False when that takes long to tell.
    """
    is_type = Comparison("==", Path(("type",)), Constant(event_type))
    has_member = Not(IsNull(read_data_path(path)))
    asked = Query(where=And((is_type, has_member)), limit=1, projection=Constant(value=True))
    try:
        async with connect(url, read_only=True) as store:
            return not [row async for row in store.query(asked, limits=_HINT_LIMITS)]
    except QueryBudgetError:
        return False


@contextmanager
def _bar(what: str) -> Generator[Callable[[float], None] | None]:
    if not is_terminal():
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(what), total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _name(found: DataIndex) -> str:
    return escape(f"{found.event_type} ({found.path})")
