"""
Bodies of requests: small ones for what only reads, and no body that keeps the others waiting.
"""

import asyncio
import gzip
import json
from typing import Any

import pytest

from tests.server.raw import connected, request
from tests.server.serving import READER, WRITER, Served, event, failure, serving

READING = ["/stream", "/q", "/query", "/observe", "/explain"]

# Small in bytes and slow to parse.
SLOW = {
    "objects": b"[" + b",".join([b"{}"] * 300_000) + b"]",
    "lists": b"[" + b",".join([b"[]"] * 300_000) + b"]",
    "deep": b"[" * 600_000,
    "digits": b"[" + b",".join([b"9" * 4_000] * 200) + b"]",
    "escapes": b'["' + b"\\u0041" * 150_000 + b'"]',
    "names": b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}",
}


def body_with(member: bytes) -> bytes:
    """
    A commit that is right, with a member that no server knows.
    """
    commit = json.dumps({"events": [event()]}).encode()
    return commit[:-1] + b',"unknown":' + member + b"}"


@pytest.mark.parametrize("path", READING)
async def test_body_of_a_request_that_reads_is_small(served: Served, path: str) -> None:
    """
    Beyond 32 KiB it is refused before it is parsed; up to there it is taken.
    """
    headers = {"authorization": f"Bearer {READER}"}
    asked = {"subject": "/", "query": "STREAM e FROM events MAP COUNT()", "x": ""}
    room = 32 * 1024 - len(json.dumps(asked, separators=(",", ":")))
    large = await served.post(path, {**asked, "x": "y" * (room + 1)}, headers=headers)

    assert failure(large) == (413, "request-too-large")
    async with served.http.stream(
        "POST", f"/api/v1{path}", json={**asked, "x": "y" * room}, headers=headers
    ) as response:
        assert response.status_code == 200


@pytest.mark.parametrize("path", READING)
async def test_large_body_of_a_reader_is_not_even_waited_for(served: Served, path: str) -> None:
    """
    Its length is told in the headers, and the answer comes before the body does.
    """
    async with connected(served) as raw:
        whole = request("POST", f"/api/v1{path}", b"x" * 1_000_000, token=READER)
        await raw.send(whole[:200])

        assert (await raw.read_answer())[0] == 413


@pytest.mark.parametrize("slow", SLOW)
async def test_others_are_answered_while_a_large_body_is_parsed(
    served: Served, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A commit whose JSON takes long: requests of others come and go before it is parsed.
    """
    from eventsource.server import events as endpoint  # noqa: PLC0415  what is slowed down below

    answered = asyncio.Event()
    loop = asyncio.get_running_loop()
    parse: Any = endpoint._read_commit

    def parse_when_others_were_answered(body: bytes) -> Any:
        # In the event loop this would wait for ever: it is what answers the others.
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(timeout=60)
        return parse(body)

    monkeypatch.setattr(endpoint, "_read_commit", parse_when_others_were_answered)
    headers = {"authorization": f"Bearer {WRITER}"}
    commit = asyncio.create_task(
        served.http.post("/api/v1/commit", content=body_with(SLOW[slow]), headers=headers, timeout=60)
    )
    for _ in range(3):
        assert (await served.http.get("/healthz")).status_code == 200
    answered.set()

    assert (await commit).status_code in {200, 400}


async def test_bodies_of_all_requests_together_have_a_limit() -> None:
    """
    One that does not fit beside those that are still coming is refused; what is left unfinished is let go.
    """
    async with serving(bodies_bytes=100_000, metrics=True) as served:
        body = body_with(b'"' + b"x" * 60_000 + b'"')
        async with connected(served) as first:
            await first.send(request("POST", "/api/v1/commit", body, token=WRITER)[:-1])
            while await held(served, "body") < 50_000:  # noqa: ASYNC110  a figure that is asked for
                await asyncio.sleep(0)
            refused = await served.http.post("/api/v1/commit", content=body)
            await first.send(body[-1:])

            assert failure(refused) == (503, "busy")
            assert (await first.read_answer())[0] == 200
        async with connected(served) as left:
            await left.send(request("POST", "/api/v1/commit", body, token=WRITER)[:-1])
            while await held(served, "body") < 50_000:  # noqa: ASYNC110  a figure that is asked for
                await asyncio.sleep(0)
        while await held(served, "body"):  # noqa: ASYNC110  a figure that is asked for
            await asyncio.sleep(0)

        assert (await served.http.post("/api/v1/commit", content=body)).status_code == 200


async def held(served: Served, what: str) -> float:
    """
    How many bytes a server says that it holds.
    """
    figures = (await served.http.get("/metrics")).text
    line = next(line for line in figures.splitlines() if line.startswith(f"genesisdb_held_{what}_bytes "))
    return float(line.split()[1])


async def test_commit_has_a_thousand_preconditions_at_most(served: Served) -> None:
    """
    Each one takes the writer's time, and all other commits wait meanwhile.
    """
    rules = [{"type": "isSubjectNew", "payload": {"subject": f"/a/{n}"}} for n in range(1_001)]
    response = await served.post("/commit", {"events": [event()], "preconditions": rules})

    assert failure(response) == (400, "invalid-request")
    assert (await served.post("/commit", {"events": [event()], "preconditions": rules[1:]})).status_code == 200


LONG = "x" * 500_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/commit", {"events": [event(LONG)]}),
        ("/commit", {"events": [event("/" + LONG)]}),
        ("/commit", {"events": [event(type=LONG)]}),
        ("/commit", {"events": [event(source=LONG)]}),
        ("/commit", {"events": [event(data={LONG: object.__name__, "a": [{LONG: 10**400}]})]}),
        ("/commit", {"events": [event()], "preconditions": [{"type": LONG}]}),
        ("/commit", {"events": [event()], "preconditions": [{"type": "isSubjectNew", "payload": {"subject": LONG}}]}),
        (
            "/commit",
            {"events": [event()], "preconditions": [{"type": "isQueryResultTrue", "payload": {"query": LONG}}]},
        ),
        (
            "/commit",
            {"events": [event()], "preconditions": [{"type": "isQueryResultTrue", "payload": {"query": "'" + LONG}}]},
        ),
        ("/erase", {"subject": "/" + LONG}),
        ("/erase", {"subject": LONG}),
        ("/erase", {"subject": "/a", "including": [LONG]}),
        ("/schema/register", {"type": LONG, "schema": {"properties": {"a": {"type": "string"}}}}),
        ("/schema/register", {"type": "t", "schema": {"properties": {LONG: {"type": 7}}}}),
        ("/schema/register", {"type": "t", "schema": {"properties": {"a": {LONG[:60_000]: 7}}}}),
        ("/schema/register", {"type": "t", "schema": {LONG: 7}}),
        ("/schema/register", {"type": "t", "schema": {"type": "object", "$ref": LONG[:60_000]}}),
        ("/schema/register", {"type": "t", "schema": {"type": "object", "pattern": "(" + LONG[:60_000]}}),
        ("/indexes", {"type": "t", "path": "data." + LONG + "'"}),
        ("/indexes", {"type": LONG, "path": "data.a"}),
        ("/indexes/drop", {"type": LONG, "path": LONG}),
        ("/stream", {"subject": LONG[:30_000]}),
        ("/stream", {"subject": "/", "options": {"lowerBound": LONG[:30_000]}}),
        ("/stream", {"subject": "/", "options": {"lower-bound" + "_" * 30_000: 1}}),
        ("/observe", {"subject": "/", "options": {"upperBound": LONG[:30_000]}}),
        ("/q", {"query": LONG[:30_000]}),
        ("/q", {"query": "STREAM e FROM events WHERE e." + LONG[:15_000] + " == 1 MAP e"}),
        ("/explain", {"query": "STREAM e FROM events WHERE " + "(" * 15_000}),
    ],
)
async def test_refusal_does_not_send_back_what_it_was_sent(served: Served, path: str, body: Any) -> None:
    """
    It quotes the beginning at most, whatever is long: a subject, a type, a query, a member's name.
    """
    response = await served.post(path, body)

    assert response.status_code in {200, 400, 404, 413}, response.text[:500]
    # A query that is no longer than the language allows goes back as it came: its errors name places in it.
    assert len(response.content) < 20_000


async def test_preconditions_of_a_commit_have_a_time_together(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Many that each take little are refused with a named error, and nothing is written.
    """
    passed = iter(range(10_000))
    monkeypatch.setattr("eventsource.store.commit.work_clock", lambda: lambda: next(passed) * 0.1)
    query = "STREAM e FROM events WHERE e.subject == '/none' MAP COUNT() == 0"
    rules = [{"type": "isQueryResultTrue", "payload": {"query": query}}] * 20

    refused = await served.post("/commit", {"events": [event()], "preconditions": rules})

    assert failure(refused) == (422, "query-budget")
    assert await served.stream() == []
    assert (await served.post("/commit", {"events": [event()], "preconditions": rules[:8]})).status_code == 200


@pytest.mark.parametrize("path", [*READING, "/commit", "/erase", "/schema/register", "/indexes", "/backup/restore"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
async def test_no_compressed_body_is_unpacked(served: Served, path: str, encoding: str) -> None:
    """
    Whatever the endpoint.
    """
    body = gzip.compress(b"[" * 1_000_000)
    response = await served.http.post(f"/api/v1{path}", content=body, headers={"content-encoding": encoding})

    assert failure(response) == (415, "unsupported-encoding")
