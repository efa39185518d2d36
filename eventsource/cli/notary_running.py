"""
Running a notary in the foreground, and asking from outside how far one is.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from eventsource.cli.failures import CommandError, ExitCode
from eventsource.cli.logs import log_in_json, log_in_words
from eventsource.cli.notary_output import HeadResult, NotaryState
from eventsource.cli.output import write_json
from eventsource.cli.signals import stopped_by_signals
from eventsource.log import get_logger
from eventsource.notary import EmbeddedLedger, NotaryBook, open_ledger
from eventsource.notary.standing import find_standing
from eventsource.wire.errors import EventNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path
    from typing import Literal

    from eventsource.notary import Ledger, Notary, NotaryStatus
    from eventsource.store.interface import EventStore

    Said = Literal["started", "caught_up", "waiting", "stopped", "failed"]

log = get_logger(__name__)

# The pause between two looks at the notary, in seconds.
_LOOK_S = 0.1


async def follow(notary: Notary, *, once: bool, as_json: bool) -> ExitCode:
    """
    Run a notary until a signal, until it fails, or with *once* until it has caught up; tell changes of its state.

    Raises:
        NotaryError, StoreError: Why it failed.
    """
    (log_in_json if as_json else log_in_words)()
    said: Said | None = None

    def say(now: Said) -> None:
        nonlocal said
        if now != said:
            said = now
            _tell(notary.name, now, notary.status, as_json=as_json)

    with stopped_by_signals() as stop:
        async with notary:
            is_over = False
            while not is_over:
                status = notary.status
                match status.state:
                    case "catching up":
                        say("started")
                    case "live":
                        say("caught_up")
                    case "waiting for the ledger":
                        say("waiting")
                    case _:
                        pass
                is_done = once and status.state == "live" and status.behind == 0
                is_over = is_done or status.error is not None or await stop.wait(_LOOK_S)
            say("stopped" if notary.status.error is None else "failed")
    return ExitCode.DONE


async def read_status(store: EventStore, ledger: Ledger, name: str) -> NotaryState:
    """
    How far the notarisation is, as the ledger says.
    """
    standing = await find_standing(ledger, name)
    last = standing.last_event_id or None
    behind: int | None = None
    lag_s = 0.0
    try:
        behind = await store.count(lower_bound=last)
        async for event in store.stream(lower_bound=last):
            lag_s = max(0.0, (time.time_ns() - event.time_ns) / 1e9)
            break
    except EventNotFoundError:
        # True if it was lost or never there, verifying tells.
        pass
    return NotaryState(
        name=name,
        state="caught_up" if behind == 0 else "behind",
        events=standing.events,
        behind=behind,
        lag_s=round(lag_s, 3),
        last_event_id=last,
        head=HeadResult.of(await ledger.head()),
    )


def book_path(book: Path | None, ledger: str) -> Path:
    """
    Where the notary's book is.

    Raises:
        CommandError: Nobody has said, and the ledger is no file to stand beside.
        InvalidLedgerUrlError: *ledger* names none.
        LedgerUnavailableError: It is a symbolic link that leads elsewhere.
    """
    if book is not None:
        return book
    named = open_ledger(ledger, read_only=True)
    if isinstance(named, EmbeddedLedger):
        # The book is opened first, beside the file that the name leads to.
        named.check_name()
        return named.path.with_name(f"{named.path.name}-book")
    msg = "where is the notary's book? Give --book, or set EVENTSOURCE_NOTARY_BOOK"
    raise CommandError(msg)


@asynccontextmanager
async def book_if_known(book: Path | None) -> AsyncGenerator[NotaryBook | None]:
    """
    The notary's book, for those who can do without.
    """
    if book is None:
        yield None
        return
    async with NotaryBook(book, read_only=True) as opened:
        yield opened


def _tell(name: str, said: Said, status: NotaryStatus, *, as_json: bool) -> None:
    if as_json:
        write_json(
            NotaryState(
                name=name,
                state=said,
                events=status.events,
                behind=status.behind,
                lag_s=round(status.lag_s, 3),
                last_event_id=status.last_event_id,
                head=HeadResult.of(status.head),
                obstacle=status.obstacle,
            )
        )
        return
    # The library itself logs the start, and what is in the way.
    if said == "caught_up":
        log.info("notary.caught_up", store=name, events=status.events, behind=status.behind)
    if said == "stopped":
        log.info("notary.stopped", store=name, events=status.events, behind=status.behind)
