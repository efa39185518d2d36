"""
How much a worker reads: what was added to a process, and at its start what is open.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import create_engine, inspect, text

from eventsource import (
    Command,
    Dispatcher,
    Event,
    NewEvent,
    ProcessManager,
    ProcessWorker,
    Repository,
    erase_subject,
    handles,
    on_timer,
    reacts,
    starts,
)
from eventsource.processes import instance as instances
from eventsource.processes import list_processes, retry_process
from eventsource.store import EventStream, InMemoryEventStore
from eventsource.store.delegating import DelegatingEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from eventsource import EventStore
    from eventsource.store import Page

    from .bank import Bank


class Pinged(Event, type="io.example.test.reading.pinged"):
    """
    Something that one process gets many of.
    """


class Reminded(Event, type="io.example.test.reading.reminded"):
    """
    A timer.
    """

    text: str = ""


class PersonCalled(Event, type="io.example.test.reading.person-called", personal=True):
    """
    What a process remembers of a person.
    """

    name: str


class Answered(Event, type="io.example.test.reading.answered"):
    """
    What a command makes.
    """

    text: str


class Answer(Command, subject="/answers/{place}"):
    """
    Say something.
    """

    place: str
    text: str


class Pings(ProcessManager, name="reading-pings", by="/pings/{id}", sends=[Answer]):
    """
    Counts, and answers each.
    """

    fails: ClassVar[set[str]] = set()
    count: int = 0
    seen: int = 0
    name: str = ""

    @starts
    def pinged(self, _: Pinged) -> None:
        """
        Count it. What is done to the state without an event is gone with the next one.
        """
        self.seen += 1
        if self.id in self.fails:
            raise ZeroDivisionError
        self.send(Answer(place=self.id, text=f"{self.count} {self.seen} {self.name}"))
        self.emit(PersonCalled(name="Zebulon"))

    @handles
    def _called(self, event: PersonCalled) -> None:
        self.count += 1
        self.name = event.name


class Waiting(ProcessManager, name="reading-waiting", by="/pings/{id}", sends=[]):
    """
    Waits for a day.
    """

    @starts
    def pinged(self, _: Pinged) -> None:
        """
        Wait.
        """
        self.schedule(Reminded(text="planted in a timer"), after=timedelta(days=1))

    @on_timer
    def reminded(self, _: Reminded) -> None:
        """
        It is over.
        """
        self.complete()

    @reacts
    def answered(self, _: Answered) -> None:
        """
        Wait no more.
        """
        self.complete()


class CountingStore(DelegatingEventStore):
    """
    Counts the events of processes that are read, but for those that are observed.
    """

    def __init__(self, inner: EventStore) -> None:
        super().__init__(inner)
        self.read = 0

    def stream(self, subject: str = "/", **options: Any) -> EventStream:
        """
        The same, counted.
        """
        return EventStream(self._counted(super().stream(subject, **options)))

    async def _counted(self, stream: EventStream) -> AsyncGenerator[Page]:
        async for page in stream.pages():
            self.read += sum(event.subject.startswith("/process/") for event in page.events)
            yield page


def dispatcher_on(store: EventStore) -> Dispatcher:
    """
    A dispatcher that answers.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(Answer, lambda command: Answered(text=command.text))
    return dispatcher


async def work(bank: Bank, store: EventStore, *processes: type[ProcessManager], database: str | None = None) -> None:
    """
    Let a worker do all there is to do.
    """
    worker = ProcessWorker(store, dispatcher_on(store), processes, clock=bank.clock, database=database)
    async with worker:
        await worker.settle()


async def ping(bank: Bank, *ids: str) -> None:
    """
    One ping for each of these processes.
    """
    for id in ids:
        await bank.commit(f"/pings/{id}", Pinged())


@pytest.mark.parametrize("ways", [1, 3], ids=["one-process", "in-turns"])
async def test_answering_reads_each_event_once(bank: Bank, ways: int) -> None:
    """
    What is read of a process grows with its events, also where several processes get theirs in turns.
    """
    rounds = 40
    for _ in range(rounds):
        await ping(bank, *"abc"[:ways])
    store = CountingStore(bank.store)
    await work(bank, store, Pings)

    written = await bank.store.count("/process")
    assert written == 3 * rounds * ways
    assert store.read <= 2 * written


async def test_answering_one_by_one_reads_each_event_once(memory_bank: Bank) -> None:
    """
    A worker that gets an event now and then reads what was added, and not the process again.
    """
    store = CountingStore(memory_bank.store)
    worker = ProcessWorker(store, dispatcher_on(store), [Pings], clock=memory_bank.clock)
    async with worker:
        for _ in range(40):
            await ping(memory_bank, "a")
            await worker.settle()

    assert store.read <= 2 * await memory_bank.store.count("/process")


async def test_processes_that_are_used_no_more_make_room(memory_bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With room for two processes, five that take turns are answered as before.
    """
    monkeypatch.setattr(instances, "_KEPT", 2)
    for _ in range(4):
        await ping(memory_bank, *"abcde")
    await work(memory_bank, memory_bank.store, Pings)

    for id in "abcde":
        texts = [event.text for event in await memory_bank.events(f"/answers/{id}") if isinstance(event, Answered)]
        assert texts == ["0 1 ", "1 1 Zebulon", "2 1 Zebulon", "3 1 Zebulon"]


async def test_state_without_an_event_is_not_kept(memory_bank: Bank) -> None:
    """
    A reaction that changes its process directly, or fails halfway, leaves nothing behind in it.
    """
    await ping(memory_bank, "a")
    Pings.fails.add("a")
    worker = ProcessWorker(memory_bank.store, dispatcher_on(memory_bank.store), [Pings], clock=memory_bank.clock)
    async with worker:
        await worker.settle()
        Pings.fails.clear()
        await retry_process(Pings, memory_bank.store, "a")
        await ping(memory_bank, "a")
        await worker.settle()

    texts = [event.text for event in await memory_bank.events("/answers/a") if isinstance(event, Answered)]
    assert texts == ["0 1 ", "1 1 Zebulon"]


async def test_what_was_erased_is_forgotten_by_a_worker_that_runs(bank: Bank) -> None:
    """
    A worker that has a process in memory does not go on with a name that was erased meanwhile.
    """
    await ping(bank, "a")
    worker = ProcessWorker(bank.store, dispatcher_on(bank.store), [Pings], clock=bank.clock)
    async with worker:
        await worker.settle()
        await ping(bank, "a")
        await worker.settle()
        await erase_subject(bank.store, "/process/reading-pings/a")
        await worker.settle()
        await ping(bank, "a")
        await worker.settle()

    texts = [event.text for event in await bank.events("/answers/a") if isinstance(event, Answered)]
    assert texts == ["0 1 ", "1 1 Zebulon", "0 1 "]


async def test_two_workers_keep_what_the_other_adds(bank: Bank) -> None:
    """
    Processes that two workers have in memory are answered once, each from all that stands in the log.
    """
    workers = [
        ProcessWorker(bank.store, dispatcher_on(bank.store), [Pings], clock=bank.clock, width=2) for _ in range(2)
    ]
    async with workers[0], workers[1]:
        for _ in range(6):
            await ping(bank, "a", "b")
            await asyncio.gather(*(worker.settle() for worker in workers))

    for id in "ab":
        texts = [event.text for event in await bank.events(f"/answers/{id}") if isinstance(event, Answered)]
        assert texts == ["0 1 ", *(f"{number} 1 Zebulon" for number in range(1, 6))]


# --- At the start ---


async def test_a_start_reads_what_is_open(bank: Bank, tmp_path: Path) -> None:
    """
    With its place in a database a worker reads no process that is done, and fires the timer that is due.
    """
    database = f"sqlite:///{tmp_path / 'read.db'}"
    ids = [f"{number}" for number in range(30)]
    await ping(bank, *ids)
    for id in ids[1:]:
        await bank.commit(f"/pings/{id}", Answered(text=""))
    await work(bank, bank.store, Waiting, database=database)

    store = CountingStore(bank.store)
    await work(bank, store, Waiting, database=database)
    assert store.read <= 2
    bank.clock.advance(days=2)
    await work(bank, store, Waiting, database=database)

    assert store.read <= 10
    states = await list_processes(Waiting, bank.store)
    assert {state.standing for state in states} == {"completed"}
    assert await bank.count(Reminded) == 1


async def test_what_others_did_meanwhile_is_counted_in(bank: Bank, tmp_path: Path) -> None:
    """
    Timers that another worker, without the database, has set, fired and cancelled are known at the next start.
    """
    database = f"sqlite:///{tmp_path / 'read.db'}"
    await ping(bank, "fires", "is cancelled", "stays")
    await work(bank, bank.store, Waiting, database=database)
    await bank.commit("/pings/is cancelled", Answered(text=""))
    await work(bank, bank.store, Waiting)
    bank.clock.advance(days=2)
    await ping(bank, "is new")
    await work(bank, bank.store, Waiting)
    bank.clock.advance(days=2)
    await work(bank, bank.store, Waiting, database=database)
    await work(bank, bank.store, Waiting, database=database)

    assert await bank.count(Reminded) == 3
    assert {state.standing for state in await list_processes(Waiting, bank.store)} == {"completed"}


async def test_a_parked_process_is_known_at_the_start(bank: Bank, tmp_path: Path) -> None:
    """
    A process that was parked before a restart goes on when it is let go, with what has come for it.
    """
    database = f"sqlite:///{tmp_path / 'read.db'}"
    Pings.fails.add("a")
    await ping(bank, "a")
    await work(bank, bank.store, Pings, database=database)
    await ping(bank, "a")
    await work(bank, bank.store, Pings, database=database)
    Pings.fails.clear()
    await retry_process(Pings, bank.store, "a")
    await work(bank, bank.store, Pings, database=database)

    assert len(await bank.events("/answers/a")) == 2
    assert (await Repository(Pings, bank.store).load("a")).count == 2


@pytest.mark.parametrize("lost", ["the rows", "the table", "all"])
async def test_what_was_saved_may_be_lost(bank: Bank, tmp_path: Path, lost: str) -> None:
    """
    A database without the rows, as an earlier release leaves it, is filled again from the processes.
    """
    path = tmp_path / "read.db"
    database = f"sqlite:///{path}"
    await ping(bank, "a")
    await work(bank, bank.store, Waiting, database=database)
    if lost == "all":
        path.unlink()
    else:
        engine = create_engine(database)
        with engine.begin() as tx:
            assert inspect(tx).has_table("eventsource_open_processes")
            tx.execute(text("DELETE FROM eventsource_open_processes" if lost == "the rows" else _DROP))
        engine.dispose()
    bank.clock.advance(days=2)
    await work(bank, bank.store, Waiting, database=database)

    assert await bank.count(Reminded) == 1


_DROP = "DROP TABLE eventsource_open_processes"


async def test_rows_of_another_store_are_not_used(memory_bank: Bank, tmp_path: Path) -> None:
    """
    A worker whose store was replaced takes nothing for open that is of the other store.
    """
    database = f"sqlite:///{tmp_path / 'read.db'}"
    await ping(memory_bank, "a", "b")
    await work(memory_bank, memory_bank.store, Waiting, database=database)
    memory_bank.clock.advance(days=2)
    async with InMemoryEventStore(clock=memory_bank.clock) as store:
        await store.commit([NewEvent.of(Pinged(), subject="/pings/b")])
        await work(memory_bank, store, Waiting, database=database)
        memory_bank.clock.advance(days=2)
        await work(memory_bank, store, Waiting, database=database)

        assert [state.id for state in await list_processes(Waiting, store)] == ["b"]
        assert await store.count("/process") == 4


async def test_no_data_of_events_stands_in_the_database(memory_bank: Bank, tmp_path: Path) -> None:
    """
    The database says that a timer is open, and nothing of what its event carries.
    """
    path = tmp_path / "read.db"
    await ping(memory_bank, "a")
    await work(memory_bank, memory_bank.store, Waiting, database=f"sqlite:///{path}")

    content = path.read_bytes()
    assert Reminded.event_type.encode() in content
    assert b"planted" not in content
