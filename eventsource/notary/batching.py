"""
Making a batch: events in, entries of a ledger out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from eventsource.notary.errors import TamperedError
from eventsource.notary.fingerprint import DataForm, Salts, commit_to_data, fingerprint, own_form
from eventsource.notary.ledger import Entry
from eventsource.notary.records import NO_EVENTS, BatchRecord, batch_key, event_key, next_running
from eventsource.store.audit import own_hash
from eventsource.store.log_entry import KeepsEntries, LogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.notary.book import NotaryBook
    from eventsource.store.interface import EventStore


@attrs.frozen
class Standing:
    """
    How far the notarisation of a store is in a ledger.

    Attributes:
        batch: The number of the last batch; 0 before the first.

        events: The number of events that are notarised.

        running: The running hash behind the last one.

        last_event_id: Its id; empty for none.
    """

    batch: int = 0
    events: int = 0
    running: bytes = NO_EVENTS
    last_event_id: str = ""

    @classmethod
    def behind(cls, record: BatchRecord) -> Standing:
        """
        The standing behind a batch.
        """
        return cls(record.batch, record.last, record.running, record.last_event_id)


@attrs.frozen
class Batch:
    """
    What is to be written for some events.

    Attributes:
        entries: The events' records, and that of the batch behind them.

        runnings: The running hash behind each event.

        after: The standing once it is written.
    """

    entries: tuple[Entry, ...]
    runnings: tuple[bytes, ...]
    after: Standing


class BatchMaker:
    """
    Makes the batches of one store.
    """

    def __init__(self, store: EventStore, book: NotaryBook, name: str) -> None:
        self._store = store
        self._book = book
        self._name = name

    async def make(
        self, events: Sequence[RecordedEvent], before: Standing, *, last: RecordedEvent | None, time_ns: int
    ) -> Batch:
        """
        The batch of *events*, which follow *last*; seals it needs are in the book when this returns.

        Raises:
            TamperedError: An event does not follow the one before, or does not fit its own hash: what is
                wrong already is not made to look right.
        """
        _check_links(events, last, before.events)
        forms = await asyncio.to_thread(lambda: [own_form(event, None) for event in events])
        entries = await self._entries_of(events, forms)
        for index, entry in entries.items():
            forms[index] = _checked_form(entry, number=before.events + 1 + index)
        sealed = [event.id for event, form in zip(events, forms, strict=True) if form is DataForm.SEALED]
        seals = await self._book.seal(sealed)
        return await asyncio.to_thread(
            self._compute, events, forms, entries=entries, seals=seals, before=before, time_ns=time_ns
        )

    async def _entries_of(self, events: Sequence[RecordedEvent], forms: Sequence[DataForm]) -> dict[int, LogEntry]:
        """
        Of those whose hash does not tell how the data is kept, what the store says, by place in *events*.
        """
        unclear = [index for index, form in enumerate(forms) if form is DataForm.SEALED]
        if not unclear or not isinstance(self._store, KeepsEntries):
            return {}
        found: dict[int, LogEntry] = {}
        last = events[unclear[-1]].position
        after = events[unclear[0]].position - 1
        while after < last and (page := await self._store.read_entries(after=after)):
            found.update((entry.event.position, entry) for entry in page)
            after = page[-1].event.position
        return {index: found[events[index].position] for index in unclear if events[index].position in found}

    def _compute(
        self,
        events: Sequence[RecordedEvent],
        forms: Sequence[DataForm],
        *,
        entries: dict[int, LogEntry],
        seals: dict[str, bytes],
        before: Standing,
        time_ns: int,
    ) -> Batch:
        running, secret = before.running, self._book.secret
        made: list[Entry] = []
        runnings: list[bytes] = []
        for index, (event, form) in enumerate(zip(events, forms, strict=True)):
            salts = Salts.of(secret, event.id)
            reference = entries[index].reference if form is DataForm.BY_REFERENCE else None
            if reference is not None:
                commitment = bytes.fromhex(reference.digest)
            else:
                commitment = commit_to_data(
                    event.data_json, seals[event.id] if form is DataForm.SEALED else salts.data, form
                )
            record = fingerprint(event, number=before.events + 1 + index, form=form, commitment=commitment, salts=salts)
            entry = Entry(event_key(self._name, event.id), record.to_bytes())
            running = next_running(running, *entry)
            made.append(entry)
            runnings.append(running)
        number = before.batch + 1
        head = BatchRecord(
            batch=number,
            first=before.events + 1,
            last=before.events + len(events),
            size=len(events),
            time_ns=time_ns,
            running=running,
            last_event_id=events[-1].id,
        )
        made.append(Entry(batch_key(self._name, number), head.to_bytes()))
        return Batch(tuple(made), tuple(runnings), Standing.behind(head))


def _check_links(events: Sequence[RecordedEvent], last: RecordedEvent | None, number: int) -> None:
    for before, event in zip((last, *events), events, strict=False):
        number += 1
        if before is not None and event.predecessor_hash != before.hash:
            what = f"event {event.id}, number {number}, does not follow the event before it"
            raise TamperedError(
                kind="edited",
                place="store",
                what=what,
                evidence={"predecessor hash": event.predecessor_hash, "hash before": before.hash},
            )


def _checked_form(entry: LogEntry, *, number: int) -> DataForm:
    event, reference, imported_time = entry
    fits = imported_time is not None or own_hash(event, reference) == event.hash
    if fits and reference is not None:
        try:
            fits = reference.fits(event.data_json)
        except ValueError:
            fits = False
    if not fits:
        what = f"event {event.id}, number {number}, does not fit its hash: it was changed before it was notarised"
        raise TamperedError(kind="edited", place="store", what=what, evidence={"hash": event.hash})
    return DataForm.SEALED if reference is None else DataForm.BY_REFERENCE
