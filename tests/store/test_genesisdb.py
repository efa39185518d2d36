"""
The store over HTTP, against a server of this package.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from eventsource import (
    EventStore,
    NewEvent,
    ProjectionWorker,
    QueryHolds,
    ReadModelDatabase,
    SubjectIsAtVersion,
    SubjectIsNew,
    connect,
)
from eventsource.errors import (
    InvalidStoreUrlError,
    PreconditionFailedError,
    QueryBudgetError,
    QuerySyntaxError,
    UnauthenticatedError,
)
from eventsource.genesisdb import Limits
from eventsource.projections import rebuild
from eventsource.store import EmbeddedEventStore, InMemoryEventStore, QueryLimits
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.projections.bank import Balances, balance_of, moved, opened
from tests.store.http_server import TOKEN, losing, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

NOTED = "io.example.noted"


def noted(subject: str, number: int = 0) -> NewEvent:
    """
    A new event.
    """
    return NewEvent(subject=subject, type=NOTED, data={"number": number, "text": "Zürich"})


@pytest.fixture(params=["memory", "embedded"])
async def inner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    The store behind the server.
    """
    opened = InMemoryEventStore() if request.param == "memory" else EmbeddedEventStore(tmp_path / "store.db")
    async with opened as store:
        yield store


@pytest.fixture
async def store(inner: EventStore) -> AsyncGenerator[GenesisDBEventStore]:
    """
    The store over HTTP.
    """
    async with serving(inner) as url, GenesisDBEventStore(url, token=TOKEN) as store:
        yield store


async def read(store: EventStore, subject: str = "/") -> list[str]:
    """
    The ids of a stream.
    """
    return [event.id async for event in store.stream(subject)]


async def test_it_says_what_the_store_behind_it_says(store: GenesisDBEventStore, inner: EventStore) -> None:
    """
    Events, counts, queries, audit and status are those of the store behind, but for positions.
    """
    for number in range(5):
        await store.commit([noted("/a", number), noted("/a/b", number)])

    stored = [event async for event in inner.stream()]
    assert [event._replace(position=0) async for event in store.stream()] == [e._replace(position=0) for e in stored]
    positions = [event.position async for event in store.stream()]
    assert positions == sorted(set(positions)) == [event.time_ns for event in stored]
    for subject, recursive in (("/", True), ("/a", True), ("/a", False), ("/nothing", True)):
        assert await store.count(subject, recursive=recursive) == await inner.count(subject, recursive=recursive)
        last, own = (
            await inner.last_event(subject, recursive=recursive),
            await store.last_event(subject, recursive=recursive),
        )
        assert (last and last._replace(position=0)) == (own and own._replace(position=0))
    assert await store.count("/a", recursive=False, lower_bound=stored[2].id) == 3
    query = "STREAM e FROM events ORDER BY e.time DESC MAP e.data"
    assert [row async for row in store.query(query)] == [row async for row in inner.query(query)]
    assert await store.explain(query) == await inner.explain(query)
    assert await store.audit() == await inner.audit()
    assert await store.status() == await inner.status()
    assert (await store.subjects("/a"), await store.event_types()) == (("/a", "/a/b"), (NOTED,))
    await store.ping()


async def test_indexes_are_declared_over_http(store: GenesisDBEventStore, inner: EventStore) -> None:
    """
    As on the store itself.
    """
    index = await store.create_index(NOTED, "data.number")

    assert await store.indexes() == await inner.indexes() == (index,)
    assert await store.drop_index(NOTED, "data.number")
    assert not await store.drop_index(NOTED, "data.number")


async def test_errors_are_those_of_the_other_stores(store: GenesisDBEventStore) -> None:
    """
    A refusal over HTTP is the same error, with the same facts.
    """
    await store.commit([noted("/a")])

    with pytest.raises(PreconditionFailedError) as failure:
        await store.commit([noted("/a")], [SubjectIsNew("/a")])
    assert (failure.value.subject, failure.value.expected, failure.value.found) == ("/a", "no events", "1 event")
    rule = QueryHolds("STREAM e FROM events MAP COUNT() == 0", name="nothing there")
    with pytest.raises(PreconditionFailedError) as failure:
        await store.commit([noted("/a")], [rule])
    assert failure.value.name == "nothing there"
    with pytest.raises(QuerySyntaxError):
        store.query("SELECT * FROM events")
    with pytest.raises(QueryBudgetError):
        _ = [row async for row in store.query("STREAM e FROM events MAP 'x'", limits=QueryLimits(bytes=1))]
    async with GenesisDBEventStore(store.client.url, token="wrong") as stranger:  # noqa: S106  that is the point
        with pytest.raises(UnauthenticatedError):
            await stranger.count()


async def test_a_key_makes_a_commit_repeatable(store: GenesisDBEventStore) -> None:
    """
    The second sending gets the answer of the first.
    """
    first = await store.commit([noted("/a")], idempotency_key="key-1")

    assert await store.commit([noted("/a")], idempotency_key="key-1") == first
    assert await store.count() == 1


async def test_it_is_opened_by_its_url(inner: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    `connect` takes http and https, the token as an argument or from the environment, and no secrets in the URL.
    """
    async with serving(inner) as url:
        async with connect(url, token=TOKEN) as store:
            await store.commit([noted("/a")])
        monkeypatch.setenv("GENESISDB_AUTH_TOKEN", TOKEN)
        async with connect(url) as store:
            assert await store.count() == 1
            assert TOKEN not in repr(store)
    with pytest.raises(InvalidStoreUrlError) as failure:
        connect(f"http://user:{TOKEN}@localhost:8080")
    assert TOKEN not in str(failure.value)
    with pytest.raises(ValueError, match="token"):
        connect("memory:", token=TOKEN)


async def test_guarded_commits_through_lost_answers_are_made_once(tmp_path: Path) -> None:
    """
    A tenth of the answers is lost; no commit is, none is made twice, and none stays unknown.
    """
    rng = seeded_random()
    writers, commits = 10, rounds(50, 500)
    limits = Limits(commit_tries=20, read_s=5)
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as inner,
        serving(inner) as url,
        losing(url, lambda: rng.random() < 0.1) as lossy,
        GenesisDBEventStore(lossy, token=TOKEN, limits=limits) as store,
    ):
        made: list[str] = []

        async def write(writer: int) -> None:
            subject = f"/accounts/{writer % 5}"
            for number in range(commits):
                event = noted(subject, writer * commits + number)
                while True:
                    try:
                        (recorded,) = await store.commit(
                            [event], [SubjectIsAtVersion(subject, await inner.count(subject))]
                        )
                    except PreconditionFailedError:
                        continue
                    break
                made.append(recorded.id)

        await asyncio.gather(*map(write, range(writers)))

        stored = [event async for event in inner.stream()]
        assert sorted(made) == sorted(event.id for event in stored)
        assert sorted(event.data["number"] for event in stored) == list(range(writers * commits))


async def test_unguarded_commits_through_lost_answers_are_made_once(inner: EventStore) -> None:
    """
    The server keeps keys, so a commit without any guard may be sent again, too.
    """
    rng = seeded_random()
    async with (
        serving(inner) as url,
        losing(url, lambda: rng.random() < 0.2) as lossy,
        GenesisDBEventStore(lossy, token=TOKEN, limits=Limits(commit_tries=20, tries=20)) as store,
    ):
        await asyncio.gather(*(store.commit([noted("/a", number)]) for number in range(100)))

        assert sorted([event.data["number"] async for event in inner.stream()]) == list(range(100))


async def test_a_server_restarted_under_an_observer_loses_and_repeats_nothing(inner: EventStore) -> None:
    """
    The server goes and comes, with commits while it is away: each event comes once, in order.
    """
    seen: list[str] = []
    total = 60

    async with serving(inner) as url:
        port = int(url.rpartition(":")[2])
        store = GenesisDBEventStore(url, token=TOKEN)
        reached = asyncio.Event()

        async def watch() -> None:
            async for event in store.observe():
                seen.append(event.id)
                reached.set()
                if len(seen) == total:
                    return

        watching = asyncio.create_task(watch())
        await inner.commit([noted("/a")] * 10)
        await reached.wait()
    for _ in range(4):
        await inner.commit([noted("/a")] * 5)
        async with serving(inner, port=port):
            await inner.commit([noted("/a")] * 5)
            reached.clear()
            while len(seen) < await inner.count():
                await reached.wait()
                reached.clear()
    await inner.commit([noted("/a")] * 10)
    async with serving(inner, port=port):
        await watching
    await store.aclose()

    assert seen == await read(inner)


@asynccontextmanager
async def observed(store: EventStore, subject: str, seen: list[int], total: int) -> AsyncGenerator[asyncio.Task[None]]:
    """
    Somebody who observes *subject* from the start until *total* events have come.
    """

    async def watch() -> None:
        async for event in store.observe(subject):
            seen.append(event.data["number"])
            if len(seen) == total:
                return

    watching = asyncio.create_task(watch())
    yield watching
    watching.cancel()


async def test_an_observer_of_an_empty_store_misses_no_first_event(inner: EventStore) -> None:
    """
    Whatever the moment of the first commit, it comes, once.
    """
    async with serving(inner) as url, GenesisDBEventStore(url, token=TOKEN) as store:
        for moment in range(rounds(12, 100)):
            seen: list[int] = []
            subject = f"/moment/{moment}"
            async with observed(store, subject, seen, 3) as watching:
                # So many turns of the loop in which client and server talk.
                for _ in range(5 * moment):
                    await asyncio.sleep(0)
                for number in range(3):
                    await inner.commit([noted(subject, number)])
                await watching

            assert seen == [0, 1, 2]


async def test_projectors_run_over_it(store: GenesisDBEventStore, tmp_path: Path) -> None:
    """
    A worker catches up, follows and is waited for; what its projector rebuilds is the same.
    """
    projector = Balances()
    await store.commit([opened("1"), moved("1", 500)])
    database = ReadModelDatabase(f"sqlite:///{tmp_path / 'read-models.db'}")

    async with ProjectionWorker(store, database, [projector]) as worker:
        await worker.caught_up()
        assert await balance_of(database, "1") == 500
        for _ in range(5):
            (recorded,) = await store.commit([moved("1", 1)])
            await projector.seen(recorded.id)
        assert await balance_of(database, "1") == 505

    await store.commit([moved("1", 10)])
    async with ProjectionWorker(store, database, [projector]) as worker:
        await worker.caught_up()
        assert await balance_of(database, "1") == 515
    await rebuild(projector, store, database)
    assert await balance_of(database, "1") == 515
