"""
What the test suites of the official SDKs expect of a server, in our words and on the wire.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from eventsource.server import ServerSettings
from tests.server.serving import ADMINISTRATOR, HEARTBEAT, TOKENS, Served, event, lines, serving

REFERENCE = {"options": {"storeDataAsReference": True}}


async def test_erasing_leaves_keys_with_empty_texts(served_each: Served) -> None:
    """
    The events stay with all their keys, their texts are empty; erasing twice is fine.
    """
    data = {"firstName": "Bruce", "lastName": "Wayne"}
    (before,) = await served_each.commit(event("/user/456", data=data, **REFERENCE))

    for _ in range(2):
        response = await served_each.post("/erase", {"subject": "/user/456"})
        assert response.status_code == 200

    (after,) = await served_each.stream("/user/456")
    assert after == {**before, "data": {"firstName": "", "lastName": ""}}
    assert await served_each.query("FROM e IN events PROJECT INTO e.data.firstName") == [""]


async def test_erasing_leaves_other_subjects_and_other_events(served_each: Served) -> None:
    """
    Subjects below, and what was not stored by reference, keep their data.
    """
    await served_each.commit(
        event("/user/456", data={"name": "a"}, **REFERENCE),
        event("/user/456", data={"name": "b"}),
        event("/user/456/notes", data={"name": "c"}, **REFERENCE),
    )

    await served_each.post("/erase", {"subject": "/user/456"})

    assert [each["data"]["name"] for each in await served_each.stream("/user/456")] == ["", "b", "c"]


async def test_customer_and_customers_are_strangers(served_each: Served) -> None:
    """
    Streams, observers and the operator UNDER all keep to whole segments.
    """
    await served_each.commit(*map(event, ["/customer", "/customer/1", "/customers", "/customers/1", "/customer1"]))
    wanted = ["/customer", "/customer/1"]

    assert [each["subject"] for each in await served_each.stream("/customer")] == wanted
    rows = await served_each.query("FROM e IN events WHERE e.subject UNDER '/customer' PROJECT INTO e.subject")
    assert rows == wanted
    start = (await served_each.stream())[0]["id"]
    async with served_each.observe("/customer", lowerBound=start, includeLowerBoundEvent=True) as observed:
        assert [each["subject"] for each in await observed.events(2)] == wanted


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        (rb'"/caf\u00e9/\ud83d\ude00"', "/café/😀"),
        ('"/café/😀"'.encode(), "/café/😀"),
        (rb'"\/a\/\"b\"\\c"', '/a/"b"\\c'),
        (b'"/a b%20c?d#e"', "/a b%20c?d#e"),
    ],
)
async def test_subjects_are_the_same_however_json_spells_them(
    served_each: Served, written: bytes, subject: str
) -> None:
    """
    Escapes mean characters, and nothing is decoded twice.
    """
    body = b'{"events":[{"source":"io.example","subject":%b,"type":"io.example.x","data":{}}]}' % written
    json = {"content-type": "application/json"}

    committed = await served_each.http.post("/api/v1/commit", content=body, headers=json)
    found = await served_each.http.post("/api/v1/stream", content=b'{"subject":%b}' % written, headers=json)

    assert committed.status_code == 200, committed.text
    assert committed.json()["events"][0]["subject"] == subject
    assert [each["subject"] for each in lines(found)] == [subject]


async def test_members_nobody_knows_are_tolerated(served: Served) -> None:
    """
    A newer SDK may send more than this server reads.
    """
    later: dict[str, Any] = {"somethingNew": {"a": [1]}}

    requests = {
        "/commit": {"events": [{**event(), **later}], **later},
        "/stream": {"subject": "/", "options": later, **later},
        "/q": {"query": "FROM e IN events PROJECT INTO e.id", **later},
        "/erase": {"subject": "/accounts/1", **later},
    }
    for path, body in requests.items():
        response = await served.post(path, body)
        assert response.status_code == 200, (path, response.text)


async def test_success_is_200_and_nothing_else(served: Served) -> None:
    """
    SDKs compare with 200: neither 201 nor 204 will do, also where there is nothing to say.
    """
    answers: list[httpx.Response] = [
        await served.post("/commit", {"events": [event()]}),
        await served.post("/stream", {"subject": "/nobody"}),
        await served.post("/q", {"query": "FROM e IN events WHERE e.subject == '/nobody' PROJECT INTO e"}),
        await served.post("/erase", {"subject": "/accounts/1"}),
        await served.post("/schema/register", {"type": "io.example.y", "schema": {"properties": {}}}),
        *[await served.get(path) for path in ("/status/ping", "/status/audit", "/status", "/subjects", "/types")],
    ]

    assert [answer.status_code for answer in answers] == [200] * len(answers)


async def test_ping_is_pong_without_a_token(served: Served) -> None:
    """
    Four characters, for whoever asks.
    """
    async with httpx.AsyncClient() as stranger:
        response = await stranger.get(f"{served.url}/api/v1/status/ping")

    assert (response.status_code, response.text) == (200, "pong")


async def test_heartbeats_come_before_sdks_give_up() -> None:
    """
    As the server is set up by default, a quiet stream is never silent for five seconds.
    """
    settings = ServerSettings(TOKENS)
    # Half of the time, since one may be late.
    assert settings.heartbeat_s <= 2.5
    async with serving(settings=settings) as served, served.observe() as observed:
        assert await observed.next_line() == HEARTBEAT


async def test_both_dialects_are_one_language(served_each: Served) -> None:
    """
    What the SDKs' tests ask in the older words is answered as in the newer ones.
    """
    await served_each.commit(*[event(f"/accounts/{cents}", data={"cents": cents}) for cents in (1, 2, 3)])

    older = (
        "FROM e IN events WHERE e.data.cents > 1 ORDER BY e.time DESC TOP 1 PROJECT INTO { id: e.id, c: e.data.cents }"
    )
    newer = "STREAM e FROM events WHERE e.data.cents > 1 ORDER BY e.time DESC LIMIT 1 MAP { id: e.id, c: e.data.cents }"

    (row,) = await served_each.query(newer)
    assert await served_each.query(older) == [row]
    assert row["c"] == 3


async def test_token_is_a_bearer_token(served: Served) -> None:
    """
    As ``Authorization: Bearer``; anything else is 401, and 401 says nothing of the store.
    """
    async with httpx.AsyncClient(base_url=served.url) as http:
        for headers, status in (
            ({"authorization": f"Bearer {ADMINISTRATOR}"}, 200),
            ({"authorization": ADMINISTRATOR}, 401),
            ({"authorization": f"Bearer {ADMINISTRATOR}x"}, 401),
            ({}, 401),
        ):
            response = await http.post("/api/v1/stream", json={"subject": "/"}, headers=headers)
            assert response.status_code == status
