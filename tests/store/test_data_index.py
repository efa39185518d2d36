"""
Declared indexes: building, finishing after a crash, dropping; and files of the format without them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource import EventStore, connect
from eventsource.errors import QuerySyntaxError, StoreCorruptedError
from eventsource.store import EmbeddedEventStore
from eventsource.store.query import IndexState
from tests.small_sizes import turn_down
from tests.store.older_files import make_older
from tests.store.query_stores import STORES, fill, happened, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from eventsource.store.query import DataIndex

FIND = "STREAM e FROM events WHERE e.type == 'registered' AND e.data.email == 'b@example.com' MAP e.subject"


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventStore]:
    """
    An empty store of each kind.
    """
    async with STORES[request.param](tmp_path) as opened:
        yield opened


async def test_declared_index_is_listed_once_it_is_ready(store: EventStore) -> None:
    """
    Declaring it twice, in any spelling, makes one index.
    """
    await store.create_index("registered", "data.email")
    await store.create_index("registered", "data['email']")

    found = await store.indexes()

    assert [(each.event_type, each.path, each.state) for each in found] == [
        ("registered", "data.email", IndexState.READY)
    ]


async def test_path_outside_the_data_is_refused(store: EventStore) -> None:
    """
    Only members of the data are indexed this way.
    """
    with pytest.raises(QuerySyntaxError):
        await store.create_index("registered", "subject")


async def test_dropped_index_is_gone(store: EventStore) -> None:
    """
    Dropping tells whether there was one; queries answer as before.
    """
    await store.commit([happened("/b", "registered", email="b@example.com")])
    await store.create_index("registered", "data.email")

    was_there = [await store.drop_index("registered", "data.email") for _ in range(2)]

    assert was_there == [True, False]
    assert await store.indexes() == ()
    assert await rows(store, FIND) == ["/b"]


async def test_index_covers_what_was_there_and_what_comes(tmp_path: Path) -> None:
    """
    Events from before the declaration and from after it are found through the index, also when reopened.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await fill(store, [happened(f"/c/{n}", "registered", email=f"{n}@example.com") for n in range(5000)])
        await store.commit([happened("/b", "registered", email="b@example.com")])
        progress: list[float] = []
        await store.create_index("registered", "data.email", progress=progress.append)
        await store.commit([happened("/b2", "registered", email="b@example.com")])
    async with EmbeddedEventStore(path) as store:
        explanation = await store.explain(FIND)

        assert await rows(store, FIND) == ["/b", "/b2"]
        assert "registered (data.email)" in str(explanation)
        assert progress == sorted(progress)
        assert (len(progress) > 1, progress[-1]) == (True, 1.0)


async def test_query_survives_that_its_index_is_dropped(tmp_path: Path) -> None:
    """
    A result that is half read when the index goes is complete all the same.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await fill(store, [happened(f"/c/{n}", "registered", email="b@example.com") for n in range(3000)])
        await store.create_index("registered", "data.email")
        result = store.query(FIND)
        first = await anext(result)

        await store.drop_index("registered", "data.email")

        assert [first, *[row async for row in result]] == [f"/c/{n}" for n in range(3000)]


RANGES = {
    "e.data.n >= 600 AND e.data.n <= 602": [600, 601, 602],
    "e.data.n > 600 AND e.data.n < 603": [601, 602],
    "e.data.n BETWEEN 600 AND 602": [600, 601, 602],
    "602 >= e.data.n AND 600 < e.data.n": [601, 602],
    "e.data.n >= 1198": [1198, 1199],
    "e.data.n <= 1": [0, 1],
    "e.data.n < 1": [0],
    "e.data.text >= 'n-1198'": [1198, 1199],
    "e.data.text > 'n-1198'": [1199],
    "e.data.text <= 'n-0001'": [0, 1],
    "e.data.text BETWEEN 'n-0600' AND 'n-0602'": [600, 601, 602],
}


@pytest.mark.parametrize("condition", RANGES)
async def test_range_over_a_declared_index_has_its_edges(tmp_path: Path, condition: str) -> None:
    """
    A narrow range of values is read from the index: what equals a bound is in it or not, as the operator says.
    """
    query = f"STREAM e FROM events WHERE e.type == 'counted' AND {condition}"
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await fill(store, [happened("/c", "counted", n=n, text=f"n-{n:04}") for n in range(1_200)])
        await store.create_index("counted", "data.n")
        await store.create_index("counted", "data.text")

        explanation = await store.explain(f"{query} MAP e.data.n")

        assert f"counted (data.{'text' if 'text' in condition else 'n'})" in str(explanation)
        assert await rows(store, f"{query} MAP e.data.n") == RANGES[condition]
        assert await rows(store, f"{query} ORDER BY e.time DESC MAP e.data.n") == RANGES[condition][::-1]
        assert await rows(store, f"{query} MAP COUNT()") == [len(RANGES[condition])]


@pytest.mark.parametrize("order", ["", "ORDER BY e.time DESC"], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("read_first", [1, 8, 20])
@pytest.mark.parametrize(
    "condition",
    ["e.data.email == 'b@example.com'", "e.data.email >= 'b@example.com' AND e.data.email < 'c'"],
    ids=["one value", "a range"],
)
async def test_index_may_be_dropped_under_a_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, condition: str, read_first: int, order: str
) -> None:
    """
    Whatever was read by then, in either order, the rest of the result follows without a gap and without a repeat.
    """
    turn_down(monkeypatch)
    expected = [f"/c/{n}" for n in range(40)]
    if order:
        expected.reverse()
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        for n in range(0, 40, 2):
            # Two that stand side by side in the log, and others around them.
            await store.commit([happened(f"/c/{each}", "registered", email="b@example.com") for each in (n, n + 1)])
            await store.commit([happened("/c", "registered", email="d@example.com")] * 10)
        await store.create_index("registered", "data.email")
        query = f"STREAM e FROM events WHERE e.type == 'registered' AND {condition} {order} MAP e.subject"
        assert "registered (data.email)" in str(await store.explain(query))
        result = store.query(query)
        found = [await anext(result) for _ in range(read_first)]

        await store.drop_index("registered", "data.email")
        # Where the id of an index were used again, its entries would be taken for those of the one that is gone.
        await store.create_index("registered", "data.other")

        assert [*found, *[row async for row in result]] == expected


async def eventually(store: EventStore, condition: Callable[[DataIndex], bool]) -> None:
    """
    Return when *condition* holds for the only index.
    """
    async with asyncio.timeout(30):
        while not condition((await store.indexes())[0]):  # noqa: ASYNC110  what is built wakes nobody
            await asyncio.sleep(0.01)


BUILD_AND_DIE = """
import asyncio, os, signal, sys
from eventsource.store import EmbeddedEventStore

def die(progress):
    if progress > 0.3:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with EmbeddedEventStore(sys.argv[1]) as store:
        await store.create_index("registered", "data.email", progress=die)

asyncio.run(main())
"""


@pytest.fixture
async def unfinished(tmp_path: Path) -> Path:
    """
    A store file with 10,001 events whose index was being built when its process was killed.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await fill(store, [happened(f"/c/{n}", "registered", email=f"{n}@example.com") for n in range(10_000)])
        await store.commit([happened("/b", "registered", email="b@example.com")])
    died = await asyncio.create_subprocess_exec(sys.executable, "-c", BUILD_AND_DIE, path)
    await died.wait()
    assert died.returncode == -signal.SIGKILL
    return path


async def test_index_whose_building_was_killed_misleads_no_query(unfinished: Path) -> None:
    """
    It is not ready, and a query that it would serve is answered without it.
    """
    async with EmbeddedEventStore(unfinished, read_only=True) as store:
        assert [each.state for each in await store.indexes()] == [IndexState.BUILDING]
        assert await rows(store, FIND) == ["/b"]


async def test_index_whose_building_was_killed_is_finished_by_the_next_writer(unfinished: Path) -> None:
    """
    Opened for writing, the store goes on with it by itself, while it commits.
    """
    async with EmbeddedEventStore(unfinished) as store:
        await store.commit([happened("/b2", "registered", email="b@example.com")])
        await eventually(store, lambda index: index.state is IndexState.READY)

        assert await rows(store, FIND) == ["/b", "/b2"]
        assert "registered (data.email)" in str(await store.explain(FIND))


async def test_index_whose_building_was_killed_can_be_waited_for(unfinished: Path) -> None:
    """
    Declared again it goes on where it stopped, and is ready then.
    """
    progress: list[float] = []
    async with EmbeddedEventStore(unfinished) as store:
        index = await store.create_index("registered", "data.email", progress=progress.append)

        assert index.state is IndexState.READY
        assert progress[0] > 0.3


async def test_closing_does_not_wait_for_an_index(unfinished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A store that goes on with an index closes after the batch under way; the next one goes on from there.
    """
    monkeypatch.setattr("eventsource.store.embedded.query.data_index.BATCH_EVENTS", 1)
    async with EmbeddedEventStore(unfinished, read_only=True) as store:
        [before] = await store.indexes()
    async with EmbeddedEventStore(unfinished) as store:
        await eventually(store, lambda index: index.progress > before.progress)
    async with EmbeddedEventStore(unfinished, read_only=True) as store:
        [after] = await store.indexes()

    assert before.progress < after.progress < 1


async def test_unfinished_index_can_be_dropped(unfinished: Path) -> None:
    """
    Removing one that the store is going on with leaves nothing of it.
    """
    async with EmbeddedEventStore(unfinished) as store:
        assert await store.drop_index("registered", "data.email")
        assert await store.indexes() == ()
    connection = apsw.Connection(str(unfinished))
    assert connection.execute("SELECT count(*) FROM data_index_entries").get == 0
    connection.close()


async def test_index_that_cannot_be_finished_is_logged(unfinished: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    Damage in the log ends the building, not the store.
    """
    connection = apsw.Connection(str(unfinished))
    connection.execute("UPDATE events SET data = '{' WHERE position = 9000")
    connection.close()

    caplog.set_level(logging.WARNING, logger="eventsource")
    async with EmbeddedEventStore(unfinished) as store:
        await eventually(store, lambda _: bool(caplog.records))
        await store.commit([happened("/b2", "registered", email="b@example.com")])

        assert [each.state for each in await store.indexes()] == [IndexState.BUILDING]
    [record] = caplog.records
    assert record.getMessage().startswith("index.unfinished event_type='registered' path='data.email' error=")
    assert "is no JSON" in record.getMessage()


async def test_older_file_is_brought_up_to_date(tmp_path: Path) -> None:
    """
    Opened for writing, a file of format 1 gets what queries need, and keeps its events.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([happened("/b", "registered", email="b@example.com")])
    make_older(path, 1)

    async with EmbeddedEventStore(path) as store:
        explanation = await store.explain("STREAM e FROM events WHERE e.type == 'registered' MAP e.id")
        index = await store.create_index("registered", "data.email")

        assert await rows(store, FIND) == ["/b"]
        assert (await store.audit()).is_intact
        assert index.state is IndexState.READY
        assert "events_type" in str(explanation.sqlite)


async def test_older_file_can_be_read_without_being_changed(tmp_path: Path) -> None:
    """
    Opened for reading, a file of format 1 answers queries as it is.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([happened("/b", "registered", email="b@example.com")])
    make_older(path, 1)

    async with connect(f"sqlite:{path}", read_only=True) as store:
        assert await rows(store, FIND) == ["/b"]
        assert await store.indexes() == ()
    connection = apsw.Connection(str(path))
    assert connection.pragma("user_version") == 1
    connection.close()


async def test_damaged_declaration_is_told_as_damage(tmp_path: Path) -> None:
    """
    What stands in the place of a declared index and is none stops the opening, by name.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.create_index("registered", "data.email")
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE data_indexes SET path = 'no path'")
    connection.close()

    with pytest.raises(StoreCorruptedError, match="declared indexes"):
        await EmbeddedEventStore(path).__aenter__()
