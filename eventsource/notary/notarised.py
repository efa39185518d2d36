"""
Reading a store's notarisation out of a ledger, batch by batch, and noting what cannot be true of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, final, runtime_checkable

from eventsource.notary.batching import Standing
from eventsource.notary.errors import TamperedError
from eventsource.notary.findings import Finding, Findings
from eventsource.notary.records import BatchRecord, EventRecord, batch_key, event_key, next_running

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from eventsource.notary.ledger import Entry, Ledger
    from eventsource.notary.merkle_log import LogProblem


@final
class NotarisedEvent(NamedTuple):
    """
    An event as the ledger has it.
    """

    event_id: str
    record: EventRecord


@runtime_checkable
class ReadableLog(Protocol):
    """
    A ledger whose every entry can be read in order, and which can be asked to check itself.
    """

    def leaves(self) -> AsyncIterator[tuple[int, Entry]]:
        """
        All entries as they stand there, with their indices; nothing is proved.
        """
        ...

    async def audit(self) -> list[LogProblem]:
        """
        Compute every hash again, and say what does not fit.
        """
        ...


class Notarised:
    """
    The notarisation of the store *name* in *ledger*, read once.

    Attributes:
        findings: What is wrong with it; complete when it was read to its end.

        standings: The standing behind each batch that a head tells of, by batch.

        end: The standing behind the last batch.

        is_whole: True if the ledger hangs together: then what its records say is what somebody wrote into it.
    """

    def __init__(self, ledger: Ledger, name: str, *, batches_of_interest: frozenset[int] = frozenset()) -> None:
        self._ledger = ledger
        self._name = name
        self._interest = batches_of_interest
        self.findings = Findings()
        self.standings: dict[int, Standing] = {}
        self.end = Standing()
        self.is_whole = True
        self._missing: dict[int, Finding] = {}
        self._extra: dict[int, Finding] = {}

    async def batches(self) -> AsyncGenerator[list[NotarisedEvent]]:
        """
        The events batch by batch, those of a batch in the order of the ledger.
        """
        source = self._in_log(self._ledger) if isinstance(self._ledger, ReadableLog) else self._by_batches()
        try:
            async for entries in source:
                batch = self._check(entries)
                if batch:
                    yield batch
        except TamperedError as error:
            self.findings.add(Finding.of(error))
        self._settle()

    async def check_structure(self) -> None:
        """
        Read it all, and let the ledger check itself where it can.
        """
        problems: list[LogProblem] = []
        if isinstance(self._ledger, ReadableLog):
            problems = await self._ledger.audit()
            self.is_whole = not problems
        async for _ in self.batches():
            pass
        if not self.findings:
            # What is wrong with records says more than what is wrong with the hashes over them.
            for problem in problems:
                self.findings.add(Finding(problem.kind, "ledger", problem.what))

    async def _by_batches(self) -> AsyncGenerator[Sequence[Entry]]:
        number = 1
        while proved := await self._ledger.get(batch_key(self._name, number)):
            yield await self._ledger.batch(proved.receipt)
            number += 1

    async def _in_log(self, log: ReadableLog) -> AsyncGenerator[Sequence[Entry]]:
        """
        The entries up to each record of a batch, wherever it stands.
        """
        events, batches = event_key(self._name, ""), f"b/{self._name}/".encode()
        entries: list[Entry] = []
        async for _, entry in log.leaves():
            if entry.key.startswith(events):
                entries.append(entry)
            elif entry.key.startswith(batches):
                yield [*entries, entry]
                entries = []
        if entries:
            count = len(entries)
            what = f"{count} events behind batch {self.end.batch} have no record of their batch"
            self.findings.add(Finding("truncated", "ledger", what, number=self.end.events + 1, count=count))

    def _check(self, entries: Sequence[Entry]) -> list[NotarisedEvent]:
        """
        Check what belongs to one batch, and return its events.
        """
        prefix = event_key(self._name, "")
        marks = [entry for entry in entries if entry.key.startswith(f"b/{self._name}/".encode())]
        own = [entry for entry in entries if entry.key.startswith(prefix)]
        if len(marks) != 1:
            what = f"behind batch {self.end.batch} there are {len(marks)} records of batches in place of one"
            self.findings.add(Finding("edited", "ledger", what))
            return []
        try:
            head = BatchRecord.from_bytes(marks[0].value)
            events = [
                NotarisedEvent(entry.key[len(prefix) :].decode(), EventRecord.from_bytes(entry.value)) for entry in own
            ]
        except (TamperedError, UnicodeDecodeError) as error:
            what = f"a record of batch {self.end.batch + 1} cannot be read: {error}"
            self.findings.add(Finding("edited", "ledger", what, number=self.end.events + 1))
            self.end = Standing(self.end.batch + 1, self.end.events + len(own), self.end.running)
            return []
        before, self.end = self.end, Standing.behind(head)
        if head.batch in self._interest:
            self.standings[head.batch] = self.end
        is_whole = self._check_batch(before, head, events)
        running = before.running
        for entry in own:
            running = next_running(running, *entry)
        is_marked = marks[0].key == batch_key(self._name, head.batch)
        if is_whole and (running != head.running or not is_marked or head.last_event_id != events[-1].event_id):
            what = f"the records of batch {head.batch} are not those it was written with"
            finding = Finding("edited", "ledger", what, number=head.first, count=head.size)
            self.findings.add(finding)
        return events

    def _check_batch(self, before: Standing, head: BatchRecord, events: Sequence[NotarisedEvent]) -> bool:
        """
        True if the batch follows the one before, and has the events that it says.
        """
        if (head.batch, head.first) != (before.batch + 1, before.events + 1):
            missing = head.first - before.events - 1
            kind = "deleted" if head.batch > before.batch + 1 and missing > 0 else "edited"
            what = f"batch {head.batch} from event {head.first} on follows batch {before.batch} up to {before.events}"
            count = max(missing, 1)
            self.findings.add(Finding(kind, "ledger", what, number=before.events + 1, count=count))
            return False
        if head.size != head.last - head.first + 1 or head.size < 1:
            what = f"the record of batch {head.batch} contradicts itself"
            self.findings.add(Finding("edited", "ledger", what, number=head.first))
            return False
        numbers = [event.record.number for event in events]
        expected = range(head.first, head.last + 1)
        if numbers == list(expected):
            return True
        seen: set[int] = set()
        for event_id, record in events:
            number = record.number
            if number not in expected or number in seen:
                what = f"the record of event {number} stands in batch {head.batch}, where it does not belong"
                self._extra[number] = Finding("inserted", "ledger", what, number=number, event_id=event_id)
            seen.add(number)
        missing_numbers = [number for number in expected if number not in seen]
        for number in missing_numbers:
            what = f"the record of event {number} is missing from batch {head.batch}"
            self._missing[number] = Finding("deleted", "ledger", what, number=number)
        if not missing_numbers and len(numbers) == len(expected):
            first = next(number for number, at in zip(numbers, expected, strict=True) if number != at)
            what = f"the records of batch {head.batch} are in another order"
            self.findings.add(Finding("reordered", "ledger", what, number=first))
        return False

    def _settle(self) -> None:
        """
        What is missing in one place and stands in another was moved.
        """
        moved = self._missing.keys() & self._extra.keys()
        for number in sorted(moved):
            what = f"the record of event {number} was moved to another batch"
            self.findings.add(Finding("reordered", "ledger", what, number=number))
        for found in (self._missing, self._extra):
            for number, finding in sorted(found.items()):
                if number not in moved:
                    self.findings.add(finding)
