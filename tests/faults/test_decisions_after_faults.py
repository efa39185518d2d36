"""
Deciding after a transaction has failed: what the writer remembers of it is gone with it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
import pytest

from eventsource import CommitOutcomeUnknownError, NewEvent, QueryHolds, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import PreconditionFailedError, StoreFullError, StoreUnavailableError
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing.contract.chance import rounds
from tests.faults.disk import Change, Write, watched_disk
from tests.faults.test_io_errors import Switch, fail_syncs_of_the_log, no_space_left
from tests.small_sizes import COMMITS, turn_down

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from eventsource import EventStore, Precondition, RecordedEvent

ROOMS = ["/rooms/1", "/rooms/2", "/rooms/3"]
BOOKED, CANCELLED, NOTED = "io.example.faults.booked", "io.example.faults.cancelled", "io.example.faults.remarked"
MOST = 4


@attrs.frozen
class Request:
    """
    A commit: an event at a room, and what it depends on.

    Attributes:
        kind: The type of the event.

        is_guarded: Whether at most `MOST` may be booked in the room.

        version: Which version the room must have; None for any.

        key: Its idempotency key.
    """

    room: str
    kind: str
    is_guarded: bool
    version: int | None
    key: str

    def holds(self, log: list[RecordedEvent]) -> bool:
        """
        Whether it may be committed to a store that holds *log*.
        """
        own = [event for event in log if event.subject == self.room]
        booked = sum(event.type == BOOKED for event in own) - sum(event.type == CANCELLED for event in own)
        return (not self.is_guarded or booked < MOST) and self.version in {None, len(own)}

    async def attempt(self, store: EventStore) -> bool | None:
        """
        Commit it; None when there was no space, else whether it was accepted.
        """
        rule = (
            f"STREAM e FROM events WHERE e.subject == '{self.room}' AND e.type IN ['{BOOKED}', '{CANCELLED}'] "
            f"MAP SUM(e.data.places) < {MOST}"
        )
        conditions: list[Precondition] = [QueryHolds(rule)] if self.is_guarded else []
        if self.version is not None:
            conditions.append(SubjectIsAtVersion(self.room, self.version))
        places = {BOOKED: 1, CANCELLED: -1}.get(self.kind, 0)
        event = NewEvent(
            subject=self.room,
            type=self.kind,
            data={"places": places, "key": self.key, "guarded": self.is_guarded, "text": "x" * 300},
            store_data_as_reference=True,
        )
        try:
            await store.commit([event], conditions, idempotency_key=self.key)
        except StoreFullError:
            return None
        except PreconditionFailedError:
            return False
        return True


def any_request(rng: random.Random, log: list[RecordedEvent], key: str) -> Request:
    """
    A request that mostly is about the room as it is.
    """
    room = rng.choice(ROOMS)
    version = sum(event.subject == room for event in log) + rng.choice([0, 0, 0, 1, -1])
    return Request(
        room,
        rng.choice([BOOKED, BOOKED, BOOKED, CANCELLED, NOTED]),
        rng.random() < 0.6,
        max(0, version) if rng.random() < 0.4 else None,
        key,
    )


def refuse_writes(change: Change) -> None:
    """
    A disk that is full.
    """
    if isinstance(change, Write):
        raise no_space_left(change)


async def log_of(store: EventStore) -> list[RecordedEvent]:
    """
    Every event.
    """
    return [event async for event in store.stream()]


def check_rules(log: list[RecordedEvent]) -> None:
    """
    Assert that each guarded event was allowed where it stands, and that each request is there once.
    """
    booked = dict.fromkeys(ROOMS, 0)
    for event in log:
        assert not event.data["guarded"] or booked[event.subject] < MOST, f"a rule was broken at {event.position}"
        booked[event.subject] += event.data["places"]
    keys = [event.data["key"] for event in log]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("sizes", [{}, COMMITS], ids=["usual sizes", "small sizes"])
async def test_decisions_while_the_disk_fills_up_now_and_then(
    quick_folder: Path, rng: random.Random, monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int]
) -> None:
    """
    Between commits that found no space each decision is about what is stored: none too many, none too few, none twice.
    """
    turn_down(monkeypatch, sizes)
    for each in range(rounds(15, 400)):
        with watched_disk(disk := Switch(refuse_writes)):
            async with EmbeddedEventStore(quick_folder / f"{each}.db") as store:
                await _decide_at_random(store, disk, rng)
                assert (await store.audit()).is_intact


async def _decide_at_random(store: EmbeddedEventStore, disk: Switch, rng: random.Random) -> None:
    for number in range(40):
        log = await log_of(store)
        disk.is_on = rng.random() < 0.4
        requests = [any_request(rng, log, f"{number}-{each}") for each in range(rng.choice([1, 1, 1, 5]))]
        outcomes = await asyncio.gather(*(request.attempt(store) for request in requests))
        if len(requests) == 1 and outcomes[0] is not None:
            assert outcomes[0] == requests[0].holds(log)
        if disk.is_on:
            assert True not in outcomes
            if rng.random() < 0.2:
                with pytest.raises(StoreFullError):
                    await store.create_index(BOOKED, f"data.{rng.choice(['places', 'key'])}{number}")
            disk.is_on = False
            assert await log_of(store) == log
            # Sent again, now that there is space: decided anew.
            retried = [request for request, outcome in zip(requests, outcomes, strict=True) if outcome is None]
            for request in rng.sample(retried, rng.randrange(len(retried) + 1)):
                log = await log_of(store)
                assert await request.attempt(store) == request.holds(log)
        check_rules(await log_of(store))


async def test_a_rule_counts_what_came_in_place_of_what_was_rolled_back(quick_folder: Path) -> None:
    """
    A rule that was decided in a transaction without space looks again at the places that others have taken since.
    """
    allowed = QueryHolds(f"STREAM e FROM events WHERE e.type == '{BOOKED}' MAP COUNT() < 2")

    def event(kind: str) -> NewEvent:
        return NewEvent(subject="/a", type=kind, data={})

    with watched_disk(disk := Switch(refuse_writes)):
        async with EmbeddedEventStore(quick_folder / "store.db") as store:
            await store.commit([event(BOOKED)], [allowed])
            disk.is_on = True
            with pytest.raises(StoreFullError):
                await store.commit([event(NOTED)], [allowed])
            disk.is_on = False

            await store.commit([event(BOOKED)])

            with pytest.raises(PreconditionFailedError):
                await store.commit([event(BOOKED)], [allowed])
            assert await store.count() == 2


async def test_versions_are_those_of_the_file_after_a_failure(quick_folder: Path) -> None:
    """
    What found no space has made no version, and no subject.
    """
    event = NewEvent(subject="/a", type=NOTED, data={})
    with watched_disk(disk := Switch(refuse_writes)):
        async with EmbeddedEventStore(quick_folder / "store.db") as store:
            for version in range(3):
                disk.is_on = True
                for _ in range(2):
                    with pytest.raises(StoreFullError):
                        await store.commit([event] * 2, [SubjectIsAtVersion("/a", version)])
                disk.is_on = False
                with pytest.raises(PreconditionFailedError):
                    await store.commit([event], [SubjectIsAtVersion("/a", version + 2)])
                if version == 0:
                    await store.commit([event], [SubjectIsNew("/a")])
                else:
                    await store.commit([event], [SubjectIsAtVersion("/a", version)])


async def test_decisions_after_a_failed_sync_and_reopening(quick_folder: Path, rng: random.Random) -> None:
    """
    Where nobody knows what became of a transaction, the reopened store decides by what is in its file.
    """
    for each in range(rounds(8, 200)):
        path = quick_folder / f"{each}.db"
        for turn in range(6):
            with watched_disk(disk := Switch(fail_syncs_of_the_log)):
                async with EmbeddedEventStore(path) as store:
                    log = await log_of(store)
                    for number in range(4):
                        log = await log_of(store)
                        request = any_request(rng, log, f"{turn}-{number}")
                        assert await request.attempt(store) == request.holds(log)
                    disk.is_on = True
                    doubtful = [any_request(rng, log, f"{turn}-doubtful-{number}") for number in range(4)]
                    outcomes = await asyncio.gather(*(one.attempt(store) for one in doubtful), return_exceptions=True)
                    assert {type(outcome) for outcome in outcomes} <= {
                        CommitOutcomeUnknownError,
                        StoreUnavailableError,
                        bool,
                    }
                    assert True not in outcomes
            async with EmbeddedEventStore(path) as store:
                log = await log_of(store)
                check_rules(log)
                for request, outcome in zip(doubtful, outcomes, strict=True):
                    if isinstance(outcome, CommitOutcomeUnknownError):
                        # Its key tells whether it is there: then it is not decided again.
                        is_there = request.key in {event.data["key"] for event in log}
                        assert await request.attempt(store) == (is_there or request.holds(log))
                        log = await log_of(store)
                check_rules(log)


async def test_a_restore_that_found_no_space_leaves_no_trace_in_decisions(quick_folder: Path) -> None:
    """
    After a restore that was taken back the store decides as an empty one, and takes the same restore once it can.
    """
    events = [NewEvent(subject="/a", type=BOOKED, data={"text": "x" * 2_000})] * 50
    is_free = QueryHolds(f"STREAM e FROM events WHERE e.type == '{BOOKED}' MAP COUNT() == 0")
    other = NewEvent(subject="/b", type=NOTED, data={})
    async with InMemoryEventStore() as source:
        await source.commit(events)
        for goes_on in ("with a commit", "with the restore"):
            with watched_disk(disk := Switch(refuse_writes)):
                async with EmbeddedEventStore(quick_folder / f"{goes_on}.db") as store:
                    disk.is_on = True
                    with pytest.raises(StoreFullError):
                        await store.restore(source.backup())
                    disk.is_on = False

                    if goes_on == "with a commit":
                        (recorded,) = await store.commit([other], [is_free, SubjectIsNew("/a")])
                        assert recorded.position == 1
                    else:
                        await store.restore(source.backup())
                        with pytest.raises(PreconditionFailedError):
                            await store.commit([other], [is_free])
                        await store.commit([other], [SubjectIsAtVersion("/a", 50)])


async def test_an_erasure_that_found_no_space_changes_no_decision(quick_folder: Path) -> None:
    """
    Data that could not be erased still counts; erased afterwards, it counts no more.
    """

    def personal(name: str) -> NewEvent:
        return NewEvent(subject="/people/1", type=NOTED, data={"name": name}, store_data_as_reference=True)

    knows_ada = QueryHolds("STREAM e FROM events WHERE e.data.name == 'Ada' MAP COUNT() == 1")
    other = NewEvent(subject="/b", type=NOTED, data={})
    with watched_disk(disk := Switch(refuse_writes)):
        async with EmbeddedEventStore(quick_folder / "store.db") as store:
            await store.commit([personal("Ada")])
            await store.commit([other], [knows_ada])
            disk.is_on = True
            with pytest.raises(StoreFullError):
                await store.erase("/people/1")
            disk.is_on = False

            await store.commit([other], [knows_ada])
            await store.erase("/people/1")

            with pytest.raises(PreconditionFailedError):
                await store.commit([other], [knows_ada])
