"""
A bank's data folder: one file of events, one of read models.

Whoever has the store open for writing runs the worker too, so the read models have one writer as
well. Everybody else only reads.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import date, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from eventsource import (
    EventStore,
    NotSeenError,
    Projector,
    ReadModelDatabase,
    StoreLockedError,
    Worker,
    connect,
    watch,
)
from examples.bank import balances, rules, statements
from examples.bank.balances import Balance, Balances
from examples.bank.bank import Bank
from examples.bank.ledger import Ledger
from examples.bank.statements import Statements

# The system that writes the events, as CloudEvents wants it named.
SOURCE = "io.example.bank"


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


def read_model_url(folder: Path) -> str:
    """
    The read models: delete the file, and the next start fills it again.
    """
    return URL.create("sqlite", database=str(folder / "read-models.db")).render_as_string()


def make_projectors() -> tuple[Projector, ...]:
    """
    One of each; together they keep every read model of the bank.
    """
    return Balances(), Statements(), Ledger()


def today_here() -> date:
    """
    The date on this machine's wall.
    """
    return datetime.now().astimezone().date()


@asynccontextmanager
async def open_store(folder: Path) -> AsyncGenerator[EventStore]:
    """
    Open the events in *folder* for writing, with the indexes of the rules. The folder is made if need be.

    Raises:
        FolderError: There can be no such folder.
        StoreError: The store cannot be opened: `StoreLockedError` while another process has it.
    """
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(folder, f"cannot be the data folder: {error.strerror}") from error
    async with connect(store_url(folder), source=SOURCE) as store:
        await rules.declare_indexes(store)
        yield store


@asynccontextmanager
async def open_bank(
    folder: Path,
    *,
    today: Callable[[], date] = today_here,
    while_catching_up: Callable[[Bank], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
) -> AsyncGenerator[Bank]:
    """
    Open the bank in *folder* and run its read models until the block ends.

    Args:
        today: The date of what is booked now.

        while_catching_up: Surrounds the wait until the read models have what is in the store, a
            progress bar for instance.

    Raises:
        FolderError: There can be no such folder.
        StoreError: The store cannot be opened: `StoreLockedError` while another process has it.
        ProjectionError: The read models cannot catch up.
        ExceptionGroup: At the end of the block, of the errors of the projectors that failed.
    """
    projectors = make_projectors()
    async with (
        open_store(folder) as store,
        ReadModelDatabase(read_model_url(folder)) as database,
        Worker(store, database, projectors) as worker,
    ):
        bank = Bank(store, worker, projectors, today=today)
        async with while_catching_up(bank):
            await worker.caught_up()
        yield bank


async def read_balances(folder: Path, *, patience_s: float = 5.0) -> list[Balance]:
    """
    All accounts from the read model, also while a bank runs in *folder*.

    Args:
        patience_s: How long that bank may take to show its last events, in seconds.

    Raises:
        FolderError: There is no bank, or its read model is not up to date and does not get there.
        StoreError, ProjectionError: The store or the read model cannot be used.
    """
    if not (folder / "bank.db").exists():
        raise FolderError(folder, "there is no bank here: `import` or `serve` makes one")
    try:
        # Nobody else runs it: so the read model is ours to bring up to date.
        async with open_bank(folder) as bank:
            return await bank.balances()
    except StoreLockedError:
        return await _read_beside_running_bank(folder, patience_s)


async def _read_beside_running_bank(folder: Path, patience_s: float) -> list[Balance]:
    projector = Balances()
    async with (
        connect(store_url(folder), read_only=True) as store,
        ReadModelDatabase(read_model_url(folder)) as database,
    ):
        watch(projector, store, database)
        try:
            # The last event that the read models show, and from there to the last one there is.
            newest = await database.read(partial(statements.event_before_last_lines, lines=0))
            async for recorded in store.stream(lower_bound=newest):
                newest = recorded.id
            if newest is not None:
                await projector.seen(newest, patience_s)
            return await database.read(balances.list_balances)
        except OperationalError as error:
            raise FolderError(folder, "the bank that starts here has no read model yet: try again soon") from error
        except NotSeenError as error:
            raise FolderError(folder, "the read model is behind and being filled: try again soon") from error
