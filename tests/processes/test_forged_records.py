"""
What somebody else writes at the subject of a process: it stops no process manager, and no other process.

The library takes such events from no user, but a foreign server takes them from anybody, and a writer may forge a note
in the form that a worker writes it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventsource import (
    Command,
    Dispatcher,
    Event,
    NewEvent,
    ProcessManager,
    ProcessWorker,
    ProjectionWorker,
    Projector,
    ReadModelDatabase,
    UnitOfWork,
    handles,
    reacts,
    scoped,
    starts,
)
from eventsource.errors import EventDecodingError
from eventsource.events import SubjectErased
from eventsource.processes import list_processes, retry_process
from eventsource.processes.correlation import command_id
from tests.older_logs import erasure, forged
from tests.processes.bank import AT_ONCE, Bank

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "io.eventsource.process-"
TIME = "2026-01-01T00:00:00Z"
REACTED: dict[str, Any] = {"cause": "none", "causeType": "t", "causeTime": TIME}


class Asked(Event, type="io.example.test.forged.asked"):
    """
    Something for a process.
    """

    process: str


class Done(Event, type="io.example.test.forged.done"):
    """
    What its command does.
    """

    times: int = 1


class Noted(Event, type="io.example.test.forged.noted"):
    """
    What it remembers.
    """

    asked: int = 1


class Do(Command, subject="/things/{process}"):
    """
    Do it.
    """

    process: str


class Doing(ProcessManager, name="forged-doing", by="process", sends=[Do]):
    """
    Does what is asked, and counts.
    """

    asked: int = 0

    @starts
    @reacts
    def more(self, _: Asked) -> None:
        """
        Do it.
        """
        self.emit(Noted())
        self.send(Do(process=self.id))

    @handles
    def _noted(self, event: Noted) -> None:
        self.asked += event.asked


def _at(id: str, kind: str, data: dict[str, Any]) -> NewEvent:
    return forged(f"/process/forged-doing/{id}", PREFIX + kind, data)


# By name: what is written, and whether the process can still be led on.
SHAPES: dict[str, tuple[dict[str, Any], bool]] = {
    "reacted": ({}, True),
    "reacted.": (REACTED | {"_meta": {"version": 99}}, True),
    "reacted..": (REACTED | {"_meta": "x", "commands": [{"name": 1}]}, True),
    "reacted...": (REACTED | {"causeTime": "2026-01-01T00:00:00"}, True),
    "reacted....": (REACTED | {"causeTime": "9999-12-31T00:00:00Z"}, True),
    "reacted.....": (
        REACTED | {"timers": [{"dueAt": "1999-01-01T00:00:00Z", "type": "no.such.type", "data": {}}]},
        False,
    ),
    "reacted......": (REACTED | {"commands": [{"name": "NoSuchCommand", "data": {}}]}, False),
    "reacted.......": (REACTED | {"commands": [{"name": "Do", "data": {"process": []}}]}, False),
    "command-dispatched": ({"cause": "none", "index": -7}, True),
    "command-dispatched.": ({}, True),
    "command-refused": ({}, True),
    "timer-fired": ({"timer": "no/timer/of/mine"}, True),
    "timer-fired.": ({"timer": []}, True),
    "input-held": ({"cause": "none", "causeType": "t"}, False),
    "input-held.": ({}, True),
    "parked": ({"stage": "nowhere"}, True),
    "retried": ({}, True),
    "of-some-day": ({}, True),
    "noted.no.such.type": ({}, False),
    f"noted.{Noted.event_type}": ({"asked": "many"}, False),
    f"noted.{Noted.event_type}.": ({"asked": 0, "_meta": ["x"]}, True),
}


async def work(bank: Bank, store: Any = None, **options: Any) -> None:
    """
    Let a worker do all there is to do.
    """
    store = store or bank.store
    dispatcher = Dispatcher(store)

    async def do(command: Do, work: UnitOfWork) -> None:
        work.emit(Done(), at=command.subject)

    dispatcher.register(Do, do)
    async with ProcessWorker(store, dispatcher, [Doing], clock=bank.clock, retry=AT_ONCE, **options) as worker:
        await worker.settle()


async def ask(bank: Bank, *ids: str) -> None:
    """
    Ask processes.
    """
    await bank.commit("/desk", *(Asked(process=id) for id in ids))


async def standing(bank: Bank) -> dict[str, str]:
    """
    How each process stands.
    """
    return {state.id: state.standing for state in await list_processes(Doing, bank.store)}


@pytest.mark.parametrize("shape", SHAPES)
async def test_one_process_is_concerned_at_most(memory_bank: Bank, shape: str) -> None:
    """
    A worker starts, and leads the other processes on, whatever stands at the subject of one; nothing is lost for it.
    """
    data, goes_on = SHAPES[shape]
    await ask(memory_bank, "a", "b")
    await work(memory_bank)
    await memory_bank.store.commit([_at("a", shape.rstrip("."), data)])
    for _ in range(2):
        await ask(memory_bank, "a", "b")
        await work(memory_bank)

    assert await memory_bank.count(Done, "/things/b") == 3
    state = {state.id: state for state in await list_processes(Doing, memory_bank.store)}["a"]
    if goes_on:
        assert (state.standing, await memory_bank.count(Done, "/things/a")) == ("running", 3)
    else:
        assert state.standing == "parked"
        assert state.held >= 1


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_worker_that_keeps_its_place_goes_on(memory_bank: Bank, shape: str, tmp_path: Path) -> None:
    """
    So does a worker that notes in a read-model database how far it is, and which processes have open work.
    """
    async with ReadModelDatabase(f"sqlite:///{tmp_path / 'read.db'}") as database:
        await memory_bank.store.commit([_at("a", shape.rstrip("."), SHAPES[shape][0])])
        await ask(memory_bank, "b")
        await work(memory_bank, database=database)
        await ask(memory_bank, "a", "b")
        await work(memory_bank, database=database)

    assert await memory_bank.count(Done, "/things/b") == 2


async def test_a_plain_event_of_an_old_log_parks_its_process(memory_bank: Bank) -> None:
    """
    A plain event that its process cannot take parks it, and what came for it is answered once the code can.
    """
    await memory_bank.store.commit([forged("/process/forged-doing/a", "io.example.test.forged.unheard-of", {})])
    await ask(memory_bank, "a", "b", "a")
    await work(memory_bank)
    assert await standing(memory_bank) == {"a": "parked", "b": "running"}

    class Unheard(Event, type="io.example.test.forged.unheard-of"):
        """
        It is heard of now.
        """

    class Mended(ProcessManager, name="forged-doing", by="process", sends=[Do]):
        @starts
        @reacts
        def more(self, _: Asked) -> None:
            self.emit(Noted())
            self.send(Do(process=self.id))

        @handles
        def _noted(self, event: Noted) -> None:
            pass

        @handles
        def _unheard(self, event: Unheard) -> None:
            pass

    await retry_process(Mended, memory_bank.store, "a")
    dispatcher = Dispatcher(memory_bank.store)

    async def do(command: Do, work: UnitOfWork) -> None:
        work.emit(Done(), at=command.subject)

    dispatcher.register(Do, do)
    async with ProcessWorker(memory_bank.store, dispatcher, [Mended], clock=memory_bank.clock) as worker:
        await worker.settle()

    assert await standing(memory_bank) == {"a": "running", "b": "running"}
    assert await memory_bank.count(Done, "/things/a") == 2


async def test_a_process_that_cannot_be_read_says_so_when_it_is_let_go_on(memory_bank: Bank) -> None:
    """
    The error names the event that does not decode.
    """
    await memory_bank.store.commit([_at("a", f"noted.{Noted.event_type}", {"asked": "many"})])
    await ask(memory_bank, "a")
    await work(memory_bank)

    with pytest.raises(EventDecodingError):
        await retry_process(Doing, memory_bank.store, "a")


@pytest.mark.parametrize("place", ["/process", "/process/forged-doing", "/process/forged-doing/a/b", "/a", "/_any/a"])
async def test_notes_elsewhere_are_nobody_s(memory_bank: Bank, place: str) -> None:
    """
    A note counts at the subject of its process alone.
    """
    kinds = ("command-refused", "reacted", "parked", "input-held", f"noted.{Asked.event_type}")
    await memory_bank.store.commit([forged(place, PREFIX + kind, {"process": "a"} | REACTED) for kind in kinds])
    await ask(memory_bank, "a")
    await work(memory_bank)

    assert await standing(memory_bank) == {"a": "running"}


async def test_records_of_erasures_disturb_no_process(memory_bank: Bank) -> None:
    """
    Forged ones are passed by, at the processes' own subjects, too.
    """
    await ask(memory_bank, "a")
    places = ("/_erasures", "/process/forged-doing/a", "/process/forged-doing/a/_erasures", "/process/_erasures")
    await memory_bank.store.commit([erasure(place, "e-1", _meta=9) for place in places])
    await memory_bank.store.commit([forged(place, SubjectErased.event_type, {}) for place in places])
    await ask(memory_bank, "a")
    await work(memory_bank)

    assert await memory_bank.count(Done, "/things/a") == 2


async def test_a_tenant_disturbs_no_other(memory_bank: Bank) -> None:
    """
    What is forged in one part of a store concerns the processes of that part.
    """
    acme, globex = (scoped(memory_bank.store, f"/tenants/{name}") for name in ("acme", "globex"))
    await acme.commit([_at("a", kind.rstrip("."), data) for kind, (data, _) in SHAPES.items()])
    for store in (acme, globex):
        await store.commit([NewEvent.of(Asked(process=id), subject="/desk") for id in ("a", "b")])
        await work(memory_bank, store)

    assert [state.standing for state in await list_processes(Doing, globex)] == ["running", "running"]
    assert {state.id: state.standing for state in await list_processes(Doing, acme)} == {"a": "parked", "b": "running"}


async def test_a_projector_goes_by_notes_that_do_not_decode(memory_bank: Bank, tmp_path: Path) -> None:
    """
    Notes of processes are no business of a read model over everything.
    """
    seen: list[str] = []

    class Things(Projector, name="things"):
        @handles
        def _done(self, event: Done, recorded: Any, tx: Any) -> None:  # noqa: ARG002  as handlers are
            seen.append(recorded.subject)

    await memory_bank.store.commit([_at("a", kind.rstrip("."), data) for kind, (data, _) in SHAPES.items()])
    await memory_bank.commit("/things/a", Done())
    async with (
        ReadModelDatabase(f"sqlite:///{tmp_path / 'read.db'}") as database,
        ProjectionWorker(memory_bank.store, database, [Things()]) as worker,
    ):
        await worker.caught_up()

    assert seen == ["/things/a"]


async def test_an_event_that_carries_the_id_of_a_command_does_not_stand_in_for_it(memory_bank: Bank) -> None:
    """
    Ids of a process's commands can be foretold. An event under one of them parks the process: it is not taken as done.
    """
    cause = await memory_bank.commit("/desk", Asked(process="a"))
    await ask(memory_bank, "b")
    other = {"_meta": {"commandId": command_id("forged-doing", "a", cause.id, 0)}}
    await memory_bank.store.commit([NewEvent(subject="/things/a", type="io.example.test.forged.other", data=other)])
    await work(memory_bank)

    (parked, running) = await list_processes(Doing, memory_bank.store)
    assert (parked.id, parked.standing, parked.unsent) == ("a", "parked", 1)
    assert parked.parked is not None
    assert parked.parked.error == "CommandIdReusedError"
    assert (running.standing, await memory_bank.count(Done, "/things/b")) == ("running", 1)
