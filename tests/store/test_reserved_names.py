"""
Names that the library reserves, in process: every kind of store refuses them from a user.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource import (
    Aggregate,
    DeclarationError,
    Event,
    Metadata,
    NewEvent,
    ProcessManager,
    Repository,
    UnitOfWork,
    connect,
    erase_subject,
    handles,
    scoped,
    starts,
    upcaster,
    with_metadata,
)
from eventsource.errors import ReservedNameError, UnstorableDataError
from eventsource.events import SubjectErased
from eventsource.processes.process_events import CommandDispatched
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing import event_types_scope
from tests.older_logs import erasure
from tests.store.http_server import TOKEN, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from eventsource import EventStore


class Happened(Event, type="io.example.test.reserved.happened"):
    """
    Anything.
    """

    number: int = 0


class Sly(Aggregate, subject="/sly/{id}"):
    """
    Emits what the library writes.
    """

    @handles
    def _erased(self, _: SubjectErased) -> None:
        pass


class Meddler(ProcessManager, name="reserved-meddler", by="/things/{id}", sends=[]):
    """
    Writes into its own books, as it thinks.
    """

    @starts
    def happened(self, _: Happened) -> None:
        """
        Say that a command was carried out.
        """
        self.emit(CommandDispatched(cause="e-1", index=0))


@pytest.fixture(params=["memory", "embedded", "http", "scoped", "scoped-http", "nested"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    A store of each kind; over HTTP with the administrator's token.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        memory = await enter(InMemoryEventStore())
        match request.param:
            case "memory":
                yield memory
            case "embedded":
                yield await enter(EmbeddedEventStore(tmp_path / "store.db"))
            case "http":
                yield await enter(connect(await enter(serving(memory)), token=TOKEN))
            case "scoped":
                yield scoped(memory, "/tenants/acme")
            case "scoped-http":
                yield scoped(await enter(connect(await enter(serving(memory)), token=TOKEN)), "/tenants/acme")
            case _:
                yield scoped(scoped(memory, "/tenants"), "/acme")


@pytest.mark.parametrize(
    ("subject", "type"),
    [
        ("/people/2/_erasures", "io.eventsource.subject-erased"),
        ("/people/2", "io.eventsource.subject-erased"),
        ("/people/2", "io.eventsource.process-reacted"),
        ("/process/loan/7", "io.eventsource.process-noted.io.example.any"),
        ("/people/2", "io.eventsource.of-some-day"),
        ("/people/2/_erasures", "io.example.any"),
        ("/people/2/_erasures/1", "io.example.any"),
        ("/_erasures", "io.example.any"),
        ("/_own", "io.example.any"),
        ("/process/loan/7", "io.example.any"),
    ],
)
async def test_a_user_commits_no_record(store: EventStore, subject: str, type: str) -> None:
    """
    The commit is refused by name, and nothing of it is written.
    """
    plain = NewEvent.of(Happened(), subject="/people/2")

    with pytest.raises(ReservedNameError) as caught:
        await store.commit([plain, NewEvent(subject=subject, type=type, data={})])

    assert caught.value.name in {subject, type}
    assert caught.value.code == "reserved-name"
    assert await store.count() == 0


@pytest.mark.parametrize("subject", ["/people/_7", "/people/2_erasures", "/process", "/process/7", "/process/a/b/c"])
async def test_other_names_stay_free(store: EventStore, subject: str) -> None:
    """
    Ids that begin with an underscore, and what only looks like a reserved name, belong to users.
    """
    for type in ("io.eventsourced.any", "io.example.io.eventsource.any", "io.eventsource"):
        await store.commit([NewEvent(subject=subject, type=type, data={"_metadata": 1, "in": {"_meta": [1]}})])

    assert await store.count(subject) == 3


async def test_classes_of_the_library_are_no_way_round(store: EventStore) -> None:
    """
    A user may import the library's event classes, but neither commits nor emits their events.
    """
    record = SubjectErased(event_ids=("e-1",))
    with pytest.raises(ReservedNameError):
        await store.commit([NewEvent.of(record, subject="/people/2/_erasures", metadata=Metadata(actor="me"))])
    work = UnitOfWork(store)
    work.emit(record, at="/people/2/_erasures")
    with pytest.raises(ReservedNameError):
        await work.commit()
    sly = Sly("7")
    sly.emit(record)
    with pytest.raises(ReservedNameError):
        await Repository(Sly, store).save(sly)
    assert await store.count() == 0


async def test_a_record_of_the_library_cannot_be_made_over(store: EventStore) -> None:
    """
    What a user makes of an event is the user's: the mark of the library is no parameter, and no copy takes it along.
    """
    with pytest.raises(TypeError):
        NewEvent(subject="/people/2", type="io.eventsource.any", data={}, is_record=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  what is refused
    made_over = attrs.evolve(erasure("/people/2/_erasures", "e-1"), data={"eventIds": ["e-2"]})
    with pytest.raises(ReservedNameError), with_metadata(Metadata(actor="library")):
        await store.commit([made_over])


async def test_a_scope_opens_no_door() -> None:
    """
    Neither the prefix nor the subject in the part may make a reserved name, and the error speaks of the part.
    """
    async with InMemoryEventStore() as store:
        for prefix, subject in (("/process", "/loan/7"), ("/process/loan", "/7"), ("/people/2/_erasures", "/7")):
            with pytest.raises(ReservedNameError) as caught:
                await scoped(store, prefix).commit([NewEvent(subject=subject, type="io.example.any", data={})])
            assert caught.value.name == subject
        assert await store.count() == 0


async def test_a_reaction_writes_nothing_into_the_books() -> None:
    """
    What the library records of a process is no event that a reaction emits.
    """
    async with InMemoryEventStore() as store:
        (recorded,) = await store.commit([NewEvent.of(Happened(), subject="/things/7")])

    with pytest.raises(ReservedNameError):
        Meddler("7").react(recorded)


def test_reserved_types_cannot_be_declared() -> None:
    """
    Neither by a class nor by an upcaster, also where a test may declare a type anew.
    """
    with event_types_scope(), pytest.raises(DeclarationError, match="records of the library"):

        class Mine(Event, type="io.eventsource.mine"):
            """
            Of a user.
            """

    with event_types_scope(), pytest.raises(DeclarationError, match="records of the library"):

        class Erased(Event, type=SubjectErased.event_type):
            """
            In place of the library's.
            """

    with event_types_scope(), pytest.raises(DeclarationError, match="records of the library"):

        @upcaster(SubjectErased.event_type, version=1)
        def _other(data: dict[str, Any]) -> dict[str, Any]:
            return data


@pytest.mark.parametrize("metadata", ["x", [], 7, None, {"version": "x"}, {"commandId": []}, {"own": {}}], ids=repr)
def test_metadata_of_another_shape_makes_no_event(metadata: object) -> None:
    """
    It is refused where the event is made, before any store sees it.
    """
    with pytest.raises(UnstorableDataError, match="_meta"):
        NewEvent(subject="/people/2", type="io.example.any", data={"_meta": metadata})


def test_data_that_calls_itself_erased_makes_no_event() -> None:
    """
    The mark of erased data goes with data that has no values.
    """
    with pytest.raises(UnstorableDataError, match="held"):
        NewEvent(subject="/people/2", type="io.example.any", data={"_meta": {"held": ""}, "name": "Ada"})
    NewEvent(subject="/people/2", type="io.example.any", data={"_meta": {"held": ""}, "name": ""})


async def test_the_library_erases_in_every_store(store: EventStore) -> None:
    """
    An erasure is recorded as before, in a part of a store, too.
    """
    taken = NewEvent.of(Happened(number=7), subject="/people/2", store_data_as_reference=True)
    (recorded,) = await store.commit([taken])

    erasure = await erase_subject(store, "/people/2")

    assert erasure.event_ids == (recorded.id,)


async def test_a_backup_with_records_is_restored(tmp_path: Path) -> None:
    """
    Restoring takes what a log holds, whoever wrote it, into every whole kind of store.
    """
    async with InMemoryEventStore() as before:
        await before.commit([NewEvent.of(Happened(number=7), subject="/people/2", store_data_as_reference=True)])
        await erase_subject(before, "/people/2")
        await before.commit([erasure("/_erasures", "e-1")])
        backup = [item async for item in before.backup()]
        log = [event async for event in before.stream()]
    async with (
        InMemoryEventStore() as memory,
        EmbeddedEventStore(tmp_path / "store.db") as embedded,
        InMemoryEventStore() as behind,
        serving(behind) as url,
        connect(url, token=TOKEN) as http,
    ):
        for store in (memory, embedded, http):
            await store.restore(backup)
            assert [event.hash async for event in store.stream()] == [event.hash for event in log]
