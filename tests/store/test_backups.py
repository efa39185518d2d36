"""
Backups between kinds of stores, of earlier releases, and of other makers.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import NewEvent, connect
from eventsource.errors import IdempotencyKeyReusedError, SchemaViolationError, StoreNotEmptyError
from eventsource.server import ServerSettings, Tokens, serve

if TYPE_CHECKING:
    from eventsource import EventStore

SAMPLE = Path(__file__).parent / "backups" / "before_keys.ndjson"
KINDS = ("memory", "sqlite", "http-memory", "http-sqlite")
TOKEN = "backup-token"  # noqa: S105  of a server on this machine, for a test


async def opened(stack: AsyncExitStack, kind: str, folder: Path) -> EventStore:
    """
    An empty store of a kind.
    """
    if kind.startswith("http-"):
        behind = await opened(stack, kind.removeprefix("http-"), folder)
        url = await stack.enter_async_context(serve(behind, ServerSettings(Tokens(TOKEN)), grace_s=0.1))
        return await stack.enter_async_context(connect(url, token=TOKEN))
    folder.mkdir()
    return await stack.enter_async_context(connect("memory:" if kind == "memory" else f"sqlite:{folder / 'store.db'}"))


@pytest.mark.parametrize("into", KINDS)
@pytest.mark.parametrize("of", KINDS)
async def test_a_backup_of_each_kind_restores_in_each_kind(of: str, into: str, tmp_path: Path) -> None:
    """
    Events, keys, schemas, declared indexes and erasures are the same, whichever two kinds they are.
    """
    opening = NewEvent(subject="/loans/1", type="library.loan-made", data={"n": 1}, source="library.example")
    joining = NewEvent(
        subject="/readers/1",
        type="library.reader-joined",
        data={"name": "Ada"},
        source="library.example",
        store_data_as_reference=True,
    )
    async with AsyncExitStack() as stack:
        one, other = await opened(stack, of, tmp_path / "one"), await opened(stack, into, tmp_path / "other")
        (first,) = await one.commit([opening], idempotency_key="loan-1")
        await one.commit([joining], idempotency_key="reader-1")
        await one.erase("/readers/1")
        await one.register_schema("library.loan-made", {"properties": {"n": {"type": "number", "required": True}}})
        await one.create_index("library.loan-made", "data.n")

        assert await other.restore(one.backup()) == 2

        assert [item async for item in other.backup()] == [item async for item in one.backup()]
        assert (await other.commit([opening], idempotency_key="loan-1"))[0].id == first.id
        with pytest.raises(IdempotencyKeyReusedError):
            await other.commit([joining], idempotency_key="reader-1")
        with pytest.raises(SchemaViolationError):
            await other.commit([NewEvent(subject="/loans/2", type="library.loan-made", data={})])
        assert await other.indexes() == await one.indexes()
        assert await other.erase("/readers/1") == 0
        report = await other.audit()
        assert (report.is_intact, report.events, report.imported) == (True, 2, 0)
        with pytest.raises(StoreNotEmptyError):
            await other.restore(one.backup())


@pytest.mark.parametrize("into", KINDS)
@pytest.mark.parametrize("of", KINDS)
async def test_a_key_is_a_repeat_in_another_kind_of_store(of: str, into: str, tmp_path: Path) -> None:
    """
    An event that names no source has that of its store, and its commit is a repeat wherever the backup is restored.
    """
    opening = NewEvent(subject="/loans/1", type="library.loan-made", data={"n": 1})
    async with AsyncExitStack() as stack:
        one, other = await opened(stack, of, tmp_path / "one"), await opened(stack, into, tmp_path / "other")
        (first,) = await one.commit([opening], idempotency_key="loan-1")

        await other.restore([item async for item in one.backup()])

        (again,) = await other.commit([opening], idempotency_key="loan-1")
        assert (again.id, again.hash) == (first.id, first.hash)
        assert await other.count() == 1


async def test_a_key_is_a_repeat_whether_the_store_or_the_event_names_the_source() -> None:
    """
    Two requests for the same events are the same request.
    """
    named = NewEvent(subject="/loans/1", type="library.loan-made", data={}, source="library.example")
    unnamed = NewEvent(subject="/loans/1", type="library.loan-made", data={})
    async with connect("memory:", source="library.example") as store:
        first = await store.commit([unnamed], idempotency_key="loan-1")
        assert await store.commit([named], idempotency_key="loan-1") == first

    async with connect("memory:") as store:
        await store.commit([unnamed], idempotency_key="loan-1")
        with pytest.raises(IdempotencyKeyReusedError):
            await store.commit([named], idempotency_key="loan-1")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_backup_of_an_earlier_release_is_restored(kind: str, tmp_path: Path) -> None:
    """
    Backups from before they carried keys restore as they did: with every hash, and with what was erased.
    """
    items: list[dict[str, Any]] = [json.loads(line) for line in SAMPLE.read_text("utf-8").split("\n") if line]
    async with AsyncExitStack() as stack:
        store = await opened(stack, kind, tmp_path / "store")

        assert await store.restore(items) == 4

        report = await store.audit()
        assert (report.is_intact, report.imported, report.head) == (True, 0, items[-1]["hash"])
        assert [event.data async for event in store.stream("/readers")] == [
            {"name": "Ada", "age": 36},
            {"age": 0, "name": ""},
        ]
        assert [item async for item in store.backup()] == items
        assert await store.erase("/readers/2") == 0
        assert await store.erase("/readers/1") == 1


async def test_a_store_that_was_restored_is_the_same_after_it_was_reopened(tmp_path: Path) -> None:
    """
    Keys, schemas and declared indexes stand in the file, not only in memory.
    """
    event = NewEvent(subject="/loans/1", type="library.loan-made", data={"n": 1})
    path = tmp_path / "other.db"
    async with connect("memory:") as one, connect(f"sqlite:{path}") as other:
        await one.commit([event], idempotency_key="loan-1")
        await one.register_schema("library.loan-made", {"properties": {"n": {"type": "number"}}})
        await one.create_index("library.loan-made", "data.n")
        backup = [item async for item in one.backup()]
        await other.restore(backup)

    async with connect(f"sqlite:{path}") as reopened:
        assert [item async for item in reopened.backup()] == backup
        assert len(await reopened.commit([event], idempotency_key="loan-1")) == 1
        assert await reopened.count() == 1
        with pytest.raises(SchemaViolationError):
            await reopened.commit([NewEvent(subject="/loans/2", type="library.loan-made", data={"n": "one"})])


async def test_a_file_with_an_id_twice_is_opened_again(tmp_path: Path) -> None:
    """
    It is read, written to, audited and backed up like any other.
    """
    items: list[dict[str, Any]] = [
        {
            "source": "s",
            "subject": f"/x/{n}",
            "type": "case.n",
            "specversion": "1.0",
            "id": f"id-{n // 2}",
            "time": f"2026-01-0{n + 1}T00:00:00Z",
            "datacontenttype": "application/json",
            "predecessorhash": f"{n:064x}",
            "data": {"n": n},
            "hash": f"{n + 1:064x}",
        }
        for n in range(3)
    ]
    path = tmp_path / "store.db"
    async with connect(f"sqlite:{path}") as store:
        await store.restore(items)

    async with connect(f"sqlite:{path}") as store:
        await store.commit([NewEvent(subject="/x/0", type="case.n", data={"n": 3})])
        assert [event.data["n"] async for event in store.stream()] == [0, 1, 2, 3]
        assert [event.data["n"] async for event in store.stream(lower_bound="id-0")] == [2, 3]
        assert (await store.audit()).is_intact
        assert [item async for item in store.backup()][:3] == items
