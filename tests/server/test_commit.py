"""
``POST /commit``: the answer, preconditions, idempotency keys and what is refused.
"""

import json
import re
from typing import Any

import pytest

from tests.server.serving import Served, event, failure, serving

NONE_YET = {"type": "isQueryResultTrue", "payload": {"query": "STREAM e FROM events MAP COUNT() == 0"}}


def precondition(kind: str, **payload: str) -> dict[str, Any]:
    """
    A precondition as an SDK sends it.
    """
    return {"type": kind, "payload": payload}


async def test_commit_answers_with_the_recorded_events(served_each: Served) -> None:
    """
    Status 200 and nothing else, success, and the events in the order given with what the server decided.
    """
    response = await served_each.post("/commit", {"events": [event("/a/1"), event("/a/2", data={"b": 1, "a": "ü"})]})

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body["success"] is True
    first, second = body["events"]
    assert list(first) == [
        "source", "subject", "type", "specversion", "id", "time", "datacontenttype", "predecessorhash", "data", "hash",
    ]  # fmt: skip
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", first["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", first["time"])
    assert first["predecessorhash"] == "0" * 64
    assert second["predecessorhash"] == first["hash"]
    assert second["time"] > first["time"]
    assert (second["subject"], second["data"]) == ("/a/2", {"a": "ü", "b": 1})
    assert body["events"] == await served_each.stream("/a")


async def test_members_that_the_server_decides_are_ignored(served: Served) -> None:
    """
    Go and Swift send id, time and more with each event.
    """
    (recorded,) = await served.commit(event(id="mine", time="2001-01-01T00:00:00Z", hash="x", specversion="0.1"))

    assert recorded["id"] != "mine"
    assert recorded["time"] > "2020"
    assert recorded["specversion"] == "1.0"


async def test_empty_data_is_data(served: Served) -> None:
    """
    An event may say all by its type.
    """
    (recorded,) = await served.commit(event(data={}))

    assert recorded["data"] == {}


@pytest.mark.parametrize(
    ("holding", "failing"),
    [
        (precondition("isSubjectNew", subject="/new"), precondition("isSubjectNew", subject="/a/1")),
        (precondition("isSubjectExisting", subject="/a/1"), precondition("isSubjectExisting", subject="/new")),
        (
            precondition("isQueryResultTrue", query="STREAM e FROM events MAP COUNT() == 1"),
            precondition("isQueryResultTrue", query="STREAM e FROM events MAP COUNT() == 0"),
        ),
        (
            precondition("isQueryResultTrue", query="STREAM e FROM events WHERE e.subject == '/a/1' MAP COUNT() == 1"),
            precondition(
                "isQueryResultTrue", query="FROM e IN events WHERE e.subject == '/a/1' PROJECT INTO COUNT() < 1"
            ),
        ),
    ],
    ids=["isSubjectNew", "isSubjectExisting", "isQueryResultTrue", "version"],
)
async def test_failed_precondition_says_which(served_each: Served, holding: Any, failing: Any) -> None:
    """
    Status 412, the place and the type of the first that does not hold, and nothing is written.
    """
    await served_each.commit(event("/a/1"))

    refused = await served_each.post("/commit", {"events": [event("/b")], "preconditions": [holding, failing, failing]})

    assert failure(refused) == (412, "precondition-failed")
    assert refused.json()["precondition"] == {"index": 1, "type": failing["type"]}
    assert len(await served_each.stream("/")) == 1
    await served_each.commit(event("/b"), preconditions=[holding])


async def test_new_subject_may_get_two_events_at_once(served: Served) -> None:
    """
    Preconditions see nothing of their own commit.
    """
    await served.commit(event("/a"), event("/a"), preconditions=[precondition("isSubjectNew", subject="/a")])


async def test_subject_is_new_whatever_lies_below_it(served: Served) -> None:
    """
    Or ``/order/1/items/2`` would block ``/order/1``.
    """
    await served.commit(event("/order/1/items/2"))

    await served.commit(event("/order/1"), preconditions=[precondition("isSubjectNew", subject="/order/1")])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"events": []}, "invalid-request"),
        ({}, "invalid-request"),
        ([], "invalid-request"),
        ({"events": [event(subject="a")]}, "invalid-subject"),
        ({"events": [event(subject="/")]}, "invalid-subject"),
        ({"events": [event(subject="/a//b")]}, "invalid-subject"),
        ({"events": [event(subject="/a/")]}, "invalid-subject"),
        ({"events": [event(type="")]}, "invalid-request"),
        ({"events": [event(source="with space")]}, "invalid-request"),
        ({"events": [event(data=[1])]}, "invalid-request"),
        ({"events": [event(data=None)]}, "invalid-request"),
        ({"events": [event(data={"a": "\0"})]}, "unstorable-data"),
        ({"events": [event()], "preconditions": [{"type": "isSubjectFuture", "payload": {}}]}, "invalid-request"),
        ({"events": [event()], "preconditions": [precondition("isSubjectNew")]}, "invalid-request"),
        ({"events": [event()], "preconditions": [precondition("isSubjectNew", subject="a")]}, "invalid-subject"),
        ({"events": [event()], "preconditions": [precondition("isQueryResultTrue", query="INVALID")]}, "query-syntax"),
    ],
)
async def test_malformed_commit_is_refused_and_nothing_written(served: Served, body: Any, code: str) -> None:
    """
    Status 400, also for a precondition that nobody knows: one that cannot be checked must not pass.
    """
    assert failure(await served.post("/commit", body)) == (400, code)
    assert await served.stream("/") == []


async def test_one_bad_event_refuses_all(served: Served) -> None:
    """
    The answer names it.
    """
    response = await served.post("/commit", {"events": [event("/a"), event("/b", type="a b")]})

    assert failure(response) == (400, "invalid-request")
    assert response.json()["details"]["place"] == "events[1]"
    assert await served.stream("/") == []


async def test_line_as_stored_stays_below_64_kib(served: Served) -> None:
    """
    The Go SDK cannot read a longer one; the limit counts all that is in the line, its newline too.
    """
    line = len(json.dumps((await served.commit(event("/x", data={"a": ""})))[0], separators=(",", ":"))) + 1
    room = 65_535 - line

    (largest,) = await served.commit(event("/a", data={"a": "x" * room}))
    too_large = await served.post("/commit", {"events": [event("/a", data={"a": "x" * (room + 1)})]})

    assert len(json.dumps(largest, separators=(",", ":"))) + 1 == 65_535
    assert failure(too_large) == (400, "event-too-large")
    assert len(await served.stream("/a")) == 1


async def test_idempotency_key_makes_a_repeat_harmless(served_each: Served) -> None:
    """
    The first answer comes again, header and all, though the precondition does not hold any more.
    """
    body = {"events": [event("/a")], "preconditions": [NONE_YET]}

    first = await served_each.post("/commit", body, headers={"Idempotency-Key": "key-1"})
    again = await served_each.post("/commit", body, headers={"Idempotency-Key": "key-1"})
    without = await served_each.post("/commit", body)

    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == "key-1"
    assert without.status_code == 412
    assert "idempotency-key" not in (await served_each.get("/subjects")).headers
    assert len(await served_each.stream("/")) == 1


async def test_idempotency_key_names_one_commit(served_each: Served) -> None:
    """
    With other events it is refused; without a key nothing is echoed.
    """
    headers = {"Idempotency-Key": "key-1"}
    await served_each.post("/commit", {"events": [event("/a")]}, headers=headers)

    response = await served_each.post("/commit", {"events": [event("/b")]}, headers=headers)

    assert failure(response) == (422, "idempotency-key-reused")
    assert len(await served_each.stream("/")) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü"])
async def test_malformed_idempotency_key_is_refused(served: Served, key: str) -> None:
    """
    Never ignored: the client relies on it.
    """
    response = await served.post("/commit", {"events": [event()]}, headers={"Idempotency-Key": key.encode("latin-1")})

    assert failure(response) == (400, "invalid-request")


async def test_precondition_that_takes_too_long_is_refused() -> None:
    """
    All other commits wait for it, so it has a quarter of a second.
    """
    async with serving() as served:
        await served.commit(*[event(f"/a/{number}") for number in range(3_000)])
        slow = " AND ".join(f"UPPER(e.subject) != '/{number}'" for number in range(60))
        query = f"STREAM e FROM events WHERE {slow} MAP COUNT() > 1"

        body = {"events": [event()], "preconditions": [precondition("isQueryResultTrue", query=query)]}
        response = await served.post("/commit", body)

    assert response.status_code in {200, 422}
    if response.status_code == 422:
        assert failure(response) == (422, "query-budget")


async def test_large_commit_is_taken(served: Served) -> None:
    """
    A body beyond what is taken apart at once.
    """
    recorded = await served.commit(*[event(f"/a/{number}") for number in range(1_000)])

    assert [one["subject"] for one in recorded] == [f"/a/{number}" for number in range(1_000)]


DOCUMENTED = [
    "STREAM e FROM events WHERE e.data.email == 'john.doe@example.com' MAP COUNT() == 0",
    (
        "STREAM e FROM events WHERE e.subject UNDER '/user/123' AND e.type == 'transaction-processed' AND e.time >= "
        "'2024-01-01T00:00:00Z' MAP SUM(e.data.amount) + 500 <= 10000"
    ),
    (
        "STREAM e FROM events WHERE e.subject UNDER '/conference/2024/registrations' AND "
        "e.type == 'registration-created' GROUP BY e.data.ticketType HAVING e.data.ticketType == 'premium' "
        "MAP COUNT() < 50"
    ),
    "FROM e IN events WHERE e.data.eventId == 'conf-2024' PROJECT INTO COUNT() < 500",
]


@pytest.mark.parametrize("query", DOCUMENTED, ids=["uniqueness", "limit", "group", "old dialect"])
async def test_documented_preconditions_admit_the_first(served_each: Served, query: str) -> None:
    """
    On an empty store: a count over nothing is 0, a sum too, and a group of nothing counts as one.
    """
    await served_each.commit(event("/a"), preconditions=[precondition("isQueryResultTrue", query=query)])


async def test_documented_limit_counts_what_lies_below(served_each: Served) -> None:
    """
    UNDER is the subject itself and all below it; DESCENDANTS leaves out the subject itself.
    """
    await served_each.commit(*[event(f"/u/1{rest}", data={"amount": 4_000}) for rest in ("", "/a")], event("/u/12"))
    under = "STREAM e FROM events WHERE e.subject UNDER '/u/1' MAP SUM(e.data.amount) + 2500 <= 10000"
    below = "STREAM e FROM events WHERE e.subject DESCENDANTS '/u/1' MAP SUM(e.data.amount) + 2500 <= 10000"

    await served_each.commit(event("/b"), preconditions=[precondition("isQueryResultTrue", query=below)])
    refused = await served_each.post(
        "/commit", {"events": [event("/b")], "preconditions": [precondition("isQueryResultTrue", query=under)]}
    )

    assert failure(refused) == (412, "precondition-failed")


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("STREAM e FROM events MAP 1", True),
        ("STREAM e FROM events MAP { a: 1 }", True),
        ("STREAM e FROM events MAP 0", False),
        ("STREAM e FROM events MAP null", False),
        ("STREAM e FROM events MAP ''", False),
        ("STREAM e FROM events MAP []", False),
        ("STREAM e FROM events MAP {}", False),
        ("STREAM e FROM events MAP e.data.n > 1", False),
        ("STREAM e FROM events MAP e.data.n > 0", True),
        ("STREAM e FROM events WHERE false MAP true", False),
    ],
)
async def test_what_is_true(served_each: Served, query: str, *, holds: bool) -> None:
    """
    All rows are, and there is one.
    """
    await served_each.commit(event("/a", data={"n": 1}), event("/a", data={"n": 2}))

    body = {"events": [event("/b")], "preconditions": [precondition("isQueryResultTrue", query=query)]}

    assert (await served_each.post("/commit", body)).status_code == (200 if holds else 412)
