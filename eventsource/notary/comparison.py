"""
Comparing a store with its notarisation, and naming what was done to it.

As long as both go the same way they are read side by side. From the first event on that is another than
the notarised one, the rest of both is held in memory and put in relation.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs

from eventsource.events.data_reference import emptied
from eventsource.notary.findings import Finding, Findings
from eventsource.notary.fingerprint import DataForm, Salts, canonical, commit_to_data, fingerprint
from eventsource.store.log_entry import KeepsEntries, LogEntry
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import EventNotFoundError, StoreCorruptedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from eventsource.notary.book import NotaryBook
    from eventsource.notary.notarised import NotarisedEvent
    from eventsource.store.interface import EventStore

Item = TypeVar("Item")

_DATA_CHANGED: Final = "its data was changed"


@attrs.define
class Counts:
    """
    What `Verdict` has under the same names.
    """

    events: int = 0
    behind: int = 0
    erased: int = 0
    forgettable: int = 0
    unchecked: int = 0


async def read_store(store: EventStore) -> AsyncGenerator[Sequence[LogEntry]]:
    """
    All events of a store in order, with what it tells of their data.
    """
    if isinstance(store, KeepsEntries):
        after = 0
        while page := await store.read_entries(after=after):
            yield page
            if page[-1].event.position <= after:
                # A damaged file could lead round in circles.
                return
            after = page[-1].event.position
        return
    last: str | None = None
    is_over = False
    while not is_over:
        # A stream ends where the store did when it began; what was committed since may be notarised already.
        is_over = True
        async for found in store.stream(lower_bound=last).pages():
            if found.events:
                last, is_over = found.events[-1].id, False
                yield [LogEntry(event) for event in found.events]


async def read_entry(store: EventStore, event_id: str) -> LogEntry | None:
    """
    One event, with what the store tells of its data; None if it does not have it.
    """
    try:
        event = await find_event(store, event_id)
    except EventNotFoundError:
        return None
    if isinstance(store, KeepsEntries):
        page = await store.read_entries(after=event.position - 1)
        return page[0] if page and page[0].event.id == event_id else None
    return LogEntry(event)


class Comparison:
    """
    One comparison.

    Args:
        store: The store.

        book: What opens the records; None compares ids and order alone.
    """

    def __init__(self, store: EventStore, book: NotaryBook | None) -> None:
        self._store = store
        self._book = book
        self._tells_references = isinstance(store, KeepsEntries)
        self.findings = Findings()
        self.counts = Counts()
        # Those whose content is as it was and whose hashes are not.
        self._rechained: list[int] = []

    async def run(self, notarised: AsyncIterator[Sequence[NotarisedEvent]]) -> None:
        """
        Compare with everything that *notarised* gives.
        """
        stored, known = _Pages(self._read()), _Pages(notarised)
        while await known.fill() and await stored.fill():
            length = _common_length(stored.items, known.items)
            if length == 0:
                break
            await self._check(list(zip(stored.take(length), known.take(length), strict=True)))
        if await known.fill():
            await self._relate(await stored.rest(), await known.rest())
        else:
            self.counts.behind = await stored.count()
        if self._rechained:
            numbers = sorted(self._rechained)
            count = len(numbers)
            what = f"from event {numbers[0]} on {count} events have other hashes, and the content that was notarised"
            self.findings.add(Finding("rechained", "store", what, number=numbers[0], count=count))

    async def _read(self) -> AsyncGenerator[Sequence[LogEntry]]:
        try:
            async for page in read_store(self._store):
                self.counts.events += len(page)
                yield page
        except StoreCorruptedError as error:
            what = f"behind {self.counts.events} events the store cannot be read: {error.problem}"
            self.findings.add(Finding("edited", "store", what, number=self.counts.events + 1))

    async def _check(self, pairs: Sequence[tuple[LogEntry, NotarisedEvent]]) -> None:
        """
        Compare events with their own records.
        """
        if self._book is None:
            return
        sealed = [event_id for _, (event_id, record) in pairs if record.form == DataForm.SEALED]
        seals = await self._book.seals(sealed)
        for found, (event_id, record) in pairs:
            entry, number = found, record.number
            if record.form == DataForm.SEALED and event_id not in seals and not is_emptied(entry.event.data_json):
                # It may have been erased since it was read.
                entry = await read_entry(self._store, event_id) or entry
            event = entry.event
            salts = Salts.of(self._book.secret, event_id)
            problem = self._data_problem(
                entry, DataForm(record.form), record.commitment, salts.data, seals.get(event_id)
            )
            form, commitment = DataForm(record.form), record.commitment
            own = fingerprint(event, number=number, form=form, commitment=commitment, salts=salts)
            if own.content != record.content:
                problem = "its source, subject, type or time was changed" + (f", and {problem}" if problem else "")
            if problem:
                what = f"event {event_id}, number {number}, was changed after it was notarised: {problem}"
                self.findings.add(Finding("edited", "store", what, number=number, event_id=event_id))
            elif own.chain != record.chain:
                self._rechained.append(number)

    def _data_problem(
        self, entry: LogEntry, form: DataForm, commitment: bytes, salt: bytes, seal: bytes | None
    ) -> str | None:
        """
        What is wrong with an event's data.
        """
        match form:
            case DataForm.BY_VALUE:
                if commit_to_data(entry.event.data_json, salt, form) == commitment:
                    return None
                # Data that was not stored by reference can be erased, too; the store then knows that its hash is lost.
                is_known = entry.imported_time is not None or not self._tells_references
                is_erased = is_known and is_emptied(entry.event.data_json)
                self.counts.erased += is_erased
                return None if is_erased else _DATA_CHANGED
            case DataForm.SEALED:
                return self._sealed_problem(entry.event.data_json, commitment, seal)
            case DataForm.BY_REFERENCE:
                return self._reference_problem(entry, commitment)

    def _sealed_problem(self, data_json: str, commitment: bytes, seal: bytes | None) -> str | None:
        if seal is not None and commit_to_data(data_json, seal, DataForm.SEALED) == commitment:
            return None
        if is_emptied(data_json):
            self.counts.erased += 1
            self.counts.forgettable += seal is not None
            return None
        return _DATA_CHANGED if seal is not None else "its data cannot be checked: the book has no seal of it"

    def _reference_problem(self, entry: LogEntry, commitment: bytes) -> str | None:
        reference = entry.reference
        if reference is None:
            if self._tells_references:
                return "its data was stored by reference and is not any more"
            self.counts.unchecked += 1
            return None
        try:
            fits = bytes.fromhex(reference.digest) == commitment and reference.fits(entry.event.data_json)
        except ValueError:
            # What was changed may be no digest, or no JSON.
            fits = False
        self.counts.erased += fits and reference.is_erased
        return None if fits else _DATA_CHANGED

    async def _relate(self, stored: Sequence[LogEntry], known: Sequence[NotarisedEvent]) -> None:
        """
        Put in relation what is left of both, where they do not go the same way.
        """
        places: dict[str, int] = {event_id: place for place, (event_id, _) in enumerate(known)}
        taken: set[int] = set()
        pairs: list[tuple[LogEntry, NotarisedEvent]] = []
        order: list[int] = []
        strangers: list[tuple[int, LogEntry]] = []
        for entry in stored:
            place = places.get(entry.event.id)
            if place is None or place in taken:
                strangers.append((len(order), entry))
                continue
            taken.add(place)
            order.append(place)
            pairs.append((entry, known[place]))
        await self._check(pairs)
        self._note_missing(known, taken)
        self._note_strangers(known, strangers, order)
        in_order = _longest_rising(order)
        for place in sorted(set(order) - in_order):
            event_id, record = known[place]
            what = f"event {event_id}, notarised as number {record.number}, stands in another place"
            self.findings.add(Finding("reordered", "store", what, number=record.number, event_id=event_id))

    def _note_missing(self, known: Sequence[NotarisedEvent], taken: set[int]) -> None:
        end = max(taken, default=-1) + 1
        for place in range(end):
            if place not in taken:
                event_id, record = known[place]
                what = f"event {event_id}, number {record.number}, is notarised and not in the store"
                self.findings.add(Finding("deleted", "store", what, number=record.number, event_id=event_id))

    def _note_strangers(
        self, known: Sequence[NotarisedEvent], strangers: Sequence[tuple[int, LogEntry]], order: Sequence[int]
    ) -> None:
        """
        Events that are not notarised, and the end of the notarised ones if it is missing.
        """
        end = max(order, default=-1) + 1
        lost = len(known) - end
        behind = [entry for before, entry in strangers if before == len(order)]
        for before, entry in strangers:
            if before < len(order):
                event_id, number = entry.event.id, known[order[before]].record.number
                what = f"event {event_id} stands before event {number}, and was not there when that was notarised"
                self.findings.add(Finding("inserted", "store", what, number=number, event_id=event_id))
        if not lost:
            self.counts.behind = len(behind)
            return
        event_id, record = known[end]
        number = record.number
        if behind:
            kind, what = "forked", f"{len(behind)} other events stand in place of the last {lost} notarised ones"
        else:
            kind, what = "truncated", f"the last {lost} notarised events are not in the store"
        what += f", from event {event_id}, number {number}, on"
        self.findings.add(Finding(kind, "store", what, number=number, event_id=event_id, count=lost))


class _Pages(Generic[Item]):
    """
    Things that come page by page, to be taken in any number.
    """

    def __init__(self, pages: AsyncIterator[Sequence[Item]]) -> None:
        self._pages = pages
        self.items: Sequence[Item] = ()

    async def fill(self) -> bool:
        """
        Have at least one; False at the end.
        """
        while not self.items:
            try:
                self.items = await anext(self._pages)
            except StopAsyncIteration:
                return False
        return True

    def take(self, count: int) -> Sequence[Item]:
        """
        The next *count* of those that are there.
        """
        taken, self.items = self.items[:count], self.items[count:]
        return taken

    async def rest(self) -> list[Item]:
        """
        All that is left.
        """
        found: list[Item] = []
        while await self.fill():
            found += self.take(len(self.items))
        return found

    async def count(self) -> int:
        """
        How many are left; none is kept.
        """
        found = 0
        while await self.fill():
            found += len(self.take(len(self.items)))
        return found


def _common_length(stored: Sequence[LogEntry], known: Sequence[NotarisedEvent]) -> int:
    """
    Returns the number of events, from the first on, that are the same.
    """
    length = 0
    for entry, (event_id, _) in zip(stored, known, strict=False):
        if entry.event.id != event_id:
            break
        length += 1
    return length


def is_emptied(data_json: str) -> bool:
    """
    True if data is, or may be, what erasing leaves.
    """
    try:
        return emptied(data_json) == canonical(data_json)
    except ValueError:
        # A damaged text may be no JSON.
        return False


def _longest_rising(places: Sequence[int]) -> set[int]:
    """
    As many of *places* as can stay where they are: the others were moved.
    """
    # Patience sorting: ends[n] is the smallest end of a rising row of n + 1.
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for place in places:
        length = bisect_left(ends, place)
        before[place] = ends[length - 1] if length else None
        ends[length : length + 1] = [place]
    found: set[int] = set()
    at: int | None = ends[-1] if ends else None
    while at is not None:
        found.add(at)
        at = before[at]
    return found
