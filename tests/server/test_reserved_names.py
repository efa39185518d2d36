"""
Records of the library over HTTP: which token commits them, and in which form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from eventsource import NewEvent, connect, erase_subject, scoped
from eventsource.errors import ForbiddenError, ReservedNameError, UnstorableDataError
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.testing.clock import FixedClock
from tests.older_logs import erasure, forged
from tests.processes.bank import Bank, assert_exactly_once
from tests.server.serving import ADMINISTRATOR, READER, WRITER, Served, event, failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ERASED = {"eventIds": ["e-1"], "snapshotsPurged": 0}
REACTED = {"cause": "e-1", "causeType": "t", "causeTime": "2026-01-01T00:00:00Z"}

RESERVED: dict[str, dict[str, Any]] = {
    "an erasure at the root": event("/_erasures", type="io.eventsource.subject-erased", data=ERASED),
    "an erasure where it belongs": event("/people/2/_erasures", type="io.eventsource.subject-erased", data=ERASED),
    "an erasure without data": event("/people/2/_erasures", type="io.eventsource.subject-erased", data={}),
    "an erasure elsewhere": event("/people/2", type="io.eventsource.subject-erased", data=ERASED),
    "an erasure of another version": event(
        "/people/2/_erasures", type="io.eventsource.subject-erased", data=ERASED | {"_meta": {"version": 99}}
    ),
    "an erasure at a process": event("/process/loan/7", type="io.eventsource.subject-erased", data=ERASED),
    "a type that there is not": event(type="io.eventsource.some-day", data={}),
    "a plain event among the erasures": event("/people/2/_erasures"),
    "a plain event at a subject of the library": event("/_any/7"),
    "a plain event at a process": event("/process/loan/7"),
    "a note elsewhere": event("/loans/7", type="io.eventsource.process-reacted", data=REACTED),
    "a note without a guard": event("/process/loan/7", type="io.eventsource.process-reacted", data=REACTED),
    "a remembered event without a guard": event("/process/loan/7", type="io.eventsource.process-noted.any", data={}),
}


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _is_new(subject: str) -> dict[str, Any]:
    return {"type": "isSubjectNew", "payload": {"subject": subject}}


async def _commit(served: Served, token: str, *events: dict[str, Any], **members: Any) -> httpx.Response:
    return await served.post("/commit", {"events": events, **members}, headers=_headers(token))


@pytest.mark.parametrize("name", RESERVED)
async def test_a_writer_commits_no_record(served_each: Served, name: str) -> None:
    """
    A commit with a reserved type or subject is refused for the write token, and nothing of it is written.
    """
    answer = await _commit(served_each, WRITER, event(), RESERVED[name])

    assert failure(answer) == (403, "reserved-name")
    assert await served_each.store.count() == 0


@pytest.mark.parametrize("name", RESERVED)
async def test_an_administrator_commits_any_record(served: Served, name: str) -> None:
    """
    The token that erases may also record it, and bring the records of another store.
    """
    assert (await _commit(served, ADMINISTRATOR, event(), RESERVED[name])).status_code == 200


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("reacted", {}),
        ("reacted", REACTED | {"causeTime": "2026-01-01T00:00:00"}),
        ("reacted", REACTED | {"timers": [{"dueAt": "never", "type": "t", "data": {}}]}),
        ("parked", {"stage": "elsewhere"}),
        ("input-held", {"cause": 7}),
        ("some-day", {}),
    ],
)
async def test_a_writer_commits_no_note_that_does_not_decode(served: Served, kind: str, data: dict[str, Any]) -> None:
    """
    A note of a process that the library could not read back is refused, also under a guard.
    """
    note = event("/process/loan/7", type=f"io.eventsource.process-{kind}", data=data)

    answer = await _commit(served, WRITER, note, preconditions=[_is_new("/process/loan/7")])

    assert failure(answer) == (403, "reserved-name")


async def test_the_guard_of_one_process_admits_no_note_of_another(served: Served) -> None:
    """
    Each process that a commit writes notes to is guarded by its own version.
    """
    notes = [event(f"/process/loan/{id}", type="io.eventsource.process-reacted", data=REACTED) for id in (7, 8)]
    guard = _is_new("/process/loan/7")

    assert failure(await _commit(served, WRITER, *notes, preconditions=[guard])) == (403, "reserved-name")
    assert (await _commit(served, WRITER, notes[0], preconditions=[guard])).status_code == 200


@pytest.mark.parametrize("token", [WRITER, ADMINISTRATOR])
@pytest.mark.parametrize(
    "metadata",
    [
        "text",
        [],
        7,
        None,
        True,
        {"commandId": 7},
        {"commandDigest": ["x"]},
        {"actor": {"name": "x"}},
        {"version": "2"},
        {"version": -1},
        {"version": 2**40},
        {"version": True},
        {"held": 1},
        {"held": ""},
        {"own": {"deep": {"deeper": 1}}},
        {"own": [1]},
    ],
    ids=repr,
)
async def test_metadata_of_another_shape_is_refused(served: Served, token: str, metadata: object) -> None:
    """
    Readers rely on the shape of metadata, so no token commits another one.
    """
    answer = await _commit(served, token, event(data={"cents": 1, "_meta": metadata}))

    assert failure(answer) == (400, "unstorable-data")
    assert await served.store.count() == 0


async def test_metadata_of_the_right_shape_is_taken(served: Served) -> None:
    """
    What a client of ours writes, and single values under names of its own.
    """
    metadata = {"commandId": "c", "actor": None, "version": 2, "held": "yes", "tenant": "acme", "retry": 1}

    (recorded,) = await served.commit(event(data={"cents": 1, "_meta": metadata}))

    assert recorded["data"]["_meta"] == metadata


async def test_erasing_takes_the_administrator(served: Served) -> None:
    """
    The administrator erases and records it; a writer does neither, and leaves no record behind.
    """
    await served.commit(event("/people/2"))
    await served.post("/commit", {"events": [event("/people/2", options={"storeDataAsReference": True})]})
    async with connect(served.url, token=WRITER) as writer:
        with pytest.raises(ForbiddenError):
            await erase_subject(writer, "/people/2")
    async with connect(served.url, token=ADMINISTRATOR) as store:
        erasure = await erase_subject(store, "/people/2")
        in_a_part = scoped(store, "/people")
        assert (await erase_subject(in_a_part, "/2")).recorded == ()

    assert len(erasure.event_ids) == 1
    assert await served.store.count("/people/2/_erasures") == 1


@pytest.mark.parametrize("token", [WRITER, ADMINISTRATOR])
async def test_a_client_refuses_before_it_sends(served: Served, token: str) -> None:
    """
    A Genesis DB would take it, so the store over HTTP asks nobody, whatever its token allows.
    """
    sent: list[str] = []

    async def note(request: httpx.Request) -> None:
        sent.append(request.url.path)

    async with (
        httpx.AsyncClient(event_hooks={"request": [note]}) as http,
        GenesisDBEventStore(served.url, token=token, http=http) as store,
    ):
        for new in (
            NewEvent(subject="/people/2/_erasures", type="io.eventsource.subject-erased", data=ERASED),
            NewEvent(subject="/process/loan/7", type="io.example.any", data={}),
        ):
            with pytest.raises(ReservedNameError):
                await store.commit([new])
    assert sent == []


async def test_a_client_that_marks_its_records_needs_the_role_all_the_same(served: Served) -> None:
    """
    The mark of the library stays in its process: over HTTP the token decides, and the client gets the named error.
    """
    async with connect(served.url, token=WRITER) as store:
        for new in (erasure("/people/2/_erasures", "e-1"), forged("/process/loan/7", "io.example.any", {})):
            with pytest.raises(ReservedNameError) as caught:
                await store.commit([new])
            assert caught.value.name in {new.type, new.subject}
        with pytest.raises(UnstorableDataError):
            await store.commit([forged("/people/2", "io.example.any", {"_meta": "x"})])
    assert await served.store.count() == 0


@pytest.fixture(params=["whole", "tenant"])
async def bank(request: pytest.FixtureRequest, served: Served) -> AsyncGenerator[Bank]:
    """
    A bank whose workers reach their store, or their part of it, with the write token.
    """
    clock = FixedClock()
    async with connect(served.url, token=WRITER) as store:
        yield Bank(scoped(store, "/tenants/acme") if request.param == "tenant" else store, clock)


async def test_a_worker_of_processes_needs_no_more_than_the_write_token(bank: Bank) -> None:
    """
    Reactions, commands, refusals, timers and what processes remember are committed as always.
    """
    await bank.open("ada", cents=100_00)
    await bank.open("bob", cents=0)
    await bank.request("1", "ada")
    await bank.order("9", "ada", "bob")
    await bank.work()
    await bank.sign("1")
    for _ in range(4):
        bank.clock.advance(days=31)
        await bank.work()

    assert "ProcessReacted" in await bank.names("/process")
    assert "CommandDispatched" in await bank.names("/process")
    assert "TimerFired" in await bank.names("/process")
    await assert_exactly_once(bank.store)


async def test_a_reader_commits_nothing(served: Served) -> None:
    """
    The read token is refused for its role, reserved or not.
    """
    answer = await _commit(served, READER, RESERVED["an erasure at the root"])

    assert failure(answer) == (403, "forbidden")


async def test_a_worker_without_the_write_token_says_so(served: Served) -> None:
    """
    A worker with the read token fails with the named error, and writes nothing.
    """
    async with connect(served.url, token=ADMINISTRATOR) as store:
        bank = Bank(store, FixedClock())
        await bank.open("ada")
        await bank.request("1", "ada")
    before = await served.store.count()
    async with connect(served.url, token=READER) as store:
        with pytest.raises(ForbiddenError):
            await Bank(store, FixedClock()).work()

    assert await served.store.count() == before
