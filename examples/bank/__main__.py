"""
The bank on the command line.

    python -m examples.bank import DIR --data DATADIR [--json]
    python -m examples.bank balances --data DATADIR [--json]
    python -m examples.bank serve --data DATADIR --port N

With ``--store http://HOST:PORT`` the events are those of a server.
"""

import asyncio
import json
import logging
import signal
import socket
import sys
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, TextIO

import attrs
import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from eventsource import EventSourceError, ProjectionWorker
from eventsource.errors import ReadModelDatabaseError, ReadModelIncompleteError
from eventsource.printable import printable, printable_lines
from examples.bank.berka import BerkaError, read_files
from examples.bank.folder import FolderError, open_bank, open_store, read_balances
from examples.bank.importer import Progress, import_files
from examples.bank.money import format_cents
from examples.bank.refusals import RefusedError

# What this program expects to go wrong, and tells in a line; anything else is a bug and shows its traceback.
_EXPECTED = (BerkaError, DBAPIError, EventSourceError, FolderError, OSError, RefusedError)

_REDRAW_S = 0.1

app = typer.Typer(
    help="A bank on an event store: import a real one's files, ask for balances, serve a web page.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

Data = Annotated[
    Path, typer.Option("--data", metavar="DATADIR", help="The bank's data folder; made when it is not there.")
]
Store = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="Where the events are: http://HOST:PORT; without it in DATADIR."),
]
RunsWorker = Annotated[
    bool, typer.Option(help="Whether to run the read models here; --no-worker: another program does.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="import")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with account.asc, trans.asc and so on.")],
    data: Data,
    *,
    store: Store = None,
    worker: RunsWorker = True,
    as_json: Json = False,
) -> None:
    """
    Import a real bank's files. Stop it whenever you like, and run it again: it goes on where it was.
    """
    try:
        with _in_words():
            summary = asyncio.run(_import(folder, data, store=store, runs_worker=worker))
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on.", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(summary))
        return
    for name, value in summary.items():
        text = format_cents(int(value)) if name == "total_balance_cents" else f"{value:,}"
        print(f"{name.removesuffix('_cents').replace('_', ' '):<14}{text:>16}")


@app.command(name="balances")
def balances_(data: Data, *, store: Store = None, as_json: Json = False) -> None:
    """
    Print every account with its balance, also while the bank is being served.
    """
    with _in_words():
        balances = asyncio.run(read_balances(data, store=store))
    if as_json:
        print(json.dumps([{"account": line.account, "balance_cents": line.balance_cents} for line in balances]))
        return
    for line in balances:
        # A name may hold anything, also what moves a terminal's cursor.
        print(f"{printable(line.account):>10}{format_cents(line.balance_cents):>20}  {printable(line.owner_name)}")


@app.command()
def serve(
    data: Data,
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    *,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A host name that the page is known by; requests for others are refused."),
    ] = None,
    store: Store = None,
    worker: RunsWorker = True,
) -> None:
    """
    Serve the bank as a web page until Ctrl-C.
    """
    try:
        with _in_words(), _listen(host, port) as listening:
            asyncio.run(_serve(data, listening, names=name or [], store=store, runs_worker=worker))
    except KeyboardInterrupt:
        # Ctrl-C before the page was there; afterwards the page itself ends on it.
        pass
    print("The bank is closed.")


async def _import(folder: Path, data: Path, *, store: str | None, runs_worker: bool) -> dict[str, float]:
    started = time.monotonic()
    files = read_files(folder)
    async with open_store(data, store=store) as opened:
        progress = Progress()
        async with _bar("Booking", lambda: (progress.steps, progress.total, progress.events)):
            await import_files(opened, files, progress)
    async with open_bank(data, store=store, runs_worker=runs_worker, while_catching_up=_read_model_bar) as bank:
        totals = await bank.totals()
    return attrs.asdict(totals) | {"seconds": round(time.monotonic() - started, 2)}


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        msg = f"cannot listen on {host}, port {port}: {error.strerror}"
        raise typer.BadParameter(msg) from error


async def _serve(
    data: Path, listening: socket.socket, *, names: list[str], store: str | None, runs_worker: bool
) -> None:
    # Takes a second to import, and the other commands need nothing of it.
    from examples.bank.evidence import open_evidence  # noqa: PLC0415
    from examples.bank.page import serve_page  # noqa: PLC0415

    # Whoever ends it politely means the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    async with (
        open_bank(
            data, store=store, runs_worker=runs_worker, runs_processes=True, while_catching_up=_read_model_bar
        ) as bank,
        open_evidence(data, bank.store, store_file=None if store else data / "bank.db") as evidence,
    ):
        await serve_page(bank, evidence, listening, names=names)


def _read_model_bar(worker: ProjectionWorker) -> AbstractAsyncContextManager[None]:
    def look() -> tuple[int, int, int]:
        running = worker.progress.values()
        done = sum(progress.checkpoint.events for progress in running)
        return done, sum(progress.total for progress in running), done

    return _bar("Read models", look)


class _EventsPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['events'] / (task.elapsed or 1):,.0f} events/s", style="cyan")


@asynccontextmanager
async def _bar(label: str, look: Callable[[], tuple[int, int, int]]) -> AsyncGenerator[None]:
    """
    Show how far something is, if a person watches: *look* tells what is done, of how much, and the events so far.
    """
    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        _EventsPerSecond(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with ProgressBar(*columns, console=console, auto_refresh=False, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None, events=0)

        def draw() -> None:
            done, total, events = look()
            bar.update(task, completed=done, total=total or None, events=events, refresh=True)

        async def follow() -> None:
            while True:
                draw()
                await asyncio.sleep(_REDRAW_S)

        following = asyncio.create_task(follow())
        try:
            yield
            draw()
        finally:
            following.cancel()


@contextmanager
def _in_words() -> Generator[None]:
    """
    Tell what was to be expected in a line, without a traceback.
    """
    try:
        yield
    except _EXPECTED as error:
        _tell(error)
        raise typer.Exit(1) from error
    except ExceptionGroup as failures:
        # Projectors fail each on its own.
        expected, others = failures.split(_EXPECTED)
        if expected is None or others is not None:
            raise
        _tell(*expected.exceptions)
        raise typer.Exit(1) from failures


def _tell(*errors: Exception) -> None:
    for error in errors:
        # SQLAlchemy's own text shows the statement; whoever reads this wants to know what to do.
        text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        if isinstance(error, ReadModelDatabaseError):
            text = error.problem
        if isinstance(error, (DBAPIError, ReadModelDatabaseError, ReadModelIncompleteError)):
            text = f"the read models cannot be used: {text}. Delete read-models.db: it is filled again."
        print(f"Error: {printable(text)}", file=sys.stderr)


class _Complaints(logging.StreamHandler[TextIO]):
    """
    Writes log lines and tracebacks to standard error, safe to show: what they quote may be data.
    """

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def _complain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    print(printable_lines("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


if __name__ == "__main__":
    sys.excepthook = _complain
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Complaints()])
    # The library logs as data and leaves it to the program what becomes of it: here, warnings for people to read.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    app(prog_name="python -m examples.bank")
