"""
A bank's data folder: one file of events, one of read models.

Whoever has the store open for writing runs the worker too, so the read models have one writer as
well. Everybody else only reads.

Standing orders and loans are led on where the page is served: any number of programs may do so.

With a store of a server, any number of programs write events. Then the folder has the read models
alone, and a program of its own may run the worker.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import date
from pathlib import Path

from sqlalchemy import URL, Connection, inspect
from sqlalchemy.exc import OperationalError

from eventsource import EventStore, ProcessWorker, ProjectionWorker, Projector, ReadModelDatabase, connect
from eventsource.errors import NotSeenError, StoreLockedError
from eventsource.private_files import claim_folder, make_folder
from examples.bank import balances, rules
from examples.bank.agreements import Agreements
from examples.bank.balances import Balance, Balances
from examples.bank.bank import Bank
from examples.bank.clock import BankClock, clock_of
from examples.bank.ledger import Ledger
from examples.bank.loans import LoanApplication
from examples.bank.standing_orders import StandingOrder
from examples.bank.statements import Statements

# The system that writes the events, as CloudEvents wants it named.
SOURCE = "io.example.bank"

# What the names of the bank's own files begin with.
_NAMES = ("bank.db", "notary", "read-models.db")

# Between two looks for a worker that is not there yet, in seconds.
_LOOK_INTERVAL_S = 0.1
_WORKER_PATIENCE_S = 60.0


class FolderError(Exception):
    """
    A data folder cannot be used.

    Attributes:
        folder: Which one.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder}: {reason}")
        self.folder = folder


def store_url(folder: Path) -> str:
    """
    The events: the one file that matters.
    """
    return f"sqlite:{folder / 'bank.db'}"


def is_served(store: str | None) -> bool:
    """
    Whether the store at this URL is a server's.
    """
    return store is not None and store.lower().startswith(("http:", "https:"))


def read_model_url(folder: Path) -> str:
    """
    The read models: delete the file, and the next start fills it again.
    """
    return URL.create("sqlite", database=str(folder / "read-models.db")).render_as_string()


def make_projectors() -> tuple[Projector, ...]:
    """
    One of each; together they keep every read model of the bank.
    """
    return Balances(), Statements(), Ledger(), Agreements()


@asynccontextmanager
async def open_store(folder: Path, *, store: str | None = None) -> AsyncGenerator[EventStore]:
    """
    Open the events for writing, with the indexes of the rules. The folder is made if need be, for its owner alone.

    Args:
        store: Where they are, as a URL; by default in *folder*.

    Raises:
        FolderError: There can be no such folder.
        StoreError: The store cannot be opened: `StoreLockedError` while another process has it.
    """
    try:
        await asyncio.to_thread(_make_folder, folder)
    except OSError as error:
        raise FolderError(folder, f"cannot be the data folder: {error.strerror}") from error
    async with connect(store or store_url(folder), source=SOURCE) as opened:
        await rules.declare_indexes(opened)
        yield opened


def _make_folder(folder: Path) -> None:
    make_folder(folder)
    # The mode of a folder that holds something else, too, is for its owner to say: every file of the bank is closed
    # to others by itself.
    if all(each.name.startswith(_NAMES) for each in folder.iterdir()):
        claim_folder(folder)


@asynccontextmanager
async def open_bank(
    folder: Path,
    *,
    store: str | None = None,
    runs_worker: bool = True,
    runs_processes: bool = False,
    clock: BankClock | None = None,
    today: Callable[[], date] | None = None,
    while_catching_up: Callable[[ProjectionWorker], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
) -> AsyncGenerator[Bank]:
    """
    Open the bank in *folder* and run its read models until the block ends.

    Args:
        store: Where the events are, as a URL; by default in *folder*.

        runs_worker: False if another program runs the read models, with `eventsource project run`.

        runs_processes: Whether standing orders and loans are led on here; any number of programs may do so.

        clock: Tells the date of what is booked now, and when timers are due; by default by the real time.

        today: In place of a clock, a calendar.

        while_catching_up: Surrounds the wait until the worker has what is in the store, a progress
            bar for instance.

    Raises:
        FolderError: There can be no such folder, or nobody runs the read models in it.
        StoreError: The store cannot be opened: `StoreLockedError` while another process has it.
        ProjectionError: The read models cannot catch up.
        ExceptionGroup: At the end of the block, of the errors of the projectors that failed.
    """
    projectors = make_projectors()
    async with (
        open_store(folder, store=store) as opened,
        ReadModelDatabase(read_model_url(folder)) as database,
        AsyncExitStack() as stack,
    ):
        clock = clock or (BankClock() if today is None else clock_of(today))
        bank = Bank(opened, database, projectors, clock=clock)
        if runs_worker:
            worker = await stack.enter_async_context(ProjectionWorker(opened, database, projectors))
            async with while_catching_up(worker):
                await worker.caught_up()
        else:
            for projector in projectors:
                projector.watch(opened, database)
            await _wait_for_worker(bank, folder)
        if runs_processes:
            processes = ProcessWorker(
                opened, bank.dispatcher, [StandingOrder, LoanApplication], database=database, clock=clock
            )
            bank.processes = await stack.enter_async_context(processes)
        yield bank


async def _wait_for_worker(bank: Bank, folder: Path) -> None:
    """
    Wait for a worker in another program to have caught up; it may start later than this one.
    """
    try:
        async with asyncio.timeout(_WORKER_PATIENCE_S):
            # The only thing that the two programs share is the database, and it wakes nobody.
            while not await bank.ask(_has_read_models):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_INTERVAL_S)
        # However much there is to catch up with: the page may be closed meanwhile.
        await bank.caught_up(timeout_s=math.inf)
    except TimeoutError as error:
        raise FolderError(folder, "nobody keeps the read models here up to date: start the worker") from error


def _has_read_models(tx: Connection) -> bool:
    # Made in one transaction for each projector.
    made = set(inspect(tx).get_table_names())
    return all(table.name in made for projector in make_projectors() for table in projector.tables)


async def read_balances(folder: Path, *, store: str | None = None, patience_s: float = 5.0) -> list[Balance]:
    """
    All accounts from the read model, also while a bank runs in *folder*.

    Args:
        store: Where the events are, as a URL; by default in *folder*. Of a server's only what a
            running bank, or the worker, keeps up to date is read.

        patience_s: How long that bank may take to show its last events, in seconds.

    Raises:
        FolderError: There is no bank, or its read model is not up to date and does not get there.
        StoreError, ProjectionError: The store or the read model cannot be used.
    """
    if store is not None and is_served(store):
        return await _read_beside_running_bank(folder, store, patience_s)
    if store is None and not (folder / "bank.db").exists():
        raise FolderError(folder, "there is no bank here: `import` or `serve` makes one")
    try:
        # Nobody else runs it: so the read model is ours to bring up to date.
        async with open_bank(folder, store=store) as bank:
            return await bank.balances()
    except StoreLockedError:
        return await _read_beside_running_bank(folder, store or store_url(folder), patience_s)


async def _read_beside_running_bank(folder: Path, store: str, patience_s: float) -> list[Balance]:
    projector = Balances()
    async with connect(store, read_only=True) as opened, ReadModelDatabase(read_model_url(folder)) as database:
        projector.watch(opened, database)
        try:
            newest = await opened.last_event()
            if newest is not None:
                await projector.seen(newest.id, patience_s)
            return await database.read(balances.list_balances)
        except OperationalError as error:
            raise FolderError(folder, "the bank that starts here has no read model yet: try again soon") from error
        except NotSeenError as error:
            raise FolderError(folder, "the read model is behind and being filled: try again soon") from error
