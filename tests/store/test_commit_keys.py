"""
Idempotency keys in a file: after restarts and kills, in groups, and when data is erased.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from eventsource import QueryHolds, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import (
    IdempotencyKeyReusedError,
    PreconditionFailedError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from eventsource.store import EmbeddedEventStore
from eventsource.store.embedded import writer
from eventsource.store.embedded.commit_keys import forget_request
from eventsource.store.idempotency import IdempotencyKey
from eventsource.testing.contract.chance import rounds, seeded_random
from eventsource.testing.contract.samples import noted, read
from tests.store import keyed_committer

if TYPE_CHECKING:
    from eventsource import EventStore, Precondition


ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    The file of the store.
    """
    return tmp_path / "store.db"


def stored_keys(path: Path) -> list[str]:
    """
    The keys in a file.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    keys = [str(row[0]) for row in connection.execute("SELECT key FROM commit_keys ORDER BY key")]
    connection.close()
    return keys


async def test_a_repeat_is_answered_after_reopening(path: Path) -> None:
    """
    The answer is read back from the file: the same events, though their preconditions fail now.
    """
    events = [noted("/a", data={"n": number}) for number in range(1_500)]
    async with EmbeddedEventStore(path) as store:
        await store.commit([noted("/before")])
        first = await store.commit(events, [SubjectIsNew("/a")], idempotency_key="k-1")
        await store.commit([noted("/after")])

    async with EmbeddedEventStore(path) as store:
        assert await store.commit(events, [SubjectIsNew("/a")], idempotency_key="k-1") == first
        with pytest.raises(IdempotencyKeyReusedError):
            await store.commit(events, idempotency_key="k-1")
        assert await store.count() == 1_502


def test_digests_stay_the_same() -> None:
    """
    Files keep them, so the digest of a request is for ever what it is here.
    """
    events = [noted("/a", data={"b": [1.5, "ä"], "a": None}), noted("/b", source="io.example.other")]
    rules: list[Precondition] = [
        SubjectIsNew("/a"),
        SubjectExists("/c"),
        SubjectIsAtVersion("/b", 3),
        QueryHolds("STREAM e FROM events"),
    ]

    key = IdempotencyKey.of("k-1", events, rules)

    assert key.digest.hex() == "3d8554f231ac31a35a786bc4b46eaead3d8b0bb67cb49390ac641548f1a96441"


async def test_keys_are_decided_in_their_turn_within_a_group(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In one transaction with others a repeat gets what stands before it there, also once a query has looked at it.
    """
    # Nobody is decided alone, so all that is sent together is one group.
    monkeypatch.setattr(writer.Writer, "decide_alone", lambda _, __: False)
    none_of_b = QueryHolds("STREAM e FROM events WHERE e.subject == '/b' MAP COUNT() == 0")
    async with EmbeddedEventStore(path) as store:
        outcomes = await asyncio.gather(
            store.commit([noted("/a")], [SubjectIsNew("/b")], idempotency_key="k-1"),
            store.commit([noted("/x")], [SubjectIsAtVersion("/x", 7)], idempotency_key="k-2"),
            store.commit([noted("/b")], [none_of_b], idempotency_key="k-3"),
            store.commit([noted("/b")], [none_of_b], idempotency_key="k-3"),
            store.commit([noted("/a")], [SubjectIsNew("/b")], idempotency_key="k-1"),
            store.commit([noted("/x")], idempotency_key="k-2"),
            store.commit([noted("/x")], idempotency_key="k-1"),
            return_exceptions=True,
        )
        events = await read(store.stream())

    assert [event.subject for event in events] == ["/a", "/b", "/x"]
    assert outcomes[0] == outcomes[4] == (events[0],)
    assert outcomes[2] == outcomes[3] == (events[1],)
    assert outcomes[5] == (events[2],)
    assert isinstance(outcomes[1], PreconditionFailedError)
    assert isinstance(outcomes[6], IdempotencyKeyReusedError)
    assert stored_keys(path) == ["k-1", "k-2", "k-3"]


async def test_a_transaction_that_failed_leaves_no_key(path: Path) -> None:
    """
    Events and key are written together or not at all.
    """
    ids = iter(["id-1", "id-1"])
    async with EmbeddedEventStore(path, new_id=lambda: next(ids)) as store:
        await store.commit([noted("/a")], idempotency_key="k-1")
        # The same id again: the file refuses it.
        with pytest.raises(StoreUnavailableError):
            await store.commit([noted("/a")], idempotency_key="k-2")

    assert stored_keys(path) == ["k-1"]
    async with EmbeddedEventStore(path) as store:
        await store.commit([noted("/a")], idempotency_key="k-2")
        assert await store.count() == 2


async def test_repeats_alone_change_nothing_in_the_file(path: Path) -> None:
    """
    An answer from before costs no write: neither the file nor its log grows.
    """
    async with EmbeddedEventStore(path) as store:
        await store.commit([noted("/a")], idempotency_key="k-1")
        before = (await store.status()).storage_bytes

        for _ in range(20):
            await store.commit([noted("/a")], idempotency_key="k-1")

        assert (await store.status()).storage_bytes == before


async def test_a_reader_answers_no_repeats(path: Path) -> None:
    """
    A commit goes to the writer, also one that was made before.
    """
    async with EmbeddedEventStore(path) as store:
        await store.commit([noted("/a")], idempotency_key="k-1")

    async with EmbeddedEventStore(path, read_only=True) as store:
        with pytest.raises(StoreReadOnlyError):
            await store.commit([noted("/a")], idempotency_key="k-1")


async def test_a_forgotten_request_keeps_its_key(path: Path) -> None:
    """
    Where data was erased nothing is left to try it out on; the key makes no second commit, others are as they were.
    """
    async with EmbeddedEventStore(path) as store:
        for key in ("k-1", "k-2", "k-3"):
            await store.commit([noted(f"/{key}")] * 3, idempotency_key=key)
    connection = apsw.Connection(str(path))

    # The last event of the first commit, and the first of the second.
    assert [forget_request(connection, position) for position in (3, 4, 4)] == [True, True, False]

    assert [row[0] is None for row in connection.execute("SELECT request FROM commit_keys ORDER BY key")] == [
        True,
        True,
        False,
    ]
    connection.close()
    async with EmbeddedEventStore(path) as store:
        for key in ("k-1", "k-2"):
            with pytest.raises(IdempotencyKeyReusedError):
                await store.commit([noted(f"/{key}")] * 3, idempotency_key=key)
        await store.commit([noted("/k-3")] * 3, idempotency_key="k-3")
        assert await store.count() == 9


async def test_after_a_kill_every_commit_can_be_sent_again(path: Path) -> None:
    """
    Whoever repeats all commits that were sent has each of them once, and the acknowledged ones as they were told.
    """
    rng = seeded_random()
    first, acknowledged = 0, 0
    for _ in range(rounds(4, 200)):
        # Opening makes some twenty changes, a commit a few.
        sent, stored = await _run_and_kill(path, first, rng.randint(50, 500))
        async with EmbeddedEventStore(path) as store:
            await _send_again(store, sent, stored, copies=rng.randrange(1, 4))
            assert (await store.audit()).is_intact
            assert await store.count() == sum(number % 3 + 1 for number in range(len(stored_keys(path))))
        first = max(sent, default=first - 1) + 1
        acknowledged += len(stored)

    # Otherwise nothing was tested.
    assert acknowledged > 20


async def _send_again(store: EventStore, sent: set[int], stored: dict[int, list[str]], *, copies: int) -> None:
    numbers = sorted(sent) * copies
    answers = await asyncio.gather(*(keyed_committer.commit(store, number) for number in numbers))
    ids = {number: [event.id for event in answer] for number, answer in zip(numbers, answers, strict=True)}
    for number, answer in zip(numbers, answers, strict=True):
        assert [event.id for event in answer] == ids[number]
        assert [event.data for event in answer] == [{"number": number}] * (number % 3 + 1)
    assert {number: ids[number] for number in stored} == stored


async def _run_and_kill(path: Path, first: int, at: int) -> tuple[set[int], dict[int, list[str]]]:
    """
    Let a process commit from number *first* on until it dies; what it has sent, and the ids it was told.
    """
    command = [sys.executable, "-m", keyed_committer.__name__, str(path), str(first), str(at)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    out, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    lines = out.splitlines(keepends=True)
    sent: set[int] = set()
    stored: dict[int, list[str]] = {}
    # A line without its end was cut off by the kill.
    for word, number, *ids in (line.decode().split() for line in lines if line.endswith(b"\n")):
        if word == "sent":
            sent.add(int(number))
        else:
            stored[int(number)] = ids
    return sent, stored


async def test_a_key_of_an_earlier_release_is_a_repeat_in_a_store_with_a_source(tmp_path: Path) -> None:
    """
    A digest that was stored before the source of a store counted still names its request, and no other one.
    """
    path = tmp_path / "store.db"
    events = [noted("/a")]
    async with EmbeddedEventStore(path, source="https://bank.example") as store:
        first = await store.commit(events, idempotency_key="k-1")
    earlier = IdempotencyKey.of("k-1", events, []).digest
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE commit_keys SET request = ?", (earlier,))

    async with EmbeddedEventStore(path, source="https://bank.example") as store:
        assert await store.commit(events, idempotency_key="k-1") == first
        with pytest.raises(IdempotencyKeyReusedError):
            await store.commit([noted("/b")], idempotency_key="k-1")
