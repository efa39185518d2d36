"""
Files of earlier formats: brought up to date when they are opened for writing, whole or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource import SubjectIsNew
from eventsource.errors import PreconditionFailedError, StoreUnavailableError
from eventsource.store import EmbeddedEventStore
from eventsource.store.embedded.file import FORMAT
from eventsource.testing.contract.samples import NOTED, commit_each, noted, read
from tests.store.older_files import describe, make_older

if TYPE_CHECKING:
    from pathlib import Path

EARLIER = pytest.mark.parametrize("earlier", range(1, FORMAT))


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """
    A closed store file with three events.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a", "/b", "/a"])
    return path


@EARLIER
async def test_an_earlier_file_becomes_like_a_new_one(path: Path, tmp_path: Path, earlier: int) -> None:
    """
    It has all that a new file has and its own events, and can be used in every way.
    """
    async with EmbeddedEventStore(tmp_path / "new.db"):
        pass
    async with EmbeddedEventStore(path) as store:
        events = await read(store.stream())
    make_older(path, earlier)

    async with EmbeddedEventStore(path) as store:
        assert await read(store.stream()) == events
        await store.register_schema(NOTED, {"properties": {}})
        first = await store.commit([noted("/c")], idempotency_key="k-1")
        assert await store.commit([noted("/c")], idempotency_key="k-1") == first
        assert (await store.audit()).is_intact

    assert describe(path) == describe(tmp_path / "new.db")


@EARLIER
async def test_an_earlier_file_is_read_as_it_is(path: Path, earlier: int) -> None:
    """
    Opened for reading, it answers everything and does not change.
    """
    make_older(path, earlier)
    before = describe(path)

    async with EmbeddedEventStore(path, read_only=True) as store:
        assert await store.schemas() == {}
        assert await store.event_types() == (NOTED,)
        assert await store.subjects() == ("/a", "/b")
        assert (await store.status()).types == 1
        last = await store.last_event("/a")

    assert last is not None
    assert last.position == 3
    assert describe(path) == before


@EARLIER
async def test_a_file_that_cannot_be_brought_up_to_date_stays_as_it_was(path: Path, earlier: int) -> None:
    """
    Should one step fail, none is taken.
    """
    make_older(path, earlier)
    # In the way of the last step's last statement.
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TRIGGER in_the_way BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'in the way'); END")
    connection.close()
    before = describe(path)

    with pytest.raises(StoreUnavailableError):
        async with EmbeddedEventStore(path):
            pass

    assert describe(path) == before


@EARLIER
async def test_subjects_are_counted_on_in_an_earlier_file(path: Path, earlier: int) -> None:
    """
    The number of subjects is right before and after a file is brought up to date, and after refused commits.
    """
    make_older(path, earlier)
    async with EmbeddedEventStore(path, read_only=True) as store:
        assert (await store.status()).subjects == 2

    async with EmbeddedEventStore(path) as store:
        assert (await store.status()).subjects == 2
        await store.commit([noted("/c"), noted("/a"), noted("/d"), noted("/c")])
        with pytest.raises(PreconditionFailedError):
            await store.commit([noted("/e")], [SubjectIsNew("/a")])
        assert (await store.status()).subjects == len(await store.subjects()) == 4
