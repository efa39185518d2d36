"""
The question whether a command was carried out: answered the same by every store, from an index.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource import Metadata, NewEvent, Subject
from eventsource.errors import PreconditionFailedError
from eventsource.gdbql import PreparedQuery
from eventsource.guards.command_guard import NOT_CARRIED_OUT, events_of_command, not_carried_out
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing.contract.chance import seeded_random
from tests.older_logs import forged
from tests.store.older_files import make_older
from tests.store.query_stores import STORES, fill, happened, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from eventsource import EventStore

# As commands carry them, and what is like them: other kinds of values, other places, in a text.
LIKE_METADATA: tuple[dict[str, Any], ...] = (
    {},
    {"_meta": {"commandId": "1"}},
    {"_meta": {"commandId": "2", "correlationId": "1"}},
    {"_meta": {"commandId": "1", "commandSubject": "/a"}},
    {"_meta": {"commandId": "1", "commandSubject": ""}},
    {"_meta": {"commandId": "1", "commandSubject": None}},
    {"_meta": {"commandId": "2", "commandSubject": "/a/1"}},
    {"_meta": {"commandId": 1}},
    {"_meta": {"commandId": ""}},
    {"_meta": {"commandId": None}},
    {"_meta": {"commandId": ["1"]}},
    {"_meta": "1"},
    {"commandId": "1"},
    {"note": '{"_meta":{"commandId":"1"}}'},
    {"A": 1, "_meta": {"commandId": "1", "Z": '"commandId":'}},
    {"nested": {"_meta": {"commandId": "1"}}},
)
SUBJECTS = ("/a", "/a/1", "/a/1/x", "/ab", "/b")


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventStore]:
    """
    An empty store of each kind.
    """
    async with STORES[request.param](tmp_path) as opened:
        yield opened


def carried_out(subject: str, command_id: str) -> NewEvent:
    """
    An event of a command.
    """
    return happened(subject, _meta=Metadata(command_id=command_id).to_data())


async def test_question_is_answered_as_by_looking_at_every_event(store: EventStore) -> None:
    """
    Whatever stands in the data, at whatever subject.
    """
    chance = seeded_random()
    await fill(store, [forged(chance.choice(SUBJECTS), "happened", chance.choice(LIKE_METADATA)) for _ in range(300)])
    await store.commit([NewEvent(subject="/b", type="held", data=LIKE_METADATA[1], store_data_as_reference=True)])
    await store.erase("/b")
    log = [event.to_cloud_event() async for event in store.stream()]

    for command_id in ("1", "2", "3", ""):
        for subject in map(Subject, ("/", *SUBJECTS)):
            for question in (
                events_of_command(subject, command_id),
                attrs.evolve(not_carried_out(subject, command_id).tree, projection=None),
            ):
                expected = [*PreparedQuery(question).rows(log)]
                assert await rows(store, question) == expected


async def test_guard_refuses_the_second_commit_of_a_command(store: EventStore) -> None:
    """
    At its subject and below it; the same id elsewhere is another command.
    """
    guard = not_carried_out(Subject("/a/1"), "7")
    await store.commit([carried_out("/a/2", "7"), carried_out("/a/1", "8"), carried_out("/a/11", "7")], [guard])
    await store.commit([carried_out("/a/1/x", "7")], [guard])

    # Once looked up, once more from what is remembered.
    for _ in range(2):
        with pytest.raises(PreconditionFailedError) as excinfo:
            await store.commit([carried_out("/a/1", "7")], [guard])
        assert (excinfo.value.name, excinfo.value.query) == (NOT_CARRIED_OUT, guard.query)
    await store.commit([carried_out("/a/3", "7")], [not_carried_out(Subject("/a/3"), "7")])


async def test_one_of_many_at_once_is_accepted(store: EventStore) -> None:
    """
    Guards of a group of commits see each other's events, each with its own subject and id.
    """

    async def commit(number: int) -> bool:
        subject, command_id = f"/a/{number % 4}", f"{number % 3}"
        try:
            await store.commit([carried_out(subject, command_id)], [not_carried_out(Subject(subject), command_id)])
        except PreconditionFailedError:
            return False
        return True

    assert sum(await asyncio.gather(*map(commit, range(48)))) == 12


@pytest.mark.parametrize("together", [False, True])
async def test_both_stores_decide_the_same(tmp_path: Path, together: bool) -> None:  # noqa: FBT001  drawn
    """
    Whatever subjects and ids come, one after the other or in groups: as if every event were looked at.
    """
    chance = seeded_random()
    asked = [(chance.choice(SUBJECTS), chance.choice(SUBJECTS), f"{chance.randrange(40)}") for _ in range(200)]

    async def decisions(store: EventStore) -> list[bool]:
        async def commit(place: str, subject: str, command_id: str) -> bool:
            metadata = Metadata(command_id=command_id, command_subject=subject)
            event = happened(place, _meta=metadata.of_event_at(place).to_data())
            try:
                await store.commit([event], [not_carried_out(Subject(subject), command_id)])
            except PreconditionFailedError:
                return False
            return True

        if together:
            return list(await asyncio.gather(*(commit(*each) for each in asked)))
        return [await commit(*each) for each in asked]

    carried: list[tuple[str, str, str]] = []
    expected: list[bool] = []
    for place, subject, command_id in asked:
        # Of a command whose subject is where the event is, or above, the event tells no more than that.
        known = "" if Subject(place) == subject or Subject(place).is_under(subject) else subject
        expected.append(
            not any(
                (other == subject or Subject(other).is_under(subject)) and not whose and other_id == command_id
                for other, whose, other_id in carried
            )
        )
        if expected[-1]:
            carried.append((place, known, command_id))
    async with EmbeddedEventStore(tmp_path / "store.db") as embedded, InMemoryEventStore() as memory:
        assert await decisions(embedded) == await decisions(memory) == expected


@pytest.mark.parametrize("events", [10, 20_000])
async def test_embedded_store_searches_at_any_size_of_the_log(tmp_path: Path, events: int) -> None:
    """
    SQLite's own word for the guard and the question: a search of the index on command ids, nothing scanned.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await fill(store, [carried_out("/a/1", f"{number}") for number in range(events)])
        for query in (not_carried_out(Subject("/a/1"), "7").tree, events_of_command(Subject("/a/1"), "7")):
            explanation = await store.explain(query)

            assert "events_command_id" in {part.index for part in explanation.parts}
            assert [line.split(" (")[0] for line in explanation.sqlite] == [
                "SEARCH e USING INDEX events_command_id",
            ]


async def test_memory_looks_only_at_the_events_of_the_command() -> None:
    """
    It says so, and events that are no longer as they were committed are not even read.
    """
    async with InMemoryEventStore() as store:
        await fill(store, [carried_out("/a/1", f"{number}") for number in range(100)])
        explanation = await store.explain(not_carried_out(Subject("/a/1"), "7").tree)

        assert ("index", "command ids") in {(part.how, part.index) for part in explanation.parts}
        # What cannot be read shows whether it is read.
        store._events[50] = store._events[50]._replace(data_json="no JSON")
        assert len(await rows(store, events_of_command(Subject("/a"), "7"))) == 1


async def test_guard_of_a_command_is_decided_without_a_change_of_threads(tmp_path: Path) -> None:
    """
    For a command that is alone two hand-overs between threads would cost as much as all the rest.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await fill(store, [carried_out("/a/1", f"{number}") for number in range(500)])
        await store.commit([carried_out("/a/1", "first")], [not_carried_out(Subject("/a/1"), "first")])
        guards = store._writer._guards  # type: ignore[union-attr]

        assert guards.is_quick(not_carried_out(Subject("/a/2"), "another").tree)
        assert not guards.is_quick(events_of_command(Subject("/a/2"), "another"))


async def test_command_ids_of_an_older_file_are_known(tmp_path: Path) -> None:
    """
    Opened for reading, it answers without the index; opened for writing, it gets it.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([carried_out("/a/1", "7"), happened("/a/1")])
    make_older(path, 3)

    async with EmbeddedEventStore(path, read_only=True) as store:
        assert len(await rows(store, events_of_command(Subject("/a"), "7"))) == 1
    async with EmbeddedEventStore(path) as store:
        with pytest.raises(PreconditionFailedError):
            await store.commit([carried_out("/a/1", "7")], [not_carried_out(Subject("/a/1"), "7")])
