"""
Backups: all of a log, and a store made of it that is the same.
"""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import SubjectIsAtVersion
from eventsource.errors import BackupInvalidError, StoreClosedError, StoreNotEmptyError
from eventsource.events.hash_chain import GENESIS_HASH
from eventsource.testing.contract.erasure import personal, rows
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, PATIENCE_S, commit_each, noted, place_of, read, take

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from eventsource import EventStore
    from eventsource.testing.contract.kinds import OpenStore

MEMBERS = [
    "source",
    "subject",
    "type",
    "specversion",
    "id",
    "time",
    "datacontenttype",
    "predecessorhash",
    "data",
    "hash",
]


async def fill(store: EventStore, count: int = 5) -> None:
    """
    Events of several subjects, every second one with data by reference.
    """
    await store.commit(
        [
            (personal if number % 2 else noted)(f"/people/{number % 7}", data={"name": f"Ada {number}", "n": number})
            for number in range(count)
        ]
    )


async def backup_of(store: EventStore) -> list[dict[str, Any]]:
    """
    A backup, as it is after it was written as JSON and read again.
    """
    return [json.loads(json.dumps(event)) async for event in store.backup()]


def foreign(count: int = 3) -> list[dict[str, Any]]:
    """
    A log of another kind of store: its hashes follow another formula, its times have what digits they need.
    """
    times = ["2025-06-02T15:40:01Z", "2025-06-02T15:40:01.5Z", "2025-06-02T17:40:01.500000001+02:00"]
    return [
        {
            "source": "io.example.elsewhere",
            "subject": f"/foreign/{number % 2}",
            "type": NOTED,
            "specversion": "1.0",
            "id": f"foreign-{number}",
            "time": times[number],
            "datacontenttype": "application/json",
            "predecessorhash": f"{number:064x}",
            "data": {"number": number},
            "hash": f"{number + 1:064x}",
        }
        for number in range(count)
    ]


async def test_a_backup_has_all_events_as_they_are_written(store: EventStore) -> None:
    """
    Events have their ten members and, where data is stored by reference, what ties it to the chain.
    """
    await fill(store, 3)
    await store.erase("/people/1")
    await store.commit([personal("/people/9", {"name": "Bob"})])

    backup = await backup_of(store)

    # Some kinds of stores give each commit a key, which is in the backup, too.
    assert [[name for name in event if not name.startswith("commit")] for event in backup] == [
        MEMBERS,
        [*MEMBERS, "datadigest"],
        MEMBERS,
        [*MEMBERS, "datadigest", "datasalt"],
    ]
    events = await read(store.stream())
    assert [{name: event[name] for name in MEMBERS} for event in backup] == [event.to_cloud_event() for event in events]


async def test_a_restored_store_is_the_same(open_store: OpenStore) -> None:
    """
    Events, hashes, versions and a further backup are the same; the audit holds, and erasing still works.
    """
    async with open_store() as store, open_store() as other:
        await fill(store, 2_300)
        await store.erase("/people/3")
        backup = await backup_of(store)

        assert await other.restore(backup) == 2_300

        assert await read(other.stream()) == await read(store.stream())
        assert await backup_of(other) == backup
        assert await other.audit() == await store.audit()
        assert (await other.audit()).is_intact
        assert (await other.audit()).imported == 0
        assert await other.erase("/people/3") == 0
        assert await other.erase("/people/1") == await store.erase("/people/1") > 0
        assert await backup_of(other) == await backup_of(store)
        assert (await other.audit()).is_intact


async def test_a_restored_store_goes_on(open_store: OpenStore) -> None:
    """
    Commits follow the restored log: position, link, later time, versions; observers get both.
    """
    async with open_store() as store, open_store(clock=lambda: 0) as other:
        await fill(store, 10)
        observer = other.observe()
        await other.create_index(NOTED, "data.name")
        with pytest.raises(Exception, match="expected 5 events"):
            await other.commit([noted("/people/1")], [SubjectIsAtVersion("/people/1", 5)])

        await other.restore(store.backup())
        (event,) = await other.commit([noted("/people/1")], [SubjectIsAtVersion("/people/1", 2)])

        assert await place_of(event, other) == 11
        assert await take(observer, 11) == [*await read(store.stream()), event]
        assert (await other.audit()).is_intact
        query = f"STREAM e FROM events WHERE e.type == '{NOTED}' AND e.data.name == 'Ada 4' MAP e.subject"
        assert await rows(other, query) == ["/people/4"]


async def test_an_empty_backup_restores_an_empty_store(open_store: OpenStore) -> None:
    """
    No events are a backup, too.
    """
    async with open_store() as store, open_store() as other:
        assert await other.restore(store.backup()) == 0
        assert await other.restore([]) == 0
        await commit_each(other, ["/a"])


async def test_commits_during_a_backup_are_not_in_it(store: EventStore) -> None:
    """
    A backup is of the moment it began.
    """
    await fill(store, 1_500)
    backup = store.backup()
    await anext(backup)

    await fill(store, 10)

    assert len([event async for event in backup]) == 1_499


@needs(Capability.DIRECT)
async def test_an_erase_during_a_backup_empties_what_comes(open_store: OpenStore) -> None:
    """
    Events not yet given out come without their data, and the backup can be restored.
    """
    async with open_store() as store, open_store() as other:
        await store.commit([personal("/people/1", {"name": "Ada"})] * 2_500)
        backup = store.backup()
        first = await anext(backup)

        await store.erase("/people/1")

        events = [first, *[event async for event in backup]]
        assert events[0]["data"] == {"name": "Ada"}
        assert events[-1]["data"] == {"name": ""}
        assert await other.restore(events) == 2_500
        assert (await other.audit()).is_intact


async def test_events_of_another_kind_of_store_are_kept_as_they_are(open_store: OpenStore) -> None:
    """
    Hashes and the digits of times stay; the audit checks their links and says how many it could not compute.
    """
    async with open_store() as store:
        await store.restore(foreign())
        (event,) = await store.commit([noted("/foreign/1")])

        report = await store.audit()
        *before, latest = await backup_of(store)
        assert before == foreign()
        assert {name: latest[name] for name in MEMBERS} == event.to_cloud_event()
        assert (report.is_intact, report.events, report.imported) == (True, 4, 3)
        assert event.predecessor_hash == foreign()[-1]["hash"]
        seconds = [each.time_ns - 1_748_878_801 * 10**9 for each in await read(store.stream("/foreign"))][:3]
        assert seconds == [0, 500_000_000, 500_000_001]


def changed(**members: Any) -> Callable[[dict[str, Any]], None]:
    """
    A change of members.
    """
    return lambda event: event.update(members)


def without(name: str) -> Callable[[dict[str, Any]], None]:
    """
    A change that takes a member away.
    """
    return lambda event: event.pop(name)


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    **{f"no {name}": (without(name), name) for name in MEMBERS},
    "no salt": (without("datasalt"), "datasalt"),
    "no digest": (without("datadigest"), "datadigest"),
    "link": (changed(predecessorhash=GENESIS_HASH), "predecessorhash"),
    "hash in capitals": (changed(hash="A" * 64), "hash"),
    "specversion": (changed(specversion="0.3"), "specversion"),
    "content type": (changed(datacontenttype="text/plain"), "datacontenttype"),
    "id with blank": (changed(id="a b"), "id"),
    "id as number": (changed(id=7), "id"),
    "subject": (changed(subject="people"), "subject"),
    "subject of all": (changed(subject="/"), "subject"),
    "type": (changed(type=""), "type"),
    "source": (changed(source="a b"), "source"),
    "time": (changed(time="yesterday"), "time"),
    "earlier": (changed(time="2001-01-01T00:00:00Z"), "time"),
    "before 1970": (changed(time="1969-01-01T00:00:00Z"), "time"),
    "far future": (changed(time="2300-01-01T00:00:00Z"), "time"),
    "data as list": (changed(data=["secret"]), "data"),
    "other data": (changed(data={"name": "secret"}), "datadigest"),
    "digest": (changed(datadigest="x"), "datadigest"),
    "salt": (changed(datasalt=7), "datasalt"),
    "other salt": (changed(datasalt="0" * 64), "datadigest"),
}


@pytest.mark.parametrize(("damage", "named"), DAMAGES.values(), ids=list(DAMAGES))
async def test_a_damaged_backup_is_refused_as_a_whole(
    open_store: OpenStore, damage: Callable[[dict[str, Any]], object], named: str
) -> None:
    """
    The error says which event and what is wrong, without its data, and the store is as empty as before.
    """
    async with open_store() as store, open_store() as other:
        await fill(store)
        backup = await backup_of(store)
        damage(backup[3])

        with pytest.raises(BackupInvalidError) as refusal:
            await other.restore(backup)

        assert refusal.value.index == 3
        assert named in refusal.value.problem
        assert "secret" not in str(refusal.value)
        assert await other.count() == 0
        assert await commit_each(other, ["/a"]) == await read(other.stream())


@pytest.mark.parametrize("event", [None, 7, "text", []])
async def test_what_is_no_event_is_refused(store: EventStore, event: Any) -> None:
    """
    Other JSON values are no events.
    """
    with pytest.raises(BackupInvalidError, match="event 1 "):
        await store.restore([foreign()[0], event])


async def test_a_missing_event_is_found(open_store: OpenStore) -> None:
    """
    Without its beginning or an event in between, a log is none.
    """
    async with open_store() as store, open_store() as other:
        await fill(store)
        backup = await backup_of(store)

        for missing in range(4):
            with pytest.raises(BackupInvalidError) as refusal:
                await other.restore(backup[:missing] + backup[missing + 1 :])
            assert refusal.value.index == missing


async def test_only_an_empty_store_is_restored(open_store: OpenStore) -> None:
    """
    A store with events refuses, and has as many as before.
    """
    async with open_store() as store, open_store() as other:
        await fill(store)
        await commit_each(other, ["/a", "/b"])

        with pytest.raises(StoreNotEmptyError) as refusal:
            await other.restore(store.backup())

        assert refusal.value.events == 2
        assert await other.count() == 2


@needs(Capability.DIRECT)
async def test_a_store_that_is_not_empty_asks_for_nothing_to_restore(store: EventStore) -> None:
    """
    It refuses before the first event is taken from the backup.
    """
    await commit_each(store, ["/a"])

    async def never() -> AsyncGenerator[dict[str, Any]]:
        pytest.fail("asked for an event")
        yield {}

    with pytest.raises(StoreNotEmptyError):
        await store.restore(never())


async def test_a_backup_that_breaks_off_leaves_the_store_empty(open_store: OpenStore) -> None:
    """
    What the sender raises comes out, and nothing is kept of what came before.
    """
    async with open_store() as store, open_store() as other:
        await fill(store, 1_700)
        backup = await backup_of(store)

        async def broken() -> AsyncGenerator[dict[str, Any]]:
            for event in backup:
                yield event
            msg = "the line is dead"
            raise ConnectionError(msg)

        with pytest.raises(ConnectionError):
            await other.restore(broken())

        assert await other.count() == 0
        assert await other.restore(backup) == 1_700


@needs(Capability.DIRECT)
async def test_commits_wait_for_a_restore(open_store: OpenStore) -> None:
    """
    A commit sent meanwhile comes behind the restored log; a second restore is refused.
    """
    async with open_store() as store, open_store() as other:
        await fill(store, 1_200)
        backup = await backup_of(store)
        half = asyncio.Event()

        async def slow() -> AsyncGenerator[dict[str, Any]]:
            for number, event in enumerate(backup):
                if number == 600:
                    half.set()
                    await asyncio.sleep(0.05)
                yield event

        restoring = asyncio.create_task(other.restore(slow()))
        async with asyncio.timeout(PATIENCE_S):
            await half.wait()
        commit = asyncio.create_task(other.commit([noted("/a")]))
        again = asyncio.create_task(other.restore(copy.deepcopy(backup)))

        assert await restoring == 1_200
        assert await place_of((await commit)[0], other) == 1_201
        with pytest.raises(StoreNotEmptyError):
            await again
        assert (await other.audit()).is_intact


async def test_a_cancelled_restore_leaves_the_store_empty(open_store: OpenStore) -> None:
    """
    Cancelling takes back what was written, and the store goes on.
    """
    half = asyncio.Event()

    async def endless() -> AsyncGenerator[dict[str, Any]]:
        yield foreign()[0]
        half.set()
        await asyncio.Event().wait()

    async with open_store() as store:
        restoring = asyncio.create_task(store.restore(endless()))
        await half.wait()
        restoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await restoring

        assert await commit_each(store, ["/a"]) == await read(store.stream())


async def test_a_closed_store_neither_backs_up_nor_restores(open_store: OpenStore) -> None:
    """
    After closing both are refused.
    """
    async with open_store() as store:
        pass

    with pytest.raises(StoreClosedError):
        await anext(store.backup())
    with pytest.raises(StoreClosedError):
        await store.restore([])
