"""
What a backup carries beside the events: keys, commands, schemas, declared indexes.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import NewEvent, Subject, SubjectIsNew
from eventsource.errors import (
    BackupInvalidError,
    IdempotencyKeyReusedError,
    PreconditionFailedError,
    SchemaExistsError,
    SchemaViolationError,
)
from eventsource.guards.command_guard import not_carried_out
from eventsource.testing.contract.backup import MEMBERS, backup_of, foreign
from eventsource.testing.contract.erasure import personal
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, OTHER, PATIENCE_S, noted, read, take

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from eventsource import EventStore
    from eventsource.testing.contract.kinds import OpenStore

SCHEMA: dict[str, Any] = {"properties": {"n": {"type": "number", "required": True}}}


async def test_a_key_stays_used(open_store: OpenStore) -> None:
    """
    A commit that is sent again to the restored store is answered with its events; another with its key is refused.
    """
    async with open_store() as store, open_store() as other:
        events = [noted("/a", data={"n": 1}), noted("/b")]
        first = await store.commit(events, [SubjectIsNew("/a")], idempotency_key="payment-1")
        await store.commit([noted("/c")])
        await store.commit([noted("/d")], idempotency_key="payment-2")
        await other.restore(store.backup())

        again = await other.commit(events, [SubjectIsNew("/a")], idempotency_key="payment-1")

        assert [event.id for event in again] == [event.id for event in first]
        assert await other.count() == 4
        with pytest.raises(IdempotencyKeyReusedError):
            await other.commit([noted("/e")], idempotency_key="payment-2")
        with pytest.raises(IdempotencyKeyReusedError):
            await other.commit(events[:1], [SubjectIsNew("/a")], idempotency_key="payment-1")
        assert await backup_of(other) == await backup_of(store)


async def test_a_key_whose_data_was_erased_stays_used(open_store: OpenStore) -> None:
    """
    Nothing is committed under it again, and the backup holds no digest to try guesses on.
    """
    async with open_store() as store, open_store() as other:
        events = [noted("/a"), personal("/people/1", {"name": "Ada"})]
        await store.commit(events, idempotency_key="joining-1")
        await store.erase("/people/1")

        backup = await backup_of(store)
        await other.restore(backup)

        assert "commitdigest" not in backup[0]
        with pytest.raises(IdempotencyKeyReusedError):
            await other.commit(events, idempotency_key="joining-1")
        assert await other.count() == 2


async def test_an_erase_during_the_backup_leaves_no_digest(open_store: OpenStore) -> None:
    """
    Where the erase came between two events of one commit, the restored store forgets what was asked for.
    """
    async with open_store() as store, open_store() as other:
        events = [noted("/a"), personal("/people/1", {"name": "Ada"})]
        await store.commit(events, idempotency_key="joining-1")
        before = await backup_of(store)
        await store.erase("/people/1")
        after = await backup_of(store)

        await other.restore([before[0], after[1]])

        assert "commitdigest" in before[0]
        assert await backup_of(other) == after


async def test_a_command_stays_carried_out(open_store: OpenStore) -> None:
    """
    The precondition that a command was not carried out yet fails in the restored store.
    """
    event = noted("/a", data={"_meta": {"commandId": "open-1"}})
    async with open_store() as store, open_store() as other:
        rule = not_carried_out(Subject("/a"), "open-1")
        await store.commit([event], [rule])
        await other.restore(store.backup())

        with pytest.raises(PreconditionFailedError):
            await other.commit([event], [rule])


async def test_a_schema_refuses_what_it_refused(open_store: OpenStore) -> None:
    """
    Schemas of types with and without events are there as they were registered.
    """
    async with open_store() as store, open_store() as other:
        await store.commit([noted("/a", data={"n": 1})])
        for event_type in (NOTED, OTHER, "io.example.contract.third"):
            await store.register_schema(event_type, SCHEMA)
        await other.restore(store.backup())

        assert await other.schemas() == await store.schemas()
        for event_type in (NOTED, OTHER):
            with pytest.raises(SchemaViolationError):
                await other.commit([noted("/a", type=event_type, data={"n": "one"})])
        with pytest.raises(SchemaExistsError):
            await other.register_schema(OTHER, SCHEMA)
        await other.commit([noted("/a", data={"n": 2})])
        assert await backup_of(store) == (await backup_of(other))[: len(await backup_of(store))]


async def test_large_schemas_come_too(open_store: OpenStore) -> None:
    """
    There may be more of them than one line can carry, and more than there are events.
    """
    schemas = {
        f"io.example.contract.large-{number}": {"properties": {f'"{number}\\' * 9_000: {"type": "string"}}}
        for number in range(6)
    }
    async with open_store() as store, open_store() as other:
        await store.commit([noted("/a")])
        for event_type, schema in schemas.items():
            await store.register_schema(event_type, schema)

        assert await other.restore(await backup_of(store)) == 1

        assert await other.schemas() == schemas


async def test_a_log_without_events_has_its_schemas_and_indexes(open_store: OpenStore) -> None:
    """
    What is declared before the first event is restored as well, and there are no events.
    """
    async with open_store() as store, open_store() as other:
        await store.register_schema(NOTED, SCHEMA)
        await store.create_index(NOTED, "data.n")

        assert await other.restore(store.backup()) == 0

        assert await other.schemas() == {NOTED: SCHEMA}
        assert await other.indexes() == await store.indexes()
        assert await other.count() == 0


async def test_a_declared_index_is_built(open_store: OpenStore) -> None:
    """
    It is declared in the restored store, whole, and queries find by it what is there.
    """
    query = f"STREAM e FROM events WHERE e.type == '{NOTED}' AND e.data.n == 1500 MAP e.subject"
    async with open_store() as store, open_store() as other:
        await store.commit([noted(f"/a/{n}", data={"n": n}) for n in range(2_500)])
        await store.create_index(NOTED, "data.n")
        await store.create_index(OTHER, "data['first name']")

        await other.restore(store.backup())

        assert await other.indexes() == await store.indexes()
        assert [index.progress for index in await other.indexes()] == [1.0, 1.0]
        assert await other.explain(query) == await store.explain(query)
        assert [row async for row in other.query(query)] == ["/a/1500"]


async def test_what_the_new_store_has_already_stays(open_store: OpenStore) -> None:
    """
    An equal schema and an equal index are no obstacle; a schema of other types and other indexes remain.
    """
    async with open_store() as store, open_store() as other:
        await store.commit([noted("/a", data={"n": 1})])
        await store.register_schema(NOTED, SCHEMA)
        await store.create_index(NOTED, "data.n")
        await other.register_schema(NOTED, SCHEMA)
        await other.register_schema(OTHER, SCHEMA)
        await other.create_index(NOTED, "data.n")
        await other.create_index(OTHER, "data.n")

        await other.restore(store.backup())

        assert set(await other.schemas()) == {NOTED, OTHER}
        assert {index.event_type for index in await other.indexes()} == {NOTED, OTHER}


async def test_another_schema_for_a_type_is_refused(open_store: OpenStore) -> None:
    """
    A schema is never changed: nothing is restored into a store that has another one for a type.
    """
    async with open_store() as store, open_store() as other:
        await store.commit([noted("/a", data={"n": 1})], idempotency_key="k-1")
        await store.register_schema(NOTED, SCHEMA)
        await store.create_index(NOTED, "data.n")
        await other.register_schema(NOTED, {"properties": {"m": {"type": "string"}}})

        with pytest.raises(SchemaExistsError):
            await other.restore(store.backup())

        assert await other.count() == 0
        assert await other.indexes() == ()
        assert len(await other.commit([noted("/b", data={"m": "x"})], idempotency_key="k-1")) == 1


@needs(Capability.DIRECT)
async def test_commits_sent_meanwhile_are_checked_by_the_restored_schemas(open_store: OpenStore) -> None:
    """
    A commit that waits for a restore comes behind it, so the schemas of the backup hold for it, and its keys too.
    """
    async with open_store() as store, open_store() as other:
        events = [noted("/a", data={"n": 1})]
        await store.commit(events, idempotency_key="k-1")
        await store.register_schema(NOTED, SCHEMA)
        backup = await backup_of(store)
        has_begun, is_sent = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncGenerator[dict[str, Any]]:
            has_begun.set()
            await is_sent.wait()
            for item in backup:
                yield item

        restoring = asyncio.create_task(other.restore(slow()))
        async with asyncio.timeout(PATIENCE_S):
            await has_begun.wait()
            wrong = asyncio.create_task(other.commit([noted("/b", data={"n": "one"})]))
            repeat = asyncio.create_task(other.commit(events, idempotency_key="k-1"))
            await asyncio.sleep(0)
            is_sent.set()
            await restoring

            with pytest.raises(SchemaViolationError):
                await wrong
            assert [event.id for event in await repeat] == [backup[0]["id"]]


async def test_each_item_is_an_event(open_store: OpenStore) -> None:
    """
    A reader that knows nothing of it sees events, with further members whose names and values CloudEvents allows.
    """
    async with open_store() as store:
        await store.commit([noted("/a", data={"n": 1}), noted("/b", data={"n": 2})], idempotency_key="k-1")
        await store.register_schema(NOTED, SCHEMA)
        await store.create_index(NOTED, "data.n")

        backup = await backup_of(store)

        assert [event["data"]["n"] for event in backup] == [1, 2]
        for event in backup:
            assert list(event)[: len(MEMBERS)] == MEMBERS
            further = {name: event[name] for name in event if name not in MEMBERS}
            assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in further)
            assert all(isinstance(value, str | int) for value in further.values())


def changed(**members: Any) -> Callable[[dict[str, Any]], None]:
    """
    A change of members.
    """
    return lambda item: item.update(members)


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "key with blank": (changed(commitkey="a b"), "commitkey"),
    "key as number": (changed(commitkey=7), "commitkey"),
    "no key": (lambda item: item.pop("commitkey"), "commitkey"),
    "digest": (changed(commitdigest="x"), "commitdigest"),
    "no number of events": (lambda item: item.pop("commitevents"), "commitevents"),
    "no events": (changed(commitevents=0), "commitevents"),
    "yes for a number": (changed(commitevents=True), "commitevents"),
    "more events than there are": (changed(commitkey="k-3", commitevents=99), "missing"),
    "a key within a commit": (changed(commitevents=3), "commitkey"),
    "a key twice": (changed(commitkey="k-2"), "commitkey"),
    "declarations as object": (changed(storedeclarations={}), "storedeclarations"),
    "declarations cut": (changed(storedeclarations='{"schemas":{'), "storedeclarations"),
    "declarations as list": (changed(storedeclarations="[]"), "storedeclarations"),
    "no schema": (changed(storedeclarations='{"schemas":{"a":7}}'), "storedeclarations"),
    "schema without meaning": (changed(storedeclarations='{"schemas":{"a":{"type":"x"}}}'), "storedeclarations"),
    "schema of no type": (changed(storedeclarations='{"schemas":{"":{}}}'), "storedeclarations"),
    "index without path": (changed(storedeclarations='{"indexes":[["a"]]}'), "storedeclarations"),
    "index of no data": (changed(storedeclarations='{"indexes":[["a","subject"]]}'), "storedeclarations"),
}


@pytest.mark.parametrize(("damage", "named"), DAMAGES.values(), ids=list(DAMAGES))
async def test_damage_beside_the_events_is_refused(
    open_store: OpenStore, damage: Callable[[dict[str, Any]], object], named: str
) -> None:
    """
    The whole backup is refused with the place and what is wrong, and the store is as empty as before.
    """
    async with open_store() as store, open_store() as other:
        await store.commit([noted("/a"), noted("/b")], idempotency_key="k-1")
        await store.commit([noted("/c")], idempotency_key="k-2")
        await store.register_schema(NOTED, SCHEMA)
        backup = await backup_of(store)
        damage(backup[2 if named == "missing" else 0])

        with pytest.raises(BackupInvalidError, match=named):
            await other.restore(backup)

        assert await other.count() == 0
        assert await other.schemas() == {}
        await other.commit([noted("/a")], idempotency_key="k-1")


@pytest.mark.parametrize(
    "record",
    [
        {"backup": "begin", "format": 2},
        {"backup": "begin", "format": 1},
        {"backup": "snapshots"},
        {"backup": 7},
        {"backup": "end", "events": 7, "head": ""},
        {"backup": "end", "events": 1, "head": "0" * 64},
        {"backup": "declarations"},
    ],
    ids=json.dumps,
)
async def test_records_that_are_not_understood_are_refused(open_store: OpenStore, record: dict[str, Any]) -> None:
    """
    A record of a newer release, at a wrong place, or of another backup: nothing is restored.
    """
    async with open_store() as other:
        with pytest.raises(BackupInvalidError) as refusal:
            await other.restore([foreign()[0], record])

        assert refusal.value.index == 1
        assert await other.count() == 0


async def test_an_id_that_comes_twice_is_restored_as_it_is(open_store: OpenStore) -> None:
    """
    Other kinds of stores may give an id twice: a stream with that bound reads behind the last event that has it.
    """
    backup = foreign()
    backup[1]["id"] = backup[2]["id"] = "twice"
    async with open_store() as store:
        assert await store.restore(backup) == 3
        (latest,) = await store.commit([NewEvent(subject="/a", type=NOTED, data={})])

        assert [event.id for event in await read(store.stream())] == ["foreign-0", "twice", "twice", latest.id]
        assert (await store.audit()).is_intact
        behind = await read(store.stream(lower_bound="twice"))
        assert [event.id for event in behind] == [latest.id]
        assert await store.count(lower_bound="twice") == 1
        until = await read(store.stream(upper_bound="twice", include_upper_bound=True))
        assert [event.data["number"] for event in until] == [0, 1, 2]
        query = "STREAM e FROM events WHERE e.id == 'twice' MAP e.data.number"
        assert [row async for row in store.query(query)] == [1, 2]


@needs(Capability.DIRECT)
async def test_an_observer_that_goes_on_behind_an_id_that_comes_twice_misses_nothing(store: EventStore) -> None:
    """
    It may have been at any of the events with that id, so it gets what follows the first.
    """
    backup = foreign()
    backup[0]["id"] = backup[2]["id"] = "twice"
    await store.restore(backup)

    observed = await take(store.observe(lower_bound="twice"), 2)

    assert [event.data["number"] for event in observed] == [1, 2]


async def test_ids_that_come_twice_far_apart(open_store: OpenStore) -> None:
    """
    However many events lie between the two, and however many have one id.
    """
    async with open_store() as store, open_store() as other:
        await store.commit([noted("/a", data={"n": n}) for n in range(1_300)])
        backup = await backup_of(store)
        for place in (600, 601, 1_299):
            backup[place]["id"] = backup[1]["id"]

        await other.restore(backup)

        assert await backup_of(other) == backup
        assert await other.count(lower_bound=backup[1]["id"]) == 0
