"""
Group commit: many commits share a transaction, and each is still decided in its turn.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource import SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import PreconditionFailedError, StoreUnavailableError
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import PATIENCE_S, commit_each, noted, read
from tests.store.wal import transactions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    The file of the store.
    """
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[EmbeddedEventStore]:
    """
    An empty embedded store.
    """
    async with EmbeddedEventStore(path) as store:
        yield store


async def test_commits_sent_together_share_transactions(
    store: EmbeddedEventStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Two thousand commits sent at once take a handful of transactions, so a handful of waits for the disk.
    """
    # Else the log could be started over, and the transactions in it be forgotten.
    monkeypatch.setattr("eventsource.store.embedded.writer._CHECKPOINT_PAGES", 10**9)

    await asyncio.gather(*(store.commit([noted(f"/a/{number}")]) for number in range(2_000)))

    assert await store.count() == 2_000
    assert transactions(path) <= 40


async def test_a_commit_alone_is_not_held_back(store: EmbeddedEventStore, path: Path) -> None:
    """
    Commits sent one after the other are each made durable before they are answered.
    """
    await commit_each(store, ["/a"] * 20)

    assert transactions(path) == 20


async def test_a_group_that_is_refused_writes_nothing(store: EmbeddedEventStore, path: Path) -> None:
    """
    Where no commit of a group is accepted, no transaction is made.
    """
    await commit_each(store, ["/a"])
    before = transactions(path)

    refused = [store.commit([noted("/a")], [SubjectIsNew("/a")]) for _ in range(200)]
    outcomes = await asyncio.gather(*refused, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {PreconditionFailedError}
    assert transactions(path) == before


async def test_commits_stand_in_the_order_they_were_sent(store: EmbeddedEventStore) -> None:
    """
    The order of the calls is the order of the log.
    """
    answers = await asyncio.gather(*(store.commit([noted("/a", data={"call": call})]) for call in range(500)))

    assert [event.position for (event,) in answers] == list(range(1, 501))
    assert [event.data["call"] for event in await read(store.stream())] == list(range(500))


async def test_each_commit_of_a_group_sees_those_before_it(store: EmbeddedEventStore) -> None:
    """
    A chain of commits, each on the version the one before makes, is accepted although sent in one go.
    """
    chain = [store.commit([noted("/a")], [SubjectIsAtVersion("/a", version)]) for version in range(300)]

    answers = await asyncio.gather(*chain)

    assert [event.position for (event,) in answers] == list(range(1, 301))


async def test_of_16_writers_one_wins_each_version(store: EmbeddedEventStore) -> None:
    """
    Of 16 commits on the same version exactly the first is accepted, for each of 100 versions sent in one go.
    """
    commits = [
        store.commit([noted("/a", data={"version": version, "writer": writer})], [SubjectIsAtVersion("/a", version)])
        for version in range(100)
        for writer in range(16)
    ]

    outcomes = await asyncio.gather(*commits, return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, PreconditionFailedError)]
    assert len(refused) == 15 * 100
    events = await read(store.stream())
    assert [event.data for event in events] == [{"version": version, "writer": 0} for version in range(100)]


async def test_16_writers_that_race_never_share_a_version(store: EmbeddedEventStore) -> None:
    """
    Writers that read the version and commit on it, as fast as they can, each add one event for each success.
    """

    async def write(writer: int) -> int:
        successes = 0
        for _ in range(40):
            version = await store.count("/a", recursive=False)
            try:
                await store.commit(
                    [noted("/a", data={"version": version, "writer": writer})], [SubjectIsAtVersion("/a", version)]
                )
            except PreconditionFailedError:
                continue
            successes += 1
        return successes

    successes = await asyncio.gather(*map(write, range(16)))

    events = await read(store.stream("/a"))
    assert len(events) == sum(successes) >= 40
    assert [event.data["version"] for event in events] == list(range(len(events)))


async def test_a_refusal_tells_what_was_found_at_its_place(store: EmbeddedEventStore) -> None:
    """
    A refused commit in a group is told the version that those before it in the group have made.
    """
    commits = [store.commit([noted("/a")] * 3), store.commit([noted("/a")], [SubjectIsAtVersion("/a", 0)])]

    _, refusal = await asyncio.gather(*commits, return_exceptions=True)

    assert isinstance(refusal, PreconditionFailedError)
    assert refusal.found == "3 events"


async def test_refusals_between_leave_no_gap(store: EmbeddedEventStore) -> None:
    """
    Accepted and refused commits in one group: the accepted ones follow each other, linked, as if alone.
    """
    commits = [
        store.commit([noted(f"/a/{number // 2}")] * 2, [SubjectIsNew(f"/a/{number // 2}")]) for number in range(400)
    ]

    await asyncio.gather(*commits, return_exceptions=True)

    events = await read(store.stream())
    assert [event.position for event in events] == list(range(1, 401))
    assert [event.subject for event in events] == [f"/a/{number // 2}" for number in range(400)]
    assert (await store.audit()).is_intact


async def test_a_foreign_lock_refuses_commits_and_stops_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While another program holds a lock on the file, commits are refused in the end, and the next are taken.
    """
    monkeypatch.setattr("eventsource.store.embedded.file.BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr("eventsource.store.embedded.writer.BUSY_TIMEOUT_MS", 50)
    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"] * 50)
        foreign = apsw.Connection(str(path))
        foreign.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailableError):
            await store.commit([noted("/a")])
        foreign.close()

        assert (await commit_each(store, ["/a"]))[0].position == 51


async def test_a_foreign_lock_does_not_stop_the_event_loop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While a commit waits for another program, all else in the event loop goes on, the one who lets go included.
    """
    monkeypatch.setattr("eventsource.store.embedded.file.BUSY_TIMEOUT_MS", 3_600_000)
    monkeypatch.setattr("eventsource.store.embedded.writer.BUSY_TIMEOUT_MS", 3_600_000)
    async with EmbeddedEventStore(path) as store:
        # So many that a commit alone is decided in the loop, where that is quick.
        await commit_each(store, ["/a"] * 50)
        foreign = apsw.Connection(str(path))
        foreign.execute("BEGIN IMMEDIATE")
        commit = asyncio.create_task(store.commit([noted("/a")]))

        for _ in range(50):
            await asyncio.sleep(0.001)
        assert not commit.done()
        assert await store.count() == 50
        foreign.close()

        (recorded,) = await commit
        assert recorded.position == 51


async def test_an_id_made_twice_is_refused_and_never_stored(path: Path) -> None:
    """
    Should the source of ids repeat one, the commit fails, and what is stored keeps unique ids after reopening.
    """
    ids = itertools.chain(["id-1", "id-1"], map(str, itertools.count()))
    async with EmbeddedEventStore(path, new_id=lambda: next(ids)) as store:
        await commit_each(store, ["/a"])

        with pytest.raises(StoreUnavailableError):
            await store.commit([noted("/a")])

    async with EmbeddedEventStore(path) as store:
        await commit_each(store, ["/a"])
        assert len({event.id for event in await read(store.stream())}) == 2


async def test_a_clock_that_fails_keeps_nobody_waiting(path: Path) -> None:
    """
    Should the clock raise, the commit is refused, and so are those after it; none waits for ever.
    """

    def broken_clock() -> int:
        msg = "no time today"
        raise RuntimeError(msg)

    async with EmbeddedEventStore(path, clock=broken_clock) as store, asyncio.timeout(PATIENCE_S):
        outcomes = [
            *await asyncio.gather(*(store.commit([noted("/a")]) for _ in range(3)), return_exceptions=True),
            *await asyncio.gather(store.commit([noted("/a")]), return_exceptions=True),
        ]

        assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
        assert await store.count() == 0
