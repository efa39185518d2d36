"""
The notary: follows a store and notarises every event, outside the path of commits.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from eventsource.notary.errors import LedgerUnavailableError, NotaryNotRunningError, NotNotarisedError, TamperedError
from eventsource.notary.ledger import MAX_ENTRIES
from eventsource.notary.notarisation import Notarisation
from eventsource.notary.publishing import Publisher
from eventsource.notary.records import check_name, event_key
from eventsource.store.scope import ScopedEventStore
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from os import PathLike
    from types import TracebackType

    from eventsource.notary.book import NotaryBook
    from eventsource.notary.keys import SigningKey
    from eventsource.notary.ledger import Ledger, Proved
    from eventsource.notary.signed_head import SignedHead
    from eventsource.notary.status import NotaryStatus
    from eventsource.store.interface import EventStore

# Beside the events a batch has its own record, and the first one the charter.
MAX_BATCH_EVENTS = MAX_ENTRIES - 2

# The time that a ledger that does not answer is left alone by those who wait for an event, in seconds.
_ASK_AGAIN_S = 0.25


class Notary:
    """
    Notarises every event of a store in a ledger, a moment after it was committed.

    ::


        async with Notary(store, ledger, book, name="bank") as notary:
            await notary.notarised(event_id)

    Commits do not wait for it and do not fail with it; `status` tells how far behind it is. It can be
    stopped or killed at any moment and started again: it goes on behind the last batch in the ledger, so
    nothing is notarised twice and nothing is left out. While the ledger does not answer it waits. Where it finds
    that something was tampered with it stops, and leaving the block raises what was found.

    Args:
        store: What to follow.

        ledger: Where to notarise.

        book: Its secret and seals.

        name: What the store is called in the ledger, for ever: letters, digits, ``.``, ``_`` and ``-``.

        signing_key: Signs the heads; without one they are published unsigned.

        head_file: A file that always holds the last head: put it where the store's owner cannot write.

        on_head: Is given each head, to send it elsewhere. What it raises is logged, and changes nothing else.

        batch_events: The number of events to a batch at most.

        linger_s: The time that an event waits for others to fill its batch, in seconds.

        clock: Nanoseconds since 1970 UTC.

    Raises:
        ValueError: *name* or *batch_events* is none.
        NotSupportedError: *store* is a scope of another one.
        NotaryError: On leaving the block: why it stopped, if it did.
    """

    def __init__(
        self,
        store: EventStore,
        ledger: Ledger,
        book: NotaryBook,
        *,
        name: str = "events",
        signing_key: SigningKey | None = None,
        head_file: str | PathLike[str] | None = None,
        on_head: Callable[[SignedHead], Awaitable[None]] | None = None,
        batch_events: int = 1_000,
        linger_s: float = 0.25,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        check_name(name)
        if isinstance(store, ScopedEventStore):
            msg = "a scope is a part of a chain: notarise the whole store"
            raise NotSupportedError(msg)
        if not 0 < batch_events <= MAX_BATCH_EVENTS:
            msg = f"a batch has 1 to {MAX_BATCH_EVENTS} events, not {batch_events}"
            raise ValueError(msg)
        self.name = name
        self._store = store
        self._ledger = ledger
        self._book = book
        self._run = Notarisation(
            store,
            ledger,
            book,
            name,
            publisher=Publisher(name, signing_key=signing_key, head_file=head_file, on_head=on_head),
            batch_events=batch_events,
            linger_s=linger_s,
            clock=clock,
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run.run(), name=f"eventsource-notary {self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if error is None and self._run.error is not None:
            raise self._run.error

    @property
    def status(self) -> NotaryStatus:
        """
        How far it is.
        """
        return self._run.status()

    async def run(self) -> None:
        """
        Run until cancelled, or until it has to stop.

        Raises:
            NotaryError, StoreError: Why it stopped.
        """
        async with self:
            assert self._task is not None  # noqa: S101  the line above has made it
            await asyncio.wait({self._task})

    async def caught_up(self) -> None:
        """
        Wait until every event that is in the store now is notarised.

        Raises:
            NotaryError, StoreError: It stopped.
            NotaryNotRunningError: It does not run.
        """
        await self._run.started()
        self._check_running()
        last = await self._store.last_event()
        if last is not None:
            await self.notarised(last.id)

    async def notarised(self, event_id: str, *, timeout_s: float | None = None) -> Proved:
        """
        Wait until an event is notarised.

        Returns:
            Its record in the ledger, proved.

        Raises:
            EventNotFoundError: The store does not have it.
            NotNotarisedError: Not in that time.
            NotaryError, StoreError: The notary stopped.
            NotaryNotRunningError: It does not run.
        """
        self._check_running()
        await find_event(self._store, event_id)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._find_record(event_id)
        except TimeoutError:
            raise NotNotarisedError(event_id=event_id, timeout_s=timeout_s or 0.0) from None

    async def forget(self, subject: str) -> int:
        """
        Forget the seals of the events of *subject*, after its data was erased in a store that is read over HTTP.

        Of a store in this process there are none: what ties its events to their data goes with the data.

        Returns:
            The number of seals there were.

        Raises:
            InvalidSubjectError: *subject* is none.
            ErasureUnfinishedError: They are forgotten, but somebody reads the book, so bytes of them are left.
        """
        ids = [event.id async for event in self._store.stream(subject, recursive=False)]
        return await self._book.forget(ids)

    async def _find_record(self, event_id: str) -> Proved:
        was_written = False
        while True:
            # In the waiting room first, so that nothing comes between the look and the wait.
            with self._run.waiting_room.waiting(event_id) as told:
                try:
                    proved = await self._ledger.get(event_key(self.name, event_id))
                except LedgerUnavailableError:
                    # Whoever waits for a notary waits for its ledger.
                    self._check_running()
                    await asyncio.sleep(_ASK_AGAIN_S)
                    continue
                if proved is not None:
                    return proved
                if was_written:
                    what = f"the ledger took event {event_id}, and says that it does not have it"
                    raise TamperedError(kind="deleted", place="ledger", what=what)
                self._check_running()
                was_written = await told

    def _check_running(self) -> None:
        if self._task is None:
            raise NotaryNotRunningError
        if self._run.error is not None:
            raise self._run.error
