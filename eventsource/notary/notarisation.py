"""
The run of a notary: from the last batch in the ledger on, batch by batch, for as long as it lives.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from eventsource.events.personal_data import is_empty
from eventsource.events.subject_erased import is_erasure, read_erasure
from eventsource.log import get_logger
from eventsource.notary.batching import BatchMaker, Standing
from eventsource.notary.book import Seen
from eventsource.notary.errors import (
    AlreadyNotarisedError,
    LedgerUnavailableError,
    NotaryNotRunningError,
    TamperedError,
)
from eventsource.notary.fingerprint import DataForm, Salts, fingerprint, secret_digest
from eventsource.notary.ledger import Entry
from eventsource.notary.records import Charter, EventRecord, charter_key, event_key
from eventsource.notary.standing import check_charter, find_standing
from eventsource.notary.status import NotaryStatus
from eventsource.notary.waiting import WaitingRoom
from eventsource.root_error import EventSourceError
from eventsource.store.erasures import ErasureRecords
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import ErasureUnfinishedError, EventNotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.notary.batching import Batch
    from eventsource.notary.book import NotaryBook
    from eventsource.notary.ledger import Head, Ledger
    from eventsource.notary.publishing import Publisher
    from eventsource.notary.status import State
    from eventsource.store.interface import EventStore, Page

log = get_logger(__name__)

Result = TypeVar("Result")

# The time that a ledger that does not answer is left alone, at first and at last, in seconds.
_FIRST_REST_S: Final = 0.1
_LONGEST_REST_S: Final = 5.0

# The time that a batch under way may take when the notary is stopped, in seconds.
_LAST_BATCH_S: Final = 5.0

# Pages that are read ahead while a batch is written.
_PAGES_AHEAD: Final = 4


class _OvertakenError(Exception):
    """
    Another notary has come further than this one has read.
    """


class Notarisation:
    """
    See `eventsource.notary.Notary` for the arguments.
    """

    def __init__(
        self,
        store: EventStore,
        ledger: Ledger,
        book: NotaryBook,
        name: str,
        *,
        publisher: Publisher,
        batch_events: int,
        linger_s: float,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._book = book
        self._name = name
        self._publisher = publisher
        self._maker = BatchMaker(store, book, name)
        self._batch_events = batch_events
        self._linger_s = linger_s
        self._clock = clock
        self._state: State = "starting"
        self._obstacle: str | None = None
        self.error: Exception | None = None
        self.waiting_room = WaitingRoom()
        self._started = asyncio.Event()
        self._standing = Standing()
        self._is_chartered = False
        # The event behind which it goes on, and how many there were in the store when it began.
        self._last: RecordedEvent | None = None
        self._total = 0
        self._head: Head | None = None
        # What was read and is not notarised yet.
        self._pending: list[RecordedEvent] = []
        self._pages: asyncio.Queue[Page] = asyncio.Queue(_PAGES_AHEAD)

    def status(self) -> NotaryStatus:
        """
        How far it is.
        """
        standing, pending = self._standing, self._pending
        return NotaryStatus(
            state="waiting for the ledger" if self._obstacle and self.error is None else self._state,
            events=standing.events,
            behind=max(self._total - standing.events, len(pending)),
            lag_s=max(0.0, (self._clock() - pending[0].time_ns) / 1e9) if pending else 0.0,
            last_event_id=standing.last_event_id or None,
            head=self._head,
            obstacle=self._obstacle or self._publisher.obstacle,
            error=self.error,
        )

    async def run(self) -> None:
        """
        Run until cancelled, or until there is an `error`.
        """
        try:
            while True:
                await self._resume()
                self._started.set()
                try:
                    await self._follow()
                except _OvertakenError:
                    log.info("notary.overtaken", store=self._name, events=self._standing.events)
        except asyncio.CancelledError:
            self._state = "stopped"
            self.waiting_room.fail(NotaryNotRunningError())
            raise
        except Exception as error:  # noqa: BLE001  whoever waits is told, and `Notary` raises it
            self._state, self.error = "failed", error
            code = error.code if isinstance(error, EventSourceError) else type(error).__name__
            log.error("notary.failed", store=self._name, events=self._standing.events, error=code)  # noqa: TRY400  it is raised, too
            self.waiting_room.fail(error)
        finally:
            self._started.set()

    async def started(self) -> None:
        """
        Wait until it knows how far it is, or has failed.
        """
        await self._started.wait()

    async def _resume(self) -> None:
        """
        Find out how far the ledger is, and check that neither it nor the store has gone back.
        """
        self._pending, self._pages = [], asyncio.Queue(_PAGES_AHEAD)
        seen = await self._book.last_seen(self._name)
        asking = self._ledger.head if seen is None else partial(self._ledger.prove_since, seen.head)
        self._head = await self._patiently(asking)
        self._is_chartered = await self._patiently(partial(check_charter, self._ledger, self._book, self._name))
        if self._is_chartered or seen is not None:
            self._standing = await self._patiently(partial(find_standing, self._ledger, self._name, seen=seen))
        if self._standing.events:
            self._last = await self._last_notarised()
        self._total = max(await self._store.count(), self._standing.events)
        self._state = "live" if self._standing.events == self._total else "catching up"
        behind = self._total - self._standing.events
        log.info("notary.started", store=self._name, events=self._standing.events, behind=behind)
        if self._standing.events:
            # Whoever was killed behind a batch has not published it.
            await self._publisher.publish(self._head, self._standing)
        self.waiting_room.look_again()

    async def _last_notarised(self) -> RecordedEvent:
        """
        The event behind which to go on, which must still be what it was.
        """
        number, event_id = self._standing.events, self._standing.last_event_id
        facts = {"number": str(number), "event": event_id}
        try:
            event = await find_event(self._store, event_id)
        except EventNotFoundError:
            what = f"event {event_id}, number {number}, is notarised and not in the store"
            kind = "truncated" if await self._store.count() < number else "forked"
            raise TamperedError(kind=kind, place="store", what=what, evidence=facts) from None
        proved = await self._patiently(partial(self._ledger.get, event_key(self._name, event_id)))
        if proved is None:
            what = f"batch {self._standing.batch} names event {event_id}, and there is no record of it"
            raise TamperedError(kind="deleted", place="ledger", what=what, evidence=facts)
        record = EventRecord.from_bytes(proved.value)
        salts = Salts.of(self._book.secret, event_id)
        form = DataForm(record.form)
        if fingerprint(event, number=number, form=form, commitment=record.commitment, salts=salts) != record:
            what = f"event {event_id}, number {number}, is not the one that was notarised"
            raise TamperedError(kind="edited", place="store", what=what, evidence=facts)
        return event

    async def _follow(self) -> None:
        reading = asyncio.create_task(self._read(), name=f"eventsource-notary-reader {self._name}")
        try:
            while True:
                await self._gather(reading)
                while self._pending:
                    await self._finished(self._notarise(self._pending[: self._batch_events]))
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        last = self._standing.last_event_id or None
        async with aclosing(self._store.observe(lower_bound=last).pages()) as pages:
            async for page in pages:
                await self._pages.put(page)

    async def _gather(self, reading: asyncio.Task[None]) -> None:
        """
        Wait for an event, and then a little for more.
        """
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while len(self._pending) < self._batch_events:
            page = await self._next_page(reading, deadline)
            if page is None:
                return
            self._pending.extend(page.events)
            if self._pending and deadline is None:
                deadline = loop.time() + self._linger_s

    async def _next_page(self, reading: asyncio.Task[None], deadline: float | None) -> Page | None:
        """
        The next page; None when none came before *deadline*.
        """
        if not self._pages.empty():
            return self._pages.get_nowait()
        getting = asyncio.ensure_future(self._pages.get())
        try:
            timeout_s = None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())
            await asyncio.wait({getting, reading}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
            if reading.done():
                # It ends by an error alone.
                reading.result()
            return None
        finally:
            getting.cancel()

    async def _finished(self, work: Coroutine[Any, Any, None]) -> None:
        """
        Do it to its end also when cancelled meanwhile, unless the ledger keeps it waiting.
        """
        working = asyncio.create_task(work)
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            # So that a notary that is stopped leaves the head of its last batch behind.
            await asyncio.wait({working}, timeout=0 if self._obstacle else _LAST_BATCH_S)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            raise

    async def _notarise(self, events: Sequence[RecordedEvent]) -> None:
        batch = await self._maker.make(events, self._standing, last=self._last, time_ns=self._clock())
        # Before the batch is written: if this is interrupted, it is done again with it.
        await self._forget_erased(events)
        head = await self._write(batch, events)
        if head is None:
            return
        self._head = head
        await self._book.remember(self._name, Seen(head, batch.after.batch))
        await self._publisher.publish(head, batch.after)
        # Last, so that whoever is told, or looks, finds the head that covers it.
        self._advance(events, batch.after)

    async def _forget_erased(self, events: Sequence[RecordedEvent]) -> None:
        """
        Let go of the seals of those whose data was erased: an event says so, and the store has their data no more.

        A seal that is gone never comes back, and without it nobody can tell whether an event was changed. So a record
        alone destroys nothing.
        """
        named: list[RecordedEvent] = []
        for event in filter(is_erasure, events):
            record = read_erasure(event)
            # Where there is no seal there is nothing to look up.
            if record is None or await self._book.seals(record.event_ids):
                named.append(event)
        found = await ErasureRecords(self._store, f"notary {self._name}").read_all(named)
        # As the comparison takes them: an event with a value left is none that was erased.
        erased = [event_id for event_id, event in found.items() if is_empty(event)]
        if not erased:
            return
        try:
            forgotten = await self._book.forget(erased)
        except ErasureUnfinishedError as error:
            log.warning("notary.seals_not_overwritten", store=self._name, seals=error.events, reason=error.reason)
        else:
            log.info("notary.seals_forgotten", store=self._name, seals=forgotten)

    async def _write(self, batch: Batch, events: Sequence[RecordedEvent]) -> Head | None:
        """
        Write a batch; None when another notary came first, and the standing is behind its batch now.
        """
        rest_s = _FIRST_REST_S
        while True:
            entries = batch.entries
            if not self._is_chartered:
                charter = Charter(secret_digest(self._book.secret))
                entries = (Entry(charter_key(self._name), charter.to_bytes()), *entries)
            is_refused = False
            try:
                receipt = await self._ledger.append(entries)
            except LedgerUnavailableError as error:
                # It may have been written.
                rest_s = await self._rest(error, rest_s)
            except AlreadyNotarisedError:
                is_refused = True
            else:
                self._is_chartered, self._obstacle = True, None
                return receipt.head
            self._is_chartered = await self._patiently(partial(check_charter, self._ledger, self._book, self._name))
            found = await self._patiently(partial(find_standing, self._ledger, self._name, since=self._standing))
            if found == batch.after:
                return await self._patiently(self._ledger.head)
            if found.batch > self._standing.batch:
                self._go_behind(found, batch, events)
                return None
            if is_refused:
                await self._explain_refusal(events)

    def _go_behind(self, found: Standing, batch: Batch, events: Sequence[RecordedEvent]) -> None:
        """
        Go on behind what another notary wrote, if that is what this one would have written.
        """
        done = found.events - self._standing.events
        if done > len(events):
            raise _OvertakenError
        if batch.runnings[done - 1] != found.running:
            what = f"others notarised other events than the store has, up to number {found.events}"
            raise TamperedError(kind="forked", place="ledger", what=what, evidence={"running": found.running.hex()})
        self._advance(events[:done], found)

    async def _explain_refusal(self, events: Sequence[RecordedEvent]) -> None:
        """
        Raise what is wrong when a key is taken, but not by a batch.
        """
        for number, event in enumerate(events, start=self._standing.events + 1):
            proved = await self._patiently(partial(self._ledger.get, event_key(self._name, event.id)))
            if proved is not None:
                was = EventRecord.from_bytes(proved.value).number
                what = f"event {event.id} comes as number {number}, and is notarised as number {was}"
                place = "store" if was < number else "ledger"
                raise TamperedError(kind="inserted", place=place, what=what, evidence={"event": event.id})
        what = f"it refuses batch {self._standing.batch + 1} of {self._name!r}, and says that it has nothing of it"
        raise TamperedError(kind="unproved", place="ledger", what=what)

    def _advance(self, events: Sequence[RecordedEvent], standing: Standing) -> None:
        self._standing, self._last = standing, events[-1]
        del self._pending[: len(events)]
        if standing.events >= self._total:
            self._state = "live"
        self.waiting_room.tell(event.id for event in events)

    async def _patiently(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """
        Ask until the ledger answers.
        """
        rest_s = _FIRST_REST_S
        while True:
            try:
                answer = await ask()
            except LedgerUnavailableError as error:
                rest_s = await self._rest(error, rest_s)
            else:
                self._obstacle = None
                return answer

    async def _rest(self, error: LedgerUnavailableError, rest_s: float) -> float:
        if self._obstacle is None:
            log.warning("notary.ledger_unavailable", store=self._name, reason=error.reason)
        self._obstacle = str(error)
        await asyncio.sleep(rest_s)
        return min(2 * rest_s, _LONGEST_REST_S)
