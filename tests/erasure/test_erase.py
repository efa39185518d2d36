"""
Erasing a subject: the data, what was kept of it, and the record that it was done.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import (
    Aggregate,
    Erased,
    Metadata,
    NewEvent,
    Repository,
    SubjectIsAtVersion,
    erase_subject,
    handles,
    scoped,
    with_metadata,
)
from eventsource.erasure import plan_erasure, purge_caches
from eventsource.errors import ErasureUnfinishedError, InvalidSubjectError, SubjectNotFoundError
from eventsource.events import SubjectErased
from eventsource.store import InMemoryEventStore
from eventsource.store.delegating import DelegatingEventStore
from eventsource.store.scope import place_of
from tests.erasure.people import (
    PLANTED,
    Directory,
    Elsewhere,
    Names,
    NoteTaken,
    PersonNamed,
    PersonRegistered,
    fill,
    registered,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from eventsource import EventStore, RecordedEvent


class Person(Aggregate, subject="/people/{id}"):
    """
    Knows the name, as long as it is there.
    """

    name: str = ""

    def rename(self, name: str) -> None:
        """
        Take another name.
        """
        self.emit(PersonNamed(name=name))

    @handles
    def _registered(self, event: PersonRegistered) -> None:
        pass

    @handles
    def _named(self, event: PersonNamed | Erased[PersonNamed]) -> None:
        self.name = "" if isinstance(event, Erased) else event.name


class Cache:
    """
    Notes what was purged.
    """

    def __init__(self) -> None:
        self.purged: list[str] = []

    def purge(self, subject: str) -> int:
        """
        There were two.
        """
        self.purged.append(subject)
        return 2


class Broken:
    """
    Cannot purge.
    """

    def purge(self, subject: str) -> Any:
        """
        It does not.
        """
        raise OSError(subject)


class Snapshots(Cache):
    """
    The same, asynchronously.
    """

    async def purge(self, subject: str) -> int:  # type: ignore[override]  # either is fine
        """
        There was one.
        """
        await asyncio.sleep(0)
        self.purged.append(subject)
        return 1


async def _events(store: EventStore, subject: str) -> list[RecordedEvent]:
    return [event async for event in store.stream(subject, recursive=False)]


async def test_data_is_erased_and_the_erasure_recorded(any_store: EventStore) -> None:
    """
    Who did it, when, and which events; nothing of what they said.
    """
    await fill(any_store)
    named = (await _events(any_store, "/people/2"))[1]
    snapshots, cache = Snapshots(), Cache()

    with with_metadata(Metadata(actor="officer-7")):
        erasure = await erase_subject(any_store, "/people/2", purge=[snapshots, cache])

    (record,) = await _events(any_store, "/people/2/_erasures")
    assert record.decode() == SubjectErased(event_ids=(named.id,), snapshots_purged=3)
    assert record.metadata.actor == "officer-7"
    assert (erasure.subject, erasure.emptied, erasure.snapshots_purged) == ("/people/2", 1, 3)
    assert erasure.recorded == (record,)
    assert erasure.event_ids == (named.id,)
    # By what the whole store calls it.
    assert snapshots.purged == cache.purged == [place_of(any_store, "/people/2")[1]]
    assert (await _events(any_store, "/people/2"))[1].decode_all() == (Erased(PersonNamed),)
    assert [event async for event in any_store.stream() if PLANTED in event.data_json] == []


async def test_again_nothing_is_left_to_say(any_store: EventStore) -> None:
    """
    What is recorded is not recorded again, though states are purged each time; what came since is.
    """
    await fill(any_store)
    await erase_subject(any_store, "/people/2")
    cache = Cache()

    again = await erase_subject(any_store, "/people/2", purge=[cache])
    (renamed,) = await any_store.commit([NewEvent.of(PersonNamed(name=PLANTED), subject="/people/2")])
    later = await erase_subject(any_store, "/people/2")

    assert (again.emptied, again.recorded, len(cache.purged)) == (0, (), 1)
    assert later.event_ids == (renamed.id,)
    assert len(await _events(any_store, "/people/2/_erasures")) == 2


async def test_what_was_erased_but_not_recorded_is_recorded(any_store: EventStore) -> None:
    """
    Whoever was killed behind the store's own erase, or called that alone, is made good for by the next.
    """
    await fill(any_store)
    await any_store.erase("/people/2")

    erasure = await erase_subject(any_store, "/people/2")

    assert erasure.emptied == 0
    assert len(erasure.event_ids) == 1


async def test_data_by_reference_of_any_class_is_recorded(store: EventStore) -> None:
    """
    The hash tells what was stored by reference, so that what is empty by itself is not taken for erased.
    """
    subject = "/people/1"
    taken, *_ = await store.commit(
        [
            NewEvent.of(NoteTaken(text=PLANTED), subject=subject, store_data_as_reference=True),
            NewEvent.of(NoteTaken(text=""), subject=subject),
            NewEvent(subject=subject, type="io.example.test.erasure.closed", data={}),
            NewEvent(subject=subject, type="io.example.test.erasure.closed", data={}, store_data_as_reference=True),
        ]
    )

    assert (await erase_subject(store, subject)).event_ids == (taken.id,)


async def test_aggregates_and_their_versions_are_not_disturbed(any_store: EventStore) -> None:
    """
    A person that was erased is loaded, changed and guarded as before.
    """
    await fill(any_store)
    people = Repository(Person, any_store)
    before = await people.load("2")

    await erase_subject(any_store, "/people/2")

    assert before.name == PLANTED
    before.rename("Nobody")
    await people.save(before)
    assert (await people.load("2")).version == 3
    await any_store.commit(registered("2", "N. N."), [SubjectIsAtVersion("/people/2", 3)])


async def test_many_events_are_recorded_in_several(any_store: EventStore) -> None:
    """
    Each is named once, whatever fits into an event.
    """
    if not isinstance(any_store, InMemoryEventStore):
        return
    await any_store.commit([NewEvent.of(PersonNamed(name=f"Ada {n}"), subject="/people/1") for n in range(2_500)])

    erasure = await erase_subject(any_store, "/people/1")

    assert len(erasure.recorded) == 3
    assert erasure.event_ids == tuple(event.id for event in await _events(any_store, "/people/1"))


async def test_two_who_erase_at_once_record_once(any_store: EventStore) -> None:
    """
    Whoever comes second finds it said.
    """
    await fill(any_store)

    erasures = await asyncio.gather(*(erase_subject(any_store, "/people/2") for _ in range(5)))

    assert sum(len(erasure.event_ids) for erasure in erasures) == 1
    assert len(await _events(any_store, "/people/2/_erasures")) == 1


async def test_a_subject_without_events_is_refused(any_store: EventStore) -> None:
    """
    It may be misspelt; nothing is written or purged.
    """
    cache = Cache()

    for attempt in (erase_subject(any_store, "/people/2", purge=[cache]), plan_erasure(any_store, "/people/2")):
        with pytest.raises(SubjectNotFoundError):
            await attempt

    assert cache.purged == []
    assert await any_store.count() == 0


async def test_a_subject_with_nothing_to_erase_is_left_as_it_is(any_store: EventStore) -> None:
    """
    There is nothing to record.
    """
    await any_store.commit(registered("1"))

    erasure = await erase_subject(any_store, "/people/1")

    assert (erasure.emptied, erasure.recorded) == (0, ())
    assert await any_store.count() == 1


async def test_without_room_for_the_record_nothing_is_erased(store: EventStore) -> None:
    """
    A subject as deep as can be is refused before anything is done.
    """
    deep = "/a" * 32
    await store.commit([NewEvent.of(PersonNamed(name="Ada"), subject=deep)])

    with pytest.raises(InvalidSubjectError):
        await erase_subject(store, deep)

    assert (await _events(store, deep))[0].decode() == PersonNamed(name="Ada")


class Unfinished(DelegatingEventStore):
    """
    Its files cannot be cleaned.
    """

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int:
        """
        Emptied for every reader, though.
        """
        events = await super().erase(subject, including=including)
        name, reason = "store.db", "somebody is reading from it"
        raise ErasureUnfinishedError(name, subject=subject, events=events, reason=reason)


class Unclean:
    """
    A database that somebody reads from.
    """

    async def clean(self) -> bool:
        """
        It is not possible now.
        """
        return False


async def test_files_in_use_do_not_keep_the_rest_waiting(store: EventStore) -> None:
    """
    Everything else is done and recorded, then the error says that bytes are left.
    """
    await fill(store)
    cache = Cache()

    with pytest.raises(ErasureUnfinishedError):
        await erase_subject(Unfinished(store), "/people/2", purge=[cache])
    with pytest.raises(ErasureUnfinishedError, match="Unclean"):
        await erase_subject(store, "/people/3", purge=[cache], clean=[Unclean()])

    assert cache.purged == ["/people/2", "/people/3"]
    for person in (2, 3):
        assert len(await _events(store, f"/people/{person}/_erasures")) == 1


async def test_a_plan_tells_what_would_be_done(store: EventStore) -> None:
    """
    Which events, which others stay, who is below, and what each projector would do; nothing changes.
    """
    await fill(store)
    await store.commit([NewEvent.of(PersonNamed(name="Byron"), subject="/people/2/relatives/1")])
    await erase_subject(store, "/people/3")
    await store.erase("/people/1")
    events = await store.count()

    plan = await plan_erasure(store, "/people/2", projectors=[Names(), Directory(), Elsewhere()])

    assert [(event.type, event.id) for event in plan.events] == [
        (PersonNamed.event_type, (await _events(store, "/people/2"))[1].id)
    ]
    assert (plan.kept, plan.unrecorded, plan.below) == (1, 0, ("/people/2/relatives/1",))
    assert plan.projectors == {"names": "lets go", "directory": "starts over", "elsewhere": "stops"}
    assert (await plan_erasure(store, "/people/1", projectors=[Names()])).unrecorded == 1
    assert (await plan_erasure(store, "/people/3", projectors=[Names()])).projectors == {"names": "nothing"}
    assert await store.count() == events


async def test_caches_of_other_processes_are_purged(any_store: EventStore) -> None:
    """
    Around a program's work, `purge_caches` purges what anybody erases, and nothing that was erased before.
    """
    await fill(any_store)
    await erase_subject(any_store, "/people/1")
    cache = Cache()

    async with purge_caches(any_store, cache, Snapshots()):
        await erase_subject(any_store, "/people/2")
        while not cache.purged:  # noqa: ASYNC110  it wakes nobody
            await asyncio.sleep(0.001)

    assert cache.purged == [place_of(any_store, "/people/2")[1]]


async def test_a_program_whose_caches_cannot_be_purged_is_told() -> None:
    """
    The block is cancelled: it must not go on with what was to be forgotten.
    """

    async def work(store: EventStore) -> None:
        async with purge_caches(store, Broken()):
            await erase_subject(store, "/people/2")
            await asyncio.sleep(30)

    async with InMemoryEventStore() as store:
        await fill(store)
        with pytest.raises(ExceptionGroup) as failure:
            await work(store)

    assert isinstance(failure.value.exceptions[0], OSError)


async def test_a_tenant_erases_within_its_scope() -> None:
    """
    Data and record lie below the prefix; projectors of the whole store are told, too.
    """
    async with InMemoryEventStore() as whole:
        for tenant in ("acme", "globex"):
            await fill(scoped(whole, f"/tenants/{tenant}"))

        await erase_subject(scoped(whole, "/tenants/acme"), "/people/2")

        assert await whole.subjects("/tenants/acme/people/2") == (
            "/tenants/acme/people/2",
            "/tenants/acme/people/2/_erasures",
        )
        assert await _holders(whole) == ["/tenants/globex/people/2"]


async def _holders(store: EventStore) -> list[str]:
    return [event.subject async for event in store.stream() if PLANTED in event.data_json]
