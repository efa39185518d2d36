"""
Schemas in a file: there after reopening, seen by other processes, and never passed over.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource.errors import (
    InvalidSchemaError,
    MissingExtraError,
    SchemaExistsError,
    SchemaViolationError,
    StoreClosedError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing.contract.samples import NOTED, noted

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"properties": {"name": {"type": "string", "required": True}}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    The file of the store.
    """
    return tmp_path / "store.db"


async def test_schemas_hold_after_reopening(path: Path) -> None:
    """
    A reopened store lists its schemas, checks them, and has none registered twice.
    """
    async with EmbeddedEventStore(path) as store:
        await store.register_schema(NOTED, SCHEMA)

    async with EmbeddedEventStore(path) as store:
        assert await store.schemas() == {NOTED: SCHEMA}
        with pytest.raises(SchemaViolationError):
            await store.commit([noted("/a")])
        with pytest.raises(SchemaExistsError):
            await store.register_schema(NOTED, SCHEMA)
        await store.commit([noted("/a", data={"name": "Ada"})])


async def test_a_reader_lists_them(path: Path) -> None:
    """
    A store opened for reading sees each schema once it is registered, and registers none itself.
    """
    async with EmbeddedEventStore(path) as store, EmbeddedEventStore(path, read_only=True) as reader:
        assert await reader.schemas() == {}

        await store.register_schema(NOTED, SCHEMA)

        assert await reader.schemas() == {NOTED: SCHEMA}
        with pytest.raises(StoreReadOnlyError):
            await reader.register_schema("io.example.other", SCHEMA)


async def test_a_schema_that_cannot_be_stored_does_not_hold(path: Path) -> None:
    """
    If the file refuses it, commits are not checked by it, and it can be registered later.
    """
    async with EmbeddedEventStore(path) as store:
        foreign = apsw.Connection(str(path))
        foreign.execute("BEGIN IMMEDIATE")
        registering = asyncio.create_task(store.register_schema(NOTED, SCHEMA))
        with pytest.raises(StoreUnavailableError):
            await registering
        foreign.execute("ROLLBACK")
        foreign.close()

        await store.commit([noted("/a")])
        assert await store.schemas() == {}
        await store.register_schema(NOTED, SCHEMA)

        with pytest.raises(SchemaViolationError):
            await store.commit([noted("/a")])


async def test_a_caller_that_gave_up_leaves_a_whole_schema(path: Path) -> None:
    """
    Cancelled while it waits, a registration is finished all the same.
    """
    async with EmbeddedEventStore(path) as store:
        task = asyncio.create_task(store.register_schema(NOTED, SCHEMA))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        with pytest.raises(SchemaViolationError):
            await store.commit([noted("/a")])

    async with EmbeddedEventStore(path) as store:
        assert await store.schemas() == {NOTED: SCHEMA}


async def test_without_the_extra_no_schema_is_registered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The error says what to install; everything else works.
    """
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    async with EmbeddedEventStore(path) as embedded, InMemoryEventStore() as memory:
        for store in (embedded, memory):
            with pytest.raises(MissingExtraError, match=r"pip install 'eventsource-genesisdb\[schemas\]'") as failure:
                await store.register_schema(NOTED, SCHEMA)

            assert failure.value.extra == "schemas"
            await store.commit([noted("/a")])
            assert await store.schemas() == {}


async def test_without_the_extra_a_file_with_schemas_is_not_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Rather than pass over a schema, it is not opened; reading it needs nothing.
    """
    async with EmbeddedEventStore(path) as store:
        await store.register_schema(NOTED, SCHEMA)
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)

    with pytest.raises(MissingExtraError):
        async with EmbeddedEventStore(path):
            pass

    async with EmbeddedEventStore(path, read_only=True) as store:
        assert await store.schemas() == {NOTED: SCHEMA}
    monkeypatch.undo()
    async with EmbeddedEventStore(path) as store:
        assert await store.schemas() == {NOTED: SCHEMA}


async def test_a_stored_schema_that_is_none_lets_nothing_pass(path: Path) -> None:
    """
    Should the file hold what cannot be checked, commits of that type are refused, those of others are not.
    """
    async with EmbeddedEventStore(path) as store:
        await store.register_schema(NOTED, SCHEMA)
    connection = apsw.Connection(str(path))
    connection.execute('UPDATE schemas SET schema = \'{"type":"object","$ref":"#/nowhere"}\'')
    connection.close()

    async with EmbeddedEventStore(path) as store:
        with pytest.raises(InvalidSchemaError):
            await store.commit([noted("/a")])
        await store.commit([noted("/a", type="io.example.other")])


async def test_a_closed_store_registers_and_lists_nothing(path: Path) -> None:
    """
    After closing, schemas are as far away as events.
    """
    embedded, memory = EmbeddedEventStore(path), InMemoryEventStore()
    for store in (embedded, memory):
        async with store:
            pass
        with pytest.raises(StoreClosedError):
            await store.register_schema(NOTED, SCHEMA)
        with pytest.raises(StoreClosedError):
            await store.schemas()
