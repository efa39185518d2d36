"""
Erasing, schemas and backups over HTTP.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from eventsource import connect
from tests.server.serving import Served, event, failure, lines, serving

PERSON = {
    "name": "Ada",
    "age": 36,
    "active": True,
    "nothing": None,
    "phones": ["1", {"kind": "home"}],
}
EMPTIED = {"name": "", "age": 0, "active": False, "nothing": None, "phones": ["", {"kind": ""}]}
BY_REFERENCE = {"options": {"storeDataAsReference": True}}


async def test_erase_empties_what_was_stored_by_reference(served_each: Served) -> None:
    """
    The event stays, with the same keys, each text now empty; what lies inline, below or beside stays as it was.
    """
    await served_each.commit(
        event("/p/1", data=PERSON, **BY_REFERENCE),
        event("/p/1", data=PERSON),
        event("/p/1/below", data=PERSON, **BY_REFERENCE),
        event("/p/1", data=None, ref=PERSON),
    )
    before = await served_each.stream("/p")
    assert [one["data"] for one in before] == [PERSON] * 4

    erased = await served_each.post("/erase", {"subject": "/p/1"})
    again = await served_each.post("/erase", {"subject": "/p/1"})

    assert erased.json() == {"success": True, "erased": 2}
    assert again.json() == {"success": True, "erased": 0}
    after = await served_each.stream("/p")
    assert [one["data"] for one in after] == [EMPTIED, PERSON, PERSON, EMPTIED]
    assert [one["hash"] for one in after] == [one["hash"] for one in before]
    assert (await served_each.get("/status/audit")).text.startswith("Audit successful")


async def test_erase_of_a_subject_without_events_is_not_found(served_each: Served) -> None:
    """
    Nobody shall believe that something was erased.
    """
    await served_each.commit(event("/p/1/below", **BY_REFERENCE))

    assert failure(await served_each.post("/erase", {"subject": "/p/1"})) == (404, "subject-not-found")
    assert failure(await served_each.post("/erase", {"subject": "p"})) == (400, "invalid-subject")
    assert failure(await served_each.post("/erase", {})) == (400, "invalid-request")


async def test_erased_data_does_not_come_from_what_is_kept_for_observers(served: Served) -> None:
    """
    One who is late reads from the store.
    """
    async with served.observe("/", fromStart=True) as early:
        (first,) = await served.commit(event("/p/1", data=PERSON, **BY_REFERENCE))
        assert (await early.next_event())["data"] == PERSON
        await served.post("/erase", {"subject": "/p/1"})
        async with served.observe("/", fromStart=True) as late:
            assert (await late.next_event())["data"] == EMPTIED
        await served.commit(event("/p/2"))
        assert (await early.next_event())["subject"] == "/p/2"
    assert first["data"] == PERSON


NATIVE = {"properties": {"cents": {"type": "number", "required": True}}, "allowAdditionalProperties": False}
JSON_SCHEMA = {"type": "object", "required": ["cents"], "properties": {"cents": {"type": "integer"}}}


@pytest.mark.parametrize("schema", [NATIVE, JSON_SCHEMA], ids=["native", "JSON Schema"])
async def test_commits_follow_the_schema_of_their_type(served_each: Served, schema: dict[str, Any]) -> None:
    """
    Once it is registered, which it is only once.
    """
    kind = "io.example.opened"
    registered = await served_each.post("/schema/register", {"type": kind, "schema": schema})
    again = await served_each.post("/schema/register", {"type": kind, "schema": schema})

    assert (registered.status_code, registered.json()) == (200, {"success": True})
    assert failure(again) == (409, "schema-exists")
    assert (await served_each.get("/schema/get")).json() == {kind: schema}
    ndjson = await served_each.get("/schema/get", headers={"accept": "application/x-ndjson"})
    assert lines(ndjson) == [{"type": kind, "schema": schema}]
    await served_each.commit(event(data={"cents": 5}), event(type="io.example.free", data={"any": 1}))
    refused = await served_each.post("/commit", {"events": [event(data={"cents": 5}), event(data={"cents": "5"})]})
    assert failure(refused) == (400, "schema-violation")
    assert refused.json()["details"]["event_index"] == 1
    assert len(await served_each.stream("/")) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"type": "t", "schema": {"properties": {"a": {"type": "no such type"}}}},
        {"type": "t", "schema": {"type": "object", "$ref": "http://127.0.0.1:1/x"}},
        {"type": "a b", "schema": {}},
        {"type": "t"},
        {"type": "", "schema": {}},
        {"type": "t", "schema": []},
    ],
)
async def test_schema_that_is_none_is_refused(served: Served, body: dict[str, Any]) -> None:
    """
    Status 400, nothing registered.
    """
    assert (await served.post("/schema/register", body)).status_code == 400
    assert (await served.get("/schema/get")).json() == {}


async def test_backup_is_restored_as_it_is(served_each: Served) -> None:
    """
    The orchestrator sends the answer of one server to another, unchanged.
    """
    for start in range(0, 600, 300):
        events = [
            event(f"/a/{n}", data={"n": n, "text": 'ü"\\\u2028'}, **BY_REFERENCE) for n in range(start, start + 300)
        ]
        await served_each.commit(*events)
    await served_each.post("/erase", {"subject": "/a/7"})
    backup = await served_each.get("/backup/create")

    async with serving() as other:
        restored = await other.http.post("/api/v1/backup/restore", content=backup.content)

        assert backup.status_code == 200
        assert backup.headers["content-type"] == "application/json"
        assert len(backup.json()) == 600
        assert restored.json() == {"success": True, "restored": 600}
        assert await other.stream("/") == await served_each.stream("/")
        assert (await other.get("/status/audit")).text == (await served_each.get("/status/audit")).text
        assert (await other.get("/backup/create")).content == backup.content


async def test_backup_of_an_empty_store_is_an_empty_list(served_each: Served) -> None:
    """
    And can be restored.
    """
    backup = await served_each.get("/backup/create")

    assert backup.json() == []
    restored = await served_each.http.post("/api/v1/backup/restore", content=backup.content)
    assert restored.json() == {"success": True, "restored": 0}


async def test_only_an_empty_store_is_restored_into(served_each: Served) -> None:
    """
    Else 409, and nothing changes.
    """
    await served_each.commit(event("/a"))
    backup = await served_each.get("/backup/create")

    response = await served_each.http.post("/api/v1/backup/restore", content=backup.content)

    assert failure(response) == (409, "store-not-empty")
    assert len(await served_each.stream("/")) == 1


SAMPLE = {
    "source": "io.genesisdb.app",
    "subject": "/role/1",
    "type": "io.genesisdb.app.role-added",
    "specversion": "1.0",
    "id": "ac138b87-ea2c-4790-ae35-b726052c6117",
    "time": "2025-06-02T15:40:01.157792875Z",
    "datacontenttype": "application/json",
    "predecessorhash": "0" * 64,
    "data": {"name": "Administrator"},
    "hash": "80caff98e8f12f0f489cddf9aca21840cebff952610d53c5546864ba0c505f1c",
}


async def test_backup_of_a_genesis_db_is_taken_as_it_is(served_each: Served) -> None:
    """
    Its formula for hashes is not public, so its hashes are kept and only their links checked.
    """
    second = {**SAMPLE, "id": "another", "subject": "/user/1", "predecessorhash": SAMPLE["hash"], "hash": "a" * 64}

    restored = await served_each.post("/backup/restore", [SAMPLE, second])

    assert restored.status_code == 200, restored.text
    assert [one["hash"] for one in await served_each.stream("/")] == [SAMPLE["hash"], "a" * 64]
    await served_each.commit(event("/new"))
    assert (await served_each.get("/status/audit")).text.startswith("Audit successful")


@pytest.mark.parametrize(
    "backup",
    [
        b"",
        b"{}",
        b"[",
        b"[1]",
        b"[[]]",
        b'["a"]',
        b"[{}]",
        json.dumps([{**SAMPLE, "predecessorhash": "1" * 64}]).encode(),
        json.dumps([SAMPLE, SAMPLE]).encode(),
        json.dumps([{**SAMPLE, "subject": "role"}]).encode(),
        json.dumps([SAMPLE]).encode()[:-1],
        json.dumps([SAMPLE]).encode() + b"[]",
        json.dumps([SAMPLE]).encode().replace(b'"id"', b'"id": "1", "id"'),
        json.dumps([SAMPLE]).encode().replace(b"Admin", b"\xff"),
    ],
)
async def test_backup_that_is_none_is_refused(served_each: Served, backup: bytes) -> None:
    """
    All or nothing: the store stays empty.
    """
    response = await served_each.http.post("/api/v1/backup/restore", content=backup)

    assert failure(response)[0] == 400
    assert await served_each.stream("/") == []


async def test_backup_may_be_larger_than_other_bodies() -> None:
    """
    It has a limit of its own.
    """
    async with serving(body_bytes=20_000) as served:
        for _ in range(10):
            await served.commit(*[event(f"/a/{n}") for n in range(100)])
        backup = await served.get("/backup/create")
        async with serving(body_bytes=20_000) as other:
            assert (await other.http.post("/api/v1/backup/restore", content=backup.content)).status_code == 200
        async with serving(restore_bytes=20_000) as other:
            response = await other.http.post("/api/v1/backup/restore", content=backup.content)
            assert failure(response) == (413, "request-too-large")
            assert await other.stream("/") == []


async def test_commits_go_on_while_a_backup_is_made(tmp_path: Path) -> None:
    """
    It holds what there was when it began.
    """
    async with connect(f"sqlite:{tmp_path / 'store.db'}") as store, serving(store) as served:
        await served.commit(*[event(f"/a/{n}", data={"text": "x" * 2_000}) for n in range(1_500)])
        backing_up = asyncio.ensure_future(served.get("/backup/create"))
        for _ in range(20):
            await served.commit(event("/b"))
        backup = (await backing_up).json()

    assert 1_500 <= len(backup) <= 1_520
    assert [one["predecessorhash"] for one in backup[1:]] == [one["hash"] for one in backup[:-1]]
